"""Keyframes: the ends, what looks different, the sharp one, and not too close or too far apart."""

import itertools

import cv2
import numpy as np
import pytest

from smartdirector_lite.curation.keyframes import MAX_SPACING, MIN_SPACING, choose_keyframes
from smartdirector_lite.curation.records import ShotRecord

FPS, WIDTH, HEIGHT = 12.0, 96, 54


def still(count: int, level: int = 100) -> np.ndarray:
    return np.full((count, HEIGHT, WIDTH, 3), level, np.uint8)


def chosen(frames: np.ndarray, start: int = 0) -> tuple[int, ...]:
    return choose_keyframes(ShotRecord(start, start + len(frames)), frames, FPS).keyframes


def test_a_still_shot_has_its_ends():
    assert chosen(still(24), start=100) == (100, 123)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_very_short_shot_has_its_first_frame(count):
    assert chosen(still(count)) == (0,)


def test_what_looks_different_is_a_keyframe():
    frames = still(48)
    frames[23:26] = 220  # a flash
    assert len(chosen(frames)) == 3 and 23 <= chosen(frames)[1] <= 25


def test_a_blurred_frame_gives_way_to_a_sharp_one_beside_it():
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    frames = still(49)
    frames[22:27] = cv2.GaussianBlur(noise, (0, 0), 2)
    frames[25] = noise
    assert chosen(frames) == (0, 25, 48)


@pytest.mark.parametrize("seed", range(4))
def test_keyframes_are_neither_too_close_nor_too_far_apart(seed):
    rng = np.random.default_rng(seed)
    frames = np.repeat(rng.integers(0, 256, (rng.integers(5, 40), 1, 1, 3), np.uint8), 5, axis=0)
    frames = np.tile(frames, (1, HEIGHT, WIDTH, 1))
    gaps = np.diff(chosen(frames)) / FPS
    assert gaps.min() >= MIN_SPACING and gaps.max() <= MAX_SPACING


def test_a_long_still_shot_is_divided():
    gaps = np.diff(chosen(still(round(10 * FPS)))) / FPS
    assert len(gaps) == 4 and gaps.max() <= MAX_SPACING


def test_keyframes_count_the_films_frames_where_some_were_left_out():
    record = choose_keyframes(ShotRecord(50, 98), still(24), FPS / 2)
    assert record.keyframes[0] == 50 and 94 <= record.keyframes[-1] < 98
    assert all(one < two for one, two in itertools.pairwise(record.keyframes))


def test_a_still_frame_does_not_move():
    """Where all frames are equally sharp, the nearest one stays."""
    frames = still(round(4 * FPS))
    assert chosen(frames)[1] == round((len(frames) - 1) / 2)
