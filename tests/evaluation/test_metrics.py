"""Metrics and baselines against closed forms."""

import math

import pytest
import torch

from smartdirector_lite.evaluation.baselines import cross_fade, hold_nearest
from smartdirector_lite.evaluation.metrics import PooledError, border_ratio, motion_mask, moving_pixels, steps


def ramp(values: list[float]) -> torch.Tensor:
    """A video (T, 3, 2, 2) whose frames are flat, of these values."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 2, 2).clone()


def test_cross_fade_is_linear_between_keyframes_and_holds_outside():
    video = cross_fade(ramp([0.2, 0.6, 0.0]), [1, 5, 6], 9)
    expected = [0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0, 0.0, 0.0]
    assert torch.allclose(video[:, 0, 0, 0], torch.tensor(expected), atol=1e-6)


def test_cross_fade_of_one_keyframe_is_that_keyframe():
    assert torch.equal(cross_fade(ramp([0.4]), [3], 5), ramp([0.4] * 5))


def test_hold_nearest_takes_the_earlier_keyframe_in_a_tie():
    video = hold_nearest(ramp([0.1, 0.9]), [0, 4], 6)
    assert video[:, 0, 0, 0].tolist() == pytest.approx([0.1, 0.1, 0.1, 0.9, 0.9, 0.9])


def test_pooled_error_pools_squares_not_decibels():
    pooled = PooledError()
    pooled.add(ramp([0.0]), ramp([0.1]))
    pooled.add(ramp([0.0]), ramp([0.3]))
    assert pooled.psnr == pytest.approx(-10 * math.log10((0.01 + 0.09) / 2), abs=1e-4)


def test_pooled_error_counts_only_the_mask():
    a, b = ramp([0.0, 0.0]), ramp([0.0, 0.0])
    b[0, :, 0, 0], b[1, :, 1, 1] = 0.5, 0.2
    mask = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    mask[..., 0, 0] = True
    pooled = PooledError()
    pooled.add(a, b, mask)
    assert pooled.psnr == pytest.approx(-10 * math.log10(0.25 / 2), abs=1e-4)


def test_pooled_error_without_data_and_without_error():
    pooled = PooledError()
    assert math.isnan(pooled.psnr)
    pooled.add(ramp([0.5]), ramp([0.5]))
    assert pooled.psnr == math.inf


def test_masks_mark_what_changes():
    video = ramp([0.5, 0.5, 0.5, 0.5])
    video[2:, :, 0, 0] = 0.9
    mask = motion_mask(video)
    assert mask[:, 0, 0, 0].tolist() == [False, True, True, False]
    assert not mask[:, 0, 1, 1].any()
    assert moving_pixels(video[0], video[3])[0, 0].tolist() == [[True, False], [False, False]]


def test_border_ratio_of_even_motion_is_one_and_sees_a_jump():
    even = ramp([0.1 * k for k in range(8)])
    assert steps(even).tolist() == pytest.approx([0.1] * 7)
    assert border_ratio(even, 4) == pytest.approx(1.0)
    jump = even.clone()
    jump[4:] += 0.3
    assert border_ratio(jump, 4) == pytest.approx(4.0, rel=1e-4)


def test_border_ratio_of_a_still_video_is_none():
    assert border_ratio(ramp([0.5] * 8), 4) is None
