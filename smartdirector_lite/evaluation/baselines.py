"""What in-between frames cost nothing: cross-fading the keyframes, and holding the nearest one."""

from collections.abc import Sequence

import torch
from torch import Tensor


def cross_fade(keyframes: Tensor, frames: Sequence[int], num_frames: int) -> Tensor:
    """Blend neighbouring keyframes linearly in time; before the first and after the last one, hold it.

    keyframes: (K, 3, H, W), standing at the ascending `frames`. Returns (num_frames, 3, H, W).
    """
    position = torch.arange(num_frames, dtype=torch.float32)
    places = torch.tensor(frames, dtype=torch.float32)
    right = torch.searchsorted(places, position).clamp(1, max(1, len(places) - 1))
    if len(places) == 1:
        return keyframes.expand(num_frames, -1, -1, -1).clone()
    left = right - 1
    weight = ((position - places[left]) / (places[right] - places[left])).clamp(0, 1).view(-1, 1, 1, 1)
    return torch.lerp(keyframes[left], keyframes[right], weight)


def hold_nearest(keyframes: Tensor, frames: Sequence[int], num_frames: int) -> Tensor:
    """Show the nearest keyframe, the earlier one in a tie. Shapes as in `cross_fade`."""
    distance = (torch.arange(num_frames)[:, None] - torch.tensor(frames)[None]).abs()
    return keyframes[distance.argmin(dim=1)]
