"""Toy films: scenes one after the other, with cuts, dissolves and fades between them, and the truth about each frame.

Inside a scene one shot cuts to the next. From one scene to the next there may be a dissolve, which mixes the end of the
one with the beginning of the other, or a fade, which goes to black and comes back. No frame of a transition belongs to
a shot.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..media.size import Size
from .render import render
from .sampling import sample_scene
from .scene import Scene, SceneShot

TransitionKind = Literal["cut", "dissolve", "fade"]
FRAMES_AT_ONCE = 24  # frames that are drawn together
SHOT_SECONDS = (1.5, 3.5)  # how long shots last on average


class Transition(NamedTuple):
    """Frames [start, stop) between two shots; both are the first frame of the next shot where there is a cut."""

    start: int
    stop: int
    kind: TransitionKind


class FilmShot(NamedTuple):
    """Frames [start, stop) of a film that show one shot and nothing of a transition.

    Attributes:
        scene: the number of its scene in the film.
        index: its number in the scene.
    """

    start: int
    stop: int
    scene: int
    index: int


@dataclass(frozen=True)
class ToyFilm:
    """A film of several scenes.

    Attributes:
        scenes: in their order, all at one frame rate.
        joins: the kind of the transition from each scene to the next, and how many frames it lasts (0 for a cut).
    """

    scenes: tuple[Scene, ...]
    joins: tuple[tuple[TransitionKind, int], ...]

    @property
    def fps(self) -> float:
        return self.scenes[0].fps

    @property
    def starts(self) -> list[int]:
        """The first frame in which each scene is seen, if only a little."""
        starts = [0]
        for scene, (kind, length) in zip(self.scenes, self.joins, strict=False):
            starts.append(starts[-1] + scene.num_frames - (length if kind == "dissolve" else 0))
        return starts

    @property
    def num_frames(self) -> int:
        return self.starts[-1] + self.scenes[-1].num_frames

    @property
    def transitions(self) -> list[Transition]:
        """Every border between two shots, in order."""
        found = [
            Transition(start + cut, start + cut, "cut")
            for start, scene in zip(self.starts, self.scenes, strict=True)
            for cut in scene.cuts
        ]
        for start, (kind, length) in zip(self.starts[1:], self.joins, strict=True):
            before = length // 2 if kind == "fade" else 0  # a fade begins before the next scene does
            found.append(Transition(start - before, start - before + length, kind))
        return sorted(found)

    @property
    def shots(self) -> list[FilmShot]:
        """Every shot, in order."""
        places = [(number, index) for number, scene in enumerate(self.scenes) for index in range(len(scene.shots))]
        borders = [0, *itertools.chain(*(transition[:2] for transition in self.transitions)), self.num_frames]
        spans = zip(borders[::2], borders[1::2], strict=True)
        return [FilmShot(*span, *place) for span, place in zip(spans, places, strict=True)]

    def shot(self, shot: FilmShot) -> SceneShot:
        """What is filmed in a shot."""
        return self.scenes[shot.scene].shots[shot.index]

    def frames(self, size: Size) -> Iterator[NDArray]:
        """Draw the film frame by frame, (H, W, 3) uint8; only a few frames are held at once."""
        streams = [_draw(scene, size) for scene in self.scenes]
        joins = [("cut", 0), *self.joins, ("cut", 0)]
        for scene, stream, (kind, length), (next_kind, next_length), following in zip(
            self.scenes, streams, joins[:-1], joins[1:], [*streams[1:], iter(())], strict=True
        ):
            first = length if kind == "dissolve" else 0  # so many frames were shown mixed with the scene before
            faded_in = length - length // 2 if kind == "fade" else 0
            faded_out = next_length // 2 if next_kind == "fade" else 0
            mixed = next_length if next_kind == "dissolve" else 0
            for index in range(first, scene.num_frames):
                frame, left = next(stream), scene.num_frames - index  # `left` counts this frame
                if left <= mixed:
                    share = (mixed - left + 1) / (mixed + 1)
                    frame = (1 - share) * frame + share * next(following)
                elif left <= faded_out:
                    frame = frame * ((left - 1) / faded_out)
                elif index < faded_in:
                    frame = frame * ((index + 1) / (faded_in + 1))
                yield np.round(frame).astype(np.uint8)


def _draw(scene: Scene, size: Size) -> Iterator[NDArray]:
    for start in range(0, scene.num_frames, FRAMES_AT_ONCE):
        frames = render(scene, size, frames=slice(start, start + FRAMES_AT_ONCE))
        yield from (255 * frames).permute(0, 2, 3, 1).numpy()


def sample_film(
    seed: int, num_shots: int = 20, fps: float = 12.0, soft: float = 0.4, frames: tuple[int, int] = (6, 14)
) -> ToyFilm:
    """Draw a film from a seed. The same arguments always give the same film.

    Args:
        num_shots: how many shots it has in all; a scene has 1 to 4 of them.
        soft: how often the transition between two scenes is a dissolve or a fade, from 0 to 1.
        frames: the fewest and the most frames that such a transition lasts.
    """
    rng = random.Random(f"film-{seed}-{num_shots}")
    scenes: list[Scene] = []
    while (left := num_shots - sum(len(scene.shots) for scene in scenes)) > 0:
        count = min(left, rng.choice((1, 2, 3, 4)))
        num_frames = round(fps * sum(rng.uniform(*SHOT_SECONDS) for _ in range(count))) + frames[1]
        scenes.append(sample_scene(1000 * seed + len(scenes), num_frames, count, fps))
    joins: list[tuple[TransitionKind, int]] = []
    for _ in scenes[1:]:
        kind = rng.choice(("dissolve", "fade")) if rng.random() < soft else "cut"
        joins.append((kind, 0 if kind == "cut" else rng.randint(*frames)))
    return ToyFilm(tuple(scenes), tuple(joins))
