"""Back-projection: an enlarged frame, made small again, should be the small frame (Irani and Peleg 1991).

The VAE that Director-SR decodes with loses a little of everything; the coarse half of a frame need not be lost, since
the small frames show it. What they have and the result lacks is enlarged and added. Ours; the paper has no such step.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .sizes import FACTOR


def back_project(frames: Tensor, small: Tensor, gain: float) -> Tensor:
    """Draw frames (1, 3, T, 2H, 2W) to small ones (1, 3, T, H, W), both in [-1, 1].

    gain: how much of the difference is added. 1 suits clean small frames; less lets a model mend what is wrong in them.
    """
    missing = (small.to(frames.device, torch.float32) - halved(frames))[0].transpose(0, 1)
    enlarged = F.interpolate(missing, scale_factor=FACTOR, mode="bicubic", align_corners=False)
    return (frames.float() + gain * enlarged.transpose(0, 1)[None]).clamp(-1, 1)


def halved(frames: Tensor) -> Tensor:
    """(1, 3, T, 2H, 2W) -> (1, 3, T, H, W), the mean of every 2 x 2 pixels."""
    return F.avg_pool3d(frames.float(), (1, FACTOR, FACTOR))
