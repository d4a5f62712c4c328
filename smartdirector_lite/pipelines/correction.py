"""What the small frames tell about the large ones that were decoded: back-projection, then the temporal filter."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..timeline import ChunkPlan
from .back_projection import back_project, halved
from .options import SROptions, check_gains
from .sizes import FACTOR, small_frame
from .temporal_filter import TemporalFilter

GAINS = ("back_projection", "temporal_filter")


def choose_gains(options: SROptions, defaults: Mapping[str, float], source: Iterable | Tensor) -> tuple[float, float]:
    """GAINS of a call on frames or on latents (a Tensor), which have no small frames.

    defaults: the model's, for those that `options` leave open. ValueError for one out of range, and for one that is
    asked for on latents.
    """
    latents, gains = isinstance(source, Tensor), {name: getattr(options, name) for name in GAINS}
    own = {name: 0.0 if latents else defaults[name] for name, gain in gains.items() if gain is None}
    gains |= own
    check_gains(**gains)
    for name, gain in gains.items():
        if gain and latents:
            raise ValueError(f"{name} is {gain}, which needs frames: give them, or {name}=0")
    return tuple(gains.values())


class Correction:
    """Corrects decoded frames, which are to come in their order.

    source: the small frames, of which as many are read. videos: the plan's conditions, (1, 3, L, 2H or more, 2W or
    more), in the plan's order. size: (H, W) of the small frames. gains: GAINS.
    """

    def __init__(
        self,
        plan: ChunkPlan,
        source: Iterable[PIL.Image.Image | np.ndarray | Tensor],
        videos: Sequence[Tensor],
        size: tuple[int, int],
        gains: tuple[float, float],
    ):
        self._small = (small_frame(frame, size) for frame in source)
        self._gain, self._filter = gains[0], TemporalFilter(gains[1])
        self._given: dict[int, Tensor] = {}  # a given frame, made small, by its index: the source knows it less well
        self._done = 0
        height, width = (FACTOR * side for side in size)
        for place, video in zip(plan.conditions, videos, strict=True):
            frames = halved(video[..., :height, :width]).split(1, dim=2)
            self._given |= {place.frame_index + i: frame for i, frame in enumerate(frames)}

    def __call__(self, frames: Tensor) -> Tensor:
        """The next frames, (1, 3, T, 2H, 2W) in [-1, 1]."""
        small = list(itertools.islice(self._small, frames.shape[2]))
        indices = range(self._done, self._done + len(small))
        self._done += len(small)
        if self._gain:
            wanted = torch.cat([self._given.get(i, frame) for i, frame in zip(indices, small, strict=True)], dim=2)
            frames = back_project(frames, wanted, self._gain)
        if self._filter.gain:
            small = torch.cat(small, dim=2).to(frames.device, torch.float32)
            frames = self._filter(frames, small, [i in self._given for i in indices])
        return frames
