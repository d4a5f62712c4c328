"""In-between frames without a model: a cross-fade of the keyframes, and the nearest keyframe held."""

from collections.abc import Sequence

import torch
from torch import Tensor


def cross_fade(keyframes: Tensor, frames: Sequence[int], num_frames: int) -> Tensor:
    """Blend neighbouring keyframes linearly in time.

    Frames before the first keyframe show the first one, and frames after the last keyframe show the last one.

    Args:
        keyframes: (K, 3, H, W), of any value range.
        frames: the K frame indices of the keyframes, ascending.
        num_frames: the length T of the result.

    Returns:
        (T, 3, H, W), in the keyframes' value range.
    """
    if len(frames) == 1:
        return keyframes.expand(num_frames, -1, -1, -1).clone()
    position = torch.arange(num_frames, dtype=torch.float32)
    places = torch.tensor(frames, dtype=torch.float32)
    right = torch.searchsorted(places, position).clamp(1, len(places) - 1)
    left = right - 1
    weight = ((position - places[left]) / (places[right] - places[left])).clamp(0, 1).view(-1, 1, 1, 1)
    return torch.lerp(keyframes[left], keyframes[right], weight)


def hold_nearest(keyframes: Tensor, frames: Sequence[int], num_frames: int) -> Tensor:
    """Show the nearest keyframe in each frame; of two that are equally near, the earlier one.

    Arguments and result are those of `cross_fade`.
    """
    distance = (torch.arange(num_frames)[:, None] - torch.tensor(frames)[None]).abs()
    return keyframes[distance.argmin(dim=1)]
