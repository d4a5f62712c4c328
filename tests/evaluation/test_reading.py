"""Reading letters and eyes in videos of the toy world."""

import pytest
import torch
from torch.nn import functional as F

from smartdirector_lite.evaluation.reading import eye_shift, look, pupil_offset, read_letter
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import Box, render, sample_scene, scene_truth
from smartdirector_lite.toyworld.glyphs import ALPHABET, glyph_texture

SIZE = Size(224, 128)


@pytest.fixture(scope="module")
def shot():
    """The frames and the truth of a shot with a readable sign, and with eyes well inside its first frame."""
    for seed in range(99):
        facts = scene_truth(scene := sample_scene(seed, 13, 1), SIZE)
        middle = [24 < x < 200 and 24 < y < 104 for who in facts[0].characters for x, y in who.eyes]
        if any(middle) and any(letter.clear for letter in facts[0].letters):
            return render(scene, SIZE), facts
    raise AssertionError("no such shot")


def page(letter: str, height: int = 24, width: int = 18) -> torch.Tensor:
    """A letter in dark ink on a light page, (3, H, W)."""
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
    smeared = F.interpolate(F.avg_pool2d(frames, 32), size=SIZE[::-1], mode="bilinear")
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
