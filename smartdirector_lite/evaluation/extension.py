"""Longer films of a given clip: in one go, or in rounds of which each one knows the last frame alone.

A user has a clip and wants a film that goes on after it, begins before it, or passes from one clip to another one. The
paper extends clips in one go, with all of their frames as conditions (section 4). A model that takes a single image
films in rounds instead, and each round starts from the last frame of the round before.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..media import to_image
from ..media.size import Size
from ..storyboard import Clip, Keyframe, Shot, Storyboard
from ..toyworld import FrameTruth, Scene, render, sample_scene, scene_truth
from ..training.tiny import DRAFT, FPS
from .benchmark import FIRST_SEED, Item
from .borders import as_levels
from .filmers import DirectorFilmer
from .identity import is_whole

EXTENSION_SEED = FIRST_SEED + 100_000  # the other items of the toy world have seeds below
CLIP = 13  # frames of a given clip: four latents
ROUND = 25  # frames of a round, one of which is given
NEW = {"forward": 72, "backward": 72, "in-between": 48}  # frames that are to be made: whole rounds


def given_frames(direction: str) -> tuple[int, ...]:
    """The frames of a film that are given. The direction is a key of NEW."""
    new = NEW[direction]
    starts = {"forward": [0], "backward": [new], "in-between": [0, CLIP + new]}[direction]
    return tuple(frame for start in starts for frame in range(start, start + CLIP))


def runs_of(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Runs [start, stop) of neighbouring frames in ascending order."""
    breaks = [i for i, (a, b) in enumerate(itertools.pairwise(frames), 1) if b - a > 1]
    return [(frames[i], frames[j - 1] + 1) for i, j in itertools.pairwise([0, *breaks, len(frames)])]


@dataclass(frozen=True)
class ExtensionBenchmark:
    """Single shots of the toy world of which one clip or two are given; `keyframes` of an item are the clips' frames.

    Attributes:
        count: items of each direction.
        size: of the frames.
        names: of the items, the directions in turn.
    """

    count: int
    size: Size = DRAFT
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(f"{direction}-{number:03}" for number in range(self.count) for direction in NEW)
        object.__setattr__(self, "names", names)

    @property
    def source(self) -> str:
        lengths = ", ".join(f"{new} frames {direction}" for direction, new in NEW.items())
        return f"toy world, clips of {CLIP} frames and {lengths}, {self.size}"

    def __getitem__(self, index: int) -> Item:
        name = self.names[index]
        direction, number = name.rsplit("-", 1)
        given = given_frames(direction)
        num_frames = len(given) + NEW[direction]
        scene = next(itertools.islice(self._scenes(num_frames, given), int(number), None))
        shots = (Shot(**scene.shot_caption(0)),)
        storyboard = Storyboard(description=scene.description, shots=shots, num_frames=num_frames, fps=FPS)
        return Item(name, storyboard, render(scene, self.size), given, scene.seed, scene)

    def _scenes(self, num_frames: int, given: Sequence[int]) -> Iterator[Scene]:
        """Scenes of which most frames show a creature whole that the clips show, too; so it can be lost."""
        for seed in itertools.count(EXTENSION_SEED):
            scene = sample_scene(seed, num_frames, 1, FPS)
            seen = [whole_characters(truth, self.size) for truth in scene_truth(scene, self.size)]
            shown = set().union(*(seen[frame] for frame in given))
            if any(2 * sum(one in own for own in seen) > num_frames for one in shown):
                yield scene


def whole_characters(truth: FrameTruth, size: Size) -> set[int]:
    """The indices of the characters that a frame shows whole, and that nobody and nothing touches."""
    return {one.index for one in truth.characters if is_whole(one, truth, size.height, size.width)}


class ClipFilmer(DirectorFilmer):
    """Films a whole item in one go, with its given frames as clips of the storyboard."""

    def __call__(self, item: Item) -> Tensor:
        levels = as_levels(item.frames)
        clips = tuple(Clip(video=levels[start:stop], frame=start) for start, stop in runs_of(item.keyframes))
        return self.film(replace(item.storyboard, clips=clips, size=item.size), item.seed)


class RoundFilmer(DirectorFilmer):
    """Films an item as a model does that takes a single image: in rounds from the last frame of the film so far.

    Before a clip, each round ends with the first frame of the film so far. Between two clips it goes on from the left
    one, and does not know the right one. Each round has noise of its own.
    """

    def __call__(self, item: Item) -> Tensor:
        video = with_given(torch.zeros_like(item.frames), item)
        for first, known in rounds_of(item.keyframes, item.num_frames):
            keyframe = Keyframe(image=to_image(as_levels(video[known][None])[0]), frame=known - first)
            parts = {"keyframes": (keyframe,), "size": item.size, "num_frames": ROUND}
            round_ = self.film(replace(item.storyboard, **parts), item.seed + first)
            new = [frame for frame in range(ROUND) if first + frame != known]
            video[[first + frame for frame in new]] = round_[new]
        return with_given(video, item)


def rounds_of(given: Sequence[int], num_frames: int) -> list[tuple[int, int]]:
    """The first frame of each round, and the frame that it knows, in the order of filming.

    Args:
        given: all given frames.
        num_frames: of the film.
    """
    step, ((start, stop), *others) = ROUND - 1, runs_of(given)
    if start == 0:
        end = others[0][0] if others else num_frames
        return [(first, first) for first in range(stop - 1, end - 1, step)]
    return [(last - step, last) for last in range(start, 0, -step)]


def new_frames(item: Item) -> list[int]:
    """The frames that are to be made, from the one beside the given clip on. Between two clips it is the left one."""
    new = [frame for frame in range(item.num_frames) if frame not in item.keyframes]
    return new if item.keyframes[0] == 0 else new[::-1]


def joins_of(item: Item) -> dict[str, list[int]]:
    """The frames whose steps lead from one part of the film into the next one.

    Returns:
        "clip": between the given clip and the first new frame. "rounds": where later rounds start from the first ones.
        "right clip": into the clip at the end, where there are two.
    """
    ahead = item.keyframes[0] == 0
    starts = [first + 1 if ahead else known for first, known in rounds_of(item.keyframes, item.num_frames)]
    right = [start for start, _ in runs_of(item.keyframes)[1:]]
    return {"clip": starts[:1], "rounds": starts[1:], "right clip": right}


def with_given(video: Tensor, item: Item) -> Tensor:
    """The film as it is watched: with the given frames as they were given."""
    video = video.clone()
    video[list(item.keyframes)] = item.frames[list(item.keyframes)]
    return video
