"""One causal run of frames through diffusers' Wan VAE: encoded and decoded without the cache on the VAE object.

diffusers keeps the causal feature cache on the VAE, where an exception or a second decoder would find it half used.
Encoder and decoder take the cache as an argument, though; here it is a local list. So any number of decoders may run
side by side, in turns or in threads, and one that is abandoned leaves nothing behind. `vae.enable_slicing()` (one
sample at a time) and `vae.enable_tiling()` are respected. A tiled run is decoded tile by tile, as by diffusers,
each from its first frame to its last; the tiles wait in the CPU's memory, so that a GPU holds one.

Axes: B batch, T frames, H, W pixels; C latent channels, n latent frames, h, w latent height and width; s frames a
latent. Latents are float32 and normalised unless said otherwise.
"""

import functools
import itertools
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from accelerate.hooks import CpuOffload
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, patchify, unpatchify

from ..timeline import num_latents_for

# ---------------------------------------------------------------- latents


def normalize_latents(vae: AutoencoderKLWan, z: torch.Tensor) -> torch.Tensor:
    """The VAE's latents (B, C, n, h, w) -> (z - mean) / std with the statistics of its config, in float32."""
    mean, std = _latent_statistics(vae, z.device)
    return (z.float() - mean) * (1.0 / std)


def denormalize_latents(vae: AutoencoderKLWan, z: torch.Tensor) -> torch.Tensor:
    """Normalised latents (B, C, n, h, w) -> z * std + mean, what the VAE decodes, in float32."""
    mean, std = _latent_statistics(vae, z.device)
    return z.float() / (1.0 / std) + mean


def _latent_statistics(vae: AutoencoderKLWan, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (1, vae.config.z_dim, 1, 1, 1)
    return (
        torch.tensor(vae.config.latents_mean, device=device).view(shape),
        torch.tensor(vae.config.latents_std, device=device).view(shape),
    )


def latent_shape(vae: AutoencoderKLWan, num_latents: int, height: int, width: int) -> tuple[int, int, int, int]:
    """(C, F, h, w) of latents for frames of height x width pixels. ValueError for a size that the VAE can't take."""
    ratio = vae.config.scale_factor_spatial
    if height % ratio or width % ratio or height < ratio or width < ratio:
        raise ValueError(f"frames are {height} x {width}: height and width must be multiples of {ratio}")
    return vae.config.z_dim, num_latents, height // ratio, width // ratio


# ---------------------------------------------------------------- runs


def encode_moments(vae: AutoencoderKLWan, video: torch.Tensor) -> torch.Tensor:
    """Encode one causal run; the posterior as the VAE gives it, for training. Follows the caller's grad mode.

    Args:
        video: (B, 3, T, H, W) in [-1, 1]; a tail shorter than the stride is padded by repeating the last frame
            (diffusers would drop it).

    Returns:
        (B, 2C, n, h, w) in the VAE's dtype: means, then log-variances; not normalised. n = 1 + ceil((T - 1) / s).

    Raises:
        ValueError: video of another shape, integer video, or a size that the VAE can't take.
    """
    check_video(vae, video)
    stride = vae.config.scale_factor_temporal
    x = pad_tail(video, stride).to(vae.dtype)
    if _needs_tiles(vae, x):
        with _cache_on_object(vae):
            return vae.encode(x, return_dict=False)[0].parameters
    _move_to_device(vae)
    if vae.config.patch_size is not None:
        x = patchify(x, vae.config.patch_size)
    parts = []
    for part in x.split(1) if vae.use_slicing else (x,):
        cache = _new_cache(vae.encoder)
        runs = [part[:, :, :1], *part[:, :, 1:].split(stride, dim=2)] if part.shape[2] > 1 else [part]
        parts.append(torch.cat([vae.encoder(run, feat_cache=cache, feat_idx=[0]) for run in runs], dim=2))
    return vae.quant_conv(torch.cat(parts))


def encode_clip(vae: AutoencoderKLWan, video: torch.Tensor) -> torch.Tensor:
    """Encode one causal run: (B, 3, T, H, W) in [-1, 1] -> normalised latents (B, C, n, h, w).

    Deterministic (the posterior's mode). The tail is padded, and errors are raised, as by `encode_moments`.
    """
    return normalize_latents(vae, encode_moments(vae, video).chunk(2, dim=1)[0])


def decode_clip(vae: AutoencoderKLWan, latents: torch.Tensor) -> torch.Tensor:
    """Decode one causal run: normalised latents (B, C, n, h, w) -> (B, 3, 1 + s (n - 1), H, W) in [-1, 1]."""
    return torch.cat(list(decode_run(vae, latents.split(1, dim=2))), dim=2)


def encode_run(vae: AutoencoderKLWan, frames: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Encode one causal run as its frames come: (B, 3, 1, H, W) each -> normalised latents (B, C, 1, h, w).

    What `encode_clip` gives, with the memory of one latent, of the whole batch: there is nothing to slice. The last
    group is padded by repeating its last frame.
    """
    cache, group, size = _new_cache(vae.encoder), [], 1
    frames = iter(frames)
    for frame in frames:
        if _needs_tiles(vae, frame):
            yield from encode_clip(vae, torch.cat([frame, *frames], dim=2)).split(1, dim=2)  # what is left, at once
            return
        group.append(frame)
        if len(group) == size:
            yield _encode_group(vae, torch.cat(group, dim=2), cache)
            group, size = [], vae.config.scale_factor_temporal
    if group:
        group += group[-1:] * (size - len(group))
        yield _encode_group(vae, torch.cat(group, dim=2), cache)


def _encode_group(vae: AutoencoderKLWan, frames: torch.Tensor, cache: list) -> torch.Tensor:
    """The next latent of a run, of 1 or s frames (B, 3, t, H, W); `cache` is what the frames before have left."""
    check_video(vae, frames)
    _move_to_device(vae)
    x = frames.to(vae.dtype)
    if vae.config.patch_size is not None:
        x = patchify(x, vae.config.patch_size)
    moments = vae.quant_conv(vae.encoder(x, feat_cache=cache, feat_idx=[0]))
    return normalize_latents(vae, moments.chunk(2, dim=1)[0])


def decode_run(vae: AutoencoderKLWan, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Decode one causal run as its latents (B, C, 1, h, w) come, normalised.

    Returns 1 frame for the first, then s for each, as (B, 3, t, H, W) in [-1, 1].
    """
    latents = iter(latents)
    first = next(latents, None)
    if first is None:
        return
    latents = itertools.chain([first], latents)
    if vae.use_tiling and _is_tiled(vae, first):
        yield from _decode_tiled(vae, torch.cat(list(latents), dim=2))
        return
    yield from map(functools.partial(_as_pixels, vae), _decode_patches(vae, latents))


def _decode_patches(vae: AutoencoderKLWan, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """What the decoder gives for each latent of a run: (B, 3 p p, t, H / p, W / p), of patches of p x p pixels."""
    caches: list[list] = []
    for i, latent in enumerate(latents):
        _move_to_device(vae)  # each time, since other models may have run since the last frames were handed on
        z = denormalize_latents(vae, latent).to(vae.dtype)
        parts = [vae.post_quant_conv(part) for part in (z.split(1) if vae.use_slicing else (z,))]
        caches = caches or [_new_cache(vae.decoder) for _ in parts]
        decoded = [
            vae.decoder(part, feat_cache=cache, feat_idx=[0], first_chunk=(i == 0))
            for part, cache in zip(parts, caches, strict=True)
        ]
        yield decoded.pop() if len(decoded) == 1 else torch.cat(decoded)
        decoded.clear()  # what was handed on is not held while the next is made


def _as_pixels(vae: AutoencoderKLWan, patches: torch.Tensor) -> torch.Tensor:
    if vae.config.patch_size is not None:
        patches = unpatchify(patches, vae.config.patch_size)
    return patches.clamp(-1.0, 1.0)


def _needs_tiles(vae: AutoencoderKLWan, frames: torch.Tensor) -> bool:
    return vae.use_tiling and (
        frames.shape[-1] > vae.tile_sample_min_width or frames.shape[-2] > vae.tile_sample_min_height
    )


def _is_tiled(vae: AutoencoderKLWan, latent: torch.Tensor) -> bool:
    ratio = vae.spatial_compression_ratio
    height, width = vae.tile_sample_min_height // ratio, vae.tile_sample_min_width // ratio
    return latent.shape[-2] > height or latent.shape[-1] > width


def _decode_tiled(vae: AutoencoderKLWan, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Decode a whole run (B, C, n, h, w) in overlapping tiles, blended as `vae.tiled_decode` blends them."""
    ratio, patch = vae.spatial_compression_ratio, vae.config.patch_size or 1
    tile = (vae.tile_sample_min_height, vae.tile_sample_min_width)
    step = (vae.tile_sample_stride_height, vae.tile_sample_stride_width)
    rows, columns = (side // ratio for side in tile)
    down, across = (side // patch for side in step)
    overlap = [side // patch - stride for side, stride in zip(tile, (down, across), strict=True)]
    above: list[torch.Tensor] = []
    strips = []
    for top in range(0, latents.shape[3], step[0] // ratio):
        row: list[torch.Tensor] = []
        for left in range(0, latents.shape[4], step[1] // ratio):
            part = latents[..., top : top + rows, left : left + columns]
            decoded = torch.cat([x.cpu() for x in _decode_patches(vae, part.split(1, dim=2))], dim=2)
            if above:
                decoded = vae.blend_v(above[len(row)], decoded, overlap[0])
            if row:
                decoded = vae.blend_h(row[-1], decoded, overlap[1])
            row.append(decoded)
        strips.append(torch.cat([x[..., :down, :across] for x in row], dim=-1))
        above = row
    height, width = (side * ratio // patch for side in latents.shape[3:])
    frames = torch.cat(strips, dim=3)[..., :height, :width]
    for group in (frames[:, :, :1], *frames[:, :, 1:].split(vae.config.scale_factor_temporal, dim=2)):
        if group.shape[2]:
            yield _as_pixels(vae, group.to(latents.device))


# ---------------------------------------------------------------- helpers


def pad_tail(video: torch.Tensor, stride: int) -> torch.Tensor:
    """(B, 3, T, H, W) -> the same with its last frame repeated until the length is s k + 1."""
    missing = 1 + stride * (num_latents_for(video.shape[2], stride) - 1) - video.shape[2]
    return torch.cat([video, video[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2) if missing else video


def _new_cache(coder: torch.nn.Module) -> list[None]:
    """An empty feature cache for the VAE's encoder or decoder: one slot per causal convolution."""
    return [None] * sum(isinstance(module, WanCausalConv3d) for module in coder.modules())


def _move_to_device(vae: AutoencoderKLWan) -> None:
    """What diffusers does before `vae.encode` and `vae.decode`: let model offloading bring the VAE in."""
    hook = getattr(vae, "_hf_hook", None)
    if hasattr(hook, "pre_forward"):
        hook.pre_forward(vae)


def release(model: torch.nn.Module | None) -> None:
    """Take a model that model offloading has brought in off the GPU again; does nothing to any other.

    Offloading makes room when the next model in its order runs; what encodes keyframes comes last in it, and would stay
    beside the transformer.
    """
    hook = getattr(model, "_hf_hook", None)
    if isinstance(hook, CpuOffload):
        hook.init_hook(model)


_LOCKS: "WeakKeyDictionary[torch.nn.Module, threading.Lock]" = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


@contextmanager
def _cache_on_object(vae: AutoencoderKLWan) -> Iterator[None]:
    """For tiled encoding, whose cache is on the VAE: one thread at a time, and empty afterwards, come what may."""
    with _LOCKS_GUARD:
        lock = _LOCKS.setdefault(vae, threading.Lock())
    with lock:
        try:
            yield
        finally:
            vae.clear_cache()


def check_video(vae: AutoencoderKLWan, video: torch.Tensor, name: str = "video") -> None:
    if video.ndim != 5 or video.shape[1] != 3 or 0 in video.shape:
        raise ValueError(f"{name} has shape {tuple(video.shape)}: give (B, 3, frames, height, width)")
    if not video.is_floating_point():
        raise ValueError(f"{name} is {video.dtype}: give floats in [-1, 1]")
    latent_shape(vae, 1, *video.shape[-2:])
