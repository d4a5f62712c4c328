"""The restorer: a small recurrent network that puts decoded frames right by what the small ones and the last one show.

The VAE that Director-SR decodes with loses a little of everything, and draws each frame a little differently. The
small frames show the coarse half of what it lost, and how the picture moves; the frame before, moved along, shows the
fine half, so that what a keyframe shows lives on in the frames after it. The same is done backwards first, so that it
reaches the frames before it too. Frame-recurrent super-resolution (Sajjadi et al. 2018), in both directions (BasicVSR,
Chan et al. 2021), behind a decoder. Ours; the paper has no such step.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from ..timeline import ChunkPlan
from .sizes import FACTOR, small_frame
from .temporal_filter import GAIN, TemporalFilter

RGB = 3
LEVELS = 3  # of the pyramid that motion is found in; each has half the size of the one before
MIXED = 3  # what a pixel is a mixture of: drawn, matched, moved
BLOCK = 16  # frames, at most, that are held to be gone through backwards


@dataclass(frozen=True)
class Restored:
    """One restored frame, and what the next one needs of it. H, W: of the small frames.

    frame: (B, 3, 2H, 2W) in [-1, 1], or a little beyond. small: (B, 3, H, W), what it was held against. hidden: (B, C,
    H, W). flow: (B, 2, H, W), x and y in small pixels, from here to the same thing in the frame before; None for the
    first one. weights: (B, 3, 2H, 2W), how much of each pixel is as drawn, as matched, and as moved.
    """

    frame: Tensor
    small: Tensor
    hidden: Tensor
    flow: Tensor | None
    weights: Tensor


class FrameRestorer(ModelMixin, ConfigMixin):
    """Makes each pixel a mixture of three, and adds a learned rest.

    The three: what the VAE drew; the same, matched to the small frame, which means with what that has and it lacks
    (back-projection: Irani and Peleg 1991); and the frame before, moved along. It works at the small frames' size.

    channels, blocks: of the network that mixes. flow_channels: of the one that finds the motion.
    """

    @register_to_config
    def __init__(self, channels: int = 32, blocks: int = 5, flow_channels: int = 24):
        super().__init__()
        cell = FACTOR**2  # large pixels in a small one
        self.motion = Motion(flow_channels)
        self.enter = convolution(2 * RGB * cell + 2 * RGB + 1 + 2 * channels, channels)
        self.body = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.leave = convolution(channels, (RGB + MIXED) * cell)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, drawn: Tensor, small: Tensor, given: Tensor, before: Restored | None = None, hint: Tensor | None = None
    ) -> Restored:
        """The next frame, in either direction.

        drawn: (B, 3, 2H, 2W) in [-1, 1], decoded; or a keyframe, which is `given`, (B,) bools, and stays as it is.
        small: (B, 3, H, W) in [-1, 1], what it should be at half the size. before: the last frame, None for the first.
        hint: `hidden` of the same frame from the other direction, of which `drawn` is then the result; None where
        there is none yet.
        """
        flow, given = None, given.view(-1, 1, 1, 1)
        nothing = drawn.new_zeros(len(drawn), self.config.channels, *small.shape[-2:])
        if before is None:
            hidden, moved, moved_small = nothing, drawn, small
        else:
            flow = self.motion(small, before.small)
            hidden, moved_small = warp(before.hidden, flow), warp(before.small, flow)
            moved = warp(before.frame, large_flow(flow), "bicubic")
        seen = [F.pixel_unshuffle(drawn, FACTOR), F.pixel_unshuffle(moved, FACTOR), small, moved_small]
        seen += [given.to(small).expand_as(small[:, :1]), hidden, nothing if hint is None else hint]
        hidden = self.body(F.relu(self.enter(torch.cat(seen, dim=1))))
        rest, weights = F.pixel_shuffle(self.leave(hidden), FACTOR).split((RGB, MIXED), dim=1)
        weights = weights.softmax(dim=1)
        missing = small - F.avg_pool2d(drawn, FACTOR)
        matched = drawn + F.interpolate(missing, scale_factor=FACTOR, mode="bicubic", align_corners=False)
        mixture = (weights[:, :, None] * torch.stack([drawn, matched, moved], dim=1)).sum(dim=1)
        return Restored(torch.where(given, drawn, mixture + rest), small, hidden, flow, weights)

    def both_ways(
        self, frames: Sequence[tuple[Tensor, Tensor, Tensor]], before: Restored | None = None
    ) -> Iterator[Restored]:
        """Frames of one shot: backwards first, from the last of them, and then forwards on what that made.

        frames: (drawn, small, given) of each, as `forward` takes them. before: the frame before them.
        """
        after, hints = None, []
        for drawn, small, given in reversed(frames):
            after = self(drawn, small, given, after)
            hints.append((after.frame, after.hidden))
        for (_, small, given), (drawn, hint) in zip(frames, reversed(hints), strict=True):
            before = self(drawn, small, given, before, hint)
            yield before


class Motion(nn.Module):
    """How far everything moved since the frame before: coarse to fine, one network at all sizes (as SPyNet 2017)."""

    def __init__(self, channels: int):
        super().__init__()
        widths = [2 * RGB + 2, channels, channels, channels]
        layers = [(convolution(*pair), nn.ReLU()) for pair in itertools.pairwise(widths)]
        self.layers = nn.Sequential(*itertools.chain(*layers), convolution(channels, 2))

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """now, before: (B, 3, H, W). The flow (B, 2, H, W), see `Restored`."""
        pyramid = [(now, before)]
        for _ in range(LEVELS - 1):
            pyramid.append(tuple(F.avg_pool2d(frames, 2, ceil_mode=True) for frames in pyramid[-1]))
        flow = now.new_zeros(len(now), 2, *pyramid[-1][0].shape[-2:])
        for now, before in reversed(pyramid):
            if flow.shape[-2:] != now.shape[-2:]:
                flow = F.interpolate(2 * flow, size=now.shape[-2:], mode="bilinear", align_corners=False)
            flow = flow + self.layers(torch.cat([now, warp(before, flow), flow], dim=1))
        return flow


class Block(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(convolution(channels, channels), nn.ReLU(), convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3 x 3; the size stays."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def warp(frames: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Each pixel of the result is what (B, C, H, W) frames show `flow` away from it. Beyond the edge, the edge goes on.

    flow: (B, 2, H, W), x and y in pixels. mode: as `grid_sample`'s.
    """
    height, width = frames.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1).to(frames.dtype)
    return F.grid_sample(frames, grid, mode=mode, padding_mode="border", align_corners=False)


def large_flow(flow: Tensor) -> Tensor:
    """The flow of the small frames, (B, 2, H, W), for the large ones: twice the size, twice as far."""
    return F.interpolate(FACTOR * flow, scale_factor=FACTOR, mode="bilinear", align_corners=False)


def block_stops(num_frames: int, cuts: Collection[int], given: Collection[int]) -> set[int]:
    """Where blocks of at most BLOCK frames end (exclusive): before each cut, with each given frame, and at the end.

    What leads to a given frame is parted from there backwards, so that the frame's detail reaches BLOCK frames back.
    """
    stops, start = set(), 0
    for stop in sorted({*cuts, *(frame + 1 for frame in given), num_frames}):
        if stop - 1 in given:
            stops.update(range(stop, start, -BLOCK))
        else:
            stops.update(range(start + BLOCK, stop, BLOCK), (stop,))
        start = stop
    return stops


class Restoration:
    """A video's decoded frames, restored as they come, in their order; what stands still is then kept still.

    They are gone through backwards in blocks, see `block_stops`.

    source: the small frames, of which as many are read. videos: the plan's conditions, (1, 3, L, 2H or more, 2W or
    more), in the plan's order. size: (H, W) of the small frames.
    """

    def __init__(
        self,
        restorer: FrameRestorer,
        plan: ChunkPlan,
        source: Iterable[PIL.Image.Image | np.ndarray | Tensor],
        videos: Sequence[Tensor],
        size: tuple[int, int],
    ):
        self._restorer, self._cuts = restorer, set(plan.cuts)
        self._small = (small_frame(frame, size)[:, :, 0] for frame in source)
        self._last: Restored | None = None
        self._filter = TemporalFilter(GAIN)
        self._given: dict[int, Tensor] = {}  # frames of conditions, by their index
        height, width = (FACTOR * side for side in size)
        for place, video in zip(plan.conditions, videos, strict=True):
            frames = video[0, :, :, :height, :width].split(1, dim=1)
            self._given |= {place.frame_index + i: frame.transpose(0, 1) for i, frame in enumerate(frames)}
        self._stops = block_stops(plan.num_frames, plan.cuts, self._given)

    def __call__(self, decoded: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """(index of the first, frames (1, 3, T, 2H, 2W) in [-1, 1]), again and again: the same, restored, in blocks.

        Frames that were given are shown as they are.
        """
        like, block = next(self._restorer.parameters()), []
        for start, frames in decoded:
            for index, drawn in enumerate(frames.transpose(1, 2)[0].split(1), start):
                if index in self._cuts:
                    self._last, self._filter = None, TemporalFilter(GAIN)
                given = self._given.get(index)
                pair = (drawn if given is None else given).to(like), next(self._small).to(like)
                block.append((*pair, torch.tensor([given is not None], device=like.device)))
                if index + 1 in self._stops:
                    yield self._restored(block, index + 1, frames)
                    block = []

    def _restored(self, block: Sequence[tuple[Tensor, Tensor, Tensor]], stop: int, like: Tensor) -> tuple[int, Tensor]:
        """The block's frames, the last before `stop`, all at once."""
        made = []
        for restored, (_, small, given) in zip(self._restorer.both_ways(block, self._last), block, strict=True):
            shown = restored.frame.clamp(-1, 1)[:, :, None]
            made.append(self._filter(shown, small[:, :, None], [bool(given)]))
            self._last = restored
        return stop - len(made), torch.cat(made, dim=2).to(like)
