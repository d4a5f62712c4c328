"""The camera's movement: known on drawn pictures that move in a known way, and on toy shots."""

import cv2
import numpy as np
import pytest

from smartdirector_lite.curation.camera import classify_camera, point_motion, read_camera
from smartdirector_lite.curation.records import CAMERA_KINDS, Camera, ShotRecord
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import render, sample_scene

FPS, WIDTH, HEIGHT, COUNT = 12.0, 192, 108, 13
MIDDLE = np.array([WIDTH / 2, HEIGHT / 2])


def texture(seed: int) -> np.ndarray:
    """Soft spots, three times as wide and high as a frame."""
    noise = np.random.default_rng(seed).integers(0, 256, (3 * HEIGHT, 3 * WIDTH, 3), np.uint8)
    spots = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float32)
    return np.clip((spots - 128) * 6 + 128, 0, 255).astype(np.uint8)


def view(picture: np.ndarray, scale: float = 1.0, move: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """A frame of the picture's middle, scaled about it; what is seen moves by so many pixels."""
    shift = MIDDLE + move - scale * 3 * MIDDLE
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT))


def filmed(per_second: float, direction: tuple[float, float], scale: float = 0.0) -> np.ndarray:
    """Frames in which all that is seen moves by shares of the width a second, or grows."""
    seconds = np.arange(COUNT) / FPS
    spots, pixels = texture(0), WIDTH * per_second * np.array(direction)
    return np.stack([view(spots, np.exp(scale * t), tuple(t * pixels)) for t in seconds])


@pytest.mark.parametrize(
    ("kind", "direction"),
    [("pan right", (-1, 0)), ("pan left", (1, 0)), ("tilt up", (0, 1)), ("tilt down", (0, -1))],
)
def test_pans_and_tilts_have_a_direction_and_a_speed(kind, direction):
    """The picture moves against the camera."""
    camera = classify_camera(point_motion(filmed(0.2, direction), FPS))
    assert camera.kind == kind and camera.speed == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize(("kind", "scale"), [("zoom in", 0.2), ("zoom out", -0.2)])
def test_zooms_have_a_speed(kind, scale):
    camera = classify_camera(point_motion(filmed(0, (0, 0), scale), FPS))
    assert camera.kind == kind and camera.speed == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("value", [0, 128, None])
def test_nothing_that_moves_is_static(value):
    frames = filmed(0, (0, 0)) if value is None else np.full((COUNT, HEIGHT, WIDTH, 3), value, np.uint8)
    assert classify_camera(point_motion(frames, FPS)) == Camera("static", 0.0)


def test_a_camera_that_hardly_moves_is_static():
    assert classify_camera(point_motion(filmed(0.02, (1, 0)), FPS)) == Camera("static", 0.0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shortest_shots_have_a_camera(count):
    assert classify_camera(point_motion(filmed(0, (0, 0))[:count], FPS)).kind == "static"


def test_a_dolly_brings_what_is_near_closer_than_what_is_far():
    near, far = texture(1), texture(2)
    stripes = (np.arange(HEIGHT) // 18 % 2 == 0)[:, None, None]  # what is near lies in every other stripe
    seconds = np.arange(COUNT) / FPS
    frames = [np.where(stripes, view(near, np.exp(0.5 * t)), view(far, np.exp(0.1 * t))) for t in seconds]
    assert classify_camera(point_motion(np.stack(frames), FPS)).kind == "dolly"


def test_a_hand_shakes_the_whole_picture_to_and_fro():
    spots, rng = texture(3), np.random.default_rng(0)
    frames = np.stack([view(spots, move=tuple(rng.uniform(-4, 4, 2))) for _ in range(4 * COUNT)])
    assert classify_camera(point_motion(frames, FPS)).kind == "handheld"


def test_toy_shots_have_the_camera_that_filmed_them():
    """A camera that follows somebody is a pan."""
    right = 0
    for seed in range(12):
        scene = sample_scene(seed, 25, 1)
        frames = (255 * render(scene, Size(WIDTH, HEIGHT))).permute(0, 2, 3, 1).byte().numpy()
        shot = scene.shots[0]
        kind = f"pan {'right' if shot.camera_speed > 0 else 'left'}" if shot.camera == "follow" else shot.camera
        record = read_camera(ShotRecord(100, 125, content="kept"), frames, scene.fps)
        assert record.camera.kind in CAMERA_KINDS and record.content == "kept"
        right += record.camera.kind == kind
    assert right >= 11


def test_the_same_frames_give_the_same_camera():
    frames = filmed(0.1, (1, 0), 0.1)
    assert classify_camera(point_motion(frames, FPS)) == classify_camera(point_motion(frames, FPS))
