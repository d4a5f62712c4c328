"""Metrics over videos as float tensors (T, 3, H, W) in [0, 1]."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

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


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of two videos, in grey, mean over an 11 x 11 Gaussian window (1.5)."""
    place = torch.arange(-5, 6, dtype=torch.float32)
    kernel = (-0.5 * (place / 1.5).square()).exp()
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)

    def smooth(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, kernel), kernel.transpose(2, 3))

    a, b = a.mean(dim=1, keepdim=True), b.mean(dim=1, keepdim=True)
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    both = smooth(a * b) - mean_a * mean_b
    one, two = 0.01**2, 0.03**2
    similar = (2 * mean_a * mean_b + one) * (2 * both + two)
    return float((similar / ((mean_a**2 + mean_b**2 + one) * (var_a + var_b + two))).mean())


def flicker(video: Tensor, truth: Tensor, reach: int = 4) -> float:
    """Mean change from frame to frame where the true video stands still, over the truth's own change.

    Still are the pixels up to `reach` pixels around which none changes: nearer to something that moves, its blurred
    outline sweeps over them, and what is merely soft would seem to flicker. About 1 / 255 is added to both, so that a
    truth without any change gives no infinite ratio.
    """
    moves = truth.diff(dim=0).abs().amax(dim=1, keepdim=True) >= 0.01
    still = F.max_pool2d(moves.float(), 2 * reach + 1, stride=1, padding=reach) == 0
    weight = still.float().sum().clamp(min=1) * 3
    changes = [(x.diff(dim=0).abs() * still).sum() / weight + 1 / 255 for x in (video, truth)]
    return float(changes[0] / changes[1])


def warping_error(video: Tensor, truth: Tensor, reach: int = 4, block: int = 8) -> float:
    """How badly each frame is predicted by moving the one before along the true motion, over the truth's own error.

    The motion is found in the true video: for every pixel the shift of up to `reach` pixels whose error over a block
    around it is least. 1 for a video as steady as the truth.
    """
    shifts = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]
    totals = [0.0, 0.0]
    for k in range(len(truth) - 1):
        moved = [F.pad(x[k][None], [reach] * 4, mode="replicate")[0] for x in (video, truth)]
        height, width = truth.shape[-2:]

        def at(x: Tensor, shift: tuple[int, int], height: int = height, width: int = width) -> Tensor:
            top, left = reach + shift[0], reach + shift[1]
            return x[:, top : top + height, left : left + width]

        costs = torch.stack([(at(moved[1], shift) - truth[k + 1]).abs().mean(dim=0) for shift in shifts])
        costs = F.avg_pool2d(costs[None], block + 1, stride=1, padding=block // 2, count_include_pad=False)[0]
        best = costs.argmin(dim=0)
        for i, x in enumerate((video, truth)):
            options = torch.stack([(at(moved[i], shift) - x[k + 1]).abs().mean(dim=0) for shift in shifts])
            totals[i] += float(options.gather(0, best[None]).mean()) + 1 / 255
    return totals[0] / totals[1]
