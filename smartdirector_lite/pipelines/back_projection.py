"""Back-projection: an enlarged frame, made small again, should be the small frame (Irani and Peleg 1991).

The VAE that Director-SR decodes with loses a little of everything; the coarse half of a frame need not be lost, since
the small frames show it. What they have and the result lacks is enlarged and added. Ours; the paper has no such step.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional as F

from ..timeline import ChunkPlan
from .options import check_back_projection
from .sizes import FACTOR, small_frame


def choose_gain(asked: float | None, default: float, source: Iterable | Tensor) -> float:
    """The gain of a call on frames or on latents (a Tensor), which have no frames to go back to.

    ValueError for one out of range, and for one that is asked for on latents.
    """
    gain = (0.0 if isinstance(source, Tensor) else default) if asked is None else asked
    check_back_projection(gain)
    if gain and isinstance(source, Tensor):
        raise ValueError(f"back_projection is {gain}, which needs frames: give them, or back_projection=0")
    return gain


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


def references(
    plan: ChunkPlan,
    source: Iterable[PIL.Image.Image | np.ndarray | Tensor],
    videos: Sequence[Tensor],
    size: tuple[int, int],
) -> Iterator[Tensor]:
    """What each frame should look like when it is small, (1, 3, 1, H, W) in [-1, 1], one by one.

    A given frame is its own reference, made small: the draft knows it less well. videos: the plan's conditions,
    (1, 3, L, 2H or more, 2W or more), in the plan's order. size: (H, W) of the small frames of `source`.
    """
    height, width = (FACTOR * side for side in size)
    given = {}
    for place, video in zip(plan.conditions, videos, strict=True):
        frames = halved(video[..., :height, :width]).split(1, dim=2)
        given |= {place.frame_index + i: frame for i, frame in enumerate(frames)}
    for index, frame in enumerate(source):
        yield given[index] if index in given else small_frame(frame, size)
