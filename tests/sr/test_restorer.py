"""The restorer and its temporal filter against closed forms and slow loops.

The restorer that ships is also tested on true motion and on held-out scenes.
"""

import itertools

import numpy as np
import pytest
import torch
from tiny import random_restorer
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.evaluation.metrics import flicker
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.restorer import (
    BLOCK,
    REACH,
    TOLERANCE,
    FrameRestorer,
    Restoration,
    block_stops,
    keep_still,
    large_flow,
    stillness,
    warp,
)
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene

NOT_GIVEN, GIVEN = torch.tensor([False]), torch.tensor([True])


def noise(*shape: int, seed: int = 0, by: float = 0.5) -> torch.Tensor:
    """Uniform noise from -by to by."""
    return by * (2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1)


def halved(frames: torch.Tensor) -> torch.Tensor:
    """Frames (..., 2H, 2W) at half the size: the mean of every 2 x 2 pixels."""
    return sum(frames[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4


def taking(part: int) -> FrameRestorer:
    """A restorer that shows one of the three pictures alone (0 drawn, 1 matched, 2 moved) and sees no motion."""
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
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(2, 2, 6, 8)  # two pixels to the right, one up
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
def test_motion_can_be_searched_at_any_size(size):
    restorer = random_restorer()
    assert restorer.motion(noise(2, 3, *size), noise(2, 3, *size, seed=1)).shape == (2, 2, *size)


# ---------------------------------------------------------------- the mixture


def test_a_new_restorer_mixes_the_three_pictures_equally():
    drawn, small = noise(1, 3, 8, 12), noise(1, 3, 4, 6, seed=1)
    missing = F.interpolate(small - halved(drawn), scale_factor=2, mode="bicubic", align_corners=False)
    first = FrameRestorer(8, 1, 4)(drawn, small, NOT_GIVEN)
    assert_close(first.frame, drawn + missing / 3)  # without a frame before, the drawn one counts twice
    assert_close(first.weights, torch.full_like(drawn, 1 / 3))
    assert first.flow is None


def test_a_matched_frame_has_the_content_of_the_small_one():
    drawn = noise(1, 3, 8, 12)
    assert_close(taking(1)(drawn, halved(drawn), NOT_GIVEN).frame, drawn)
    assert_close(taking(1)(drawn, halved(drawn) + 0.2, NOT_GIVEN).frame, drawn + 0.2)


def test_a_frame_can_stay_as_it_was_drawn():
    drawn = noise(1, 3, 8, 12)
    assert_close(taking(0)(drawn, noise(1, 3, 4, 6), NOT_GIVEN).frame, drawn)


def test_a_keyframe_is_shown_unchanged_and_lives_on():
    restorer, keyframe, small = taking(2), noise(1, 3, 8, 12, seed=5), noise(1, 3, 4, 6)
    last = restorer(keyframe, small, GIVEN)
    assert torch.equal(last.frame, keyframe)
    for seed in range(3):
        last = restorer(noise(1, 3, 8, 12, seed=seed), small, NOT_GIVEN, last)
        assert_close(last.frame, keyframe, atol=1e-5, rtol=0)


def test_frames_of_a_batch_do_not_affect_each_other():
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


def test_both_ways_goes_backwards_and_then_forwards_on_the_result():
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
    with_before = next(restorer.both_ways(frames[:2], made[3]))
    assert not torch.equal(with_before.frame, next(restorer.both_ways(frames[:2])).frame)


def test_a_keyframe_reaches_the_frames_before_it():
    frames = [(noise(1, 3, 8, 12, seed=k), noise(1, 3, 4, 6), GIVEN if k == 3 else NOT_GIVEN) for k in range(5)]
    for restored in taking(2).both_ways(frames):
        assert_close(restored.frame, frames[3][0], atol=1e-5, rtol=0)


# ---------------------------------------------------------------- a video


def restore(restorer: FrameRestorer, plan: ChunkPlan, video: torch.Tensor, small: torch.Tensor, parts: list[int]):
    """Restore a video whose frames come in `parts`. The plan's conditions are all ones, and larger than necessary."""
    videos = [torch.ones(1, 3, place.num_frames, 20, 24) for place in plan.conditions]
    run = Restoration(restorer, plan, small[0].transpose(0, 1), videos, Size(small.shape[-1], small.shape[-2]))
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


def test_nothing_passes_a_cut():
    plan = ChunkPlan.build(9, [Condition(1)], 4, [5])
    video, small = noise(1, 3, 9, 8, 12), noise(1, 3, 9, 4, 6, seed=1)
    made = restore(taking(2), plan, video, small, [9])
    assert_close(made[:, :, :5], torch.ones(1, 3, 5, 8, 12), atol=1e-5, rtol=0)
    last = video[:, :, 8:].expand(-1, -1, 4, -1, -1)  # carried backwards
    assert_close(made[:, :, 5:], last, atol=1e-5, rtol=0)


def test_still_things_are_kept_still_until_a_cut():
    plan = ChunkPlan.build(9, [Condition(1)], 4, [5])
    video, small = noise(1, 3, 9, 8, 12), torch.zeros(1, 3, 9, 4, 6)
    made = restore(taking(0), plan, video, small, [4, 5])
    video[:, :, 1] = 1
    shots = [(slice(0, 5), [False, True, False, False, False]), (slice(5, 9), [False] * 4)]
    expected = [kept_still(video[:, :, shot], small[:, :, shot], given) for shot, given in shots]
    assert_close(made, torch.cat(expected, dim=2), atol=1e-5, rtol=0)
    assert (made[:, :, 2:5] - 1).abs().mean() < 0.2 < (made[:, :, 5] - 1).abs().mean()


@pytest.mark.parametrize(
    ("cuts", "given", "stops"),
    [
        ([], [], [16, 32, 40]),
        ([20], [], [16, 20, 36, 40]),
        ([], [0, 5], [1, 6, 22, 38, 40]),
        ([], [18], [3, 19, 35, 40]),  # one block is the 16 frames that end with frame 18
        ([10], [30, 31], [10, 15, 31, 32, 40]),
        ([], [39], [8, 24, 40]),
    ],
)
def test_blocks_end_with_given_frames_and_reach_back_from_them(cuts, given, stops):
    assert BLOCK == 16
    assert sorted(block_stops(40, cuts, given)) == stops


@pytest.mark.parametrize("keyframe", [None, 5, BLOCK + 2])
def test_no_more_than_a_block_is_held(keyframe):
    """A block ends with a keyframe, so that the way backwards begins with it."""
    count, read = 2 * BLOCK + 3, []
    source = (read.append(k) or np.zeros((4, 6, 3), np.uint8) for k in range(count))
    plan = ChunkPlan.build(count, [Condition(keyframe)] if keyframe else [])
    run = Restoration(random_restorer(), plan, source, [torch.ones(1, 3, 1, 8, 12)] * len(plan.conditions), Size(6, 4))
    decoded = ((k, noise(1, 3, 1, 8, 12)) for k in range(count))
    seen = [(len(read), start, frames.shape[2]) for start, frames in run(decoded)]
    stops = {None: [16, 32, 35], 5: [6, 22, 35], BLOCK + 2: [3, 19, 35]}[keyframe]
    assert seen == [(stop, start, stop - start) for start, stop in itertools.pairwise([0, *stops])]


# ---------------------------------------------------------------- still things


def kept_still(frames: torch.Tensor, small: torch.Tensor, given: list[bool], **options) -> torch.Tensor:
    """A video (1, 3, T, 2H, 2W) through the temporal filter, with its small frames (1, 3, T, H, W)."""
    made, shown = [], None
    for frame, now, is_given in zip(frames.unbind(2), small.unbind(2), given, strict=True):
        shown = keep_still(frame, now, None if is_given else shown, **options)
        made.append(shown[0])
    return torch.stack(made, dim=2)


def slowly(frames: np.ndarray, small: np.ndarray, given: list[bool], gain: float) -> np.ndarray:
    """The filter as a loop over frames (T, 3, 2H, 2W). Each large pixel has the weight of its own small pixel."""
    result, held = [frames[0]], small[0]
    height, width = small.shape[2:]
    for frame, now, is_given in zip(frames[1:], small[1:], given[1:], strict=True):
        frame, now, before = frame.copy(), now.copy(), held
        change = np.abs(now - before).max(axis=0)
        for y in range(height):
            for x in range(width):
                around = change[max(0, y - REACH) : y + REACH + 1, max(0, x - REACH) : x + REACH + 1].max()
                weight = 0 if is_given else gain * max(0, 1 - around / TOLERANCE)
                now[:, y, x] += weight * (before[:, y, x] - now[:, y, x])
                cell = (slice(None), slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
                frame[cell] += weight * (result[-1][cell] - frame[cell])
        result.append(frame)
        held = now
    return np.stack(result)


def test_the_filter_agrees_with_a_loop_over_pixels(monkeypatch):
    def enlarged(weight, **_):  # by repeating, as the loop does
        return weight.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    monkeypatch.setattr(F, "interpolate", enlarged)
    frames, still = noise(1, 3, 6, 20, 24, by=1), noise(1, 3, 1, 10, 12, by=1, seed=1).expand(-1, -1, 6, -1, -1)
    small = still + noise(1, 3, 6, 10, 12, by=0.3 * TOLERANCE)
    small[:, :, 3:, :4] += noise(1, 3, 3, 4, 12, by=1, seed=2)  # this part moves
    given = [True, False, False, False, True, False]
    made = kept_still(frames, small, given, gain=0.8)
    expected = slowly(*(x[0].transpose(0, 1).double().numpy() for x in (frames, small)), given, 0.8)
    assert_close(made[0].transpose(0, 1), torch.from_numpy(expected).float())
    assert (made - frames).abs().amax() > 0.1


def test_still_things_flicker_less_and_moving_things_are_left_alone():
    truth = noise(1, 3, 1, 32, 48).repeat(1, 1, 12, 1, 1)
    truth[..., :24] += noise(1, 3, 12, 32, 24, by=0.3, seed=1)
    frames = truth + noise(1, 3, 12, 32, 48, by=0.01, seed=2)
    made = kept_still(frames, F.avg_pool3d(truth, (1, 2, 2)), [False] * 12, gain=0.9)
    before, after = (
        flicker(x[0].transpose(0, 1) / 2 + 0.5, truth[0].transpose(0, 1) / 2 + 0.5) for x in (frames, made)
    )
    assert before - 1 > 5 * (after - 1) > 0
    assert torch.equal(made[..., :24], frames[..., :24])
    assert (made - truth)[..., 32:].abs().mean() < 0.7 * (frames - truth)[..., 32:].abs().mean()


def test_a_slow_change_is_followed():
    level = torch.linspace(-0.5, 0.5, 128)  # a fade of about one step of 255 in each frame
    frames, small = (level.view(1, 1, -1, 1, 1).expand(1, 3, -1, side, side) for side in (8, 4))
    made = kept_still(frames, small, [False] * 128, gain=1.0)
    assert (made - frames).abs().amax() <= TOLERANCE


def test_given_frames_stay_and_the_next_ones_follow_them():
    frames, small = noise(1, 3, 7, 8, 12), torch.zeros(1, 3, 7, 4, 6)
    given = [False, False, False, True, True, False, False]
    made = kept_still(frames, small, given, gain=0.9)
    assert torch.equal(made[:, :, [0, 3, 4]], frames[:, :, [0, 3, 4]])
    assert_close(made[:, :, 5], frames[:, :, 5].lerp(frames[:, :, 4], 0.9))
    assert torch.equal(kept_still(frames, small, given, gain=0.0), frames)


@pytest.mark.parametrize(("change", "expected"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0), (3.0, 0.0)])
def test_a_pixel_is_as_still_as_the_least_still_channel_and_pixel_around_it(change, expected):
    a = torch.zeros(1, 3, 9, 11)
    b = a.clone()
    b[0, 1, 4, 5] = change * TOLERANCE
    still = stillness(a, b)[0, 0]
    inside = torch.zeros(9, 11, dtype=torch.bool)
    inside[4 - REACH : 5 + REACH, 5 - REACH : 6 + REACH] = True
    assert_close(still[inside], torch.full((25,), expected))
    assert (still[~inside] == 1).all()


# ---------------------------------------------------------------- the restorer that ships


@pytest.fixture(scope="module")
def shipped() -> FrameRestorer:
    return load_director(device="cpu").sr.restorer


@pytest.mark.weights
@pytest.mark.parametrize("shift", [(1, 0), (3, -2), (-1, 4)])
@torch.no_grad()
def test_the_shipped_restorer_finds_how_a_picture_moved(shipped, shift):
    dx, dy = shift
    picture = render(sample_scene(HELD_OUT_SEED + 3, 2), Size(128, 80))[:1] * 2 - 1
    now, before = picture[:, :, 8:72, 8:120], picture[:, :, 8 - dy : 72 - dy, 8 - dx : 120 - dx]
    assert shipped.motion(now, now).abs().mean() < 0.1
    flow = shipped.motion(now, before)  # a thing that is at p now was at p + (dx, dy) before
    unmoved, moved, ideal = (
        (warp(before, d) - now)[..., 8:-8, 8:-8].square().mean()
        for d in (0 * flow, flow, torch.tensor([dx, dy]).view(1, 2, 1, 1) + 0 * flow)
    )
    assert ideal < 1e-6 and moved < 0.2 * unmoved


@pytest.mark.weights
def test_the_shipped_restorer_restores_detail_that_the_vae_lost():
    director = load_director(device="cpu")
    director.sr.set_progress_bar_config(disable=True)
    scene = sample_scene(HELD_OUT_SEED + 3, 5, num_shots=1)
    large, small = render(scene, Size(224, 128)), render(scene, Size(112, 64))
    errors = []
    for restore in (False, True):
        options = {"num_inference_steps": 1, "output_type": "pt", "restore": restore}
        made = director.sr(small.transpose(0, 1) * 2 - 1, **options).frames[0]
        errors.append(float((made - large).square().mean()))
    assert errors[1] < 0.7 * errors[0]
