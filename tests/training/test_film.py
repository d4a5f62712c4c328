"""A film is decoded once, cut into shots, and gives clips."""

import itertools
import json
import pickle
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from smartdirector_lite.media import write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.training import film

SHOT_LENGTHS = (36, 30, 8, 40, 36)  # frames at 24 fps; the third is no second long


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "movie.mp4"
    colours = [(200, 40, 40), (40, 60, 200), (240, 240, 240), (20, 120, 30), (250, 200, 40)]
    frames = [np.full((48, 96, 3), c, np.uint8) for c, n in zip(colours, SHOT_LENGTHS) for _ in range(n)]
    for index, frame in enumerate(frames):
        frame[:, index % 90 : index % 90 + 6] = 128  # something that moves
    write_video(path, np.stack(frames), 24)
    return path


def test_a_film_is_cut_into_its_shots(movie, tmp_path):
    cache = film.prepare_film(movie, tmp_path / "cache", size=Size(32, 16))
    info = json.loads((cache / "shots.json").read_text())
    assert info["fps"] == 12 and [tuple(shot) for shot in info["shots"]] == [(0, 18), (18, 33), (37, 57), (57, 75)]
    training, held_out = film.FilmShots.load(cache), film.FilmShots.load(cache, held_out=True)
    assert training.frames.shape == (75, 16, 32, 3) and training.frames.dtype == np.uint8
    assert training.shots == [(0, 18), (18, 33), (37, 57)] and held_out.shots == [(57, 75)]
    clip = training.clip(2, 5, crop=(4, 0, 8, 30))
    assert clip.shape == (5, 3, 8, 30)
    assert_close(clip[0, :, 4, 25], torch.tensor([200, 40, 40]) / 255, atol=0.03, rtol=0)
    assert {path.name for path in cache.iterdir()} == {"frames.npy", "shots.json"}


def test_a_prepared_film_is_not_decoded_again_nor_taken_for_another(movie, tmp_path):
    cache = film.prepare_film(movie, tmp_path, size=Size(32, 16), seconds=(1.0, 4.0))
    before = (cache / "frames.npy").stat().st_mtime_ns
    assert len(film.FilmShots.load(cache).frames) == 36
    film.prepare_film(movie, tmp_path, size=Size(32, 16), seconds=(1.0, 4.0))
    assert (cache / "frames.npy").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="was made from"):
        film.prepare_film(movie, tmp_path, size=Size(48, 16), seconds=(1.0, 4.0))


def test_a_worker_maps_the_film_instead_of_being_sent_it(movie, tmp_path):
    footage = film.FilmShots.load(film.prepare_film(movie, tmp_path, size=Size(32, 16), seconds=(1.0, 4.0)))
    sent = pickle.dumps(footage)
    mapped = pickle.loads(sent)
    assert len(sent) < 1000 < footage.frames.nbytes and isinstance(mapped.frames, np.memmap)
    assert np.array_equal(mapped.frames, footage.frames)
    assert (mapped.shots, mapped.fps) == (footage.shots, footage.fps)
    in_memory = film.FilmShots(np.ones((4, 2, 2, 3), np.uint8), [(0, 4)], 12.0)
    assert np.array_equal(pickle.loads(pickle.dumps(in_memory)).frames, in_memory.frames)


def test_clips_lie_within_one_shot():
    shots = film.FilmShots(np.zeros((60, 2, 2, 3), np.uint8), [(0, 10), (10, 13), (30, 42)], 12.0)
    rng = np.random.default_rng(0)
    starts = {shots.sample(rng, 8) for _ in range(200)}
    assert starts == {0, 1, 2, 30, 31, 32, 33, 34}
    assert shots.sample(rng, 12) == 30 and shots.sample(rng, 13) is None


def test_a_training_takes_the_films_clips_as_often_as_asked():
    shots = film.FilmShots(np.zeros((60, 2, 2, 3), np.uint8), [(0, 60)], 12.0)
    rng = np.random.default_rng(0)
    starts = [film.Footage(shots, 0.3).sample(rng, 8) for _ in range(1000)]
    assert sum(start is not None for start in starts) / 1000 == pytest.approx(0.3, abs=0.04)
    assert film.Footage(shots, 1.0).sample(rng, 61) is None and film.Footage.open("", 1.0).sample(rng, 8) is None


def landscape(seed: int) -> np.ndarray:
    """A wide picture of soft blobs, (48, 1600, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 200, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((1600, 48), Image.Resampling.BICUBIC))


def pan(seed: int, speeds: list[float]) -> np.ndarray:
    """A camera that moves over a landscape, so many pixels a frame."""
    places = np.cumsum(speeds).astype(int)
    return np.stack([landscape(seed)[:, place : place + 96] for place in places])


def test_a_hard_cut_at_the_end_of_a_fast_pan_is_found_and_the_pan_is_no_cut(tmp_path):
    speeds = [*[1] * 30, *np.linspace(1, 16, 30), *[16] * 10]  # the pan is faster and faster, and then there is a cut
    frames = np.concatenate([pan(0, speeds), pan(1, [1] * 40), pan(2, [1] * 40)])
    write_video(tmp_path / "pan.mp4", frames, 24)
    for step, cuts in ((1, [70, 110]), (2, [35, 55])):
        cache = film.prepare_film(tmp_path / "pan.mp4", tmp_path / f"{step}", size=Size(96, 48), step=step)
        bounds = [0, *cuts, len(frames) // step]
        assert json.loads((cache / "shots.json").read_text())["shots"] == [*map(list, itertools.pairwise(bounds))]
    for fast in (speeds, [*[1] * 30, *[16] * 40], [*[16] * 40, *[1] * 30]):  # without a cut, at any change of speed
        assert film.find_shots(pan(3, fast), 24) == [(0, 70)]
        twice = np.repeat(pan(3, fast), 2, axis=0)  # animation on twos
        assert film.find_shots(twice, 24) == [(0, 140)]


def test_a_cut_lies_at_the_first_kept_frame_after_it(tmp_path):
    frames = np.concatenate([np.full((n, 32, 32, 3), level, np.uint8) for n, level in ((25, 20), (28, 200), (30, 90))])
    write_video(tmp_path / "odd.mp4", frames, 24)
    cache = film.prepare_film(tmp_path / "odd.mp4", tmp_path / "cache", size=Size(32, 16), seconds=(1 / 24, 9))
    shots = film.FilmShots.load(cache)
    assert [*shots.shots, *film.FilmShots.load(cache, held_out=True).shots] == [(0, 12), (12, 26), (26, 41)]
    shown = [int(shots.frames[frame, 0, 0, 0]) for frame in (0, 11, 12, 25, 26, 40)]
    assert shown == pytest.approx([20, 20, 200, 200, 90, 90], abs=3)


def test_frames_have_the_shape_that_players_show(tmp_path):
    with av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[16:48, 24:40] = 255  # a square of 32 x 32, as shown
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    cache = film.prepare_film(tmp_path / "wide.mp4", tmp_path / "cache", size=Size(64, 32))
    shown = np.load(cache / "frames.npy")[0, :, :, 0] > 128
    assert (shown.any(axis=1).sum(), shown.any(axis=0).sum()) == (16, 16)


def test_a_flash_is_no_cut_unless_it_stands_out():
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)  # every frame differs from the next
    assert film.find_shots(noisy, 12) == [(0, 40)]


def broken_movies(folder: Path, movie: Path) -> dict[str, Path]:
    text, cut = folder / "text.mp4", folder / "cut.mp4"
    text.write_text("not a film")
    cut.write_bytes(movie.read_bytes()[:-2000])
    return {"no such file": folder / "missing.mp4", "not a video": text, "cut short": cut}


def test_a_film_that_cannot_be_read_is_named_and_leaves_nothing(movie, tmp_path):
    for message, path in broken_movies(tmp_path, movie).items():
        with pytest.raises(ValueError, match=message) as caught:
            film.prepare_film(path, tmp_path / "cache", size=Size(32, 16))
        assert path.name in str(caught.value) and "\n" not in str(caught.value)
        assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": (50.0, 60.0)}, "no frames between"),
        ({"seconds": (0.0, 0.5)}, "no shot of 1.0 s"),
        ({"seconds": (3.0, 2.0)}, "seconds"),
        ({"step": 0}, "step = 0"),
        ({"size": Size(32, 8)}, "sides of 16"),
    ],
)
def test_impossible_parts_of_a_film_are_refused(movie, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        film.prepare_film(movie, tmp_path / "cache", **{"size": Size(32, 16), **options})
    assert not (tmp_path / "cache").exists()


def test_a_damaged_cache_is_named(movie, tmp_path):
    with pytest.raises(ValueError, match="no prepared film"):
        film.FilmShots.load(tmp_path)
    cache = film.prepare_film(movie, tmp_path / "cache", size=Size(32, 16))
    data = (cache / "frames.npy").read_bytes()
    (cache / "frames.npy").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged"):
        film.FilmShots.load(cache)
    (cache / "shots.json").write_text('{"fps": 12}')
    with pytest.raises(ValueError, match="no prepared film"):
        film.FilmShots.load(cache)
