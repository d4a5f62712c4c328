"""The naive ways to give keyframes to a causal video VAE: for teaching, and as baselines beside Multi-Chunk.

Both keep the whole video as one causal run, with 1 + ceil((N - 1) / s) latents, and so meet the limit that
SmartDirector (arXiv 2605.27891) removes:

- replace: a keyframe's own latent (a "first latent", encoded alone) takes the place of the latent that holds its
  frame. The decoder meets it in the middle of a run and reads it as s frames: flashes, ghosts, a lost keyframe.
- blank: a video that is blank but for the conditions is encoded. Each latent then mixes its condition with the blank
  frames around it, and the encoder's memory carries them on.

Axes, ranges and normalisation are those of `multichunk`.
"""

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKLWan

from ..timeline import ChunkPlan, Condition, check_placement, num_latents_for
from .multichunk import decode, encode_clip, latent_shape

BLANK = 0.0  # mid-grey in [-1, 1], as in diffusers' Wan image-to-video pipeline


def naive_latent_index(frame: int, stride: int) -> int:
    """Index of the latent that holds a frame of a single causal run: ceil(frame / s)."""
    return num_latents_for(frame + 1, stride) - 1


def naive_anchors(num_frames: int, conditions: Sequence[Condition], stride: int) -> list[bool]:
    """Per latent of the single causal run: does `encode_naive_replace` fill it?

    A clip of L frames fills 1 + ceil((L - 1) / s) latents from the one that holds its first frame, as far as there
    are any. Two keyframes of one latent share it: only the one given last is kept.
    """
    check_placement(num_frames, conditions, ())
    anchors = [False] * num_latents_for(num_frames, stride)
    for condition in conditions:
        start = naive_latent_index(condition.frame_index, stride)
        for i in range(start, min(start + num_latents_for(condition.num_frames, stride), len(anchors))):
            anchors[i] = True
    return anchors


@torch.no_grad()
def replace_naive(
    vae: AutoencoderKLWan, latents: torch.Tensor, conditions: Sequence[Condition], videos: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Put the conditions' own latents into those of a single causal run, which is left as it is.

    Args:
        latents: (B, C, n, h, w), normalised, as `encode_clip` gives for a whole video.
        conditions: where the conditions stand.
        videos: one (B, 3, L_i, H, W) in [-1, 1] per condition, in the same order.

    Returns:
        (B, C, n, h, w): a copy with the latents of `naive_anchors` replaced.

    Raises:
        ValueError: videos that don't match the conditions.
    """
    _check_videos(conditions, videos)
    latents = latents.clone()
    for condition, video in zip(conditions, videos, strict=True):
        start = naive_latent_index(condition.frame_index, vae.config.scale_factor_temporal)
        encoded = encode_clip(vae, video)[:, :, : latents.shape[2] - start]
        latents[:, :, start : start + encoded.shape[2]] = encoded
    return latents


@torch.no_grad()
def encode_naive_replace(
    vae: AutoencoderKLWan, num_frames: int, conditions: Sequence[Condition], videos: Sequence[torch.Tensor]
) -> torch.Tensor:
    """The replace way from conditions alone: (B, C, n, h, w), zeros where `naive_anchors` is False.

    Arguments and errors as `encode_naive_blank`.
    """
    check_placement(num_frames, conditions, ())
    _check_videos(conditions, videos)
    batch_size, _, _, height, width = videos[0].shape
    num_latents = num_latents_for(num_frames, vae.config.scale_factor_temporal)
    shape = latent_shape(vae, num_latents, height, width)
    latents = torch.zeros(batch_size, *shape, device=videos[0].device)
    return replace_naive(vae, latents, conditions, videos)


@torch.no_grad()
def encode_naive_blank(
    vae: AutoencoderKLWan, num_frames: int, conditions: Sequence[Condition], videos: Sequence[torch.Tensor]
) -> torch.Tensor:
    """The blank way: encode a video of `num_frames` frames, blank (0) but for the conditions, as one causal run.

    Args:
        conditions: where the conditions stand; at least one.
        videos: one (B, 3, L_i, H, W) in [-1, 1] per condition, in the same order.

    Returns:
        (B, C, n, h, w) normalised latents, n = 1 + ceil((num_frames - 1) / s).

    Raises:
        ValueError: a condition outside the video or on another; videos that don't match the conditions.
    """
    check_placement(num_frames, conditions, ())
    _check_videos(conditions, videos)
    shape = (*videos[0].shape[:2], num_frames, *videos[0].shape[3:])
    video = videos[0].new_full(shape, BLANK)
    for condition, frames in zip(conditions, videos, strict=True):
        video[:, :, condition.frame_index : condition.stop] = frames
    return encode_clip(vae, video)


def decode_naive(vae: AutoencoderKLWan, num_frames: int, latents: torch.Tensor) -> torch.Tensor:
    """Decode a single causal run: (B, C, n, h, w) -> (B, 3, num_frames, H, W) in [-1, 1]."""
    return decode(vae, ChunkPlan.build(num_frames, stride=vae.config.scale_factor_temporal), latents)


def _check_videos(conditions: Sequence[Condition], videos: Sequence[torch.Tensor]) -> None:
    if not conditions or len(videos) != len(conditions):
        raise ValueError(f"videos has {len(videos)} entries for {len(conditions)} conditions: give one for each")
    for i, (condition, video) in enumerate(zip(conditions, videos, strict=True)):
        expected = (*videos[0].shape[:2], condition.num_frames, *videos[0].shape[3:])
        if tuple(video.shape) != expected:
            raise ValueError(f"videos[{i}] has shape {tuple(video.shape)}: conditions and videos[0] need {expected}")
