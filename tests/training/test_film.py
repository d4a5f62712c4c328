"""A curated dataset gives clips to train on, and each has its own caption."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from smartdirector_lite.media import read_video, write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.training import film
from smartdirector_lite.training.curated import CuratedClip, read_dataset

SIZE = Size(32, 16)
LEVELS = {"one": (20, 200, 90), "two": (60,), "three": (240, 120)}  # of each shot, in each clip
LENGTHS = {"one": (25, 28, 31), "two": (24,), "three": (30, 26)}  # frames at 24 a second
SHOTS = {
    "one": [("A hill moves left.", "static"), ("A tree.", "pan left"), ("A hare.", "zoom in")],
    "two": [("The sea.", "tilt up")],
    "three": [("A boat.", "handheld"), ("A mast.", "pan right")],
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder, lines = tmp_path_factory.mktemp("dataset"), []
    for name, levels in LEVELS.items():
        lengths = LENGTHS[name]
        frames = [np.full((32, 64, 3), value, np.uint8) for value, n in zip(levels, lengths) for _ in range(n)]
        (folder / "film").mkdir(exist_ok=True)
        write_video(folder / "film" / f"{name}.mp4", np.stack(frames), 24)
        cuts = np.cumsum(lengths)[:-1].tolist()
        shots = [
            {"start_frame": start, "description": text, "camera": camera, "characters": ["A"]}
            for start, (text, camera) in zip([0, *cuts], SHOTS[name], strict=True)
        ]
        line = {"file_name": f"film/{name}.mp4", "description": f"Clip {name}.", "shots": shots, "cuts": cuts}
        lines.append(json.dumps(line | {"fps": 24, "num_frames": sum(lengths)}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_shots_are_where_the_decoded_frames_show_them(dataset):
    training, held_out = (film.FilmShots.load(dataset, held_out, SIZE) for held_out in (False, True))
    assert training.frames.shape == (42 + 12 + 28, 16, 32, 3) and training.frames.dtype == np.uint8
    assert len(training.shots) == 5 and len(held_out.shots) == 1 and held_out.frames.shape == training.frames.shape
    levels = [level for clip in LEVELS.values() for level in clip]
    for (start, stop), level in zip([*training.shots, *held_out.shots], levels, strict=True):
        shown = training.frames[start:stop].astype(int)
        assert np.abs(shown - level).max() <= 4, (start, stop, level)
    bounds = [0, *(stop for _, stop in training.shots), *(stop for _, stop in held_out.shots)]
    assert [start for start, _ in [*training.shots, *held_out.shots]] == bounds[:-1]  # no frame belongs to two shots
    clip = training.clip(2, 5, crop=(4, 0, 8, 30))
    assert clip.shape == (5, 3, 8, 30)
    assert_close(clip, torch.full_like(clip, 20 / 255), atol=0.02, rtol=0)


@pytest.mark.parametrize("fps", [24, 25, 30, 30000 / 1001, 12, 10])
def test_the_length_of_a_decoded_clip_and_its_shots_are_known_before(tmp_path, fps):
    for num_frames in (31, 95, 97, 99, 197):
        cut = num_frames // 2
        frames = np.full((num_frames, 16, 16, 3), 20, np.uint8)
        frames[cut:] = 220
        write_video(tmp_path / "clip.mp4", frames, fps)
        decoded = read_video(tmp_path / "clip.mp4", fps=12.0)
        clip = CuratedClip(tmp_path / "clip.mp4", fps, num_frames, "", (cut,), (film.Shot(), film.Shot()))
        (_, middle), (_, end) = clip.spans(12.0)
        assert len(decoded) == end, num_frames
        assert (decoded[:middle] < 60).all() and (decoded[middle:] > 180).all(), num_frames


def test_every_clip_is_told_in_its_own_words(dataset):
    footage = film.FilmShots.load(dataset, size=SIZE)
    second = footage.shots[1][0]
    assert footage.storyboard(second + 1, 9).caption() == (
        "Clip one. Shot 1 (0.0-0.8 s): A tree. Camera: pan left. Characters: A."
    )
    assert "Camera: pan right." in footage.storyboard(second, 9, mirrored=True).caption()
    assert "A hill moves right. Camera: static." in footage.storyboard(0, 9, mirrored=True).caption()
    captions = film.Footage(footage, 0.5).captions
    assert len(captions) == len(set(captions)) == 5 and film.Footage().captions == []
    assert film.FilmShots(footage.frames, [(0, 12)], 12.0).storyboard(0, 12).caption() == "Shot 1 (0.0-1.0 s):"


def test_a_part_of_a_clip_is_told_by_the_shots_that_it_shows(dataset):
    clip = read_dataset(dataset)[0]
    assert clip.spans(24) == [(0, 25), (25, 53), (53, 84)]
    part = clip.storyboard(20, 60, 24)
    assert part.cuts == (5, 33) and part.num_frames == 40
    assert [shot.camera for shot in part.shots] == ["static", "pan left", "zoom in"]
    assert clip.storyboard(25, 53, 24).cuts == () and clip.storyboard(60, 84, 24).shots[0].camera == "zoom in"
    assert clip.storyboard(24, 26, 24).cuts == (1,)


def test_a_dataset_is_decoded_once_and_anew_when_it_has_changed(dataset, tmp_path):
    before = film.FilmShots.load(dataset, size=SIZE).frames
    made = Path(before.filename).stat().st_mtime_ns
    assert Path(film.FilmShots.load(dataset, held_out=True, size=SIZE).frames.filename).stat().st_mtime_ns == made
    assert film.FilmShots.load(dataset, size=Size(48, 16)).frames.shape[2] == 48
    assert len(list((dataset / film.WORK).iterdir())) == 1  # the older size is gone
    assert len(film.FilmShots.load(dataset, size=SIZE).frames) == len(before)


def test_a_worker_maps_the_film_instead_of_being_sent_it(dataset):
    footage = film.FilmShots.load(dataset, size=SIZE)
    sent = pickle.dumps(footage)
    mapped = pickle.loads(sent)
    assert len(sent) < 4000 < footage.frames.nbytes and isinstance(mapped.frames, np.memmap)
    assert np.array_equal(mapped.frames, footage.frames)
    assert (mapped.shots, mapped.fps, mapped.clips) == (footage.shots, footage.fps, footage.clips)
    in_memory = film.FilmShots(np.ones((4, 2, 2, 3), np.uint8), [(0, 4)], 12.0)
    assert np.array_equal(pickle.loads(pickle.dumps(in_memory)).frames, in_memory.frames)


def test_clips_lie_within_one_shot():
    shots = film.FilmShots(np.zeros((60, 2, 2, 3), np.uint8), [(0, 10), (10, 13), (30, 42)], 12.0)
    rng = np.random.default_rng(0)
    starts = {shots.sample(rng, 8) for _ in range(200)}
    assert starts == {0, 1, 2, 30, 31, 32, 33, 34}
    assert shots.sample(rng, 12) == 30 and shots.sample(rng, 13) is None


def test_clips_apart_share_no_frame_and_cross_no_cut():
    shots = film.FilmShots(np.zeros((60, 2, 2, 3), np.uint8), [(0, 10), (10, 13), (30, 55)], 12.0)
    assert shots.apart(8, 9) == [0, 30, 38, 46] and shots.apart(12, 2) == [30, 42] and shots.apart(26, 9) == []
    assert shots.apart(5, 3) == [0, 35, 50] and shots.apart(8, 1) == [0]


def test_a_training_takes_the_films_clips_as_often_as_asked():
    shots = film.FilmShots(np.zeros((60, 2, 2, 3), np.uint8), [(0, 60)], 12.0)
    rng = np.random.default_rng(0)
    starts = [film.Footage(shots, 0.3).sample(rng, 8) for _ in range(1000)]
    assert sum(start is not None for start in starts) / 1000 == pytest.approx(0.3, abs=0.04)
    assert film.Footage(shots, 1.0).sample(rng, 61) is None and film.Footage.open("", 1.0).sample(rng, 8) is None


def test_a_picture_is_a_part_of_a_training_frame():
    ramp = np.linspace(0, 240, 48).round().astype(np.uint8)
    frames = np.broadcast_to(ramp[None, None, :, None], (9, 32, 48, 3)).copy()
    frames[:4] = 255  # held out
    shots, rng = film.FilmShots(frames, [(4, 9)], 12.0), np.random.default_rng(0)
    mirrored, widths = 0, []
    for _ in range(100):
        picture = shots.picture(rng, Size(14, 8))
        assert picture.shape == (3, 8, 14) and picture.min() >= 0 and picture.max() < 0.96
        row = picture[0, 4]
        mirrored += bool(row[0] > row[-1])
        widths.append(float((row[-2] - row[1]).abs()) / (240 / 255) * 47 * 14 / 11)
    assert 30 < mirrored < 70 and 22 < min(widths) < 28 and 43 < max(widths) < 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("", "it lists no clip"),
        ("{", "Expecting property name"),
        ("[1]", "list indices"),
        ('{"file_name": "a.mp4"}', "'shots'"),
        ('{"file_name": "a.mp4", "shots": [], "fps": 12, "num_frames": 4, "description": "", "cuts": []}', "0 shots"),
    ],
)
def test_what_is_no_dataset_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "metadata.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        film.FilmShots.load(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_clip_that_does_not_fit_its_line_is_named_and_leaves_nothing(dataset, tmp_path):
    lines = (dataset / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "film").mkdir()
    for name, message in (("one", "frames at 12 a second"), ("two", "no such file")):
        value = json.loads(lines[list(LEVELS).index(name)])
        if name == "one":
            write_video(tmp_path / "film" / "one.mp4", np.zeros((30, 32, 64, 3), np.uint8), 24)
        (tmp_path / "metadata.jsonl").write_text(json.dumps(value), encoding="utf-8")
        with pytest.raises(ValueError, match=message) as caught:
            film.FilmShots.load(tmp_path)
        assert f"{name}.mp4" in str(caught.value) and not list((tmp_path / film.WORK).iterdir())


def test_damaged_frames_are_named(dataset, tmp_path):
    path = Path(film.FilmShots.load(dataset, size=SIZE).frames.filename)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="delete it, and it is made again"):
        film.FilmShots.load(dataset, size=SIZE)
    path.unlink()
    assert film.FilmShots.load(dataset, size=SIZE).shots


# -- cuts of a clip that no dataset tells of ---------------------------------------------------------------------------


def landscape(seed: int) -> np.ndarray:
    """A wide picture of soft blobs, (48, 1600, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 200, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((1600, 48), Image.Resampling.BICUBIC))


def pan(seed: int, speeds: list[float]) -> np.ndarray:
    """A camera that moves over a landscape, so many pixels a frame."""
    places = np.cumsum(speeds).astype(int)
    return np.stack([landscape(seed)[:, place : place + 96] for place in places])


def test_a_hard_cut_at_the_end_of_a_fast_pan_is_found_and_the_pan_is_no_cut():
    speeds = [*[1] * 30, *np.linspace(1, 16, 30), *[16] * 10]  # the pan is faster and faster, and then there is a cut
    frames = np.concatenate([pan(0, speeds), pan(1, [1] * 40), pan(2, [1] * 40)])
    assert film.find_shots(frames, 24) == [(0, 70), (70, 110), (110, 150)]
    for fast in (speeds, [*[1] * 30, *[16] * 40], [*[16] * 40, *[1] * 30]):  # without a cut, at any change of speed
        assert film.find_shots(pan(3, fast), 24) == [(0, 70)]
        twice = np.repeat(pan(3, fast), 2, axis=0)  # animation on twos
        assert film.find_shots(twice, 24) == [(0, 140)]


def test_a_flash_is_no_cut_unless_it_stands_out():
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)  # every frame differs from the next
    assert film.find_shots(noisy, 12) == [(0, 40)]


def test_mirrored_words():
    clip = CuratedClip(Path("x"), 12, 4, "From left to right, brightly.", (), (film.Shot(camera="pan left"),))
    assert clip.storyboard(0, 4, 12, mirrored=True).description == "From right to left, brightly."
