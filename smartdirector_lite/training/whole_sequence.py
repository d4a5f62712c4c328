"""Whole-sequence passes of the Wan VAE, for training: all frames of a clip go through the network at once.

diffusers encodes and decodes with a cache, one group of frames at a time, which bounds memory. A training step wants a
few large convolutions rather than hundreds of small ones. When the blocks of diffusers are called without a cache, they
leave temporal resampling out. The two functions below therefore walk the same modules and resample time themselves.
They give what `vae.encode` and `vae.decode` give, and a test compares the two.

Axes: B batch, T frames, H, W pixels; C channels, F latent frames, h, w latent height and width; s frames a latent.
"""

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import patchify, unpatchify
from torch import Tensor, nn


def encode_whole(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode whole clips in one pass.

    Args:
        video: (B, 3, T, H, W) in [-1, 1], T = s k + 1.

    Returns:
        (B, 2 z_dim, k + 1, h, w): means, then log-variances, not normalised.

    Raises:
        ValueError: for another T, and for a VAE without residual blocks (Wan 2.1), whose modules are others.
    """
    stride = vae.config.scale_factor_temporal
    if (video.shape[2] - 1) % stride:
        raise ValueError(f"video has {video.shape[2]} frames; the whole-sequence encoder takes {stride}k + 1")
    _check_residual(vae)
    encoder = vae.encoder
    x = encoder.conv_in(patchify(video, vae.config.patch_size or 1))
    for block in encoder.down_blocks:
        shortcut = block.avg_shortcut(x)
        for resnet in block.resnets:
            x = resnet(x)
        if block.downsampler is not None:
            x = _downsample(block.downsampler, x)
        x = x + shortcut
    x = encoder.mid_block(x)
    return vae.quant_conv(encoder.conv_out(encoder.nonlinearity(encoder.norm_out(x))))


def decode_whole(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Decode whole clips in one pass.

    Args:
        latents: (B, z_dim, k + 1, h, w), not normalised.

    Returns:
        (B, 3, s k + 1, H, W). The values are not clamped to [-1, 1], because a loss has no use for clamped values.

    Raises:
        ValueError: for a VAE without residual blocks (Wan 2.1).
    """
    _check_residual(vae)
    decoder = vae.decoder
    x = decoder.mid_block(decoder.conv_in(vae.post_quant_conv(latents)))
    for block in decoder.up_blocks:
        shortcut = None if block.avg_shortcut is None else block.avg_shortcut(x, first_chunk=True)
        for resnet in block.resnets:
            x = resnet(x)
        if block.upsampler is not None:
            x = _upsample(block.upsampler, x)
        if shortcut is not None:
            x = x + shortcut
    x = decoder.conv_out(decoder.nonlinearity(decoder.norm_out(x)))
    return unpatchify(x, vae.config.patch_size or 1)


def _check_residual(vae: AutoencoderKLWan) -> None:
    if not vae.config.is_residual:
        raise ValueError("the whole-sequence passes need a VAE with is_residual=True (Wan 2.2)")


def _downsample(block: nn.Module, x: Tensor) -> Tensor:
    """`WanResample` going down: it halves space, and time too but for the first frame, which stands alone."""
    x = _resample_space(block.resample, x)
    if block.mode == "downsample3d" and x.shape[2] > 1:
        x = torch.cat([x[:, :, :1], block.time_conv(x)], dim=2)
    return x


def _upsample(block: nn.Module, x: Tensor) -> Tensor:
    """`WanResample` going up: it doubles time but for the first frame, and then space."""
    if block.mode == "upsample3d" and x.shape[2] > 1:
        first, rest = x[:, :, :1], block.time_conv(x[:, :, 1:])
        b, _, t, h, w = rest.shape
        rest = rest.view(b, 2, x.shape[1], t, h, w).permute(0, 2, 3, 1, 4, 5).reshape(b, x.shape[1], 2 * t, h, w)
        x = torch.cat([first, rest], dim=2)
    return _resample_space(block.resample, x)


def _resample_space(resample: nn.Module, x: Tensor) -> Tensor:
    """Apply the 2-D part of a `WanResample` to every frame of `x: (B, C, T, H, W)`."""
    b, c, t, h, w = x.shape
    x = resample(x.transpose(1, 2).reshape(b * t, c, h, w))
    return x.unflatten(0, (b, t)).transpose(1, 2)
