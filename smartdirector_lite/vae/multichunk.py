"""Multi-Chunk coding: a causal video VAE encodes and decodes each chunk of a plan on its own (paper: Multi-Chunk).

The VAE is diffusers' `AutoencoderKLWan` (Wan 2.1 and 2.2), and every ratio comes from its config. A causal VAE encodes
the first frame of a run alone, and then s frames at a time, each of which depends on all frames before. In Multi-Chunk
such a run begins at every keyframe, so that a keyframe is always encoded alone. The decoder is causal too: the keyframe
comes back as exactly `decode(encode(keyframe))`, whatever the other latents are.

Axes: B batch, N frames of the video, L frames of a condition, H, W height and width in pixels; C latent channels,
F latent frames of the plan, h, w latent height and width. Latents are float32 and normalised.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ..timeline import Chunk, ChunkPlan, Condition
from .causal import check_shape, check_video, decode_run, encode_clip, encode_run, pad_tail

# ---------------------------------------------------------------- encoding


@torch.no_grad()
def encode_conditions(vae: AutoencoderKLWan, plan: ChunkPlan, videos: Sequence[Tensor]) -> Tensor:
    """Encode the conditions of a plan, as generation needs them. All keyframes go through the VAE as one batch.

    Args:
        videos: one (B, 3, L, H, W) in [-1, 1] for each condition, in the order of `plan.conditions`.

    Returns:
        Latents (B, C, F, h, w) in which the anchors (`plan.anchors`) are filled and all others are zero.

    Raises:
        ValueError: the videos differ from the conditions in number, length or size, or the plan has no conditions.
    """
    _check_plan(vae, plan)
    if not plan.conditions:
        raise ValueError("plan has no conditions: there is nothing to encode; start from noise alone")
    check_videos(vae, plan.conditions, videos)
    encoded = _encode_runs(vae, videos)
    latents = encoded[0].new_zeros(*encoded[0].shape[:2], plan.num_latents, *encoded[0].shape[3:])
    for chunk in plan.chunks:
        if chunk.condition is not None:
            latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_anchors] = encoded[chunk.condition]
    return latents


@torch.no_grad()
def encode_video(vae: AutoencoderKLWan, plan: ChunkPlan, video: Tensor) -> Tensor:
    """Encode a whole video chunk by chunk, as training needs it. Chunks with equally many latents form one batch.

    The last latent of a chunk has room for a surplus of frames. It is filled with the frames that follow the chunk in
    the same shot (`Chunk.overrun`). No such frames exist at the end of the video, before a cut, and where a clip
    fills the chunk. There the chunk's last frame is repeated.

    Args:
        video: (B, 3, N, H, W) in [-1, 1], with N = `plan.num_frames`.

    Returns:
        Latents (B, C, F, h, w).

    Raises:
        ValueError: the plan covers another number of frames, or the VAE can't take the video.
    """
    _check_plan(vae, plan)
    check_video(vae, video)
    if video.shape[2] != plan.num_frames:
        raise ValueError(f"video has {video.shape[2]} frames: the plan covers {plan.num_frames}")
    runs = [video[:, :, chunk.start : chunk.stop + chunk.overrun] for chunk in plan.chunks]
    return torch.cat(_encode_runs(vae, runs), dim=2)


def _encode_runs(vae: AutoencoderKLWan, runs: Sequence[Tensor]) -> list[Tensor]:
    """Encode runs (B, 3, L, H, W), those with equally many latents as one batch. The order stays."""
    padded = [pad_tail(run, vae.config.scale_factor_temporal) for run in runs]
    latents: dict[int, Tensor] = {}
    for length in {run.shape[2] for run in padded}:
        alike = [i for i, run in enumerate(padded) if run.shape[2] == length]
        encoded = encode_clip(vae, torch.cat([padded[i] for i in alike]))
        latents |= zip(alike, encoded.chunk(len(alike)), strict=True)
    return [latents[i] for i in range(len(runs))]


@torch.no_grad()
def iter_encode(vae: AutoencoderKLWan, plan: ChunkPlan, frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Encode a video as its frames come. Memory does not grow with its length.

    Args:
        frames: N frames (B, 3, 1, H, W) in [-1, 1].

    Returns:
        An iterator over the F latents that `encode_video` gives, (B, C, 1, h, w) each.

    Raises:
        ValueError: the plan has another stride than the VAE, or there are fewer frames than the plan covers. Both are
            found while the iterator is read.
    """
    _check_plan(vae, plan)
    frames = _covered(plan, iter(frames))
    ahead: deque[Tensor] = deque()
    for chunk in plan.chunks:
        yield from encode_run(vae, _frames_of(chunk, frames, ahead))


def _covered(plan: ChunkPlan, frames: Iterator[Tensor]) -> Iterator[Tensor]:
    """The frames that the plan covers. ValueError where they end too early."""
    for index in range(plan.num_frames):
        frame = next(frames, None)
        if frame is None:
            raise ValueError(f"frames end before frame {index}, which the plan covers; plan as many as there are")
        yield frame


def _frames_of(chunk: Chunk, frames: Iterator[Tensor], ahead: deque[Tensor]) -> Iterator[Tensor]:
    """The frames that a chunk is encoded from: its own, and then those that fill its surplus.

    Args:
        frames: the video's frames that nobody has read yet.
        ahead: frames that were read for the surplus of an earlier chunk; they come before `frames`. The surplus of this
            chunk stays in it for the next chunk.
    """
    for _ in range(chunk.num_frames):
        yield ahead.popleft() if ahead else next(frames)
    while len(ahead) < chunk.overrun:
        ahead.append(next(frames))
    yield from itertools.islice(ahead, chunk.overrun)


# ---------------------------------------------------------------- decoding


def iter_decode(
    vae: AutoencoderKLWan, plan: ChunkPlan, latents: Tensor | Iterable[Tensor]
) -> Iterator[tuple[int, Tensor]]:
    """Decode the latents of a plan one by one. Memory does not grow with the video's length.

    Args:
        latents: (B, C, F, h, w), or any iterable of F latents (B, C, 1, h, w), which are read as they are needed.

    Returns:
        An iterator over (index of the first frame, frames (B, 3, t, H, W) in [-1, 1] in the VAE's dtype). Every frame
        of the video comes once, in order; the surplus of each chunk is dropped. The iterator may be abandoned anywhere.

    Raises:
        ValueError: a tensor does not fit the plan or the VAE, which is found at once; or an iterable has fewer latents
            than the plan, which is found where they end.
    """
    _check_plan(vae, plan)
    if isinstance(latents, Tensor):
        check_shape("latents", latents, "B", vae.config.z_dim, plan.num_latents, "h", "w")
        latents = latents.split(1, dim=2)
    return _decode_chunks(vae, plan, iter(latents))


@torch.no_grad()
def _decode_chunks(vae: AutoencoderKLWan, plan: ChunkPlan, latents: Iterator[Tensor]) -> Iterator[tuple[int, Tensor]]:
    for chunk in plan.chunks:
        start = chunk.start
        for frames in decode_run(vae, itertools.islice(latents, chunk.num_latents)):
            frames = frames[:, :, : chunk.stop - start]
            yield start, frames
            start += frames.shape[2]
        if start < chunk.stop:
            raise ValueError(f"latents end before frame {start}; the plan needs {plan.num_latents}")


def decode(vae: AutoencoderKLWan, plan: ChunkPlan, latents: Tensor) -> Tensor:
    """Decode the latents of a plan, (B, C, F, h, w) -> (B, 3, N, H, W) in [-1, 1]. ValueError as from `iter_decode`."""
    video = None
    for start, frames in iter_decode(vae, plan, latents):
        if video is None:
            video = frames.new_empty(*frames.shape[:2], plan.num_frames, *frames.shape[3:])
        video[:, :, start : start + frames.shape[2]] = frames
    return video


# ---------------------------------------------------------------- checks


def check_videos(vae: AutoencoderKLWan, conditions: Sequence[Condition], videos: Sequence[Tensor]) -> None:
    """Raise a ValueError unless there is one video for each condition, of its length, all alike in batch and size."""
    if len(videos) != len(conditions):
        raise ValueError(f"videos has {len(videos)} entries for {len(conditions)} conditions: give one for each")
    for i, (condition, video) in enumerate(zip(conditions, videos, strict=True)):
        check_video(vae, video, f"videos[{i}]")
        check_shape(f"videos[{i}]", video, *videos[0].shape[:2], condition.num_frames, *videos[0].shape[3:])


def _check_plan(vae: AutoencoderKLWan, plan: ChunkPlan) -> None:
    stride = vae.config.scale_factor_temporal
    if plan.stride != stride:
        raise ValueError(f"plan has stride {plan.stride}: the VAE's is {stride}; build the plan with stride={stride}")
