"""A widened encoder says what the narrow one said, and every new channel can learn."""

import dataclasses

import pytest
import torch
from diffusers import AutoencoderKLWan
from tiny import WAN22_VAE
from torch.testing import assert_close

from smartdirector_lite.training import vae as training
from smartdirector_lite.training.parallel_vae import decode_frames, encode_moments
from smartdirector_lite.training.widen import widen_encoder

LEVELS = {
    "tiny": {},
    "wan2.2": {"dim_mult": [1, 2, 4, 4], "temperal_downsample": [False, True, True], "scale_factor_spatial": 16},
}


def narrow_vae(**changes) -> AutoencoderKLWan:
    """With gains and biases that are not 1 and 0."""
    torch.manual_seed(0)
    vae = AutoencoderKLWan(**{**WAN22_VAE, **changes}).eval()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return vae


@torch.no_grad()
@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("base_dim", [16, 20, 40])
def test_it_has_the_same_function(levels, base_dim):
    narrow, video = narrow_vae(**LEVELS[levels]), torch.rand(1, 3, 9, 32, 48) * 2 - 1
    wide = widen_encoder(narrow, base_dim).eval()
    assert wide.config.base_dim == base_dim and wide.encoder.conv_in.out_channels == base_dim
    moments = narrow._encode(video)
    assert moments.std() > 0.1
    assert_close(wide._encode(video), moments, atol=1e-5, rtol=1e-4)
    assert torch.equal(wide._decode(moments[:, :8]).sample, narrow._decode(moments[:, :8]).sample)
    kept = {parameter.data_ptr() for parameter in narrow.parameters()}
    assert not kept & {parameter.data_ptr() for parameter in wide.parameters()}


def test_every_new_channel_has_a_gradient_of_its_own():
    narrow = narrow_vae()
    wide = widen_encoder(narrow, 24)
    encode_moments(wide, torch.rand(2, 3, 9, 32, 48) * 2 - 1).square().mean().backward()
    for name, parameter in wide.encoder.named_parameters():
        old = narrow.get_parameter(f"encoder.{name}")
        if name.endswith("weight") and len(parameter) > len(old) and "to_qkv" not in name:
            rows = parameter.grad[len(old) :].flatten(1)
            assert (rows.norm(dim=1) > 0).all(), name
            assert (torch.corrcoef(rows) - torch.eye(len(rows))).abs().max() < 0.999, name


def test_an_encoder_is_not_made_narrower():
    with pytest.raises(ValueError, match="base_dim = 8: the encoder has 16 channels; give as many or more"):
        widen_encoder(narrow_vae(), 8)


def test_the_encoder_alone_is_trained_wider(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "LAYOUTS", ((1.0, 1.0, 2, 5, 16, 16),))
    before = narrow_vae()
    before.save_pretrained(tmp_path / "before")
    config = training.VAEConfig(init=str(tmp_path / "before"), out=str(tmp_path / "run"), steps=3, warmup=0, ema=0.0)
    training.train_vae(dataclasses.replace(config, widen_encoder=24, freeze_decoder=True, keep_weight=0.1))
    after = AutoencoderKLWan.from_pretrained(tmp_path / "run" / "export")
    assert after.config.base_dim == 24 and after.config.latents_mean == before.config.latents_mean
    for name, parameter in after.named_parameters():
        old = before.get_parameter(name)
        if name.startswith(("decoder", "post_quant_conv")):
            assert torch.equal(parameter, old), name
        else:
            assert parameter.shape != old.shape or not torch.equal(parameter, old), name
    video = torch.rand(1, 3, 5, 16, 16) * 2 - 1
    latents = encode_moments(before, video)[:, :8]
    assert torch.equal(decode_frames(after, latents), decode_frames(before, latents))
