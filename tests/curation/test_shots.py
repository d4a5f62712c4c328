"""Borders between shots: cuts, dissolves and fades of toy films, whose truth is known, and shots that are of no use."""

import random

import cv2
import numpy as np
import pytest
import torch

from smartdirector_lite.curation import shots
from smartdirector_lite.curation.records import Border, ShotRecord
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld.films import sample_film

FPS = 12.0


def small(frames) -> list[np.ndarray]:
    return [cv2.resize(frame, shots.THUMBNAIL, interpolation=cv2.INTER_AREA) for frame in frames]


def plain(*levels_and_lengths: tuple[int, int]) -> list[np.ndarray]:
    """Thumbnails of one grey after the other, each with a bar that moves."""
    frames = []
    for level, length in levels_and_lengths:
        for index in range(length):
            frame = np.full((27, 48, 3), level, np.uint8)
            frame[:, index % 46 : index % 46 + 2] = 128
            frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def film():
    """A toy film of 7 shots with cuts, dissolves and fades, and its thumbnails."""
    toy = sample_film(118, num_shots=7, soft=0.6)
    return toy, small(toy.frames(Size(192, 108)))


@pytest.fixture(scope="module")
def transnet() -> shots.TransNet:
    return shots.TransNet(everywhere=True)


@pytest.fixture(scope="module")
def found(film, transnet) -> list[Border]:
    return transnet(film[1], FPS)


@pytest.mark.parametrize("detector", [shots.fast_borders, shots.adaptive_borders])
def test_cuts_are_found_on_their_frame(detector):
    frames = plain((20, 30), (200, 40), (90, 30))
    assert detector(frames, FPS) == [Border(30, 30), Border(70, 70)]
    assert detector(frames[:30], FPS) == [] and detector(frames[:1], FPS) == [] and detector([], FPS) == []


def test_transnet_finds_cuts_dissolves_and_fades(film, found):
    toy, _ = film
    kinds = {transition.kind for transition in toy.transitions}
    assert kinds == {"cut", "dissolve", "fade"}
    assert [border.kind for border in found] == [true.kind for true in toy.transitions]
    for border, true in zip(found, toy.transitions, strict=True):
        slack = 0 if true.kind == "cut" else 3
        assert abs(border.start - true.start) <= slack and abs(border.stop - true.stop) <= slack


def test_transnet_sees_the_same_where_it_looks_only_at_changes(film, found):
    sparing = shots.TransNet()
    assert sparing(film[1], FPS) == found
    assert sparing(plain((90, 1)), FPS) == [] and sparing([], FPS) == []


def test_windows_are_those_of_the_papers_code(film, transnet):
    frames = np.stack(film[1][:67])
    expected = np.stack([one.numpy() for one in transnet.network.predict_frames(torch.from_numpy(frames), quiet=True)])
    windows = list(shots._windows(frames))
    assert sum(count for _, count, _ in windows) == len(frames)
    found = [transnet._judge(window)[:count] for window, count, _ in windows]
    np.testing.assert_allclose(np.concatenate(found).T, expected, atol=1e-4)


@pytest.mark.parametrize("length", [1, 49, 50, 51, 75, 76, 100, 101, 150])
def test_windows_count_every_frame_once(length):
    frames = np.zeros((length, 27, 48, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(length)
    counted = [window[25 : 25 + count, 0, 0, 0] for window, count, _ in shots._windows(frames)]
    assert np.concatenate(counted).tolist() == list(range(length))


def test_loading_transnet_changes_nothing_else():
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    expected = torch.rand(1).item(), np.random.rand(), random.random()
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    shots.TransNet()
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == expected
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark) == before


def test_probabilities_become_transitions():
    probabilities, contrasts = np.zeros((40, 2)), np.full(40, 0.2)
    probabilities[9] = 0.9, 0.8  # a cut after frame 9
    probabilities[20:26, 1], probabilities[23, 0] = 0.9, 0.6  # a dissolve
    probabilities[30:36, 1], probabilities[32, 0], contrasts[33] = 0.9, 0.6, 0.0  # a fade
    probabilities[37:39, 1] = 0.9  # a movement, which the first output does not take for a border
    assert shots.transitions(probabilities, contrasts) == [
        Border(10, 10),
        Border(20, 26, "dissolve"),
        Border(30, 36, "fade"),
    ]


def test_no_frame_of_a_transition_belongs_to_a_shot_and_long_shots_are_parted():
    borders = [Border(30, 30), Border(60, 66, "dissolve"), Border(70, 70)]
    found = shots.shots_between(borders, 131, FPS, longest=40)
    assert [(shot.start, shot.stop) for shot in found] == [(0, 30), (30, 60), (66, 70), (70, 100), (100, 131)]
    assert [shot.rejected for shot in found] == ["", "", "too short", "", ""]
    assert shots.shots_between([], 0, FPS, 40) == []


def test_black_static_and_credits_are_left_out():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (24, 108, 192, 3), dtype=np.uint8)
    credits = np.full((24, 108, 192, 3), (30, 60, 90), np.uint8)
    for index, frame in enumerate(credits):
        for line in range(8):
            cv2.putText(frame, "SOMEBODY", (50, 10 + 16 * line - index % 16), 0, 0.4, (255, 255, 255))
    whole = ShotRecord(0, 24)
    cases = {"black": noise // 64, "static": np.repeat(noise[:1], 24, axis=0), "credits": credits, "": noise}
    for reason, frames in cases.items():
        assert shots.reject_shot(whole, frames, FPS).rejected == reason
    sky = np.full((24, 108, 192, 3), (120, 180, 250), np.uint8)
    for index, frame in enumerate(sky):
        frame[40:60, 3 * index : 3 * index + 30] = 40  # a bird before a plain ground is no writing
    assert shots.reject_shot(whole, sky, FPS).rejected == ""
