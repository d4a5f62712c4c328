"""How well models that were trained with each scheme of MC-RoPE predict the velocity (paper, MC-RoPE ablation).

Each model gets the same held-out toy videos with the same noise, and its own scheme. Errors of a single pass differ far
less by chance than whole videos do, so they tell schemes apart that no benchmark of a few videos can. The groups are
chosen to be where a scheme can matter: clips as in training, clips longer than any of training, and keyframes so near
each other that the schemes give them quite different places.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ..flow import path, velocity
from ..media.size import Size
from ..timeline import ChunkPlan
from ..training.clips import ClipEntry, encode_clips
from ..training.tiny import DRAFT
from .benchmark import QUICK, Item, ToyBenchmark
from .distances import Interval, Statistic, bootstrap, mean_statistic

if TYPE_CHECKING:
    from .ablation import SmallFilmer

TIMES = (0.9, 0.6, 0.3)  # flow times; 1 is pure noise
LONG_SECONDS = (7.0, 15.0)  # training clips last 6.1 s at most
BESIDE = "beside keyframes"
Errors = dict[str, list[float | None]]  # by figure, one value a video


@dataclass(frozen=True, eq=False)
class NoisyClip:
    """A held-out video as a model sees it.

    Attributes:
        plan: its chunks.
        latents, noise: x_0 and x_1, (C, F, h, w).
        caption: the structured one.
    """

    plan: ChunkPlan
    latents: Tensor
    noise: Tensor
    caption: str

    @property
    def beside(self) -> Tensor:
        """Which latents end a chunk before a keyframe, and are no anchors: (F,) bools."""
        before = [later.latent_start - 1 for later in self.plan.chunks[1:] if later.condition is not None]
        beside = torch.zeros(self.plan.num_latents, dtype=torch.bool)
        beside[before] = True
        return beside & ~torch.tensor(self.plan.anchors)


class Group(NamedTuple):
    """Items to measure on. `items` draws them when they are asked for, once."""

    count: int
    items: Iterator[Item]


def held_out_items(count: int = QUICK, size: Size = DRAFT) -> Mapping[str, Group]:
    """The groups of items to measure on: 2 x count, of long ones `count`."""
    short, long = ToyBenchmark.quick(count, size), ToyBenchmark(count, LONG_SECONDS, size)
    return {
        "as in training": Group(2 * count, (short[index] for index in range(2 * count))),
        "longer than in training": Group(count, (long[index] for index in range(count))),
        "keyframes 1 to 3 frames apart": Group(
            2 * count, (with_neighbours(short[index]) for index in range(2 * count))
        ),
    }


def with_neighbours(item: Item) -> Item:
    """The same item with another keyframe 1, 2 or 3 frames after each one, as far as it is long enough."""
    more = {frame + 1 + place % 3 for place, frame in enumerate(item.keyframes)}
    keyframes = tuple(sorted({*item.keyframes, *(frame for frame in more if frame < item.num_frames)}))
    return replace(item, keyframes=keyframes)


@torch.no_grad()
def noisy_clip(vae: AutoencoderKLWan, item: Item) -> NoisyClip:
    """Encode an item in chunks, and draw its noise by its seed."""
    entry = ClipEntry(item.num_frames, item.keyframes, item.cuts, item.caption, item.caption)
    latents = encode_clips(vae, [(item.frames, entry)])[0]
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(item.seed))
    return NoisyClip(entry.plan(vae.config.scale_factor_temporal), latents, noise, item.caption)


@dataclass(frozen=True, eq=False)
class NoisyClips:
    """The noisy clips of a group. All are encoded when the first one is asked for, and none if none ever is.

    Attributes:
        vae: what encodes.
        group: whose items are drawn then.
    """

    vae: AutoencoderKLWan
    group: Group

    def __len__(self) -> int:
        return self.group.count

    def __iter__(self) -> Iterator[NoisyClip]:
        return iter(self._encoded)

    @cached_property
    def _encoded(self) -> list[NoisyClip]:
        return [noisy_clip(self.vae, item) for item in self.group.items]


@torch.no_grad()
def velocity_errors(filmer: "SmallFilmer", clips: Iterable[NoisyClip]) -> Errors:
    """The mean squared error of the velocity at each of TIMES, over all free latents and over those beside keyframes.

    Args:
        filmer: has a model, its tokenizer, its scheme and its `cut_gap`.

    Returns:
        A value a clip; None beside keyframes where no free latent is.
    """
    found: Errors = {}
    for clip in clips:
        anchors, beside = torch.tensor(clip.plan.anchors), clip.beside
        tau = torch.tensor([clip.plan.tau(filmer.way, filmer.cut_gap)])
        x_0, x_1 = clip.latents[None], clip.noise[None]
        text = filmer.pipeline.tokenizer([clip.caption], padding="max_length", truncation=True, return_tensors="pt")
        for time in TIMES:
            t = torch.where(anchors, 0.0, time)[None]
            predicted = filmer.model(path(x_0, x_1, t), t, text.input_ids, text.attention_mask, tau)
            error = (predicted - velocity(x_0, x_1)).square().mean(dim=(0, 1, 3, 4))
            found.setdefault(f"t = {time:g}", []).append(float(error[~anchors].mean()))
            near = float(error[beside].mean()) if beside.any() else None
            found.setdefault(f"t = {time:g}, {BESIDE}", []).append(near)
    return found


def average(runs: Sequence[Errors]) -> Errors:
    """Average the errors of several trainings, clip by clip."""
    return {name: np.mean([np.asarray(run[name], dtype=float) for run in runs], axis=0).tolist() for name in runs[0]}


def compare_errors(errors: Mapping[str, Errors], ours: str) -> dict[str, dict[str, Interval]]:
    """How much larger than ours each scheme's errors are, by figure and scheme.

    Intervals come from the bootstrap over clips, which all schemes share.

    Args:
        errors: by scheme.
        ours: the scheme that the others are compared with.

    Returns:
        In percent of our error; for our own scheme, the error itself.
    """
    table: dict[str, dict[str, Interval]] = {}
    for figure, own in errors[ours].items():
        base = mean_statistic(own)
        table[figure] = {ours: bootstrap(len(own), base)}
        for scheme, found in errors.items():
            if scheme != ours:
                table[figure][scheme] = bootstrap(len(own), _excess(mean_statistic(found[figure]), base))
    return table


def _excess(other: Statistic, base: Statistic) -> Statistic:
    return lambda chosen: 100 * (other(chosen) / base(chosen) - 1)
