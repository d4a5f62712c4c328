"""Scenes: which shots belong together, on records whose distance is known."""

from dataclasses import replace

import numpy as np
import pytest

from smartdirector_lite.curation.records import Actor, ShotRecord
from smartdirector_lite.curation.scenes import (
    CAST_WEIGHT,
    GRID,
    MAX_DISTANCE,
    describe_layout,
    group_scenes,
    shot_distance,
)


def shots(*lightness: float, gaps: tuple[int, ...] = (), rejected: dict[int, str] | None = None) -> list[ShotRecord]:
    """Shots of 20 frames and one lightness each, with a transition of 10 frames before those in `gaps`."""
    records, start = [], 0
    for index, light in enumerate(lightness):
        start += 10 if index in gaps else 0
        reason = (rejected or {}).get(index, "")
        features = () if reason else (light, 0.0, 0.0) * (GRID[0] * GRID[1])
        records.append(ShotRecord(start, start + 20, rejected=reason, features=features))
        start += 20
    return records


def numbers(records: list[ShotRecord]) -> list[int]:
    return [shot.scene for shot in group_scenes(records)]


def test_shots_of_one_place_are_one_scene():
    assert numbers(shots(0.2, 0.25, 0.2, 0.8, 0.85)) == [0, 0, 0, 1, 1]


def test_views_that_take_turns_are_one_scene():
    assert numbers(shots(0.2, 0.7, 0.2, 0.7)) == [0, 0, 0, 0]


def test_a_dissolve_or_black_parts_scenes_that_look_nearly_alike():
    assert numbers(shots(0.2, 0.35)) == [0, 0]
    assert numbers(shots(0.2, 0.35, gaps=(1,))) == [0, 1]
    assert numbers(shots(0.2, 0.0, 0.35, rejected={1: "black"})) == [0, 0, 1]


def test_a_rejected_shot_joins_nothing():
    assert numbers(shots(0.2, 0.0, 0.2, rejected={1: "too short"})) == [0, 0, 0]
    assert numbers(shots(0.2, 0.0, 0.9, rejected={1: "too short"})) == [0, 0, 1]


def test_the_cast_counts():
    one, other = shots(0.2, 0.2 + MAX_DISTANCE - 0.02)
    red, blue = (Actor("A", appearance=look) for look in ((1.0, 0.0), (0.0, 1.0)))

    def distance(*cast: Actor) -> float:
        records = [replace(record, characters=(character,)) for record, character in zip((one, other), cast)]
        return shot_distance(*records) - shot_distance(one, other)

    assert distance(red, red) == pytest.approx(-CAST_WEIGHT / 2)
    assert distance(red, blue) == pytest.approx(CAST_WEIGHT / 2)


def test_no_shots_are_no_scenes():
    assert group_scenes([]) == []


def test_a_shot_without_features_is_refused():
    with pytest.raises(ValueError, match="shot 1 has no features"):
        group_scenes([*shots(0.2), ShotRecord(20, 40)])


def test_a_layout_is_a_coarse_picture():
    frames = np.zeros((3, 108, 192, 3), np.uint8)
    frames[:, :, 96:] = 255  # white on the right
    record = describe_layout(ShotRecord(5, 8, content="kept"), frames, 12.0)
    left, right = np.split(np.reshape(record.features, (GRID[1], GRID[0], 3))[..., 0], 2, axis=1)
    assert record.content == "kept"
    assert left == pytest.approx(0) and right == pytest.approx(1, abs=0.01)
