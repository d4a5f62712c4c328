"""Two naive ways to give keyframes to a causal video VAE. They are here for teaching, and to compare Multi-Chunk with.

Both code the whole video as one causal run of n = 1 + ceil((N - 1) / s) latents, and so meet the limit that
SmartDirector (arXiv 2605.27891) removes:

- Replacing: a keyframe is encoded alone, and its latent takes the place of the latent that holds the keyframe's frame.
  The decoder meets this "first latent" in the middle of a run and reads it as s frames. The result flashes, shows
  ghosts, and loses the keyframe.
- Blanks: a video is encoded that is blank except for the conditions. Each latent then mixes a condition with the blank
  frames around it, and the encoder's memory carries the blanks on into later latents.

Axes, ranges and normalisation are those of `multichunk`.
"""

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ..timeline import ChunkPlan, Condition, num_latents_for, place_conditions
from .causal import encode_clip
from .multichunk import check_videos, decode

BLANK = 0.0  # mid-grey in [-1, 1], as in diffusers' Wan image-to-video pipeline


def naive_latent_index(frame: int, stride: int) -> int:
    """Return the index of the latent that holds a frame of a single causal run: ceil(frame / s)."""
    return num_latents_for(frame + 1, stride) - 1


@torch.no_grad()
def replace_naive(
    vae: AutoencoderKLWan, latents: Tensor, conditions: Sequence[Condition], videos: Sequence[Tensor]
) -> Tensor:
    """Put the latents of the conditions into those of a single causal run, the "replacing" way.

    A clip's latents go in from the latent that holds its first frame, as far as there are any. Where two conditions
    fall on one latent, the later one in the list stays.

    Args:
        latents: (B, C, n, h, w), as `encode_clip` gives for a whole video. They are not changed.
        conditions: where the conditions stand.
        videos: one (B, 3, L, H, W) in [-1, 1] for each condition, in the same order.

    Returns:
        (B, C, n, h, w), a copy of the latents with those of the conditions put in.

    Raises:
        ValueError: the videos differ from the conditions in number, length or size.
    """
    check_videos(vae, conditions, videos)
    latents = latents.clone()
    for condition, video in zip(conditions, videos, strict=True):
        start = naive_latent_index(condition.frame_index, vae.config.scale_factor_temporal)
        encoded = encode_clip(vae, video)[:, :, : latents.shape[2] - start]
        latents[:, :, start : start + encoded.shape[2]] = encoded
    return latents


@torch.no_grad()
def encode_naive_blank(
    vae: AutoencoderKLWan, num_frames: int, conditions: Sequence[Condition], videos: Sequence[Tensor]
) -> Tensor:
    """Encode a video that is blank except for the conditions as one causal run, the "blanks" way.

    Args:
        num_frames: the length N of the video.
        conditions: where the conditions stand; at least one.
        videos: one (B, 3, L, H, W) in [-1, 1] for each condition, in the same order.

    Returns:
        Latents (B, C, n, h, w).

    Raises:
        ValueError: there are no conditions, a condition lies outside the video or on another one, or the videos differ
            from the conditions in number, length or size.
    """
    conditions, _ = place_conditions(num_frames, conditions, ())
    if not conditions:
        raise ValueError("conditions is empty: give at least one")
    check_videos(vae, conditions, videos)
    video = videos[0].new_full((*videos[0].shape[:2], num_frames, *videos[0].shape[3:]), BLANK)
    for condition, frames in zip(conditions, videos, strict=True):
        video[:, :, condition.frame_index : condition.stop] = frames
    return encode_clip(vae, video)


def decode_naive(vae: AutoencoderKLWan, num_frames: int, latents: Tensor) -> Tensor:
    """Decode a single causal run of latents (B, C, n, h, w) -> (B, 3, N, H, W) in [-1, 1], N = `num_frames`."""
    return decode(vae, ChunkPlan.build(num_frames, stride=vae.config.scale_factor_temporal), latents)
