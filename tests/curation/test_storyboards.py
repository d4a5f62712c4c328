"""A piece of a film as a storyboard: the true cuts and frames, and pieces that can't be."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite.curation.dataset import SMALL, Curation
from smartdirector_lite.curation.film import Film
from smartdirector_lite.curation.storyboards import FILE, look_at_piece, piece_frames, write_storyboard
from smartdirector_lite.media import write_video
from smartdirector_lite.media.pixels import frame_pixels
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.toyworld.films import ToyFilm, sample_film

QUICK = Curation(detector="fast")


@pytest.fixture(scope="module")
def toy() -> ToyFilm:
    return sample_film(3, num_shots=3, soft=0.0)


@pytest.fixture(scope="module")
def movie(toy, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "toy.mp4"
    write_video(path, toy.frames(Size(224, 128)), toy.fps)
    return path


def test_a_piece_has_the_cuts_and_the_very_frames_of_the_film(movie, toy, tmp_path):
    cut = toy.transitions[1].start
    start, end = (cut - 14) / toy.fps, (cut + 16) / toy.fps
    made = write_storyboard(movie, (start, end), tmp_path / "story", QUICK)
    storyboard = Storyboard.load(made)
    assert (storyboard.num_frames, storyboard.fps, storyboard.size) == (30, toy.fps, None)
    assert storyboard.cuts == (14,)
    assert {0, 13, 14, 29} <= {keyframe.frame for keyframe in storyboard.keyframes}
    film = [frame_pixels(frame) for frame in Film.open(movie).frames()]
    for keyframe in storyboard.keyframes:
        picture = np.array(Image.open(tmp_path / "story" / keyframe.image))
        assert np.array_equal(picture, film[cut - 14 + keyframe.frame])
    assert all(shot.camera for shot in storyboard.shots) and "Shot 2 (1.2-2.5 s):" in storyboard.caption()
    assert storyboard.plan().cuts == (14,)


def test_a_film_of_another_rate_is_taken_at_that_of_the_bundled_model_or_as_asked(toy, tmp_path):
    frames = np.stack([*itertools.islice(toy.frames(SMALL), 40)])
    write_video(tmp_path / "fast.mp4", frames.repeat(2, axis=0), 24)
    for fps, count in ((None, 30), (24, 60), (8, 20)):
        storyboard = Storyboard.load(
            write_storyboard(tmp_path / "fast.mp4", (0.5, 3), tmp_path / "story", QUICK, fps=fps)
        )
        assert (storyboard.fps, storyboard.num_frames) == (fps or 12, count)
    storyboard = Storyboard.load(
        write_storyboard(tmp_path / "fast.mp4", (0.5, 3), tmp_path / "sized", QUICK, Size(64, 112))
    )
    assert storyboard.size == (64, 112)
    with pytest.raises(ValueError, match="fps 30: the film has 24"):
        write_storyboard(tmp_path / "fast.mp4", (0, 3), tmp_path / "story", QUICK, fps=30)


def test_frames_of_a_dissolve_fall_to_the_shot_before_and_are_no_keyframes():
    films = (sample_film(seed, num_shots=4, soft=1.0) for seed in range(9))
    film, dissolve = next((film, one) for film in films for one in film.transitions[:1] if one.kind == "dissolve")
    first = dissolve.start - 20
    frames = np.stack([*itertools.islice(film.frames(SMALL), first, dissolve.stop + 20)])
    shots = look_at_piece(frames, film.fps, Curation())
    after = min(shots, key=lambda shot: abs(shot.start - (dissolve.stop - first)))
    before = shots[shots.index(after) - 1]
    assert before.stop < after.start
    assert abs(before.stop - 20) <= 3 and abs(after.start - (dissolve.stop - first)) <= 3
    keyframes = [frame for shot in shots for frame in shot.keyframes]
    assert after.start in keyframes and not [one for one in keyframes if before.stop <= one < after.start]


@pytest.mark.parametrize("count", [2, 3, 13])
def test_the_shortest_pieces_are_looked_at(toy, count):
    frames = np.stack([*itertools.islice(toy.frames(SMALL), count)])
    (shot,) = look_at_piece(frames, toy.fps, QUICK)
    assert (shot.start, shot.stop, shot.rejected) == (0, count, "") and shot.keyframes[0] == 0


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        ((-1, 3), "START is -1; give seconds from 0 on"),
        ((float("nan"), 3), "START is nan"),
        ((3, 2), "END is 2, not after START 3"),
        ((2, 2), "END is 2, not after START 2"),
        ((2, float("nan")), "END is nan, not after START 2"),
        ((2, 101), r"END is 101, and film\.mp4 lasts 100.00 s; give an earlier END"),
        ((200, 300), "lasts 100.00 s"),
        ((2, float("inf")), "lasts 100.00 s"),
        ((2, 62.5), "START 2 to END 62.5 is longer than 60 s"),
        ((2, 2.05), "shorter than two frames"),
    ],
)
def test_a_piece_that_can_not_be_is_refused(seconds, message):
    with pytest.raises(ValueError, match=message):
        piece_frames(Film(Path("film.mp4"), 12.0, 1200), seconds)


def test_the_last_frames_of_a_film_can_be_taken(movie, toy, tmp_path):
    length = toy.num_frames / toy.fps
    assert Storyboard.load(write_storyboard(movie, (length - 1, length), tmp_path, QUICK)).num_frames == 12


def test_the_command_writes_a_storyboard_and_says_what_is_wrong_in_one_line(movie, tmp_path):
    def call(*options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "smartdirector_lite.cli", "curate", *options, "--detector", "fast"]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])

    done = call(str(movie), "--storyboard", "1", "3", "-o", str(tmp_path / "story"))
    assert done.returncode == 0 and f"smartdirector generate {tmp_path / 'story' / FILE}" in done.stdout
    assert json.loads((tmp_path / "story" / FILE).read_text())["num_frames"] == 24
    for options, message in [
        ([str(movie), "--storyboard", "3", "1"], "storyboard END is 1, not after START 3"),
        ([str(movie), str(movie), "--storyboard", "1", "3"], "storyboard is of one film"),
        ([str(movie), "--fps", "12"], "fps 12 is for --storyboard alone"),
    ]:
        done = call(*options, "-o", str(tmp_path / "other"))
        assert done.returncode == 2 and message in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "other").exists()
