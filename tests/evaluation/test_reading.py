"""Reading the toy world's videos: letters, eyes, and how steady a video is."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.evaluation.metrics import flicker, ssim, warping_error
from smartdirector_lite.evaluation.reading import eye_shift, look, pupil_offset, read_letter
from smartdirector_lite.toyworld import Box, render, sample_scene, scene_truth
from smartdirector_lite.toyworld.glyphs import ALPHABET, glyph_texture

SIZE = (128, 224)


@pytest.fixture(scope="module")
def shot():
    """A shot with a sign to be read and eyes well inside its first frame: its frames and their truth."""
    for seed in range(99):
        facts = scene_truth(scene := sample_scene(seed, 13, 1), *SIZE)
        middle = [24 < x < 200 and 24 < y < 104 for who in facts[0].characters for x, y in who.eyes]
        if any(middle) and any(letter.clear for letter in facts[0].letters):
            return render(scene, *SIZE), facts
    raise AssertionError("no such shot")


def page(letter: str, height: int = 24, width: int = 18) -> torch.Tensor:
    """A letter in ink on a light page, (3, H, W)."""
    ink = torch.sigmoid(glyph_texture(letter) * 6)[None, None]
    small = F.interpolate(ink, size=(height, width), mode="bilinear", antialias=True)[0]
    return (0.1 + 0.8 * small).expand(3, -1, -1)


@pytest.mark.parametrize("height", (12, 24, 48))
def test_every_letter_is_read_at_any_size(height):
    width = height * 3 // 4
    read = "".join(read_letter(page(letter, height, width), Box(0, 0, height, width)) for letter in ALPHABET)
    assert read == ALPHABET


def test_a_letter_is_read_when_it_is_pale_noisy_or_a_pixel_off():
    noise = 0.05 * torch.randn(3, 24, 18, generator=torch.Generator().manual_seed(0))
    for letter in "SKWM":
        changed = (0.4 + 0.3 * page(letter) + noise).roll(1, dims=2)
        assert read_letter(changed, Box(0, 0, 24, 18)) == letter


def test_letters_of_a_rendered_sign_are_read_and_smeared_ones_are_not(shot):
    frames, facts = shot
    letters = [(k, letter) for k, fact in enumerate(facts) for letter in fact.letters if letter.clear]
    assert letters
    assert all(read_letter(frames[k], letter.box) == letter.letter for k, letter in letters)
    smeared = F.interpolate(F.avg_pool2d(frames, 32), size=SIZE, mode="bilinear")
    assert sum(read_letter(smeared[k], letter.box) == letter.letter for k, letter in letters) < len(letters) / 2


@pytest.mark.parametrize(("dx", "word"), ((-3, "left"), (0, "ahead"), (3, "right")))
def test_a_pupil_says_where_its_eye_looks(dx, word):
    rows, columns = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    white = ((rows - 16) ** 2 + (columns - 16) ** 2).sqrt() < 10
    dark = ((rows - 16) ** 2 + (columns - 16 - dx) ** 2).sqrt() < 4
    frame = torch.where(dark, 0.1, torch.where(white, 1.0, 0.4)).expand(3, -1, -1)
    assert look(pupil_offset(frame, (16.0, 16.0), 12.0)) == word


def test_a_blank_eye_looks_ahead():
    assert pupil_offset(torch.ones(3, 20, 20), (10.0, 10.0), 6.0) == 0


@pytest.mark.parametrize(("down", "across"), ((0, 0), (2, 0), (-1, 3)))
def test_an_eye_that_moved_is_found_where_it_is(shot, down, across):
    frames, facts = shot
    found = []
    for character in facts[0].characters:
        for eye in character.eyes:
            moved = frames[0].roll((down, across), dims=(1, 2))
            shift = eye_shift(moved, frames[0], eye, character.eye_radius)
            if shift is not None:
                found.append(shift)
    assert found and all(shift == pytest.approx((down**2 + across**2) ** 0.5) for shift in found)


def test_an_eye_at_the_border_is_left_out(shot):
    frames, _ = shot
    assert eye_shift(frames[0], frames[0], (2.0, 50.0), 6.0) is None


def test_ssim_in_closed_form():
    """Two flat pictures: only their brightness counts. A picture and itself: 1. And its negative: below 0."""
    a, b = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.8)
    expected = (2 * 0.2 * 0.8 + 0.01**2) / (0.2**2 + 0.8**2 + 0.01**2)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-4)
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert ssim(noise, noise) == pytest.approx(1, abs=1e-4)
    assert ssim(noise, 1 - noise) < 0


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
