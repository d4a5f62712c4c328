"""The camera's movement from poses, against closed forms; and VGGT's classes, by a package of the same form."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from smartdirector_lite.curation.backends import vggt
from smartdirector_lite.curation.camera import read_camera
from smartdirector_lite.curation.dataset import Curation, curate_films
from smartdirector_lite.curation.poses import MAX_POSES, PoseCamera, Poses, camera_of, picture_motion
from smartdirector_lite.curation.records import Camera, ShotRecord
from smartdirector_lite.curation.storyboards import write_storyboard
from smartdirector_lite.loading.hub import LoadError
from smartdirector_lite.media import write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld.films import sample_film

FOCAL, SECONDS = 0.9, 1 / 6
TIMES = np.arange(13) * SECONDS
STILL = np.zeros_like(TIMES)


def turned(yaw: float, pitch: float) -> np.ndarray:
    """Camera from world of a camera that looks `yaw` radians to the right and then `pitch` upwards."""
    c, s, d, t = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return np.array([[1, 0, 0], [0, d, t], [0, -t, d]]) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def flight(yaw=STILL, pitch=STILL, x=STILL, y=STILL, z=STILL, focal=STILL + FOCAL) -> Poses:
    """Poses of a camera at (x, y, z), y down, as the world counts."""
    turns = np.stack([turned(*angles) for angles in zip(yaw, pitch, strict=True)])
    places = -np.einsum("tij,tj->ti", turns, np.stack([x, y, z], axis=1))
    return Poses(np.concatenate([turns, places[:, :, None]], axis=2), np.stack([focal, focal], axis=1))


RATE = 0.2  # radians, scene distances or e-folds a second
MOVES = {
    "looks to the right": (flight(yaw=RATE * TIMES), "pan right", FOCAL * RATE),
    "looks to the left": (flight(yaw=-RATE * TIMES), "pan left", FOCAL * RATE),
    "looks all round": (flight(yaw=4 * TIMES), "pan right", FOCAL * 4),
    "looks up": (flight(pitch=RATE * TIMES), "tilt up", FOCAL * RATE),
    "looks down": (flight(pitch=-RATE * TIMES), "tilt down", FOCAL * RATE),
    "goes to the right": (flight(x=RATE * TIMES), "pan right", FOCAL * RATE),
    "goes to the left": (flight(x=-RATE * TIMES), "pan left", FOCAL * RATE),
    "goes up": (flight(y=-RATE * TIMES), "tilt up", FOCAL * RATE),
    "goes ahead": (flight(z=RATE * TIMES), "dolly", RATE),
    "goes back": (flight(z=-RATE * TIMES), "dolly", RATE),
    "zooms in": (flight(focal=FOCAL * np.exp(RATE * TIMES)), "zoom in", RATE),
    "zooms out": (flight(focal=FOCAL * np.exp(-RATE * TIMES)), "zoom out", RATE),
    "stands": (flight(), "static", 0),
    "nearly stands": (flight(yaw=0.02 * TIMES, z=0.02 * TIMES), "static", 0),
    "follows as it goes by": (flight(x=RATE * TIMES, yaw=-RATE * TIMES), "static", 0),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("world", [False, True], ids=["from its start", "from elsewhere"])
def test_a_movement_has_its_name_and_speed(name, world):
    poses, kind, speed = MOVES[name]
    if world:  # the origin and the axes of the world are anybody's choice
        extrinsics = poses.extrinsics.copy()
        extrinsics[:, :, 3] += np.einsum("tij,j->ti", extrinsics[:, :, :3], [3.0, -1.0, 2.0])
        extrinsics[:, :, :3] = extrinsics[:, :, :3] @ turned(2.0, -0.7)
        poses = Poses(extrinsics, poses.focals)
    camera = camera_of(poses, SECONDS)
    assert camera.kind == kind and camera.speed == pytest.approx(speed, abs=1e-9 if kind != "static" else 0)


def test_a_hand_shakes_and_may_pan_besides():
    sway = 0.02 * np.sin(2 * np.pi * 1.5 * TIMES)  # at 0, 1, 0, -1, ...
    camera = camera_of(flight(yaw=sway, pitch=STILL), SECONDS)
    assert camera == Camera("handheld", pytest.approx(FOCAL * 0.02 / SECONDS))
    assert camera_of(flight(yaw=sway / 10), SECONDS) == Camera()
    panning = camera_of(flight(yaw=sway + RATE * TIMES), SECONDS)
    assert panning == Camera("pan right", pytest.approx(FOCAL * RATE))
    assert camera_of(flight(yaw=sway / 2, focal=FOCAL * np.exp(2 * TIMES)), SECONDS).kind == "zoom in"


def test_of_two_movements_the_one_that_moves_the_picture_more_is_named():
    assert camera_of(flight(yaw=RATE * TIMES, z=0.06 * TIMES), SECONDS).kind == "pan right"
    assert camera_of(flight(yaw=0.04 * TIMES, z=RATE * TIMES), SECONDS).kind == "dolly"
    assert camera_of(flight(pitch=0.1 * TIMES, focal=FOCAL * np.exp(-0.5 * TIMES)), SECONDS).kind == "zoom out"


def test_one_frame_says_nothing():
    poses = flight(yaw=RATE * TIMES)
    assert camera_of(Poses(poses.extrinsics[:1], poses.focals[:1]), SECONDS) == Camera()


def test_the_picture_moves_as_points_do_that_are_projected():
    random = np.random.default_rng(0)
    small = 1e-4
    walks = {name: np.cumsum(random.normal(0, small, len(TIMES))) for name in ("yaw", "pitch", "x", "y", "z")}
    poses = flight(**walks, focal=FOCAL * np.exp(np.cumsum(random.normal(0, small, len(TIMES)))))
    shifts, scales = picture_motion(poses)
    for index in range(len(TIMES) - 1):
        (turn, place), (next_turn, next_place) = (
            (pose[:, :3], pose[:, 3]) for pose in poses.extrinsics[index : index + 2]
        )

        def project(seen: list, turn=turn, place=place, next_turn=next_turn, next_place=next_place, index=index):
            x, y, z = next_turn @ (turn.T @ (np.array(seen) - place)) + next_place
            return poses.focals[index + 1] * (x / z, y / z)

        middle = project([0, 0, 1])
        assert middle == pytest.approx([-shifts[index, 0], shifts[index, 1]], abs=1e-7)
        scale = (project([0.1, 0, 1]) - project([-0.1, 0, 1]))[0] / (0.2 * poses.focals[index, 0])
        assert np.log(scale) == pytest.approx(scales[index].sum(), abs=1e-6)


@pytest.mark.parametrize(("num_frames", "fps", "step"), [(48, 24.0, 4), (9, 3.0, 1), (480, 24.0, 15), (1, 24.0, 4)])
def test_a_shot_is_looked_at_six_times_a_second_and_not_too_often(num_frames, fps, step):
    asked = []

    def model(frames: np.ndarray) -> Poses:
        asked.append(frames[:, 0, 0, 0].tolist())
        times = np.arange(len(frames)) * step / fps
        still = np.zeros_like(times)
        return flight(RATE * times, still, still, still, still, still + FOCAL)

    frames = np.zeros((num_frames, 2, 2, 3), np.uint16) + np.arange(num_frames, dtype=np.uint16)[:, None, None, None]
    shot = PoseCamera(model)(ShotRecord(5, 5 + num_frames, scene=2), frames, fps)
    assert asked == [[*range(0, num_frames, step)]] and len(asked[0]) <= MAX_POSES
    assert shot.scene == 2 and shot.camera == (
        Camera("pan right", pytest.approx(FOCAL * RATE)) if step < num_frames else Camera()
    )


@pytest.mark.parametrize("focal", [np.inf, np.nan, 0.0])
def test_poses_of_no_camera_leave_the_default_step(focal, caplog):
    noise = np.random.default_rng(0).integers(0, 255, (108, 300, 3), dtype=np.uint8)
    frames = np.stack([noise[:, 4 * index : 4 * index + 192] for index in range(24)])  # it looks to the right
    shot = PoseCamera(lambda frames: flight(focal=STILL + focal))(ShotRecord(5, 29), frames, 24.0)
    assert shot == read_camera(ShotRecord(5, 29), frames, 24.0) and shot.camera.kind == "pan right"
    assert "frames 5 to 28: poses of no camera" in caplog.text


# -- VGGT's classes ----------------------------------------------------------------------------------------------------

# What the authors' package has of what is used, in their form, and so small that it runs at once. Each frame's pose
# comes from its mean red: the camera looks that many radians to the right.
MODEL = """
import torch
from huggingface_hub import PyTorchModelHubMixin


class Aggregator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, images):
        assert images.shape[:3] == (1, images.shape[1], 3) and 0 <= images.min() and images.max() <= 1
        assert images.shape[-1] % 14 == images.shape[-2] % 14 == 0 and max(images.shape) == 518
        return [None, images.mean((-1, -2))[:, :, None] * self.weight], 5


class CameraHead(torch.nn.Module):
    def forward(self, aggregated_tokens_list, num_iterations=4):
        half = aggregated_tokens_list[-1][:, :, 0, 0] / 2
        zero, wide = torch.zeros_like(half), torch.full_like(half, 1.0)
        pose = torch.stack([zero, zero, zero, zero, -torch.sin(half), zero, torch.cos(half), wide * 0.6, wide], -1)
        return [pose * 0] * (num_iterations - 1) + [pose]


class VGGT(torch.nn.Module, PyTorchModelHubMixin):
    def __init__(self, img_size=518, patch_size=14, embed_dim=1024):
        super().__init__()
        self.aggregator, self.camera_head = Aggregator(), CameraHead()
"""
POSES = """
import torch


def pose_encoding_to_extri_intri(pose_encoding, image_size_hw=None):
    x, y, z, w = pose_encoding[..., 3:7].unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)]
    rows += [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]
    rows += [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]
    turns = torch.stack(rows, -1).unflatten(-1, (3, 3))
    height, width = image_size_hw
    intrinsics = torch.eye(3).repeat(*turns.shape[:2], 1, 1)
    intrinsics[..., 0, 0] = width / 2 / torch.tan(pose_encoding[..., 8] / 2)
    intrinsics[..., 1, 1] = height / 2 / torch.tan(pose_encoding[..., 7] / 2)
    return torch.cat([turns, pose_encoding[..., :3, None]], -1), intrinsics
"""


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of the name and the form of VGGT's, and a model that it saved."""
    for name, text in {"models/vggt.py": MODEL, "utils/pose_enc.py": POSES}.items():
        path = tmp_path / "packages" / "vggt" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    kept = {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == "vggt"}
    folder = tmp_path / "model"
    importlib.import_module("vggt.models.vggt").VGGT(embed_dim=8).save_pretrained(folder)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "vggt"]:
        sys.modules.pop(name)
    sys.modules.update(kept)


def test_frames_become_poses(package):
    reds = np.arange(0, 250, 10)
    frames = np.zeros((len(reds), 108, 192, 3), np.uint8)
    frames[..., 0] = reds[:, None, None]
    poses = vggt.load_vggt(str(package))(frames)
    assert poses.extrinsics == pytest.approx(flight(*[reds / 255], *[reds * 0.0] * 5).extrinsics, abs=1e-5)
    assert poses.focals[:, 0] == pytest.approx(0.5 / np.tan(0.5), abs=1e-5)
    assert poses.focals[:, 1] == pytest.approx(0.5 / np.tan(0.3) * 108 / 192, abs=1e-5)  # 518 x 294 is not quite 16:9
    camera = PoseCamera(vggt.load_vggt(str(package)))(ShotRecord(0, len(frames)), frames, 6.0).camera
    assert camera == Camera("pan right", pytest.approx(0.5 / np.tan(0.5) * 60 / 255, rel=1e-4))


@pytest.mark.parametrize(
    ("size", "shape"), [((192, 108), (294, 518)), ((108, 192), (518, 294)), ((50, 50), (518, 518))]
)
def test_frames_are_as_large_as_the_model_was_trained_on(size, shape):
    noise = np.random.default_rng(0).integers(0, 255, (2, size[1], size[0], 3), dtype=np.uint8)
    video = vggt.patched_frames(noise)
    assert video.shape == (2, 3, *shape) and video.dtype == torch.float32
    assert 0 <= video.min() < 0.1 and 0.9 < video.max() <= 1


def test_weights_that_are_missing_are_named(package):
    from safetensors.torch import save_file

    save_file({"other": torch.zeros(1)}, package / "model.safetensors")
    with pytest.raises(LoadError, match=r"aggregator\.weight"):
        vggt.load_vggt(str(package))
    (package / "model.safetensors").unlink()
    with pytest.raises(LoadError, match=r"no model\.safetensors"):
        vggt.load_vggt(str(package))


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    film = sample_film(3, num_shots=2, soft=0.0)
    path = tmp_path_factory.mktemp("films") / "toy.mp4"
    write_video(path, film.frames(Size(192, 108)), film.fps)
    return path


def test_a_film_is_curated_with_it_and_the_dataset_notes_that(package, movie, tmp_path):
    curation = Curation(Size(32, 16), "fast", vggt=str(package))
    curate_films([movie], tmp_path / "dataset", curation)
    work = tmp_path / "dataset/.curation/toy"
    assert json.loads((work / "film.json").read_text())["vggt"] == str(package)
    assert {shot["camera"]["kind"] for shot in json.loads((work / "shots.json").read_text())} == {"static"}
    with pytest.raises(ValueError, match="choose another dataset"):
        curate_films([movie], tmp_path / "dataset", Curation(Size(32, 16), "fast"))
    write_storyboard(movie, (0, 1), tmp_path / "story", Curation(detector="fast", vggt=str(package)))


@pytest.mark.skipif(importlib.util.find_spec("vggt") is not None, reason="the package vggt is installed")
def test_a_package_that_is_not_installed_is_named_before_the_work_begins(movie, tmp_path):
    with pytest.raises(LoadError, match=r"^vggt: the package vggt is not installed; run: pip install "):
        curate_films([movie], tmp_path / "dataset", Curation(Size(32, 16), "fast", vggt="owner/name"))
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_there_is_named_before_the_work_begins(package, movie, tmp_path):
    with pytest.raises(LoadError, match="hf download owner/name"):
        curate_films([movie], tmp_path / "dataset", Curation(Size(32, 16), "fast", vggt="owner/name"))
    assert not (tmp_path / "dataset").exists()
