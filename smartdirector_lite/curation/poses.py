"""The camera's movement from where it stands and looks in each frame (paper, section 3: VGGT trajectories).

A camera that turns, and one that moves sideways, both shift the picture, and both count as a pan or a tilt, as in
`camera`. A lens that zooms and a camera that goes ahead both change the scale. The model that finds the poses measures
lengths in the distance of the scene (Wang et al., "VGGT", 2025, section 3.4), so what it looks at is 1 away.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .camera import MIN_PAN, MIN_ZOOM, PAIRS_A_SECOND, STRAIGHT, read_camera
from .records import Camera, ShotRecord

MAX_POSES = 32  # frames of a shot whose poses are asked for; a model of poses looks at all of them at once


@dataclass(frozen=True)
class Poses:
    """The camera in T frames, in the convention of OpenCV: x to the right, y down, z ahead.

    Attributes:
        extrinsics: (T, 3, 4), camera from world; lengths are in the scene's distance.
        focals: (T, 2), the focal length across and down, both in frame widths.
    """

    extrinsics: NDArray
    focals: NDArray


PoseModel = Callable[[NDArray], Poses]  # of frames, uint8 (T, H, W, 3)

log = logging.getLogger(__name__)


def camera_of(poses: Poses, seconds: float) -> Camera:
    """Name the camera's movement.

    Of all movements that are fast enough to be seen, it is the one that moves the picture most.

    Args:
        seconds: from each pose to the next one.
    """
    if len(poses.extrinsics) < 2:
        return Camera()
    shifts, scales = picture_motion(poses)
    right, up = shifts.mean(axis=0) / seconds
    ahead, zoom = scales.mean(axis=0) / seconds
    turns = {"pan right": right, "pan left": -right, "tilt up": up, "tilt down": -up}
    way = float(np.linalg.norm(shifts, axis=1).mean()) / seconds
    if np.hypot(right, up) < STRAIGHT * way:  # it comes back again and again
        turns = {"handheld": way}
    scaled = {"dolly": abs(ahead), "zoom in": zoom, "zoom out": -zoom}
    seen = {kind: speed / MIN_PAN for kind, speed in turns.items()}
    seen |= {kind: speed / MIN_ZOOM for kind, speed in scaled.items()}
    kind = max(seen, key=seen.__getitem__)
    return Camera(kind, float((turns | scaled)[kind])) if seen[kind] >= 1 else Camera()


def picture_motion(poses: Poses) -> tuple[NDArray, NDArray]:
    """What the camera does to the picture's middle from each of T poses to the next one.

    Returns:
        How far it looks further to the right and up, (T - 1, 2), in frame widths; and how much the scale changes by
        going ahead and by zooming, (T - 1, 2).
    """
    turns, places = poses.extrinsics[:, :, :3], poses.extrinsics[:, :, 3]
    relative = turns[1:] @ turns[:-1].swapaxes(1, 2)  # from one camera to the next
    x, y, z = np.moveaxis(relative[:, 2], -1, 0)  # where the next one looks, as the camera before sees it
    centres = -np.einsum("tji,tj->ti", turns, places)
    moves = np.einsum("tij,tj->ti", turns[:-1], np.diff(centres, axis=0))  # as the camera before sees it
    focals = poses.focals[:-1]
    right = focals[:, 0] * (np.arctan2(x, z) + moves[:, 0])
    up = focals[:, 1] * (np.arctan2(-y, np.hypot(x, z)) - moves[:, 1])
    zooms = np.diff(np.log(poses.focals).mean(axis=1))
    return np.stack([right, up], axis=1), np.stack([moves[:, 2], zooms], axis=1)


@dataclass(frozen=True)
class PoseCamera:
    """Reads the camera's movement from poses. A `ShotStep` in place of `read_camera`."""

    model: PoseModel

    def __call__(self, shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
        """Return the record with the camera's movement; as `read_camera` has it where the poses are no cameras'."""
        step = max(1, round(fps / PAIRS_A_SECOND), -(-len(frames) // MAX_POSES))
        poses = self.model(frames[::step])
        if not (np.isfinite(poses.extrinsics).all() and np.isfinite(poses.focals).all() and np.all(poses.focals > 0)):
            log.warning(f"frames {shot.start} to {shot.stop - 1}: poses of no camera; points are tracked instead")
            return read_camera(shot, frames, fps)
        return replace(shot, camera=camera_of(poses, step / fps))
