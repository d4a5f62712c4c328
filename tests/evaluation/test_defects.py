"""Planted defects: each is caught by the figures that should catch it, and by no other one."""

from dataclasses import replace

import pytest
import torch

from smartdirector_lite.evaluation.benchmark import Item
from smartdirector_lite.evaluation.measure import QUANTITIES, measure
from smartdirector_lite.storyboard import Shot, Storyboard
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.toyworld.scene import Character
from smartdirector_lite.training.tiny import DRAFT

SEED = HELD_OUT_SEED + 700_171  # one creature, which walks through both shots before a still camera
NUM_FRAMES, KEYFRAMES = 49, (0, 8, 11)
# When a figure calls for a look at the video.
ALARMS = {
    "keyframe L1, middle": lambda value: value > 2,
    "flashes": lambda value: value > 0,
    "colour shifts": lambda value: value > 0,
    "frozen": lambda value: value > 0.05,
    "cuts": lambda value: value < 1,
    "identity": lambda value: value < 0.9,
    "track error": lambda value: value > 1,
    "timing": lambda value: value > 0.2,
    "caption colours": lambda value: value < 1,
}


@pytest.fixture(scope="module")
def item() -> Item:
    """Two shots, of which the second one has no keyframe."""
    scene = sample_scene(SEED, NUM_FRAMES, num_shots=2)
    shots = tuple(Shot(**scene.shot_caption(i)) for i in range(2))
    storyboard = Storyboard(description=scene.description, shots=shots, num_frames=NUM_FRAMES)
    return Item("defects", storyboard, render(scene, DRAFT), KEYFRAMES, 0, scene)


def swapped_keyframe(item: Item) -> torch.Tensor:
    """The pictures of frames 8 and 11 have changed places, and time runs smoothly through both."""
    times = torch.arange(NUM_FRAMES)
    times[4:16] = torch.tensor([4, 6, 8, 9, 11, 10, 9, 8, 9, 11, 13, 15])
    return item.frames[times]


def frozen_stretch(item: Item) -> torch.Tensor:
    """The last frames stand still. A stretch in the middle would end with a jump, which is a flash."""
    video = item.frames.clone()
    video[43:] = video[42]
    return video


def flash(item: Item) -> torch.Tensor:
    video = item.frames.clone()
    video[40] = video[40] + 0.3
    return video.clamp(0, 1)


def colour_shift(item: Item) -> torch.Tensor:
    video = item.frames.clone()
    video[40:, 0] -= 0.08
    return video.clamp(0, 1)


def late_cut(item: Item) -> torch.Tensor:
    video = item.frames.clone()
    (cut,) = item.cuts
    video[cut] = video[cut - 1]
    return video


def identity_swap(item: Item) -> torch.Tensor:
    """From the cut on, another creature plays the part."""
    (cut,) = item.cuts
    video = item.frames.clone()
    other = replace(item.scene, characters=(Character("orange", "wide", "horns", 0.92),))
    video[cut:] = render(other, DRAFT, frames=slice(cut, None))
    return video


DEFECTS = {  # with what catches each; what stands still, or stands at another's place, is also late
    swapped_keyframe: {"keyframe L1, middle", "timing"},
    frozen_stretch: {"frozen", "timing"},
    flash: {"flashes"},
    colour_shift: {"colour shifts"},
    late_cut: {"cuts"},
    identity_swap: {"identity", "caption colours"},
}


def alarms(found: dict[str, float]) -> set[str]:
    return {name for name, alarm in ALARMS.items() if name in found and alarm(found[name])}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_each_defect_is_caught_by_the_right_figures(item, defect):
    found = measure(defect(item), item)
    assert alarms(found) == DEFECTS[defect], found


def test_the_true_video_has_the_best_value_of_every_figure(item):
    found = measure(item.frames, item)
    best = {figure.name: figure.best for figure in QUANTITIES}
    assert set(ALARMS) <= set(found) <= set(best) and not alarms(found)
    assert found == pytest.approx({name: best[name] for name in found})


def test_a_video_of_another_shape_is_refused(item):
    with pytest.raises(ValueError, match=r"defects: the video is \[48, 3, 64, 112\], where the item is \[49,"):
        measure(item.frames[:-1], item)
