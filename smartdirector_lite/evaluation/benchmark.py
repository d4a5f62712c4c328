"""What is to be filmed: single-shot and multi-shot videos with random keyframes and their truth (paper, section 4).

The paper's benchmark holds 250 videos of each kind, 3 to 15 seconds long. Here the videos come from held-out seeds of
the toy world, or from the held-out part of a dataset that `smartdirector curate` made. Item k is the same whatever the
number of items, so that a benchmark can grow.
"""

import contextlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ..media.size import Size
from ..storyboard import Shot, Storyboard
from ..storyboard.pacing import move_frames, preset_targets
from ..toyworld import HELD_OUT_SEED, FrameTruth, Scene, render, sample_scene, scene_truth
from ..training.film import FilmShots
from ..training.tiny import DRAFT, FPS

KINDS = ("single", "multi")
FULL = 250  # items of each kind, as in the paper
QUICK = 12  # items of each kind in a quick run
SECONDS = (3.0, 15.0)  # how long items are
QUICK_SECONDS = (3.0, 5.0)
SHOT_SECONDS = 1.5  # the least even share of a shot in a multi-shot item of the toy world
MAX_SHOTS = 4
CLOSEST = 4  # frames; the least distance of two keyframes
FIRST_SEED = HELD_OUT_SEED + 500_000  # no other bench uses seeds from here on


@dataclass(frozen=True, eq=False)
class Item:
    """A video to be filmed, and the true one.

    Attributes:
        name: unlike that of any other item; its record has this name.
        storyboard: what is told of it: length, rate, captions and shots. It holds no keyframes.
        frames: the true video, (T, 3, H, W) in [0, 1]. A filmer may look at `given` alone, and at `small` where it
            enlarges.
        keyframes: the frames that are given, ascending.
        seed: what a filmer draws its noise from.
        scene: what the toy world drew; None for real footage.
        times: the frame of the scene that each frame shows, where time passes unlike in the scene.
    """

    name: str
    storyboard: Storyboard
    frames: Tensor
    keyframes: tuple[int, ...]
    seed: int
    scene: Scene | None = None
    times: tuple[int, ...] | None = None

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return KINDS[bool(self.cuts)]

    @property
    def caption(self) -> str:
        """The structured caption, which the text encoder reads."""
        return self.storyboard.caption()

    @property
    def cuts(self) -> tuple[int, ...]:
        """The first frames of all shots but the first one."""
        return tuple(self.storyboard.cuts)

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> Size:
        return Size(self.frames.shape[3], self.frames.shape[2])

    @property
    def given(self) -> dict[int, Tensor]:
        """The keyframes, (3, H, W) in [0, 1], by frame."""
        return {frame: self.frames[frame] for frame in self.keyframes}

    @property
    def small(self) -> Tensor:
        """What is to be enlarged: (T, 3, H / 2, W / 2) in [0, 1], each pixel the mean of four, in 256 levels."""
        return (F.avg_pool2d(self.frames, 2) * 255).round() / 255

    @property
    def shots(self) -> list[tuple[int, int]]:
        """The frames [start, stop) of each shot."""
        return list(itertools.pairwise((0, *self.cuts, self.num_frames)))

    def truth(self) -> list[FrameTruth]:
        """Where characters, eyes and letters are in each frame. Nothing is known of real footage, which gives none."""
        truths = scene_truth(self.scene, self.size) if self.scene else []
        return truths if self.times is None else [truths[time] for time in self.times]

    def retimed(self, pacing: str) -> "Item":
        """The same keyframes at other times, and the true frames at the times that lie in between.

        Args:
            pacing: a name in `storyboard.pacing.PACING`.

        Raises:
            ValueError: the item has fewer than three keyframes, or its cuts leave no room.
        """
        lengths = dict.fromkeys(self.keyframes, 1)
        targets = dict(zip(self.keyframes, preset_targets(self.keyframes, pacing), strict=True))
        fixed = self.keyframes[0], self.keyframes[-1]
        moved = move_frames(self.num_frames, lengths, self.cuts, targets, fixed)
        cuts = [moved[cut] for cut in self.cuts]
        # Time runs evenly from each keyframe, or end of a shot, to the next one.
        known = {0: 0, self.num_frames - 1: self.num_frames - 1}
        known |= {moved[cut] - 1: cut - 1 for cut in self.cuts} | {new: old for old, new in moved.items()}
        new, old = zip(*sorted(known.items()), strict=True)
        times = tuple(int(time + 0.5) for time in np.interp(range(self.num_frames), new, old))
        starts = zip(self.storyboard.shots, (0, *cuts), strict=bool(cuts))
        shots = tuple(replace(shot, start=None, start_frame=start) for shot, start in starts)
        keyframes = tuple(moved[frame] for frame in self.keyframes)
        name, storyboard = f"{self.name}-{pacing}", replace(self.storyboard, shots=shots)
        return Item(name, storyboard, self.frames[list(times)], keyframes, self.seed, self.scene, times)


class Filmer(Protocol):
    """Films items: a model, or a baseline.

    Attributes:
        name: what tables call it.
        settings: whatever decides its videos, such as a model's path and its steps. A record that was made with others
            is measured anew.
    """

    name: str
    settings: Mapping[str, object]

    def __call__(self, item: Item) -> Tensor:
        """Film an item from its caption, its cuts and `item.given`: (T, 3, H, W) in [0, 1], T as the item says."""
        ...


class Benchmark(Protocol):
    """Items in a fixed order. Each is drawn when it is asked for, since 500 videos would fill the memory.

    Attributes:
        source: where the items come from, for tables and records.
        names: of all items.
    """

    source: str
    names: Sequence[str]

    def __getitem__(self, index: int) -> Item: ...


def draw_keyframes_apart(rng: random.Random, shots: Sequence[tuple[int, int]], fps: float) -> tuple[int, ...]:
    """Draw the frames of an item's keyframes.

    Their number is anything from 2 to one a second and two more. Each shot has one at least, and they stand CLOSEST
    frames apart or more, anywhere.
    """
    num_frames = shots[-1][1]
    count = rng.randint(2, 2 + int(num_frames / fps))
    frames = {rng.randrange(start, stop) for start, stop in shots}
    for frame in rng.sample(range(num_frames), num_frames):
        if len(frames) < count and all(abs(frame - other) >= CLOSEST for other in frames):
            frames.add(frame)
    return tuple(sorted(frames))


@dataclass(frozen=True)
class ToyBenchmark:
    """Items of the toy world, by seed.

    Attributes:
        count: items of each of KINDS.
        seconds: the shortest and the longest item.
        size: of the frames.
        names: of the items, the two kinds in turn.
    """

    count: int = FULL
    seconds: tuple[float, float] = SECONDS
    size: Size = DRAFT
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(f"{kind}-{number:03}" for number in range(self.count) for kind in KINDS)
        object.__setattr__(self, "names", names)

    @classmethod
    def quick(cls, count: int = QUICK, size: Size = DRAFT) -> "ToyBenchmark":
        """The fixed small split, whose items are short."""
        return cls(count, QUICK_SECONDS, size)

    @property
    def source(self) -> str:
        low, high = self.seconds
        return f"toy world, {low:g} to {high:g} s, {self.size}"

    def __getitem__(self, index: int) -> Item:
        name, seed = self.names[index], FIRST_SEED + index
        rng = random.Random(f"benchmark-{seed}-{self.seconds}")
        num_frames = round(rng.uniform(*self.seconds) * FPS) + 1
        num_shots = 1
        if name.startswith("multi"):
            num_shots = rng.randint(2, max(2, min(MAX_SHOTS, int(num_frames / FPS / SHOT_SECONDS))))
        scene = sample_scene(seed, num_frames, num_shots, FPS)
        shots = tuple(Shot(**scene.shot_caption(i)) for i in range(num_shots))
        storyboard = Storyboard(description=scene.description, shots=shots, num_frames=num_frames, fps=FPS)
        bounds = list(itertools.pairwise((0, *scene.cuts, num_frames)))
        keyframes = draw_keyframes_apart(rng, bounds, FPS)
        return Item(name, storyboard, render(scene, self.size), keyframes, seed, scene)


class FilmBenchmark:
    """Items of the held-out part of a curated dataset: parts of its shots, and of its runs of shots.

    Args:
        dataset: what `smartdirector curate` made.
        count: the most items of each of KINDS; a dataset with fewer shots gives fewer.
        seconds: the shortest and the longest item; runs of shots that are shorter are left out.
        size: of the frames.

    Raises:
        ValueError: there is no whole dataset, or no held-out shot is long enough.
    """

    def __init__(
        self, dataset: str | Path, count: int = FULL, seconds: tuple[float, float] = SECONDS, size: Size = DRAFT
    ) -> None:
        self.film, self.seconds, self.size = FilmShots.load(dataset, held_out=True), seconds, size
        self.source = f"held-out part of {Path(dataset).name}, {seconds[0]:g} to {seconds[1]:g} s, {size}"
        shortest, longest = (round(limit * FPS) for limit in seconds)
        single = [(a, min(b, a + longest)) for a, b in self.film.shots if b - a >= shortest]
        multi = [(a, b) for a, b in self._runs(longest) if b - a >= shortest]
        spans = zip(KINDS, (single, multi), strict=True)
        self._spans = {f"{kind}-{i:03}": span for kind, own in spans for i, span in enumerate(own)}
        pairs = ([f"{kind}-{i:03}" for kind in KINDS] for i in range(count))
        self.names = tuple(name for pair in pairs for name in pair if name in self._spans)
        if not self.names:
            raise ValueError(f"{dataset}: no held-out shot lasts {seconds[0]:g} s; curate a longer film")

    def _runs(self, longest: int) -> Iterator[tuple[int, int]]:
        """Runs of two shots or more of one clip, as frames; each shot is in one run at most."""
        placed = zip(self.film.shots, self.film.clips, strict=True)
        for _, group in itertools.groupby(placed, key=lambda pair: pair[1]):
            shots = [shot for shot, _ in group]
            while len(shots) > 1:
                inside = [stop for _, stop in shots if stop - shots[0][0] <= longest]
                if len(inside) > 1:
                    yield shots[0][0], inside[-1]
                shots = shots[max(1, len(inside)) :]

    def __getitem__(self, index: int) -> Item:
        name = self.names[index]
        start, stop = self._spans[name]
        clip, offset = next(of for (a, b), of in zip(self.film.shots, self.film.clips) if a <= start < b)
        storyboard = clip.storyboard(start - offset, stop - offset, FPS)
        bounds = list(itertools.pairwise((0, *storyboard.cuts, stop - start)))
        keyframes = draw_keyframes_apart(random.Random(f"benchmark-{name}"), bounds, FPS)
        frames = self.film.clip(start, stop - start, size=self.size)
        return Item(name, storyboard, frames, keyframes, start)


class PacedBenchmark:
    """The items of another benchmark with their keyframes at other times; without those that can't be retimed.

    Args:
        pacing: a name in `storyboard.pacing.PACING`.
    """

    def __init__(self, benchmark: Benchmark, pacing: str) -> None:
        self.benchmark, self.pacing, self._places = benchmark, pacing, []
        self.source = f"{benchmark.source}, retimed: {pacing}"
        for place in range(len(benchmark.names)):
            with contextlib.suppress(ValueError):  # fewer than three keyframes, or no room for a cut
                benchmark[place].retimed(pacing)
                self._places.append(place)
        self.names = tuple(f"{benchmark.names[place]}-{pacing}" for place in self._places)

    def __getitem__(self, index: int) -> Item:
        return self.benchmark[self._places[index]].retimed(self.pacing)


class EnlargedBenchmark:
    """The items of another benchmark, whose small frames are to be enlarged; their names tell them from those.

    Args:
        benchmark: of items in the large size, whose sides are even.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self.source = f"{benchmark.source}, enlarged from half that size"
        self.names = tuple(f"{name}-enlarged" for name in benchmark.names)

    def __getitem__(self, index: int) -> Item:
        return replace(self.benchmark[index], name=self.names[index])
