"""Back-projection: an enlarged frame, made small again, should be the small frame (Irani and Peleg 1991).

The VAE that Director-SR decodes with loses a little of everything; the coarse half of a frame need not be lost, since
the small frames show it. What they have and the result lacks is enlarged and added. But where they have less fine
detail than the result, they are blurred or compressed, and the result has mended what they lost: there they count
less. Ours; the paper has no such step.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .sizes import FACTOR

REACH = 4  # small pixels around, over which fine detail is compared
STEEPNESS = 2  # power of the ratio of its energies: small frames with half the energy count a quarter
FLOOR = 4e-5  # energy that is no detail: differences of half a step of 255 or so


def back_project(frames: Tensor, small: Tensor, gain: float) -> Tensor:
    """Draw frames (1, 3, T, 2H, 2W) to small ones (1, 3, T, H, W), both in [-1, 1].

    gain: how much of the difference is added where `trust` is whole.
    """
    small, shown = (video[0].transpose(0, 1) for video in (small.to(frames.device, torch.float32), halved(frames)))
    missing = trust(small, shown) * (small - shown)
    enlarged = F.interpolate(missing, scale_factor=FACTOR, mode="bicubic", align_corners=False)
    return (frames.float() + gain * enlarged.transpose(0, 1)[None]).clamp(-1, 1)


def trust(small: Tensor, shown: Tensor) -> Tensor:
    """How far each pixel of small frames is evidence of what should be shown: (T, 1, H, W) in [0, 1].

    small, shown: (T, 3, H, W) in [-1, 1]. 1 where `small` has at least as much fine detail around as `shown`.
    """
    return ((_detail(small) + FLOOR) / (_detail(shown) + FLOOR)).clamp(max=1) ** STEEPNESS


def halved(frames: Tensor) -> Tensor:
    """(1, 3, T, 2H, 2W) -> (1, 3, T, H, W), the mean of every 2 x 2 pixels."""
    return F.avg_pool3d(frames.float(), (1, FACTOR, FACTOR))


def _detail(frames: Tensor) -> Tensor:
    """The mean energy, REACH pixels around, of what a 3 x 3 mean takes away: (T, 1, H, W)."""
    fine = (frames - _mean_around(frames, 1)).square().sum(dim=1, keepdim=True)
    return _mean_around(fine, REACH)


def _mean_around(frames: Tensor, reach: int) -> Tensor:
    return F.avg_pool2d(frames, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
