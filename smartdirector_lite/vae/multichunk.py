"""Multi-Chunk coding: encode and decode the chunks of a plan, each on its own, with a causal video VAE.

The VAE is diffusers' `AutoencoderKLWan` (Wan 2.1 and 2.2); every ratio comes from its config. A causal VAE encodes a
run's first frame alone and then s frames at a time, each seeing all before it. SmartDirector (arXiv 2605.27891,
"Multi-Chunk") begins such a run at every keyframe. So a keyframe is always encoded alone, and, the decoder being
causal too, comes back as exactly `decode(encode(keyframe))` whatever the other latents are.

Axes: B batch, T or N frames, H, W pixels; C latent channels, F latent frames, h, w latent height and width. Latents
are float32 and normalised.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator

import torch
from diffusers import AutoencoderKLWan

from ..timeline import Chunk, ChunkPlan
from .causal import (
    check_video,
    decode_clip,
    decode_run,
    denormalize_latents,
    encode_clip,
    encode_moments,
    encode_run,
    latent_shape,
    normalize_latents,
    pad_tail,
)

__all__ = [
    "decode",
    "decode_clip",
    "denormalize_latents",
    "encode_clip",
    "encode_conditions",
    "encode_moments",
    "encode_video",
    "iter_decode",
    "iter_encode",
    "latent_shape",
    "normalize_latents",
]


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
        check_video(vae, video, f"videos[{i}]")
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

    The surplus of a chunk's last latent shows the frames that follow it (`Chunk.overrun`), or repeats its last frame at
    the video's end, before a cut, and where a clip fills the chunk.

    Args:
        video: (B, 3, N, H, W) in [-1, 1], N = `plan.num_frames`.

    Returns:
        (B, C, F, h, w) normalised latents.

    Raises:
        ValueError: video of another length or shape than the plan and the VAE take.
    """
    _check_plan(vae, plan)
    check_video(vae, video)
    if video.shape[2] != plan.num_frames:
        raise ValueError(f"video has {video.shape[2]} frames: the plan covers {plan.num_frames}")
    chunks = [video[:, :, chunk.start : chunk.stop + chunk.overrun] for chunk in plan.chunks]
    return torch.cat(_encode_batched(vae, chunks), dim=2)


@torch.no_grad()
def iter_encode(vae: AutoencoderKLWan, plan: ChunkPlan, frames: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Encode a video as its frames come; memory does not grow with its length. Gives what `encode_video` does.

    Args:
        frames: N frames (B, 3, 1, H, W) in [-1, 1].

    Returns:
        An iterator over the plan's F normalised latents, (B, C, 1, h, w) each.

    Raises:
        ValueError: for a plan of another stride, and, once they have run out, for fewer frames than the plan covers.
    """
    _check_plan(vae, plan)
    ahead: deque[torch.Tensor] = deque()
    frames = _all_of(plan, iter(frames))
    for chunk in plan.chunks:
        yield from encode_run(vae, _frames_of(chunk, frames, ahead))


def _all_of(plan: ChunkPlan, frames: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    for index in range(plan.num_frames):
        frame = next(frames, None)
        if frame is None:
            raise ValueError(
                f"frames end before frame {index}, which the plan covers; build it for as many as there are"
            )
        yield frame


def _frames_of(chunk: Chunk, frames: Iterator[torch.Tensor], ahead: deque[torch.Tensor]) -> Iterator[torch.Tensor]:
    """What a chunk is encoded with. ahead: what was read before, from its first frame on; then from the next one's."""
    for _ in range(chunk.num_frames):
        yield ahead.popleft() if ahead else next(frames)
    for index in range(chunk.overrun):
        if index == len(ahead):
            ahead.append(next(frames))
        yield ahead[index]


def iter_decode(
    vae: AutoencoderKLWan, plan: ChunkPlan, latents: torch.Tensor | Iterable[torch.Tensor]
) -> Iterator[tuple[int, torch.Tensor]]:
    """Decode a plan latent by latent, in order; memory does not grow with the video's length.

    Args:
        latents: (B, C, F, h, w), normalised; or any iterable of its F slices (B, C, 1, h, w), taken as they are needed.

    Returns:
        An iterator over (index of the first frame, frames (B, 3, t, H, W) in [-1, 1] in the VAE's dtype). Every frame
        of the video comes once; the surplus of each chunk is dropped. It may be abandoned at any point.

    Raises:
        ValueError: at once, not at the first frame, for a tensor that doesn't fit the plan or the VAE; where they end,
            for slices that are too few.
    """
    _check_plan(vae, plan)
    if isinstance(latents, torch.Tensor):
        channels, num_latents = vae.config.z_dim, plan.num_latents
        if latents.ndim != 5 or latents.shape[1:3] != (channels, num_latents):
            shape = tuple(latents.shape)
            raise ValueError(f"latents has shape {shape}: VAE and plan need (B, {channels}, {num_latents}, h, w)")
        latents = latents.split(1, dim=2)
    return _decode_plan(vae, plan, iter(latents))


@torch.no_grad()
def _decode_plan(
    vae: AutoencoderKLWan, plan: ChunkPlan, latents: Iterator[torch.Tensor]
) -> Iterator[tuple[int, torch.Tensor]]:
    for chunk in plan.chunks:
        start = chunk.start
        for frames in decode_run(vae, itertools.islice(latents, chunk.num_latents)):
            frames = frames[:, :, : chunk.stop - start]
            yield start, frames
            start += frames.shape[2]
        if start < chunk.stop:
            raise ValueError(f"latents end before frame {start}; the plan needs {plan.num_latents}")


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
    padded = [pad_tail(video, vae.config.scale_factor_temporal) for video in videos]
    latents: list[torch.Tensor] = [None] * len(videos)
    for length in sorted({video.shape[2] for video in padded}):
        group = [i for i, video in enumerate(padded) if video.shape[2] == length]
        encoded = encode_clip(vae, torch.cat([padded[i] for i in group]))
        for i, part in zip(group, encoded.chunk(len(group)), strict=True):
            latents[i] = part
    return latents


def _check_plan(vae: AutoencoderKLWan, plan: ChunkPlan) -> None:
    stride = vae.config.scale_factor_temporal
    if plan.stride != stride:
        raise ValueError(f"plan has stride {plan.stride}: the VAE's is {stride}; build the plan with stride={stride}")
