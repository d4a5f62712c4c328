"""Planted defects: true videos with one thing wrong, and when a figure of `measure` calls for a look at a video.

Each defect is caught by the figures that should catch it, and by no other one (tests/evaluation/test_defects.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..storyboard import Shot, Storyboard
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from ..toyworld.scene import Character
from ..training.tiny import DRAFT
from .benchmark import Item
from .measure import QUANTITIES

SEED = HELD_OUT_SEED + 700_171  # one creature, which walks through both shots before a still camera
NUM_FRAMES, KEYFRAMES = 49, (0, 8, 11)
LATE = 3  # frames, a quarter of a second
BEST = {figure.name: figure.best for figure in QUANTITIES}
# How far a figure may be from its best value before it calls for a look at the video.
TOLERANCES = {
    "keyframe L1, middle": 2.0,
    "flashes": 0.0,
    "colour shifts": 0.0,
    "frozen": 0.05,
    "cuts": 0.0,
    "identity": 0.1,
    "track error": 1.0,
    "timing": 0.2,
    "caption colours": 0.0,
}


def defect_item() -> Item:
    """The item that the defects are planted into: two shots, of which the second one has no keyframe."""
    scene = sample_scene(SEED, NUM_FRAMES, num_shots=2)
    shots = tuple(Shot(**scene.shot_caption(i)) for i in range(2))
    storyboard = Storyboard(description=scene.description, shots=shots, num_frames=NUM_FRAMES)
    return Item("defects", storyboard, render(scene, DRAFT), KEYFRAMES, 0, scene)


def swapped_keyframe(item: Item) -> Tensor:
    """The pictures of frames 8 and 11 have changed places, and time runs smoothly through both."""
    times = torch.arange(item.num_frames)
    times[4:16] = torch.tensor([4, 6, 8, 9, 11, 10, 9, 8, 9, 11, 13, 15])
    return item.frames[times]


def frozen_stretch(item: Item) -> Tensor:
    """The last frames stand still. A stretch in the middle would end with a jump, which is a flash."""
    video = item.frames.clone()
    video[43:] = video[42]
    return video


def flash(item: Item) -> Tensor:
    """One frame is too bright."""
    video = item.frames.clone()
    video[40] = video[40] + 0.3
    return video.clamp(0, 1)


def colour_shift(item: Item) -> Tensor:
    """From one frame on, there is less red."""
    video = item.frames.clone()
    video[40:, 0] -= 0.08
    return video.clamp(0, 1)


def late_cut(item: Item) -> Tensor:
    """The old shot's last frame is shown once more."""
    video = item.frames.clone()
    (cut,) = item.cuts
    video[cut] = video[cut - 1]
    return video


def other_creature(item: Item) -> Tensor:
    """From the cut on, another creature plays the part."""
    (cut,) = item.cuts
    video = item.frames.clone()
    other = replace(item.scene, characters=(Character("orange", "wide", "horns", 0.92),))
    video[cut:] = render(other, item.size, frames=slice(cut, None))
    return video


def play_late(item: Item, frames: int = LATE) -> Tensor:
    """The true video, so many frames late: each shot waits on its first frame, and is cut off at its end.

    It is none of DEFECTS: nobody minds a quarter of a second. Figures that compare frame by frame do.
    """
    times = [max(start, time - frames) for start, stop in item.shots for time in range(start, stop)]
    return item.frames[times]


DEFECTS: dict[str, Callable[[Item], Tensor]] = {
    "swapped keyframe": swapped_keyframe,
    "frozen stretch": frozen_stretch,
    "flash": flash,
    "colour shift": colour_shift,
    "late cut": late_cut,
    "other creature": other_creature,
}
# What catches each. What stands still, or stands at another's place, is also late.
CAUGHT_BY = {
    "swapped keyframe": {"keyframe L1, middle", "timing"},
    "frozen stretch": {"frozen", "timing"},
    "flash": {"flashes"},
    "colour shift": {"colour shifts"},
    "late cut": {"cuts"},
    "other creature": {"identity", "caption colours"},
}


def alarms(found: Mapping[str, float]) -> set[str]:
    """The figures of a video that are further from their best values than TOLERANCES allow.

    Args:
        found: what `measure` returns.
    """
    return {name for name, limit in TOLERANCES.items() if name in found and abs(found[name] - BEST[name]) > limit}
