"""The benchmark's items: the same for every count, and true to their scenes."""

import dataclasses
import itertools
import json
import random

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite.evaluation.benchmark import (
    CLOSEST,
    FIRST_SEED,
    KINDS,
    QUICK,
    QUICK_SECONDS,
    SECONDS,
    FilmBenchmark,
    PacedBenchmark,
    ToyBenchmark,
    draw_keyframes_apart,
)
from smartdirector_lite.evaluation.motion import timing_error
from smartdirector_lite.media import Size, write_video
from smartdirector_lite.storyboard import Keyframe
from smartdirector_lite.storyboard.pacing import PACING
from smartdirector_lite.toyworld import HELD_OUT_SEED
from smartdirector_lite.training.tiny import DRAFT, FPS

SMALL = Size(14, 8)


def test_items_are_held_out_and_do_not_hang_on_their_number():
    few, many = ToyBenchmark(2, size=SMALL), ToyBenchmark(40, size=SMALL)
    assert few.names == many.names[:4] == ("single-000", "multi-000", "single-001", "multi-001")
    for index, name in enumerate(few.names):
        one, other = few[index], many[index]
        assert one.name == name and one.scene == other.scene and one.keyframes == other.keyframes
        assert (one.frames == other.frames).all()
        assert one.scene.seed >= FIRST_SEED >= HELD_OUT_SEED
        assert one.kind == KINDS[index % 2] == name.split("-")[0] and one.cuts == one.scene.cuts
        assert one.given.keys() == set(one.keyframes)
        assert len(one.truth()) == one.num_frames == len(one.frames) == one.storyboard.num_frames


def test_lengths_and_shots_are_the_papers():
    for benchmark, seconds in ((ToyBenchmark(size=SMALL), SECONDS), (ToyBenchmark.quick(size=SMALL), QUICK_SECONDS)):
        items = [benchmark[index] for index in range(0, len(benchmark.names), 51)]
        lengths = [(item.num_frames - 1) / FPS for item in items]
        assert seconds[0] <= min(lengths) and max(lengths) <= seconds[1]
        assert all(len(item.shots) == 1 or 2 <= len(item.shots) <= 4 for item in items)
    assert len(ToyBenchmark().names) == 500 and len(ToyBenchmark.quick().names) == 2 * QUICK


def test_keyframes_stand_apart_and_every_shot_has_one():
    counts = set()
    for seed in range(200):
        shots = [(0, 20), (20, 41), (41, 60)]
        frames = draw_keyframes_apart(random.Random(seed), shots, 12.0)
        assert all(any(start <= frame < stop for frame in frames) for start, stop in shots)
        free = [b - a for a, b in itertools.pairwise(frames)]
        assert sum(gap < CLOSEST for gap in free) <= 2  # only those that the shots' own keyframes leave
        counts.add(len(frames))
    assert counts == {3, 4, 5, 6, 7}


@pytest.mark.parametrize("pacing", PACING)
def test_keyframes_move_and_the_truth_moves_with_them(pacing):
    items = ToyBenchmark.quick(3, SMALL)
    paced = PacedBenchmark(items, pacing)
    assert paced.names and all(name.endswith(pacing) for name in paced.names)
    for index, name in enumerate(paced.names):
        old, new = items[items.names.index(name.removesuffix(f"-{pacing}"))], paced[index]
        storyboard = dataclasses.replace(
            old.storyboard, keyframes=tuple(Keyframe(image=Image.new("RGB", (8, 8)), frame=f) for f in old.keyframes)
        ).retime(pacing)
        assert new.keyframes == tuple(condition.frame_index for condition in storyboard.conditions)
        assert new.cuts == tuple(storyboard.cuts) and new.num_frames == old.num_frames
        for a, b in zip(old.keyframes, new.keyframes, strict=True):
            assert (old.frames[a] == new.frames[b]).all()
        shots = [truth.shot for truth in new.truth()]
        assert [shots.index(i) for i in range(len(new.shots))] == [start for start, _ in new.shots]
        assert list(new.times) == sorted(new.times)


def test_the_timing_tells_how_late_a_video_is():
    item = ToyBenchmark.quick(1, DRAFT)[0]
    late = item.frames[[max(0, frame - 3) for frame in range(item.num_frames)]]
    assert timing_error(item.frames, item.frames, item.shots) == 0
    assert 2.5 < timing_error(late, item.frames, item.shots) <= 3
    paced = item.retimed("suspense")
    assert timing_error(paced.frames, paced.frames, paced.shots) == 0
    assert timing_error(item.frames, paced.frames, paced.shots) > 2  # the old times


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two clips: five shots of 4 s in the first one, then five of 4 s in the second one."""
    folder = tmp_path_factory.mktemp("dataset")
    rng, lines = np.random.default_rng(0), []
    for name in ("a.mp4", "b.mp4"):
        shots = [rng.integers(0, 255, (1, 8, 14, 3)).repeat(48, axis=0) for _ in range(5)]
        frames = np.concatenate(shots).repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)
        write_video(folder / name, frames, 12.0)
        told = [{"description": f"Shot {i}.", "camera": "static", "characters": []} for i in range(5)]
        line = {"file_name": name, "fps": 12.0, "num_frames": 240, "description": "Squares.", "shots": told}
        lines.append(json.dumps({**line, "cuts": [48, 96, 144, 192]}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def test_a_dataset_gives_items_of_its_held_out_part(dataset):
    benchmark = FilmBenchmark(dataset)  # the last two of ten shots
    assert benchmark.names == ("single-000", "multi-000", "single-001")
    single, multi, _ = (benchmark[index] for index in range(3))
    assert (single.num_frames, single.cuts, single.kind) == (48, (), "single")
    assert (multi.num_frames, multi.cuts, multi.kind) == (96, (48,), "multi")
    assert "Shot 3." in single.caption and "Shot 4." not in single.caption and "Shot 4." in multi.caption
    assert (single.frames == multi.frames[:48]).all() and single.truth() == []
    step = multi.frames.diff(dim=0).abs().mean(dim=(1, 2, 3))
    assert int(step.argmax()) == 47
    with pytest.raises(ValueError, match="no held-out shot lasts 9 s"):
        FilmBenchmark(dataset, seconds=(9.0, 15.0))
