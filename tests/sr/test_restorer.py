"""The restorer against closed forms, and the one that ships against true motion and held-out scenes."""

import itertools

import numpy as np
import pytest
import torch
from tiny import random_restorer
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.sr.restorer import BLOCK, FrameRestorer, Restoration, block_stops, large_flow, warp
from smartdirector_lite.sr.temporal_filter import GAIN, TemporalFilter
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene

NOT_GIVEN, GIVEN = torch.tensor([False]), torch.tensor([True])


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """In [-0.5, 0.5]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def halved(frames: torch.Tensor) -> torch.Tensor:
    """The mean of every 2 x 2 pixels."""
    return sum(frames[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4


def taking(part: int) -> FrameRestorer:
    """A restorer that takes one of the three (drawn, matched, moved), nothing else, and sees no motion."""
    restorer = random_restorer()
    for layer in (restorer.leave, restorer.motion.layers[-1]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    restorer.leave.bias.view(-1, 4)[3 + part] = 100.0
    return restorer


# ---------------------------------------------------------------- motion


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_warp_by_whole_pixels_moves_the_picture_and_repeats_the_edge(mode):
    frames = noise(2, 3, 6, 8)
    assert_close(warp(frames, torch.zeros(2, 2, 6, 8), mode), frames, atol=1e-5, rtol=0)
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(2, 2, 6, 8)  # each pixel came from the right, from above
    expected = F.pad(frames, (0, 2, 1, 0), mode="replicate")[:, :, :6, 2:]
    assert_close(warp(frames, flow, mode), expected, atol=1e-5, rtol=0)


def test_warp_between_pixels_is_exact_on_a_slope():
    slope = (torch.arange(8.0) + 10 * torch.arange(6.0)[:, None]).expand(1, 1, 6, 8)
    flow = torch.tensor([0.25, 0.5]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    assert_close(warp(slope, flow)[..., :-1, :-1], (slope + 5.25)[..., :-1, :-1], atol=1e-4, rtol=0)


def test_the_flow_of_large_frames_is_twice_as_far():
    flow = noise(1, 2, 1, 1).expand(1, 2, 5, 7)
    assert_close(large_flow(flow), (2 * flow[..., :1, :1]).expand(1, 2, 10, 14))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 12), (9, 14)])
def test_motion_is_found_in_any_size(size):
    restorer = random_restorer()
    assert restorer.motion(noise(2, 3, *size), noise(2, 3, *size, seed=1)).shape == (2, 2, *size)


# ---------------------------------------------------------------- the mixture


def test_a_new_restorer_takes_a_third_of_each():
    drawn, small = noise(1, 3, 8, 12), noise(1, 3, 4, 6, seed=1)
    missing = F.interpolate(small - halved(drawn), scale_factor=2, mode="bicubic", align_corners=False)
    first = FrameRestorer(8, 1, 4)(drawn, small, NOT_GIVEN)
    assert_close(first.frame, drawn + missing / 3)  # there is no frame before: what was drawn counts twice
    assert_close(first.weights, torch.full_like(drawn, 1 / 3))
    assert first.flow is None


def test_matched_frames_show_what_the_small_ones_do():
    drawn = noise(1, 3, 8, 12)
    assert_close(taking(1)(drawn, halved(drawn), NOT_GIVEN).frame, drawn)
    assert_close(taking(1)(drawn, halved(drawn) + 0.2, NOT_GIVEN).frame, drawn + 0.2)


def test_what_was_drawn_may_stay():
    drawn = noise(1, 3, 8, 12)
    assert_close(taking(0)(drawn, noise(1, 3, 4, 6), NOT_GIVEN).frame, drawn)


def test_a_keyframe_is_shown_as_it_is_and_lives_on():
    restorer, keyframe, small = taking(2), noise(1, 3, 8, 12, seed=5), noise(1, 3, 4, 6)
    last = restorer(keyframe, small, GIVEN)
    assert torch.equal(last.frame, keyframe)
    for seed in range(3):
        last = restorer(noise(1, 3, 8, 12, seed=seed), small, NOT_GIVEN, last)
        assert_close(last.frame, keyframe, atol=1e-5, rtol=0)


def test_frames_of_a_batch_know_nothing_of_each_other():
    restorer, given = random_restorer(), torch.tensor([False, True])
    frames = [(noise(2, 3, 8, 12, seed=k), noise(2, 3, 4, 6, seed=9 + k)) for k in range(3)]
    together, alone = None, [None, None]
    for drawn, small in frames:
        together = restorer(drawn, small, given, together)
        for i in (0, 1):
            one = slice(i, i + 1)
            alone[i] = restorer(drawn[one], small[one], given[one], alone[i])
            assert_close(together.frame[one], alone[i].frame, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- both ways


def test_both_ways_is_a_pass_backwards_and_one_forwards_on_its_result():
    restorer, before, given = random_restorer(), None, [NOT_GIVEN, NOT_GIVEN, GIVEN, NOT_GIVEN]
    frames = [(noise(1, 3, 8, 12, seed=k), noise(1, 3, 4, 6, seed=9 + k), given[k]) for k in range(4)]
    made = list(restorer.both_ways(frames))
    third = restorer(*frames[3])
    second = restorer(*frames[2], third)
    first = restorer(*frames[1], second)
    behind = [restorer(*frames[0], first), first, second, third]
    for after, (_, small, given), restored in zip(behind, frames, made, strict=True):
        before = restorer(after.frame, small, given, before, hint=after.hidden)
        assert_close(restored.frame, before.frame)
        assert_close(restored.hidden, before.hidden)
    assert torch.equal(made[2].frame, frames[2][0])
    assert not torch.equal(next(restorer.both_ways(frames[:2], made[3])).frame, made[0].frame)  # the frame before counts


def test_a_keyframe_reaches_the_frames_before_it():
    frames = [(noise(1, 3, 8, 12, seed=k), noise(1, 3, 4, 6), GIVEN if k == 3 else NOT_GIVEN) for k in range(5)]
    for restored in taking(2).both_ways(frames):
        assert_close(restored.frame, frames[3][0], atol=1e-5, rtol=0)


# ---------------------------------------------------------------- a video


def restore(restorer: FrameRestorer, plan: ChunkPlan, video: torch.Tensor, small: torch.Tensor, parts: list[int]):
    """In so many frames at a time. Conditions are of ones, and larger than need be."""
    videos = [torch.ones(1, 3, place.num_frames, 20, 24) for place in plan.conditions]
    run = Restoration(restorer, plan, small[0].transpose(0, 1), videos, tuple(small.shape[-2:]))
    starts = itertools.accumulate(parts, initial=0)
    made = list(run(zip(starts, video.split(parts, dim=2), strict=False)))
    assert [start for start, _ in made] == list(itertools.accumulate((x.shape[2] for _, x in made[:-1]), initial=0))
    return torch.cat([part for _, part in made], dim=2)


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_frames_may_come_in_any_parts(size):
    plan = ChunkPlan.build(9, [Condition(3, 2)], 4, [6])
    video, small = noise(1, 3, 9, 2 * size[0], 2 * size[1]), noise(1, 3, 9, *size, seed=1)
    whole, *others = (restore(random_restorer(), plan, video, small, parts) for parts in ([9], [1] * 9, [4, 3, 2]))
    assert whole.shape == video.shape and whole.abs().max() <= 1
    assert torch.equal(whole[:, :, 3:5], torch.ones_like(whole[:, :, 3:5]))
    for other in others:
        assert torch.equal(other, whole)


def test_nothing_is_carried_over_a_cut():
    plan = ChunkPlan.build(9, [Condition(1)], 4, [5])
    video, small = noise(1, 3, 9, 8, 12), noise(1, 3, 9, 4, 6, seed=1)
    made = restore(taking(2), plan, video, small, [9])
    assert_close(made[:, :, :5], torch.ones(1, 3, 5, 8, 12), atol=1e-5, rtol=0)
    assert_close(made[:, :, 5:], video[:, :, 8:].expand(-1, -1, 4, -1, -1), atol=1e-5, rtol=0)  # its last, backwards


def test_what_stands_still_is_kept_still_until_a_cut():
    plan = ChunkPlan.build(9, [Condition(1)], 4, [5])
    video, small = noise(1, 3, 9, 8, 12), torch.zeros(1, 3, 9, 4, 6)
    made = restore(taking(0), plan, video, small, [4, 5])
    video[:, :, 1] = 1
    shots = [(slice(0, 5), [False, True, False, False, False]), (slice(5, 9), [False] * 4)]
    expected = [TemporalFilter(GAIN)(video[:, :, shot], small[:, :, shot], given) for shot, given in shots]
    assert_close(made, torch.cat(expected, dim=2), atol=1e-5, rtol=0)
    assert (made[:, :, 2:5] - 1).abs().mean() < 0.2 < (made[:, :, 5] - 1).abs().mean()


@pytest.mark.parametrize(
    ("cuts", "given", "stops"),
    [
        ([], [], [16, 32, 40]),
        ([20], [], [16, 20, 36, 40]),
        ([], [0, 5], [1, 6, 22, 38, 40]),
        ([], [18], [3, 19, 35, 40]),  # the 16 frames that end with it
        ([10], [30, 31], [10, 15, 31, 32, 40]),
        ([], [39], [8, 24, 40]),
    ],
)
def test_blocks_end_with_given_frames_and_reach_back_from_them(cuts, given, stops):
    assert BLOCK == 16
    assert sorted(block_stops(40, cuts, given)) == stops


@pytest.mark.parametrize("keyframe", [None, 5, BLOCK + 2])
def test_a_block_is_held_and_no_more(keyframe):
    """It ends with a keyframe, so that this is the first to be seen when going backwards."""
    count, read = 2 * BLOCK + 3, []
    source = (read.append(k) or np.zeros((4, 6, 3), np.uint8) for k in range(count))
    plan = ChunkPlan.build(count, [Condition(keyframe)] if keyframe else [])
    run = Restoration(random_restorer(), plan, source, [torch.ones(1, 3, 1, 8, 12)] * len(plan.conditions), (4, 6))
    decoded = ((k, noise(1, 3, 1, 8, 12)) for k in range(count))
    seen = [(len(read), start, frames.shape[2]) for start, frames in run(decoded)]
    stops = {None: [16, 32, 35], 5: [6, 22, 35], BLOCK + 2: [3, 19, 35]}[keyframe]
    assert seen == [(stop, start, stop - start) for start, stop in itertools.pairwise([0, *stops])]


# ---------------------------------------------------------------- the one that ships


@pytest.fixture(scope="module")
def shipped() -> FrameRestorer:
    return load_director(device="cpu").sr.restorer


@pytest.mark.weights
@pytest.mark.parametrize("shift", [(1, 0), (3, -2), (-1, 4)])
@torch.no_grad()
def test_the_shipped_restorer_finds_how_a_picture_moved(shipped, shift):
    dx, dy = shift
    picture = render(sample_scene(HELD_OUT_SEED + 3, 2), 80, 128)[:1] * 2 - 1
    now, before = picture[:, :, 8:72, 8:120], picture[:, :, 8 - dy : 72 - dy, 8 - dx : 120 - dx]
    assert shipped.motion(now, now).abs().mean() < 0.1
    flow = shipped.motion(now, before)  # what is at p now was at p + (dx, dy)
    unmoved, moved, ideal = (
        (warp(before, d) - now)[..., 8:-8, 8:-8].square().mean()
        for d in (0 * flow, flow, torch.tensor([dx, dy]).view(1, 2, 1, 1) + 0 * flow)
    )
    assert ideal < 1e-6 and moved < 0.2 * unmoved


@pytest.mark.weights
def test_the_shipped_restorer_mends_what_the_vae_lost():
    director = load_director(device="cpu")
    director.sr.set_progress_bar_config(disable=True)
    scene = sample_scene(HELD_OUT_SEED + 3, 5, num_shots=1)
    large, small = render(scene, 128, 224), render(scene, 64, 112)
    options = {"num_inference_steps": 1, "output_type": "pt"}
    errors = [
        float((director.sr(small.transpose(0, 1) * 2 - 1, restore=restore, **options).frames[0] - large).square().mean())
        for restore in (False, True)
    ]
    assert errors[1] < 0.7 * errors[0]
