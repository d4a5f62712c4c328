"""How the camera moves, read from how points move in the picture (paper, section 3: camera, where VGGT does it).

Points are tracked over a sixth of a second by Lucas and Kanade's method. A zoom scales the whole picture, which a
robust fit of a similarity finds. A pan or tilt shows at the picture's sides: whoever acts is usually filmed in the
middle, and one figure does not cover both sides. A camera that follows somebody is a pan that keeps them in the
picture, so it counts as a pan.
"""

import itertools
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .records import Camera, ShotRecord

PAIRS_A_SECOND = 6  # a slow pan moves a pixel or more from one of these frames to the next
TILES = 16  # across the frame's width; each gives one point, or contrast alone would choose them all in one place
MIN_CORNER = 1e-5  # of the smaller eigenvalue; below it a tile has nothing to hold on to
MAX_ERROR = 0.3  # pixels that a point may be away from where it was, when it is tracked there and back
FIT_ERROR = 0.7  # pixels from the fitted similarity within which a point agrees with it
SIDES = 0.19  # share of the width that counts as the left or the right side

# Measured by bench/curation_truth.py on toy films, which have no tilt, dolly or handheld camera.
MIN_SPEED = 0.015  # frame widths a second below which a point rests
MIN_PAN = 0.03  # frame widths a second; a camera that pans or tilts more slowly looks still
MIN_ZOOM = 0.05  # change of scale a second
STRAIGHT = 0.5  # of its way that a camera gets ahead, at least; one that gets less far shakes
MIN_SHARE = 0.5  # of the points at the two sides, on average, that move the same way
SAME_RATE = 0.2  # of the zoom, within which a point moves as the zoom says


@dataclass(frozen=True)
class PointMotion:
    """How points move in a shot. N counts the points of all pairs of frames.

    Attributes:
        points: (N, 2), x and y from the frame's middle, in frame widths.
        speeds: (N, 2), frame widths a second.
        pairs: (N,), the number of the pair of frames that a point belongs to.
        scales: the fitted change of scale a second of each pair.
    """

    points: NDArray
    speeds: NDArray
    pairs: NDArray
    scales: NDArray


def track_points(first: NDArray, second: NDArray) -> tuple[NDArray, NDArray]:
    """Track points from one grey frame (H, W) to another.

    Returns:
        Where they are in the first and in the second one: (N, 2) each, x and y in pixels.
    """
    height, width = first.shape
    tile = max(1, width // TILES)
    rows, columns = height // tile, width // tile
    corners = cv2.cornerMinEigenVal(first, 5)[: rows * tile, : columns * tile]
    corners = corners.reshape(rows, tile, columns, tile).swapaxes(1, 2).reshape(rows, columns, tile * tile)
    y, x = np.nonzero(corners.max(axis=2) > MIN_CORNER)
    down, across = np.divmod(corners[y, x].argmax(axis=1), tile) if len(y) else (y, x)
    points = np.stack([x * tile + across, y * tile + down], axis=1).astype(np.float32)
    if not len(points):
        return points, points
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points[:, None], None, winSize=(15, 15), maxLevel=3)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, winSize=(15, 15), maxLevel=3)
    error = np.abs(back[:, 0] - points).max(axis=1)
    good = (found[:, 0] == 1) & (found_back[:, 0] == 1) & (error < MAX_ERROR)
    return points[good], there[good, 0]


def point_motion(frames: NDArray, fps: float) -> PointMotion:
    """Track points through a shot. frames: uint8 (T, H, W, 3)."""
    step = max(1, round(fps / PAIRS_A_SECOND))
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[::step]]
    height, width = frames.shape[1:3]
    points, speeds, pairs, scales = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, int)], []
    cv2.setRNGSeed(0)  # the fits draw points at random, and the same film is to give the same records
    for index, (first, second) in enumerate(itertools.pairwise(grey)):
        before, after = track_points(first, second)
        points.append((before - (width / 2, height / 2)) / width)
        speeds.append((after - before) / width * (fps / step))
        pairs.append(np.full(len(before), index))
        scales.append(np.log(_fitted_scale(before, after)) * (fps / step))
    return PointMotion(*(np.concatenate(values) for values in (points, speeds, pairs)), np.array(scales))


def _fitted_scale(before: NDArray, after: NDArray) -> float:
    """The scale of the similarity that most points agree with; 1 where there is none."""
    if len(before) < 3:
        return 1.0
    fit, _ = cv2.estimateAffinePartial2D(before, after, method=cv2.RANSAC, ransacReprojThreshold=FIT_ERROR)
    scale = 1.0 if fit is None else float(np.hypot(fit[0, 0], fit[1, 0]))
    return scale if scale > 0 else 1.0


def classify_camera(motion: PointMotion) -> Camera:
    """Name the camera's movement in a shot from how its points move."""
    zoom = float(np.median(motion.scales)) if len(motion.scales) else 0.0
    sides = [motion.points[:, 0] < SIDES - 0.5, motion.points[:, 0] >= 0.5 - SIDES]
    if abs(zoom) >= MIN_ZOOM:
        return Camera(_zoom_kind(motion, zoom, sides), abs(zoom))
    if shaking := _shaking_speed(motion, sides):
        return Camera("handheld", shaking)
    kinds = {  # what is seen moves against the camera
        "pan right": -motion.speeds[:, 0],
        "pan left": motion.speeds[:, 0],
        "tilt up": motion.speeds[:, 1],
        "tilt down": -motion.speeds[:, 1],
    }
    moving = {kind: speed > MIN_SPEED for kind, speed in kinds.items()}
    shares = {kind: _share(moves, sides) for kind, moves in moving.items()}
    kind = max(shares, key=shares.__getitem__)
    if shares[kind] < MIN_SHARE:
        return Camera()
    speed = float(np.median(kinds[kind][moving[kind] & (sides[0] | sides[1])]))
    return Camera(kind, speed) if speed >= MIN_PAN else Camera()


def _share(moves: NDArray, sides: list[NDArray]) -> float:
    """How many of the points at a side move, on average over the two sides. A side without points counts as still."""
    return float(np.mean([moves[side].mean() if side.any() else 0.0 for side in sides]))


def _zoom_kind(motion: PointMotion, zoom: float, sides: list[NDArray]) -> str:
    """A lens scales all of the picture alike. A camera that moves scales what is near more than what is far."""
    rates = (motion.points * motion.speeds).sum(axis=1) / np.maximum((motion.points**2).sum(axis=1), 1e-6) / zoom
    outward = [float(np.mean(rates[side] > 0)) for side in sides if side.any()]
    alike = [float(np.mean(np.abs(rates[side] - 1) < SAME_RATE)) for side in sides if side.any()]
    if min(outward, default=0) > 0.9 and max(alike) < MIN_SHARE:
        return "dolly"
    return "zoom in" if zoom > 0 else "zoom out"


def _shaking_speed(motion: PointMotion, sides: list[NDArray]) -> float:
    """How fast the picture shakes, in frame widths a second; 0 where it does not.

    It shakes if both sides move alike in most pairs of frames, and together lead nearly nowhere.
    """
    moves, alike = [], []
    for pair in range(len(motion.scales)):
        chosen = [motion.speeds[side & (motion.pairs == pair)] for side in sides]
        if all(len(speeds) for speeds in chosen):
            left, right = (np.median(speeds, axis=0) for speeds in chosen)
            moves.append((left + right) / 2)
            alike.append(np.hypot(*moves[-1]) > max(MIN_SPEED, np.hypot(*(left - right))))
    if not moves or np.mean(alike) <= MIN_SHARE:
        return 0.0
    speed = float(np.hypot(*np.transpose(moves)).mean())
    return speed if np.hypot(*np.mean(moves, axis=0)) < STRAIGHT * speed else 0.0


def read_camera(shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
    """Return the record with the camera's movement. A `ShotStep`."""
    return replace(shot, camera=classify_camera(point_motion(frames, fps)))
