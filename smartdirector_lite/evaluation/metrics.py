"""Metrics over videos as float tensors (T, 3, H, W) in [0, 1]."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MOVING_THRESHOLD = 0.06  # largest channel difference, of 1, from which a pixel counts as changed


@dataclass
class PooledError:
    """Squared error pooled over many videos; its PSNR is that of all pixels together, not a mean of decibels."""

    total: float = 0.0
    count: int = 0

    def add(self, a: Tensor, b: Tensor, mask: Tensor | None = None) -> None:
        """a, b: (T, 3, H, W); mask: (T, 1, H, W) or (1, 1, H, W), the pixels that count."""
        error = (a - b).square()
        if mask is None:
            self.total += float(error.sum())
            self.count += error.numel()
        else:
            weight = mask.expand(len(error), 1, *error.shape[2:]).float()
            self.total += float((error * weight).sum())
            self.count += int(weight.sum()) * error.shape[1]

    @property
    def psnr(self) -> float:
        """Decibels; NaN before anything was added, infinite for no error."""
        if self.count == 0:
            return math.nan
        return math.inf if self.total == 0 else -10 * math.log10(self.total / self.count)


def moving_pixels(a: Tensor, b: Tensor, threshold: float = MOVING_THRESHOLD) -> Tensor:
    """Pixels that differ between two frames (3, H, W): (1, 1, H, W) bool."""
    return ((a - b).abs().amax(dim=0) > threshold)[None, None]


def motion_mask(video: Tensor, threshold: float = MOVING_THRESHOLD) -> Tensor:
    """Pixels that change from the frame before or to the frame after: (T, 1, H, W) bool."""
    change = video.diff(dim=0).abs().amax(dim=1, keepdim=True) > threshold
    still = torch.zeros_like(change[:1])
    return torch.cat([still, change]) | torch.cat([change, still])


def steps(video: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring frames: (T - 1,), the k-th is the step into frame k + 1."""
    return video.diff(dim=0).abs().mean(dim=(1, 2, 3))


def border_ratio(video: Tensor, frame: int) -> float | None:
    """The step into `frame` over the mean of the two steps on either side; None where hardly anything moves."""
    jumps = steps(video)
    beside = [jumps[k] for k in (frame - 3, frame - 2, frame, frame + 1) if 0 <= k < len(jumps)]
    reference = float(torch.stack(beside).mean())
    return float(jumps[frame - 1]) / reference if reference > 1e-3 else None
