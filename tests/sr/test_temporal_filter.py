"""The temporal filter against a loop over pixels, and in the pipeline."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from smartdirector_lite.evaluation.metrics import flicker
from smartdirector_lite.sr.temporal_filter import REACH, TOLERANCE, TemporalFilter, stillness


def noise(*shape: int, by: float = 1.0) -> torch.Tensor:
    return by * (2 * torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) - 1)


def slowly(frames: np.ndarray, small: np.ndarray, given: list[bool], gain: float) -> np.ndarray:
    """(T, 3, 2H, 2W) and (T, 3, H, W), where each large pixel has the weight of its own small one."""
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


def test_agrees_with_a_loop_over_pixels(monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "interpolate", lambda weight, **_: enlarged(weight))

    def enlarged(weight):  # by repeats: the loop knows no other way
        return weight.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)

    frames, still = noise(1, 3, 6, 20, 24), noise(1, 3, 1, 10, 12).expand(-1, -1, 6, -1, -1)
    small = still + noise(1, 3, 6, 10, 12, by=0.3 * TOLERANCE)
    small[:, :, 3:, :4] += noise(1, 3, 3, 4, 12)  # moves
    given = [True, False, False, False, True, False]
    made = TemporalFilter(0.8)(frames, small, given)
    expected = slowly(*(x[0].transpose(0, 1).double().numpy() for x in (frames, small)), given, 0.8)
    assert_close(made[0].transpose(0, 1), torch.from_numpy(expected).float())
    assert (made - frames).abs().amax() > 0.1


def test_what_stands_still_flickers_less_and_what_moves_is_left_alone():
    truth = noise(1, 3, 1, 32, 48, by=0.5).repeat(1, 1, 12, 1, 1)
    truth[..., :24] += noise(1, 3, 12, 32, 24, by=0.3)
    frames = truth + noise(1, 3, 12, 32, 48, by=0.01)
    small = torch.nn.functional.avg_pool3d(truth, (1, 2, 2))
    made = TemporalFilter(0.9)(frames, small, [False] * 12)
    before, after = (
        flicker(x[0].transpose(0, 1) / 2 + 0.5, truth[0].transpose(0, 1) / 2 + 0.5) for x in (frames, made)
    )
    assert before - 1 > 5 * (after - 1) > 0
    assert torch.equal(made[..., :24], frames[..., :24])
    assert (made - truth)[..., 32:].abs().mean() < 0.7 * (frames - truth)[..., 32:].abs().mean()


def test_a_slow_change_is_followed():
    level = torch.linspace(-0.5, 0.5, 128)  # a fade, of about one step of 255 a frame
    frames, small = (level.view(1, 1, -1, 1, 1).expand(1, 3, -1, side, side) for side in (8, 4))
    made = TemporalFilter(1.0)(frames, small, [False] * 128)
    assert (made - frames).abs().amax() <= TOLERANCE


def test_frames_may_come_in_parts_and_those_given_stay_as_they_are():
    frames, small, given = (
        noise(1, 3, 7, 8, 12),
        torch.zeros(1, 3, 7, 4, 6),
        [False, False, False, True, True, False, False],
    )
    whole, step = TemporalFilter(0.9)(frames, small, given), TemporalFilter(0.9)
    parts = [step(frames[:, :, a:b], small[:, :, a:b], given[a:b]) for a, b in ((0, 1), (1, 4), (4, 7))]
    assert torch.equal(torch.cat(parts, dim=2), whole)
    assert torch.equal(whole[:, :, [0, 3, 4]], frames[:, :, [0, 3, 4]])
    assert_close(whole[:, :, 5], frames[:, :, 5].lerp(frames[:, :, 4], 0.9))
    assert torch.equal(TemporalFilter(0.0)(frames, small, given), frames)


@pytest.mark.parametrize(("change", "expected"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0), (3.0, 0.0)])
def test_stillness_is_that_of_the_least_still_channel_and_pixel_around(change, expected):
    a = torch.zeros(1, 3, 1, 9, 11)
    b = a.clone()
    b[0, 1, 0, 4, 5] = change * TOLERANCE
    still = stillness(a, b)[0, 0, 0]
    inside = torch.zeros(9, 11, dtype=torch.bool)
    inside[4 - REACH : 5 + REACH, 5 - REACH : 6 + REACH] = True
    assert_close(still[inside], torch.full((25,), expected))
    assert (still[~inside] == 1).all()
