"""A recursive temporal filter: where the small frames stand still, so does the result (Dubois and Sabri 1984).

What is drawn a little differently in each frame flickers where nothing moves. The small frames show where that is:
there, a pixel keeps most of what it was a frame before. Ours; the paper has no such step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .sizes import FACTOR

TOLERANCE = 8 / 255  # change of a small pixel in [-1, 1] from which it no longer stands still
GAIN = 0.95  # of the frame before, behind the restorer
REACH = 2  # small pixels around a still one that must be still too: outlines that move are blurred


class TemporalFilter:
    """Of a video whose frames come in order. gain: 0 to 1, of the frame before, where nothing at all changes."""

    def __init__(self, gain: float):
        self.gain = gain
        self._frame: Tensor | None = None  # what was given out last,
        self._small: Tensor | None = None  # and the mean, by the same weights, of what it was held against

    def __call__(self, frames: Tensor, small: Tensor, given: Sequence[bool]) -> Tensor:
        """The next frames, (1, 3, T, 2H, 2W), of small ones (1, 3, T, H, W), both in [-1, 1].

        given: T flags, for keyframes and frames of clips, which are left as they are.
        """
        parts = zip(frames.float().split(1, dim=2), small.split(1, dim=2), given, strict=True)
        return torch.cat([self._next(*part) for part in parts], dim=2)

    def _next(self, frame: Tensor, small: Tensor, given: bool) -> Tensor:
        if self._frame is not None and not given:
            weight = self.gain * stillness(small, self._small)
            small = small.lerp(self._small, weight)
            weight = F.interpolate(weight, scale_factor=(1, FACTOR, FACTOR), mode="trilinear", align_corners=False)
            frame = frame.lerp(self._frame, weight)
        self._frame, self._small = frame, small
        return frame


def stillness(a: Tensor, b: Tensor) -> Tensor:
    """1 where two frames (1, 3, 1, H, W) are the same for REACH pixels around, 0 from TOLERANCE on: (1, 1, 1, H, W)."""
    change = (a - b).abs().amax(dim=1, keepdim=True)
    side = 2 * REACH + 1
    change = F.max_pool3d(change, (1, side, side), stride=1, padding=(0, REACH, REACH))
    return (1 - change / TOLERANCE).clamp(min=0)
