"""Multi-Chunk coding: encode and decode the chunks of a plan, each on its own, with a causal video VAE.

The VAE is diffusers' `AutoencoderKLWan` (Wan 2.1 and 2.2); every ratio comes from its config. A causal VAE encodes a
run's first frame alone and then s frames at a time, each seeing all before it. SmartDirector (arXiv 2605.27891,
"Multi-Chunk") begins such a run at every keyframe. So a keyframe is always encoded alone, and, the decoder being
causal too, comes back as exactly `decode(encode(keyframe))` whatever the other latents are.

diffusers keeps the causal feature cache on the VAE object, where an exception or a second decoder would find it half
used. Encoder and decoder take the cache as an argument, though; here it is a local list. So any number of decoders
may run side by side, in turns or in threads, and one that is abandoned leaves nothing behind.

Axes: B batch, T or N frames, H, W pixels; C latent channels, n or F latent frames, h, w latent height and width.
Latents are float32 and normalised unless said otherwise. `vae.enable_slicing()` (one sample at a time) and
`vae.enable_tiling()` are respected; a tiled chunk is decoded at once, since diffusers tiles around the time loop.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, patchify, unpatchify

from .timeline import ChunkPlan, num_latents_for

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


# ---------------------------------------------------------------- one causal run


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
    _check_video(vae, video)
    stride = vae.config.scale_factor_temporal
    x = _pad_tail(video, stride).to(vae.dtype)
    if vae.use_tiling and (x.shape[-1] > vae.tile_sample_min_width or x.shape[-2] > vae.tile_sample_min_height):
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
    return torch.cat(list(_decode_run(vae, latents)), dim=2)


def _decode_run(vae: AutoencoderKLWan, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Decode one causal run, latent by latent: 1 frame, then s at a time, as (B, 3, t, H, W) in [-1, 1]."""
    z = denormalize_latents(vae, latents).to(vae.dtype)
    ratio = vae.spatial_compression_ratio
    tile = (vae.tile_sample_min_height // ratio, vae.tile_sample_min_width // ratio)
    if vae.use_tiling and (z.shape[-2] > tile[0] or z.shape[-1] > tile[1]):
        with _cache_on_object(vae):
            frames = vae.decode(z, return_dict=False)[0]
        yield frames
        return
    _move_to_device(vae)
    parts = [vae.post_quant_conv(part) for part in (z.split(1) if vae.use_slicing else (z,))]
    caches = [_new_cache(vae.decoder) for _ in parts]
    for i in range(z.shape[2]):
        _move_to_device(vae)  # again, since other models may have run since the last frames were handed on
        frames = torch.cat(
            [
                vae.decoder(part[:, :, i : i + 1], feat_cache=cache, feat_idx=[0], first_chunk=(i == 0))
                for part, cache in zip(parts, caches, strict=True)
            ]
        )
        if vae.config.patch_size is not None:
            frames = unpatchify(frames, vae.config.patch_size)
        yield frames.clamp(-1.0, 1.0)


# ---------------------------------------------------------------- whole plans


@torch.no_grad()
def encode_conditions(vae: AutoencoderKLWan, plan: ChunkPlan, videos: list[torch.Tensor]) -> torch.Tensor:
    """Encode the conditions of a plan, as at inference; all keyframes go through the VAE as one batch.

    Args:
        videos: one (B, 3, L_i, H, W) in [-1, 1] per condition, in the order of `plan.conditions`.

    Returns:
        (B, C, F, h, w) normalised latents: the anchors (`plan.anchors`) filled, zeros elsewhere.

    Raises:
        ValueError: videos that don't match the conditions in number, length or size; a plan without conditions.
    """
    _check_plan(vae, plan)
    if not plan.conditions:
        raise ValueError("plan has no conditions: there is nothing to encode; start from noise alone")
    if len(videos) != len(plan.conditions):
        raise ValueError(f"videos has {len(videos)} entries: the plan has {len(plan.conditions)} conditions")
    for i, (video, condition) in enumerate(zip(videos, plan.conditions, strict=True)):
        _check_video(vae, video, f"videos[{i}]")
        expected = (*videos[0].shape[:2], condition.num_frames, *videos[0].shape[3:])
        if tuple(video.shape) != expected:
            raise ValueError(f"videos[{i}] has shape {tuple(video.shape)}: the plan and videos[0] need {expected}")
    encoded = _encode_batched(vae, videos)
    shape = latent_shape(vae, plan.num_latents, *videos[0].shape[-2:])
    latents = encoded[0].new_zeros(videos[0].shape[0], *shape)
    for chunk in plan.chunks:
        if chunk.condition is not None:
            latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_anchors] = encoded[chunk.condition]
    return latents


@torch.no_grad()
def encode_video(vae: AutoencoderKLWan, plan: ChunkPlan, video: torch.Tensor) -> torch.Tensor:
    """Encode a whole video chunk by chunk, as for training; chunks of equal length go through the VAE as one batch.

    Args:
        video: (B, 3, N, H, W) in [-1, 1], N = `plan.num_frames`.

    Returns:
        (B, C, F, h, w) normalised latents.

    Raises:
        ValueError: video of another length or shape than the plan and the VAE take.
    """
    _check_plan(vae, plan)
    _check_video(vae, video)
    if video.shape[2] != plan.num_frames:
        raise ValueError(f"video has {video.shape[2]} frames: the plan covers {plan.num_frames}")
    chunks = [video[:, :, chunk.start : chunk.stop] for chunk in plan.chunks]
    return torch.cat(_encode_batched(vae, chunks), dim=2)


def iter_decode(vae: AutoencoderKLWan, plan: ChunkPlan, latents: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """Decode a plan latent by latent, in order; memory does not grow with the video's length.

    Args:
        latents: (B, C, F, h, w), normalised.

    Returns:
        An iterator over (index of the first frame, frames (B, 3, t, H, W) in [-1, 1] in the VAE's dtype). Every frame
        of the video comes once; the surplus of each chunk is dropped. It may be abandoned at any point.

    Raises:
        ValueError: at once, not at the first frame, for latents that don't fit the plan or the VAE.
    """
    _check_plan(vae, plan)
    channels, num_latents = vae.config.z_dim, plan.num_latents
    if latents.ndim != 5 or latents.shape[1:3] != (channels, num_latents):
        shape = tuple(latents.shape)
        raise ValueError(f"latents has shape {shape}: VAE and plan need (B, {channels}, {num_latents}, h, w)")
    return _decode_plan(vae, plan, latents)


@torch.no_grad()
def _decode_plan(vae: AutoencoderKLWan, plan: ChunkPlan, latents: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    for chunk in plan.chunks:
        start = chunk.start
        for frames in _decode_run(vae, latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_latents]):
            frames = frames[:, :, : chunk.stop - start]
            yield start, frames
            start += frames.shape[2]


def decode(vae: AutoencoderKLWan, plan: ChunkPlan, latents: torch.Tensor) -> torch.Tensor:
    """Decode a plan: normalised latents (B, C, F, h, w) -> (B, 3, N, H, W) in [-1, 1]. Errors as `iter_decode`."""
    video = None
    for start, frames in iter_decode(vae, plan, latents):
        if video is None:
            video = frames.new_empty(*frames.shape[:2], plan.num_frames, *frames.shape[3:])
        video[:, :, start : start + frames.shape[2]] = frames
    return video


# ---------------------------------------------------------------- helpers


def _encode_batched(vae: AutoencoderKLWan, videos: list[torch.Tensor]) -> list[torch.Tensor]:
    """Encode runs (B, 3, L_i, H, W), those with equally many latents as one batch. In the order given."""
    padded = [_pad_tail(video, vae.config.scale_factor_temporal) for video in videos]
    latents: list[torch.Tensor] = [None] * len(videos)
    for length in sorted({video.shape[2] for video in padded}):
        group = [i for i, video in enumerate(padded) if video.shape[2] == length]
        encoded = encode_clip(vae, torch.cat([padded[i] for i in group]))
        for i, part in zip(group, encoded.chunk(len(group)), strict=True):
            latents[i] = part
    return latents


def _pad_tail(video: torch.Tensor, stride: int) -> torch.Tensor:
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


_LOCKS: "WeakKeyDictionary[torch.nn.Module, threading.Lock]" = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


@contextmanager
def _cache_on_object(vae: AutoencoderKLWan) -> Iterator[None]:
    """For the tiled ways, whose cache is on the VAE: one thread at a time, and empty afterwards, come what may."""
    with _LOCKS_GUARD:
        lock = _LOCKS.setdefault(vae, threading.Lock())
    with lock:
        try:
            yield
        finally:
            vae.clear_cache()


def _check_plan(vae: AutoencoderKLWan, plan: ChunkPlan) -> None:
    stride = vae.config.scale_factor_temporal
    if plan.stride != stride:
        raise ValueError(f"plan has stride {plan.stride}: the VAE's is {stride}; build the plan with stride={stride}")


def _check_video(vae: AutoencoderKLWan, video: torch.Tensor, name: str = "video") -> None:
    if video.ndim != 5 or video.shape[1] != 3 or 0 in video.shape:
        raise ValueError(f"{name} has shape {tuple(video.shape)}: give (B, 3, frames, height, width)")
    if not video.is_floating_point():
        raise ValueError(f"{name} is {video.dtype}: give floats in [-1, 1]")
    latent_shape(vae, 1, *video.shape[-2:])
