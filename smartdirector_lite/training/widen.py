"""A wider encoder that starts as the narrow one was: what it has learned is kept, and there is room for more.

After Net2Net (Chen et al. 2016), but new channels begin at zero rather than as copies: their incoming weights are zero
and their outgoing ones random, so that none changes anything yet and each has a gradient of its own.
"""

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor


@torch.no_grad()
def widen_encoder(vae: AutoencoderKLWan, base_dim: int) -> AutoencoderKLWan:
    """A VAE of the same function whose encoder has `base_dim` channels; the decoder is copied. ValueError for fewer.

    The norms divide by the root mean square over all channels, and attention by the root of their number: both are
    made up for.
    """
    if base_dim < vae.config.base_dim:
        raise ValueError(f"base_dim = {base_dim}: the encoder has {vae.config.base_dim} channels; give as many or more")
    wide, ratio = AutoencoderKLWan.from_config({**vae.config, "base_dim": base_dim}), base_dim / vae.config.base_dim
    old = vae.state_dict()
    for name, value in wide.state_dict().items():  # of the wide one's own storage
        if value.shape == old[name].shape:
            value.copy_(old[name])
        elif name.endswith("gamma"):
            value[: len(old[name])] = old[name]  # the new ones are 1: behind a zero, nothing would learn
            value.mul_(ratio**-0.5)
        elif "to_qkv" in name:
            for part, kept in zip(value.chunk(3), old[name].chunk(3), strict=True):
                _keep(part, kept)
            value[: len(value) // 3].mul_(ratio**0.5)
        else:
            _keep(value, old[name])
    return wide


def _keep(value: Tensor, kept: Tensor) -> None:
    """Put `kept` first in every dimension of `value`; what leads to a new channel becomes zero."""
    value[len(kept) :] = 0
    value[tuple(slice(size) for size in kept.shape)] = kept
