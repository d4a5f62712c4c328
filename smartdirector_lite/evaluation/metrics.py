"""Metrics of videos. A video here is a float tensor (T, 3, H, W) in [0, 1] unless the function says otherwise.

How smoothly a video passes a chunk border is measured by `report.border_jump`.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SSIM_EDGE = 5  # pixels that the window of SSIM reaches to each side
MOVING_THRESHOLD = 0.06  # a pixel counts as changed from this difference on, in its most changed channel


@dataclass
class PooledError:
    """The squared error of many videos together.

    The PSNR of the pooled error weighs every pixel alike. A mean of the videos' own PSNRs would not.

    Attributes:
        total: the sum of all squared differences.
        count: the number of values that were compared.
    """

    total: float = 0.0
    count: int = 0

    def add(self, a: Tensor, b: Tensor, mask: Tensor | None = None) -> None:
        """Add the squared difference of two videos.

        Args:
            a, b: (T, 3, H, W).
            mask: (T, 1, H, W) or (1, 1, H, W), true for the pixels that count. Without a mask every pixel counts.
        """
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
        """The peak signal-to-noise ratio in dB. It is NaN before anything was added, and infinite without an error."""
        if self.count == 0:
            return math.nan
        return math.inf if self.total == 0 else -10 * math.log10(self.total / self.count)


def moving_pixels(a: Tensor, b: Tensor, threshold: float = MOVING_THRESHOLD) -> Tensor:
    """Find the pixels that differ between two frames.

    Args:
        a, b: (3, H, W).
        threshold: the least difference that counts, in the most changed channel.

    Returns:
        (1, 1, H, W) bools.
    """
    return ((a - b).abs().amax(dim=0) > threshold)[None, None]


def motion_mask(video: Tensor, threshold: float = MOVING_THRESHOLD) -> Tensor:
    """Find the pixels of each frame that differ from the frame before or from the frame after.

    Args:
        video: (T, 3, H, W).
        threshold: the least difference that counts, in the most changed channel.

    Returns:
        (T, 1, H, W) bools.
    """
    change = video.diff(dim=0).abs().amax(dim=1, keepdim=True) > threshold
    still = torch.zeros_like(change[:1])
    return torch.cat([still, change]) | torch.cat([change, still])


def frame_changes(video: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring frames.

    Args:
        video: (T, 3, H, W).

    Returns:
        (T - 1,). Entry k belongs to the step from frame k to frame k + 1.
    """
    return video.diff(dim=0).abs().mean(dim=(1, 2, 3))


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of two videos around each pixel (Wang et al. 2004), computed on their grey values.

    Local means and variances use a Gaussian window of 11 x 11 pixels with a standard deviation of 1.5 pixels.

    Args:
        a, b: (T, 3, H, W).

    Returns:
        (T, 1, H - 10, W - 10), at most 1, which stands for equal surroundings. The SSIM_EDGE pixels at each edge have
        no whole window, and are left out.
    """
    place = torch.arange(-SSIM_EDGE, SSIM_EDGE + 1, dtype=torch.float32)
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
    return similar / ((mean_a**2 + mean_b**2 + one) * (var_a + var_b + two))


def ssim(a: Tensor, b: Tensor) -> float:
    """Mean structural similarity of two videos (T, 3, H, W): the mean of `ssim_map`."""
    return float(ssim_map(a, b).mean())


def gradient_sizes(video: Tensor) -> Tensor:
    """How steeply grey values change at each pixel: the length of the gradient. A blurred video has smaller ones.

    Args:
        video: (T, 3, H, W).

    Returns:
        (T, 1, H, W). At the last row and column the change across the edge counts as 0.
    """
    grey = video.mean(dim=1, keepdim=True)
    across = F.pad(grey.diff(dim=3), (0, 1))
    down = F.pad(grey.diff(dim=2), (0, 0, 0, 1))
    return (across.square() + down.square()).sqrt()


def flicker(video: Tensor, truth: Tensor, reach: int = 4) -> float:
    """Mean change from frame to frame where the true video stands still, divided by the truth's own change there.

    A pixel stands still if no pixel within `reach` of it changes. The blurred outline of something that moves sweeps
    over the pixels beside it. Without `reach`, a video that is merely soft would seem to flicker.

    Args:
        video, truth: (T, 3, H, W).
        reach: in pixels.

    Returns:
        1 for a video as steady as the truth. 1 / 255 is added to both changes, so that a truth without any change gives
        no infinite ratio.
    """
    moves = truth.diff(dim=0).abs().amax(dim=1, keepdim=True) >= 0.01
    still = F.max_pool2d(moves.float(), 2 * reach + 1, stride=1, padding=reach) == 0
    weight = still.float().sum().clamp(min=1) * 3
    changes = [(x.diff(dim=0).abs() * still).sum() / weight + 1 / 255 for x in (video, truth)]
    return float(changes[0] / changes[1])


def warping_error(video: Tensor, truth: Tensor, reach: int = 4, block: int = 8) -> float:
    """How badly each frame is predicted from the frame before it along the true motion, relative to the truth.

    The motion is searched in the true video. For every pixel it is the shift with the least error over a block around
    the pixel.

    Args:
        video, truth: (T, 3, H, W).
        reach: the longest shift in either direction, in pixels.
        block: the side of the block, in pixels.

    Returns:
        1 for a video as steady as the truth. 1 / 255 is added to both errors.
    """
    height, width = truth.shape[-2:]
    padded = [F.pad(x[:-1], [reach] * 4, mode="replicate") for x in (video, truth)]
    least = torch.full_like(truth[1:, :1], math.inf)  # the error of the best shift so far, over blocks
    errors = [least.clone(), least.clone()]  # at that shift, of the video and of the truth
    for down, across in itertools.product(range(2 * reach + 1), repeat=2):
        place = (..., slice(down, down + height), slice(across, across + width))
        found = [(p[place] - x[1:]).abs().mean(dim=1, keepdim=True) for p, x in zip(padded, (video, truth))]
        around = found[1]
        for kernel in ((block + 1, 1), (1, block + 1)):  # a mean over a square, in two passes
            padding = (kernel[0] // 2, kernel[1] // 2)
            around = F.avg_pool2d(around, kernel, stride=1, padding=padding, count_include_pad=False)
        better = around < least
        least = torch.where(better, around, least)
        errors = [torch.where(better, new, old) for new, old in zip(found, errors)]
    own, true = (float(error.mean()) + 1 / 255 for error in errors)
    return own / true
