"""Metrics and baselines, held against closed forms."""

import math

import pytest
import torch
from torch.testing import assert_close

from smartdirector_lite.evaluation.baselines import cross_fade, hold_nearest
from smartdirector_lite.evaluation.metrics import (
    SSIM_EDGE,
    PooledError,
    flicker,
    frame_changes,
    gradient_sizes,
    motion_mask,
    moving_pixels,
    ssim,
    ssim_map,
    warping_error,
)


def ramp(values: list[float]) -> torch.Tensor:
    """A video (T, 3, 2, 2) whose frame k has the value `values[k]` in every pixel."""
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


def test_frame_changes_are_the_steps_between_neighbours():
    assert frame_changes(ramp([0.1, 0.2, 0.2, 0.6])).tolist() == pytest.approx([0.1, 0.0, 0.4])


def test_ssim_in_closed_form():
    """Of flat pictures only the brightness counts; a picture is 1 with itself and below 0 with its negative."""
    a, b = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.8)
    expected = (2 * 0.2 * 0.8 + 0.01**2) / (0.2**2 + 0.8**2 + 0.01**2)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-4)
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert ssim(noise, noise) == pytest.approx(1, abs=1e-4)
    assert ssim(noise, 1 - noise) < 0


def test_a_map_of_ssim_is_low_where_videos_differ():
    a = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    b = a.clone()
    b[..., 20, 24] = 1 - b[..., 20, 24]
    differs = ssim_map(a, b)[0, 0] < 0.999
    rows, columns = differs.nonzero().unbind(1)
    assert differs.shape == (30, 30) and ssim(a, b) == pytest.approx(float(ssim_map(a, b).mean()))
    assert rows.float().mean() + SSIM_EDGE == pytest.approx(20, abs=0.5)
    assert columns.float().mean() + SSIM_EDGE == pytest.approx(24, abs=0.5)


def test_gradients_of_a_slope_and_of_its_half():
    across = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 3, 4, 5) * 0.03
    down = torch.arange(4.0).view(1, 1, 4, 1) * 0.04
    sizes = gradient_sizes(across + down)[0, 0]
    assert sizes.shape == (4, 5)
    assert torch.allclose(sizes[:-1, :-1], torch.tensor(0.05))
    assert torch.allclose(sizes[-1, :-1], torch.tensor(0.03)) and torch.allclose(sizes[:-1, -1], torch.tensor(0.04))
    assert torch.allclose(gradient_sizes((across + down) / 2), gradient_sizes(across + down) / 2)


def test_flicker_counts_pixels_that_stand_still_among_others_that_do():
    truth = torch.zeros(5, 3, 24, 24)
    truth[..., 12:] = torch.linspace(0, 1, 5).view(5, 1, 1, 1)  # the right half moves
    assert flicker(truth, truth) == pytest.approx(1)
    for columns, expected in ((slice(0, 8), 4), (slice(8, 12), 1), (slice(12, 24), 1)):
        video = truth.clone()
        video[1::2, ..., columns] += 3 / 255
        assert flicker(video, truth) == pytest.approx(expected, abs=1e-3)
    video = truth.clone()
    video[1::2, ..., 9] += 3 / 255
    assert flicker(video, truth, reach=0) > flicker(video, truth) == pytest.approx(1)


def test_warping_follows_a_true_motion_and_notices_a_false_one():
    still = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    truth = torch.stack([still.roll(2 * k, dims=2) for k in range(4)])
    other = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(1))
    same_motion = torch.stack([other.roll(2 * k, dims=2) for k in range(4)])
    no_motion = other.expand(4, -1, -1, -1)
    assert warping_error(truth, truth) == pytest.approx(1)
    assert_close(torch.tensor(warping_error(same_motion, truth)), torch.tensor(1.0), atol=0.15, rtol=0)
    assert warping_error(no_motion, truth) > 3
