"""Back-projection: an enlarged frame, made small again, should be the small frame (Irani and Peleg 1991).

The VAE that Director-SR decodes with loses a little of everything; the coarse half of a frame need not be lost, since
the small frames show it. What they have and the result lacks is enlarged and added. But where they have less fine
detail than the result, they are blurred or compressed, and the result has mended what they lost: there they count
less, but for what is so coarse that any of them show it. That goes for luma and chroma apart, since nearly every video
file keeps its colours at half the size. Ours; the paper has no such step.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .sizes import FACTOR

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # BT.601's rows, of R, G, B
COARSE = 8  # small pixels around: what a mean over them keeps, frames shrunk by eight still show
REACH = 4  # small pixels around, over which fine detail is compared
STEEPNESS = 2  # power of the ratio of its energies: small frames with half the energy count a quarter
FLOOR = 4e-5  # energy that is no detail: differences of half a step of 255 or so


def back_project(frames: Tensor, small: Tensor, gain: float) -> Tensor:
    """Draw frames (1, 3, T, 2H, 2W) to small ones (1, 3, T, H, W), both in [-1, 1].

    gain: how much of the difference is added where it is coarse or `trust` is whole.
    """
    to_ycbcr = torch.tensor(YCBCR, device=frames.device)
    small, shown = (_mixed(to_ycbcr, video[0].transpose(0, 1)) for video in (small.to(to_ycbcr), halved(frames)))
    coarse = _mean_around(small - shown, COARSE)
    missing = torch.lerp(coarse, small - shown, trust(small, shown))
    missing = _mixed(torch.linalg.inv(to_ycbcr), missing)
    enlarged = F.interpolate(missing, scale_factor=FACTOR, mode="bicubic", align_corners=False)
    return (frames.float() + gain * enlarged.transpose(0, 1)[None]).clamp(-1, 1)


def trust(small: Tensor, shown: Tensor) -> Tensor:
    """How far the fine detail of small frames is evidence of what should be shown: like them, in [0, 1].

    small, shown: (T, 3, H, W), luma and twice chroma, of RGB in [-1, 1]. 1 where `small` has at least as much of it
    around as `shown`, in luma or in both of chroma.
    """
    parts = zip(small.split((1, 2), dim=1), shown.split((1, 2), dim=1), strict=True)
    ratios = [((_detail(a) + FLOOR) / (_detail(b) + FLOOR)).expand_as(a) for a, b in parts]
    return torch.cat(ratios, dim=1).clamp(max=1) ** STEEPNESS


def halved(frames: Tensor) -> Tensor:
    """(1, 3, T, 2H, 2W) -> (1, 3, T, H, W), the mean of every 2 x 2 pixels."""
    return F.avg_pool3d(frames.float(), (1, FACTOR, FACTOR))


def _detail(frames: Tensor) -> Tensor:
    """The mean energy, REACH pixels around, of what a 3 x 3 mean takes away: (T, 1, H, W)."""
    fine = (frames - _mean_around(frames, 1)).square().sum(dim=1, keepdim=True)
    return _mean_around(fine, REACH)


def _mean_around(frames: Tensor, reach: int) -> Tensor:
    """The mean over the square of pixels up to `reach` away that lie in the frame: by columns, then by rows."""
    for side, padding in (((2 * reach + 1, 1), (reach, 0)), ((1, 2 * reach + 1), (0, reach))):
        frames = F.avg_pool2d(frames, side, stride=1, padding=padding, count_include_pad=False)
    return frames


def _mixed(matrix: Tensor, frames: Tensor) -> Tensor:
    """The channels of frames (T, 3, H, W), multiplied by a matrix."""
    return torch.einsum("ij,tjhw->tihw", matrix, frames)
