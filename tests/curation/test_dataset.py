"""From a film to a dataset: what lies where, what goes on after a kill, and what becomes of odd films."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from smartdirector_lite.curation.dataset import WORK, Curation, curate_films, join_shots
from smartdirector_lite.curation.film import Film
from smartdirector_lite.curation.records import ShotRecord
from smartdirector_lite.media import probe_video, read_video, write_video
from smartdirector_lite.media.pixels import frame_pixels
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import Shot, Storyboard
from smartdirector_lite.toyworld.films import sample_film
from tests.films import write_film

QUICK = Curation(Size(48, 32), detector="fast", licence="CC0")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def toy():
    return sample_film(3, num_shots=6, soft=0.0)


@pytest.fixture(scope="module")
def movie(toy, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "a toy film.mp4"
    write_video(path, toy.frames(Size(192, 108)), toy.fps)
    return path


@pytest.fixture(scope="module")
def dataset(movie, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("datasets") / "whole"
    curate_films([movie], folder, QUICK)
    return folder


def entries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_clip_is_listed_and_is_what_its_line_says(dataset, movie, toy):
    listed = entries(dataset)
    assert {entry["file_name"] for entry in listed} == {
        path.relative_to(dataset).as_posix() for path in dataset.rglob("*.mp4")
    }
    film = np.stack([frame_pixels(frame, QUICK.size) for frame in Film.open(movie).frames()])
    for entry in listed:
        clip, (start, stop) = read_video(dataset / entry["file_name"]), entry["film_frames"]
        assert len(clip) == entry["num_frames"] == stop - start and clip.shape[1:] == (32, 48, 3)
        near, off = (np.abs(clip[:-1].astype(int) - film[start + i : stop - 1 + i]).mean() for i in (0, 1))
        assert near < 6 < off
        assert entry["fps"] == toy.fps and entry["source"] == movie.name and entry["licence"] == "CC0"
        assert [shot["start_frame"] for shot in entry["shots"]] == [0, *entry["cuts"]]
        assert all(0 <= frame < entry["num_frames"] for frame in entry["keyframes"])
        shots = [Shot(**{**shot, "characters": tuple(shot["characters"])}) for shot in entry["shots"]]
        storyboard = Storyboard(entry["description"], shots, num_frames=entry["num_frames"], fps=entry["fps"])
        assert entry["caption"] == storyboard.caption()
    cuts = {start + cut for entry in listed for cut in (0, *entry["cuts"]) for start in entry["film_frames"][:1]}
    assert cuts <= {0, *(transition.stop for transition in toy.transitions)}


def test_the_page_and_the_card_name_every_clip_and_the_licence(dataset):
    page, card = (dataset / "index.html").read_text(), (dataset / "README.md").read_text()
    for entry in entries(dataset):
        assert entry["file_name"].replace(" ", "%20") in page and entry["caption"] in page
    assert "CC0" in card and card.startswith("---\n")
    pictures = {path.name for path in (dataset / WORK).rglob("*.jpg")}
    assert pictures and all(name in page for name in pictures)


def test_a_second_run_makes_nothing_anew_and_another_way_is_refused(dataset, movie):
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*.mp4")}
    listed = entries(dataset)
    curate_films([movie], dataset, QUICK)
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*.mp4")} == before
    assert entries(dataset) == listed
    with pytest.raises(ValueError, match="choose another dataset"):
        curate_films([movie], dataset, Curation(Size(64, 32), "fast"))
    assert entries(dataset) == listed


def test_a_run_that_is_killed_anywhere_goes_on_to_the_same_dataset(dataset, movie, tmp_path):
    rng, killed = random.Random(0), 0
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "smartdirector_lite.cli", "curate", str(movie), "-o", str(folder)]
    command += ["--size", "48x32", "--detector", "fast", "--licence", "CC0"]
    for _ in range(4):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not folder.exists():  # the imports take longest, and make nothing
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1.5))
        killed += process.poll() is None
        process.kill()
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert killed and files(folder) == files(dataset)


def test_several_films_are_read_at_once_and_names_that_clash_are_refused(movie, tmp_path, toy):
    other = tmp_path / "other.mp4"
    write_video(other, read_video(movie, frames=(0, 60)), toy.fps)
    found = curate_films([movie, other], tmp_path / "both", QUICK, jobs=2)
    assert set(found) == {str(movie), str(other)}
    listed = entries(tmp_path / "both")
    assert {entry["source"] for entry in listed} == {movie.name, other.name}
    assert len(listed) == sum(summary.clips for summary in found.values())
    with pytest.raises(ValueError, match="rename all but one"):
        curate_films([movie, tmp_path / "elsewhere" / movie.name], tmp_path / "clash", QUICK)


def test_shots_of_one_scene_that_touch_are_joined_up_to_the_longest():
    def shot(start: int, stop: int, scene: int = 0, rejected: str = "") -> ShotRecord:
        return ShotRecord(start, stop, rejected, scene=scene)

    shots = [shot(0, 20), shot(20, 40), shot(40, 70), shot(70, 80, rejected="black"), shot(80, 90), shot(94, 99)]
    shots += [shot(99, 120, scene=1)]
    spans = [[(one.start, one.stop) for one in passage.shots] for passage in join_shots(shots, longest=60)]
    assert spans == [[(0, 20), (20, 40)], [(40, 70)], [(80, 90)], [(94, 99)], [(99, 120)]]


# -- odd films ---------------------------------------------------------------------------------------------------------


def moving(num_frames: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A square that goes over a picture of noise."""
    noise = np.random.default_rng(0).integers(0, 200, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    frames = np.stack([np.kron(noise, np.ones((8, 8, 1), np.uint8))] * num_frames)
    for index, frame in enumerate(frames):
        frame[8:24, index % 40 : index % 40 + 16] = 255
    return frames


@pytest.mark.parametrize("cut", [500, 2000])
def test_a_film_that_is_cut_short_is_refused_and_leaves_no_clip(movie, tmp_path, cut):
    (tmp_path / "cut.mp4").write_bytes(movie.read_bytes()[:-cut])
    with pytest.raises(ValueError, match=r"cut\.mp4"):
        curate_films([tmp_path / "cut.mp4"], tmp_path / "dataset", QUICK)
    assert not list(tmp_path.rglob("dataset/**/*.mp4"))


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    for name in ("text.mp4", "missing.mp4"):
        with pytest.raises(ValueError, match=name):
            curate_films([tmp_path / name], tmp_path / "dataset", QUICK)
    assert not (tmp_path / "dataset").exists()


def test_a_film_without_a_shot_of_use_says_why(tmp_path):
    write_video(tmp_path / "short.mp4", moving(3), 12)
    with pytest.raises(ValueError, match="1 too short"):
        curate_films([tmp_path / "short.mp4"], tmp_path / "dataset", QUICK)
    write_video(tmp_path / "still.mp4", np.repeat(moving(1), 24, axis=0), 12)
    with pytest.raises(ValueError, match="1 static"):
        curate_films([tmp_path / "still.mp4"], tmp_path / "dataset", QUICK)
    assert entries(tmp_path / "dataset") == []


def test_frames_at_varying_times_come_at_a_steady_rate(tmp_path):
    times = [*np.arange(12) / 12, *(1 + np.arange(24) / 24)]  # a second at 12 fps, then one at 24
    path = write_film(tmp_path / "varying.mp4", 36, size=(64, 48), times=times)
    film = Film.open(path)
    levels = [int(frame_pixels(frame)[40, 60, 0]) for frame in film.frames()]
    assert len(levels) == pytest.approx(2 * film.fps, abs=1)
    shown = [int(frame_pixels(frame)[40, 60, 0]) for frame in Film(path, 24.0, 48).frames()]
    alone = [int(pixels[40, 60, 0]) for pixels in read_video(path)]
    assert shown[:48] == [alone[index // 2] for index in range(24)] + alone[12:]


def test_a_rotated_silent_clip_is_upright(tmp_path):
    path = write_film(tmp_path / "phone.mp4", 40, size=(96, 64), rotation=90)
    assert not probe_video(path).has_audio
    curate_films([path], tmp_path / "dataset", Curation(Size(32, 48), "fast"))
    (entry,) = entries(tmp_path / "dataset")
    clip = read_video(tmp_path / "dataset" / entry["file_name"])
    upright = read_video(path, Size(32, 48))[slice(*entry["film_frames"])]
    assert clip.shape == upright.shape and np.abs(clip.astype(int) - upright).mean() < 8


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": Size(49, 32)}, "even sides"), ({"size": Size(8, 8)}, "16 pixels"), ({"detector": "no"}, "give one of")],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Curation(**options)
