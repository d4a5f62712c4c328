"""Which frames of a shot are worth drawing in a storyboard: its ends, and what looks different from them, if sharp.

The frames between are chosen farthest first: each next one is the one that looks least like those chosen before it
(Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985).
"""

import itertools
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .records import ShotRecord

THUMBNAIL = (24, 14)  # columns and rows by which looks are compared
MIN_SPACING = 0.5  # seconds between keyframes, at least
MAX_SPACING = 3.0  # seconds between keyframes, at most
MIN_NOVELTY = 10.0  # distance of looks in CIE Lab, on average over the frame; below it a frame tells nothing new
MAX_NOVEL = 3  # keyframes between the ends that are chosen for their look alone
SHARPEN = 0.15  # seconds that a keyframe between the ends may move to a sharper frame


def choose_keyframes(shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
    """Return the record with its keyframes, in order. A `ShotStep`.

    The first frame is always one, since a cut falls on it. The last one is one if it lies MIN_SPACING after the first.
    """
    looks = np.stack([_look_of(frame) for frame in frames])
    last, reach = len(frames) - 1, round(SHARPEN * fps)
    ends = [0, last] if last >= MIN_SPACING * fps else [0]
    chosen = list(ends)
    for _ in range(MAX_NOVEL):
        novelty = _novelty(looks, chosen, MIN_SPACING * fps + 2 * reach)
        if novelty.max() < MIN_NOVELTY:
            break
        chosen.append(int(novelty.argmax()))
    chosen += _fillers(sorted(chosen), MAX_SPACING * fps - 2 * reach)
    inner = {_sharpest(frames, index, reach) for index in chosen if index not in ends}
    scale = shot.num_frames / len(frames)  # more than 1 where some frames were left out
    return replace(shot, keyframes=tuple(shot.start + round(index * scale) for index in sorted({*ends, *inner})))


def _look_of(frame: NDArray) -> NDArray:
    """A frame's thumbnail in CIE Lab."""
    small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def _novelty(looks: NDArray, chosen: list[int], spacing: float) -> NDArray:
    """How different each frame looks from the most similar chosen one; -1 where it is too near to one in time."""
    distances = [np.linalg.norm(looks - looks[index], axis=-1).mean(axis=(1, 2)) for index in chosen]
    apart = np.abs(np.arange(len(looks))[:, None] - chosen).min(axis=1)
    return np.where(apart >= spacing, np.min(distances, axis=0), -1.0)


def _fillers(chosen: list[int], longest: float) -> list[int]:
    """Frames that divide evenly what lies between neighbouring keyframes where it is longer than that."""
    fillers = []
    for start, stop in itertools.pairwise(chosen):
        parts = int(np.ceil((stop - start) / longest))
        fillers += [start + round((stop - start) * part / parts) for part in range(1, parts)]
    return fillers


def _sharpest(frames: NDArray, index: int, reach: int) -> int:
    """The sharpest of the frames around one, by the variance of the Laplacian."""
    around = range(max(1, index - reach), min(len(frames) - 1, index + reach + 1))
    grey = {i: cv2.cvtColor(frames[i], cv2.COLOR_RGB2GRAY) for i in around}
    # The nearest of equally sharp frames stays, so that a still picture keeps its spacing.
    return max(around, key=lambda i: (round(float(cv2.Laplacian(grey[i], cv2.CV_32F).var()), 1), -abs(i - index)))
