"""What befalls a small video before it is upscaled: closed forms, and the same for the same generator."""

import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training import degrade


@functools.cache
def toy_video() -> torch.Tensor:
    """(5, 3, 32, 48) in [0, 1]."""
    return render(sample_scene(HELD_OUT_SEED + 1, 5), Size(48, 32))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


def test_a_degraded_clip_keeps_shape_and_range_and_is_the_same_for_the_same_generator():
    video, distances = toy_video(), []
    for seed in range(24):
        one, two = (degrade.degrade(np.random.default_rng(seed), video, clean=0.0) for _ in range(2))
        assert one.shape == video.shape and one.dtype == torch.float32 and torch.equal(one, two)
        assert one.min() >= 0 and one.max() <= 1
        distances.append(float((one - video).abs().mean()))
    assert 0.003 < np.mean(distances) < 0.09 and max(distances) < 0.18  # worse, and still the same picture


def test_as_many_clips_as_asked_are_left_alone():
    video, rng = toy_video()[:1, :, :8, :8], np.random.default_rng(0)
    assert all(degrade.degrade(rng, video, clean=1.0) is video for _ in range(20))
    assert np.mean([degrade.degrade(rng, video, clean=0.75) is video for _ in range(400)]) == pytest.approx(
        0.75, abs=0.07
    )


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.2])
def test_blur_spreads_a_dot_by_its_sigma_and_loses_no_light(sigma):
    dot = torch.zeros(2, 3, 21, 21)
    dot[1, 2, 10, 10] = 1.0
    spread = degrade.blur(dot, sigma)[1, 2]
    place = torch.arange(21) - 10.0
    sampled = (-0.5 * (place / sigma).square()).exp()  # a Gaussian at the pixels has not quite its sigma
    variance = (sampled * place.square()).sum() / sampled.sum()
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    for side in (0, 1):
        assert (spread.sum(side) * place.square()).sum() == pytest.approx(float(variance), rel=0.05)
    assert degrade.blur(dot, sigma)[0].abs().max() == degrade.blur(dot, sigma)[1, 0].abs().max() == 0
    grey = torch.full((1, 3, 6, 8), 0.3)
    assert_close(degrade.blur(grey, sigma), grey)


def test_resampling_loses_what_the_small_picture_can_not_hold():
    fine = (torch.arange(48) % 2).float().expand(1, 3, 32, 48)  # lines of a pixel
    coarse = (torch.arange(48) // 12 % 2).float().expand(1, 3, 32, 48)
    assert degrade.resample(fine, 0.5).std() < 0.1 < 0.4 < degrade.resample(coarse, 0.5).std()
    assert_close(degrade.resample(toy_video(), 1.0), toy_video(), atol=1e-5, rtol=0)
    grey = torch.full((1, 3, 7, 9), 0.3)
    assert_close(degrade.resample(grey, 0.6), grey)


class Dice(np.random.Generator):
    """A generator whose choices are given, in order; the noise itself is drawn."""

    def __init__(self, *choices: float):
        super().__init__(np.random.PCG64(0))
        self.choices = list(choices)

    def random(self) -> float:
        return self.choices.pop(0)

    def uniform(self, low: float, high: float) -> float:
        return high


class HalfwayDice(Dice):
    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def test_the_scale_of_a_resampled_clip_is_drawn_evenly_in_its_logarithm():
    low, high = degrade.SHRINK
    shrunk = degrade.degrade(HalfwayDice(1, 1, 0, 1, 1), toy_video())  # no blur, no noise, no compression
    assert_close(shrunk, degrade.resample(toy_video(), (low * high) ** 0.5))


def test_noise_has_the_spread_that_was_drawn():
    grey = torch.full((4, 3, 32, 48), 0.5)
    noisy = degrade.degrade(Dice(1, 1, 1, 0, 1), grey)  # not left alone, no blur, no resampling, noise, no compression
    assert float((noisy - 0.5).std()) == pytest.approx(degrade.NOISE, rel=0.03)
    assert float((noisy - 0.5).mean()) == pytest.approx(0, abs=1e-3)
    assert degrade.degrade(Dice(1, 1, 1, 0, 1), torch.ones(4, 3, 32, 48)).max() == 1


def test_compression_darkens_nothing():
    """A fast conversion from and to RGB would, by a level of 255 or so."""
    change = (degrade.compress(toy_video(), 5) - toy_video()).mean(dim=(0, 2, 3))
    assert (255 * change).abs().max() < 0.3


def test_compression_costs_more_at_a_higher_rate_factor_and_nothing_on_grey():
    grey = torch.full((5, 3, 32, 48), 100 / 255)
    assert (degrade.compress(grey, 20) - grey).abs().max() <= 2.1 / 255
    video = toy_video()
    fine, coarse = (degrade.compress(video, crf) for crf in (20, 36))
    assert fine.shape == video.shape and fine.min() >= 0 and fine.max() <= 1
    assert psnr(fine, video) > psnr(coarse, video) + 3 and psnr(fine, video) > 25
    nearest = [int((fine[i] - video).square().mean(dim=(1, 2, 3)).argmin()) for i in range(5)]
    assert nearest == list(range(5))
