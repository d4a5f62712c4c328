"""Toy films: what is said of each frame is what the frame shows."""

import itertools

import numpy as np
import pytest

from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import render
from smartdirector_lite.toyworld.films import FilmShot, ToyFilm, Transition, sample_film, sample_scene

SIZE = Size(48, 28)


def film_of(kind: str, length: int) -> ToyFilm:
    """A film of two scenes of 20 and 16 frames, the first one of two shots."""
    return ToyFilm((sample_scene(1, 20, 2), sample_scene(2, 16, 1)), ((kind, length),))


def frames_of(film: ToyFilm) -> np.ndarray:
    return np.stack(list(film.frames(SIZE)))


def drawn(film: ToyFilm, scene: int) -> np.ndarray:
    return np.round(255 * render(film.scenes[scene], SIZE).permute(0, 2, 3, 1).numpy()).astype(np.uint8)


def test_a_cut_shows_one_scene_after_the_other():
    film = film_of("cut", 0)
    cut = film.scenes[0].cuts[0]
    assert film.num_frames == 36
    assert film.transitions == [Transition(cut, cut, "cut"), Transition(20, 20, "cut")]
    assert film.shots == [FilmShot(0, cut, 0, 0), FilmShot(cut, 20, 0, 1), FilmShot(20, 36, 1, 0)]
    assert np.array_equal(frames_of(film), np.concatenate([drawn(film, 0), drawn(film, 1)]))


def test_a_dissolve_mixes_the_scenes_and_nothing_else():
    film = film_of("dissolve", 6)
    frames, first, second = frames_of(film), drawn(film, 0), drawn(film, 1)
    assert film.num_frames == len(frames) == 30 and film.transitions[-1] == Transition(14, 20, "dissolve")
    assert np.array_equal(frames[:14], first[:14]) and np.array_equal(frames[20:], second[6:])
    for step in range(6):
        share = (step + 1) / 7
        mixed = (1 - share) * first[14 + step] + share * second[step]
        assert np.abs(frames[14 + step] - mixed).max() <= 1.01


@pytest.mark.parametrize("length", [6, 7])
def test_a_fade_goes_over_black(length):
    film = film_of("fade", length)
    frames, first, second = frames_of(film), drawn(film, 0), drawn(film, 1)
    start, stop, _ = film.transitions[-1]
    assert film.num_frames == len(frames) == 36 and (start, stop) == (20 - length // 2, 20 - length // 2 + length)
    assert np.array_equal(frames[:start], first[:start]) and np.array_equal(frames[stop:], second[stop - 20 :])
    light = frames[start - 1 : stop + 1].mean(axis=(1, 2, 3))
    darkest = light.argmin()
    assert frames[19].max() == 0
    assert (np.diff(light[: darkest + 1]) < 0).all() and (np.diff(light[darkest:]) > 0).all()


def test_shots_and_transitions_cover_a_film_once():
    for seed in range(20):
        film = sample_film(seed, 12)
        spans = sorted([*(shot[:2] for shot in film.shots), *(one[:2] for one in film.transitions)])
        assert spans[0][0] == 0 and spans[-1][1] == film.num_frames
        assert all(one[1] == two[0] for one, two in itertools.pairwise(spans))
        assert len(film.shots) == 12 and min(shot.stop - shot.start for shot in film.shots) > 0


def test_shots_say_what_is_filmed():
    film = sample_film(3, 12)
    for shot in film.shots:
        assert film.shot(shot) is film.scenes[shot.scene].shots[shot.index]
    assert [shot.scene for shot in film.shots] == sorted(shot.scene for shot in film.shots)


def test_a_seed_gives_the_same_film():
    assert sample_film(4) == sample_film(4) != sample_film(5)


def test_soft_transitions_come_as_often_as_asked_for():
    assert {kind for kind, _ in sample_film(0, 40, soft=0.0).joins} == {"cut"}
    assert {kind for kind, _ in sample_film(0, 40, soft=1.0).joins} == {"dissolve", "fade"}
    lengths = [length for _, length in sample_film(0, 40, soft=1.0, frames=(5, 8)).joins]
    assert min(lengths) >= 5 and max(lengths) <= 8
