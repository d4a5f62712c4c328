"""Extensions of clips: who films what from which frames, and whether drift is seen where it was planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from smartdirector_lite import load_director
from smartdirector_lite.evaluation.baselines import hold_nearest
from smartdirector_lite.evaluation.drift import drift, find_anywhere, join_excess
from smartdirector_lite.evaluation.extension import (
    CLIP,
    NEW,
    ROUND,
    ClipFilmer,
    ExtensionBenchmark,
    RoundFilmer,
    given_frames,
    joins_of,
    new_frames,
    rounds_of,
    runs_of,
    whole_characters,
)
from smartdirector_lite.evaluation.identity import identity, look_for_characters
from smartdirector_lite.toyworld import render
from smartdirector_lite.toyworld.scene import COLOURS, Character

ITEMS = dict(zip(NEW, ExtensionBenchmark(1), strict=False))


class Fading(RoundFilmer):
    """Films nothing but its keyframe, which loses a level with each frame away from it, and remembers the seeds."""

    def __init__(self):
        self.seeds = []

    def film(self, storyboard, seed):
        self.seeds.append(seed)
        (keyframe,) = storyboard.keyframes
        picture = torch.from_numpy(np.array(keyframe.image)).permute(2, 0, 1).float()
        distance = (torch.arange(storyboard.num_frames) - keyframe.frame).abs()
        return (picture - distance.view(-1, 1, 1, 1)).clamp(0, 255) / 255


class Remembering(ClipFilmer):
    """Keeps the storyboard that it is to film."""

    def __init__(self):
        pass

    def film(self, storyboard, seed):
        self.storyboard = storyboard
        return torch.zeros(storyboard.num_frames, 3, *reversed(storyboard.size))


# -- items and filmers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", NEW)
def test_rounds_make_every_new_frame_once_from_a_frame_that_is_there(direction):
    given = given_frames(direction)
    num_frames = len(given) + NEW[direction]
    left, *_ = runs_of(given)
    there = set(range(*left))  # of two clips the rounds know the left one alone
    for first, known in rounds_of(given, num_frames):
        made = set(range(first, first + ROUND)) - {known}
        assert known in there and not made & there and known in (first, first + ROUND - 1)
        there |= made
    assert there | set(given) == set(range(num_frames))
    assert len(there) == num_frames - CLIP * (len(runs_of(given)) - 1)


def test_items_show_a_creature_and_are_the_same_in_every_benchmark():
    assert ExtensionBenchmark(3).names[:3] == ExtensionBenchmark(1).names == tuple(f"{name}-000" for name in NEW)
    for direction, item in ITEMS.items():
        again = ExtensionBenchmark(3)[list(NEW).index(direction)]
        assert again.scene == item.scene and item.keyframes == given_frames(direction)
        assert item.num_frames == len(item.keyframes) + NEW[direction] and not item.cuts
        seen = [whole_characters(truth, item.size) for truth in item.truth()]
        known = set().union(*(seen[frame] for frame in item.keyframes))
        assert 2 * sum(bool(own & known) for own in seen) > item.num_frames


@pytest.mark.parametrize("direction", NEW)
def test_each_round_starts_from_the_last_frame_of_the_round_before(direction):
    item = replace(ITEMS[direction], frames=torch.full_like(ITEMS[direction].frames, 0.8))
    filmer = Fading()
    video = filmer(item)
    levels = (255 * video.mean(dim=(1, 2, 3))).round().int()[new_frames(item)]
    assert levels.tolist() == [204 - k for k in range(1, NEW[direction] + 1)]  # it fades on, round after round
    assert (video[list(item.keyframes)] == item.frames[list(item.keyframes)]).all()
    assert len(set(filmer.seeds)) == len(filmer.seeds) == NEW[direction] // (ROUND - 1)


@pytest.mark.parametrize("direction", NEW)
def test_in_one_go_the_storyboard_holds_the_clips(direction):
    item, filmer = ITEMS[direction], Remembering()
    filmer(item)
    board = filmer.storyboard
    assert [(one.frame_index, one.num_frames) for one in board.conditions] == [
        (start, stop - start) for start, stop in runs_of(item.keyframes)
    ]
    shown = torch.from_numpy(np.concatenate([clip.video for clip in board.clips])).permute(0, 3, 1, 2) / 255
    assert (shown - item.frames[list(item.keyframes)]).abs().max() < 1 / 255
    assert board.caption() == item.caption and not board.keyframes


def test_a_director_films_both_ways(two_stage_folder):
    director, item = load_director(str(two_stage_folder)), ITEMS["in-between"]
    for kind in (ClipFilmer, RoundFilmer):
        video = kind(director, "random", steps=1)(item)
        assert video.shape == item.frames.shape and float(video[new_frames(item)].std()) > 0


def drift_24(video, item):
    """The figures 24 frames from the clip."""
    return drift(video, item, [24])[24]


# -- drift -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", NEW)
def test_the_true_film_does_not_drift(direction):
    item = ITEMS[direction]
    found = drift_24(item.frames, item)
    true = {"identity": 1, "creature sharpness": 1, "colour shift": 0, "sharpness": 1, "PSNR": 60}
    assert found == pytest.approx(true, abs=1e-3)
    assert set(join_excess(item.frames, item).values()) == {1.0}


def test_planted_drift_is_seen_by_the_figure_that_should_see_it():
    item = ITEMS["in-between"]
    blurred = F.avg_pool2d(F.pad(item.frames, [1] * 4, mode="replicate"), 3, stride=1)
    tinted = item.frames * torch.tensor([1, 1, 0.9]).view(3, 1, 1)
    soft, blue = drift_24(blurred, item), drift_24(tinted, item)
    assert soft["sharpness"] < 0.7 and soft["creature sharpness"] < 0.7 and soft["colour shift"] < 3
    assert blue["sharpness"] > 0.9 and blue["creature sharpness"] > 0.9 and blue["identity"] == 1
    blues = [255 * COLOURS[one.colour][2] for one in item.scene.characters]  # before the light changes them
    assert 0.1 * min(blues) / 1.3 < blue["colour shift"] < 0.1 * max(blues) * 1.3
    cast = tuple(Character("orange", "wide", "horns", 0.92) for _ in item.scene.characters)
    assert drift_24(render(replace(item.scene, characters=cast), item.size), item)["identity"] == 0


def test_a_creature_is_itself_wherever_and_whenever_it_is_shown():
    item = ITEMS["forward"]
    moved, frames = item.frames.roll(20, dims=3), slice(34, 37)  # farther across than `identity` looks
    assert identity(look_for_characters(moved[frames], item.frames[frames], item.truth()[frames]))["identity"] == 0
    assert drift_24(moved, item)["identity"] == 1
    held = hold_nearest(item.frames[list(item.keyframes)], item.keyframes, item.num_frames)
    assert drift_24(held, item)["identity"] == 1 and drift_24(held, item)["PSNR"] < 25
    gone = item.frames.mean(dim=(0, 3), keepdim=True).expand_as(item.frames)  # the backdrop's rows alone
    assert drift_24(gone, item)["identity"] == 0


def test_eyes_may_stick_out_of_a_creature():
    item = ITEMS["forward"]
    (one, *_) = item.truth()[24].characters
    across = one.box.right - one.eyes[1][0]  # puts the right eye on the edge of the box
    outside = replace(one, eyes=tuple((column + across, row) for column, row in one.eyes))
    assert find_anywhere(item.frames[24], item.frames[24], outside).same


@pytest.mark.parametrize("join", ["clip", "rounds", "right clip"])
def test_a_jump_is_found_at_its_join(join):
    item = ITEMS["in-between"]
    (frame,) = joins_of(item)[join]
    video = item.frames.clone()
    video[frame:] = video[frame:] * 0.7
    found = join_excess(video, item)
    assert found.pop(join) > 2 and all(value < 1.5 for value in found.values()) and len(found) == 2
