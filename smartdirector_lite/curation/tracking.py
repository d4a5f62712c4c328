"""A segmenter follows the characters of a shot (paper, section 3: SAM2 there).

The default step says where a character is in a few frames, by colours that stand out. From such a box the segmenter
tells what is the character and what is background, and follows it through more frames. The segmenter finds nobody by
itself.
"""

import bisect
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from .characters import Sighting, acting_tracks, cast_of, sighting_of, to_lab
from .records import ShotRecord

TRACKED = 24  # frames of a shot that the segmenter looks at, besides those of the boxes


class Segmenter(Protocol):
    """Whatever tells something from its background, from a box around it in one frame."""

    def __call__(self, frames: NDArray, prompts: list[tuple[int, tuple[float, ...]]]) -> NDArray:
        """Return where each thing is in each frame.

        Args:
            frames: uint8 (T, H, W, 3).
            prompts: of each of P things a frame and its box there: (left, top, right, bottom) in shares of the frame.

        Returns:
            Masks, bool (P, T, H, W); all false in a frame in which the thing is not seen.
        """


@dataclass(frozen=True)
class Tracker:
    """Finds the characters of a shot with a segmenter. A `ShotStep` in place of `find_characters`."""

    segmenter: Segmenter

    def __call__(self, shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
        """Return the record with the characters of the shot. One whom the segmenter loses stays as the seed was."""
        tracks = acting_tracks(frames)
        if not tracks:
            return replace(shot, characters=())
        seeds = [track[len(track) // 2] for track in tracks]
        evenly = np.linspace(0, len(frames) - 1, min(TRACKED, len(frames))).round().astype(int)
        chosen = sorted({*evenly.tolist(), *(seed.frame for seed in seeds)})
        prompts = [(bisect.bisect_left(chosen, seed.frame), seed.box) for seed in seeds]
        labs = [to_lab(frames[index]) for index in chosen]
        followed = [_sightings(chosen, labs, masks) for masks in self.segmenter(frames[chosen], prompts)]
        return replace(shot, characters=cast_of([a or b for a, b in zip(followed, tracks, strict=True)], fps))


def _sightings(chosen: list[int], labs: list[NDArray], masks: NDArray) -> list[Sighting]:
    """The frames in which a mask is more than specks."""
    opened = [cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) for mask in masks]
    seen = [(index, lab, mask > 0) for index, lab, mask in zip(chosen, labs, opened, strict=True) if mask.any()]
    return [sighting_of(index, lab, mask) for index, lab, mask in seen]
