"""Which neighbouring shots show one place and one cast, so tell one story (paper, section 3: a VLM joins them there).

Two shots are alike if their layout is, colour by colour and place by place, if somebody appears in both, and if one
cuts to the other: films dissolve or fade where place or time changes. A scene goes on as long as one of its last shots
is alike to one of the next, so that a view and its reverse view may take turns (the overlapping links of Hanjalic et
al., "Automated high-level movie segmentation", 1999).
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .characters import colour_word, same_look
from .records import ShotRecord

GRID = (8, 6)  # columns and rows of the layout
SAMPLES = 5  # frames of a shot that are looked at
# Measured by bench/curation_truth.py on toy films:
MAX_DISTANCE = 0.3  # of a shot of a scene to the next one, in parts of CIE Lab's lightness
MAX_LATER = 0.13  # of a shot to the one after the next, if the one between looks different
CAST_WEIGHT = 0.15  # of the cast beside the layout
TRANSITION = 0.2  # what a dissolve, a fade or black adds to the distance


def describe_layout(shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
    """Return the record with the shot's layout as its features: a coarse picture in CIE Lab. A `ShotStep`."""
    step = max(1, len(frames) // SAMPLES)
    small = [
        cv2.resize(cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), GRID, interpolation=cv2.INTER_AREA)
        for frame in frames[step // 2 :: step]
    ]
    layout = np.median(small, axis=0) / 100
    return replace(shot, features=tuple(layout.round(4).ravel().tolist()))


def layout_colours(shot: ShotRecord) -> list[str]:
    """Name the colour of each place of a shot's layout; nothing where `describe_layout` has not looked at it."""
    return [colour_word(100 * colour) for colour in np.reshape(shot.features, (-1, 3))]


def shot_distance(one: ShotRecord, other: ShotRecord) -> float:
    """How different two shots are, in layout and cast. The cast says nothing where nobody was found."""
    layouts = [np.reshape(shot.features, (-1, 3)) for shot in (one, other)]
    layout = float(np.linalg.norm(layouts[0] - layouts[1], axis=1).mean())
    pairs = [same_look(a.appearance, b.appearance) for a in one.characters for b in other.characters]
    return layout + CAST_WEIGHT * (0.5 - max(pairs) if pairs else 0.0)


def group_scenes(shots: Sequence[ShotRecord]) -> list[ShotRecord]:
    """Return the records with the numbers of their scenes, from 0 on. A `FilmStep`.

    A rejected shot joins nothing and gets the number of the scene before it.

    Raises:
        ValueError: a shot that is used has no features.
    """
    used = [index for index, shot in enumerate(shots) if not shot.rejected]
    if bare := [index for index in used if not shots[index].features]:
        raise ValueError(f"shot {bare[0]} has no features, by which scenes are told apart; call describe_layout first")
    numbers, scene, reach = {}, 0, 0  # reach: the last used shot that belongs to the scene for sure
    for i, index in enumerate(used):
        scene += i > reach
        numbers[index] = scene
        reach = max([reach, i, *(i + ahead for ahead in (1, 2) if _linked(shots, used[i : i + ahead + 1], ahead))])
    grouped, scene = [], 0
    for index, shot in enumerate(shots):
        scene = numbers.get(index, scene)
        grouped.append(replace(shot, scene=scene))
    return grouped


def _linked(shots: Sequence[ShotRecord], run: list[int], ahead: int) -> bool:
    """Whether the first and the last of a run of `ahead` + 1 used shots are alike."""
    if len(run) <= ahead:
        return False
    between = shots[run[0] : run[-1] + 1]
    marked = any(one.stop < two.start for one, two in itertools.pairwise(between))
    marked = marked or any(shot.rejected == "black" for shot in between)
    distance = shot_distance(between[0], between[-1]) + TRANSITION * marked
    return distance < (MAX_DISTANCE if ahead == 1 else MAX_LATER)
