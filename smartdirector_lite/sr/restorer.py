"""The restorer: a small recurrent network that corrects decoded frames. It is ours; the paper has no such step.

The VAE that Director-SR decodes with loses a little detail everywhere, and draws every frame a little differently. Two
things show what a frame should look like. The small frame shows its coarse content, and small frames also show how the
picture moves. The neighbouring frame, moved along with that motion, shows its fine detail. In this way the detail of a
keyframe lives on in the frames around it. This is frame-recurrent super-resolution (Sajjadi et al. 2018) in both
directions (BasicVSR, Chan et al. 2021), behind a decoder.

`FrameRestorer` is the network and restores one frame after another. `Restoration` takes it through a whole video: it
knows the cuts and the keyframes, and at last keeps still what stands still.

Axes: B batch, C channels, H, W height and width of the small frames; the decoded frames have 2H and 2W.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from ..gen.conditions import Frame
from ..media.size import Size
from ..timeline import ChunkPlan
from .frames import FACTOR, small_frame

RGB = 3
LEVELS = 3  # sizes at which motion is searched; each has half the sides of the one before
MIXED = 3  # the pictures that are mixed: as drawn, as matched, as moved
BLOCK = 16  # the most frames that wait to be gone through backwards
GAIN = 0.95  # share of the frame before that a pixel keeps where the small frames do not change at all
TOLERANCE = 8 / 255  # change of a small pixel, in [-1, 1], from which the pixel counts as moving
REACH = 2  # small pixels around a moving one that count as moving too; without them, outlines that move are blurred

# ---------------------------------------------------------------- the network


@dataclass(frozen=True)
class Restored:
    """One restored frame, with all that the next one needs of it.

    Attributes:
        frame: (B, 3, 2H, 2W), about in [-1, 1].
        small: (B, 3, H, W) in [-1, 1], the small frame that belongs to it.
        hidden: (B, C, H, W), the network's memory.
        flow: (B, 2, H, W), x and y in small pixels, from each pixel to the same thing in the frame before; None for the
            first frame.
        weights: (B, 3, 2H, 2W), the shares of each pixel that are as drawn, as matched and as moved; their sum is 1.
    """

    frame: Tensor
    small: Tensor
    hidden: Tensor
    flow: Tensor | None
    weights: Tensor


class FrameRestorer(ModelMixin, ConfigMixin):
    """Mixes every pixel from three pictures and adds a learned correction. It works at the small frames' size.

    The three pictures are the frame as the VAE drew it; the same frame, matched to the small frame by adding what it
    lacks of that (back-projection, Irani and Peleg 1991); and the frame before, moved along with the motion.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 32,  # width of the network that mixes
        blocks: int = 5,  # number of its residual blocks
        flow_channels: int = 24,  # width of the network that finds the motion
    ):
        """Make a restorer that mixes the three pictures in equal shares until it is trained."""
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
        """Restore the next frame, in either direction of time.

        Args:
            drawn: (B, 3, 2H, 2W) in [-1, 1], the decoded frame or a keyframe.
            small: (B, 3, H, W) in [-1, 1], the same frame at half the size.
            given: (B,) bools, true where `drawn` is a keyframe, which stays as it is.
            before: the frame that was restored last; None for the first one.
            hint: (B, C, H, W), `hidden` of this frame from the other direction, where `drawn` is the result of that
                direction; None where there is none.
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
        """Restore frames of one shot twice: backwards from the last one, and then forwards on the result of that.

        Args:
            frames: (drawn, small, given) of each frame, as `forward` takes them.
            before: the restored frame before the first of them, if there is one.
        """
        after, hints = None, []
        for drawn, small, given in reversed(frames):
            after = self(drawn, small, given, after)
            hints.append((after.frame, after.hidden))
        for (_, small, given), (drawn, hint) in zip(frames, reversed(hints), strict=True):
            before = self(drawn, small, given, before, hint)
            yield before


class Motion(nn.Module):
    """Finds how far everything moved between two frames, from coarse to fine (as SPyNet, Ranjan and Black 2017)."""

    def __init__(self, channels: int):
        super().__init__()
        widths = [2 * RGB + 2, channels, channels, channels]
        layers = [(convolution(*pair), nn.ReLU()) for pair in itertools.pairwise(widths)]
        self.layers = nn.Sequential(*itertools.chain(*layers), convolution(channels, 2))

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """Find the flow (B, 2, H, W) between two frames (B, 3, H, W) in [-1, 1]; `Restored` says what a flow is."""
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
    """A residual block of two convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(convolution(channels, channels), nn.ReLU(), convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A convolution with a 3 x 3 kernel that keeps the size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def warp(frames: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Move pictures along a flow: each pixel of the result shows what `frames` show `flow` away from it.

    Args:
        frames: (B, C, H, W). Beyond the edge, their last row and column repeat.
        flow: (B, 2, H, W), x and y in pixels.
        mode: the interpolation, as `grid_sample` takes it.
    """
    height, width = frames.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1).to(frames.dtype)
    return F.grid_sample(frames, grid, mode=mode, padding_mode="border", align_corners=False)


def large_flow(flow: Tensor) -> Tensor:
    """The flow of the small frames, (B, 2, H, W), for the large ones: (B, 2, 2H, 2W), and twice as far."""
    return F.interpolate(FACTOR * flow, scale_factor=FACTOR, mode="bilinear", align_corners=False)


# ---------------------------------------------------------------- a video


class Restoration:
    """Restores the decoded frames of a video as they come, and keeps still what stands still.

    Frames wait in blocks, because the restorer goes through each block backwards first; see `block_stops`.
    """

    def __init__(
        self, restorer: FrameRestorer, plan: ChunkPlan, source: Iterable[Frame], videos: Sequence[Tensor], size: Size
    ):
        """Prepare the restoration of one video.

        Args:
            source: the small frames. One is read for each decoded frame.
            videos: the conditions of the plan, in its order, (1, 3, L, 2H, 2W) in [-1, 1]; larger ones are cut off.
            size: the size of the small frames.
        """
        self.restorer = restorer
        self.cuts = set(plan.cuts)
        self.small = (small_frame(frame, size)[:, :, 0] for frame in source)
        self.given: dict[int, Tensor] = {}  # the frames of the conditions, (1, 3, 2H, 2W), by their index
        width, height = size.times(FACTOR)
        for condition, video in zip(plan.conditions, videos, strict=True):
            self.given |= enumerate(video[..., :height, :width].unbind(2), condition.frame_index)
        self.stops = block_stops(plan.num_frames, plan.cuts, self.given)

    def __call__(self, decoded: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """Restore the frames of the video. Frames of conditions come back exactly as they were given.

        Args:
            decoded: (index of the first frame, frames (1, 3, T, 2H, 2W) in [-1, 1]), again and again, from frame 0 on.

        Returns:
            An iterator over the restored blocks in the same form, range and dtype.
        """
        last, shown = None, None
        for start, block, dtype in self._blocks(decoded):
            if start in self.cuts:
                last, shown = None, None
            made = []
            for restored, (_, small, given) in zip(self.restorer.both_ways(block, last), block, strict=True):
                shown = keep_still(restored.frame.clamp(-1, 1), small, None if given else shown)
                made.append(shown[0])
                last = restored
            yield start, torch.stack(made, dim=2).to(dtype)

    def _blocks(self, decoded: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, list[tuple], torch.dtype]]:
        """The blocks: index of the first frame, (drawn, small, given) of each frame, dtype of the decoded frames."""
        weight, block = next(self.restorer.parameters()), []
        for start, frames in decoded:
            for index, drawn in enumerate(frames.unbind(2), start):
                drawn = self.given.get(index, drawn).to(weight)
                given = torch.tensor([index in self.given], device=weight.device)
                block.append((drawn, next(self.small).to(weight), given))
                if index + 1 in self.stops:
                    yield index + 1 - len(block), block, frames.dtype
                    block = []


def block_stops(num_frames: int, cuts: Collection[int], given: Collection[int]) -> set[int]:
    """Divide a video into blocks of at most BLOCK frames, and return where they stop (exclusive).

    A block stops before each cut, with each given frame (a frame of a condition), and at the end. The frames before a
    given frame are divided backwards from it, so that its detail reaches BLOCK frames back.
    """
    stops, start = set(), 0
    for stop in sorted({*cuts, *(frame + 1 for frame in given), num_frames}):
        if stop - 1 in given:
            stops.update(range(stop, start, -BLOCK))
        else:
            stops.update(range(start + BLOCK, stop, BLOCK), (stop,))
        start = stop
    return stops


def keep_still(
    frame: Tensor, small: Tensor, before: tuple[Tensor, Tensor] | None, gain: float = GAIN
) -> tuple[Tensor, Tensor]:
    """Average a frame with the one before where the small frames stand still, against flicker.

    This is a recursive temporal filter (Dubois and Sabri 1984).

    Args:
        frame: (B, 3, 2H, 2W) in [-1, 1].
        small: (B, 3, H, W) in [-1, 1], the small frame that belongs to it.
        before: what this function returned for the frame before. None keeps `frame` as it is, which is right for the
            first frame of a shot and for a frame that was given.
        gain: the share of the frame before that a pixel keeps where the small frames do not change at all; 0 to 1.

    Returns:
        The average, and the average of the small frames with the same weights.
    """
    if before is None:
        return frame, small
    weight = gain * stillness(small, before[1])
    large = F.interpolate(weight, scale_factor=FACTOR, mode="bilinear", align_corners=False)
    return frame.lerp(before[0], large), small.lerp(before[1], weight)


def stillness(a: Tensor, b: Tensor) -> Tensor:
    """How still each pixel stands between two frames (B, 3, H, W) in [-1, 1], as (B, 1, H, W).

    It is 1 where the frames are equal for REACH pixels around, and falls to 0 where they differ by TOLERANCE or more.
    """
    change = (a - b).abs().amax(dim=1, keepdim=True)
    change = F.max_pool2d(change, 2 * REACH + 1, stride=1, padding=REACH)
    return (1 - change / TOLERANCE).clamp(min=0)
