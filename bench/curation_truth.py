"""What the curation finds in toy films, against what is known of them: cameras, characters, scenes and keyframes.

The films are held out: nothing was tuned on them. Each step gets the true shots, so that its errors are its own.
A camera that follows somebody counts as a pan. Pairs of neighbouring shots are in one scene or not; F1 is given for
either answer. A character is found if its box shares more than 0.4 with the true one in some frame of the shot.
"""

import argparse
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from smartdirector_lite.curation.camera import read_camera
from smartdirector_lite.curation.captions import movement_of
from smartdirector_lite.curation.characters import find_characters, name_characters
from smartdirector_lite.curation.keyframes import choose_keyframes
from smartdirector_lite.curation.records import Actor, ShotRecord
from smartdirector_lite.curation.scenes import describe_layout, group_scenes
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, Box, scene_truth
from smartdirector_lite.toyworld.films import FilmShot, ToyFilm, sample_film
from smartdirector_lite.toyworld.scene import SceneShot

SIZE = Size(192, 108)
FIRST_SEED = HELD_OUT_SEED // 1000  # a film takes the seeds of its scenes from 1000 times its own on
FOUND = 0.4  # intersection over union of boxes
STEPS = (read_camera, find_characters, describe_layout, choose_keyframes)


def true_kind(shot: SceneShot) -> str:
    """The camera of a shot as one of CAMERA_KINDS."""
    if shot.camera == "follow":
        return "pan right" if shot.camera_speed > 0 else "pan left"
    return shot.camera


def overlap(found: Actor, true: Box) -> float:
    """Intersection over union of two boxes."""
    left, top, right, bottom = np.array(found.box) * (SIZE.width, SIZE.height, SIZE.width, SIZE.height)
    across, down = min(right, true.right) - max(left, true.left), min(bottom, true.bottom) - max(top, true.top)
    shared = max(0.0, across) * max(0.0, down)
    areas = (right - left) * (bottom - top) + (true.right - true.left) * (true.bottom - true.top)
    return float(shared / (areas - shared))


def read_shots(film: ToyFilm) -> tuple[list[ShotRecord], float]:
    """Let every step look at every shot of a film. Return the records, and the seconds that it took without drawing."""
    records, taken, stream, position = [], 0.0, film.frames(SIZE), 0
    for shot in film.shots:
        for _ in range(shot.start - position):
            next(stream)  # frames of a transition
        frames = np.stack(list(itertools.islice(stream, shot.stop - shot.start)))
        position, began = shot.stop, time.perf_counter()
        record = ShotRecord(shot.start, shot.stop)
        for step in STEPS:
            record = step(record, frames, film.fps)
        taken += time.perf_counter() - began
        records.append(record)
    return name_characters(group_scenes(records)), taken


def count_characters(film: ToyFilm, shot: FilmShot, record: ShotRecord, names: dict, counts: Counter) -> None:
    """Count the characters of a shot that are there, that are found, and whose colour and movement are told.

    Args:
        names: by the number of a scene and the true name of a character, the names it was given; added to.
    """
    scene = film.scenes[shot.scene]
    offset = film.starts[shot.scene]
    truths = scene_truth(scene, SIZE)[shot.start - offset : shot.stop - offset]
    boxes: dict[str, list[Box]] = {}
    for character in itertools.chain(*(truth.characters for truth in truths)):
        if character.box:
            boxes.setdefault(character.name, []).append(character.box)
    counts["there"] += len(boxes)
    free = dict(boxes)
    for found in record.characters:
        best = {name: max(overlap(found, box) for box in places) for name, places in free.items()}
        name = max(best, key=best.__getitem__, default="")
        if best.get(name, 0.0) <= FOUND:
            counts["wrong"] += 1
            continue
        del free[name]
        counts["found"] += 1
        role = next(one for one in film.shot(shot).roles if scene.characters[one.character].name == name)
        colour = scene.characters[role.character].colour
        does = {"walks right": "moves right", "walks left": "moves left"}.get(role.action, "stays")
        counts["movement"] += movement_of(found, record.camera) == does
        counts["colour"] += colour in found.description
        names.setdefault((shot.scene, name), []).append((record.scene, found.name))


def f1(truth: NDArray, answer: NDArray) -> float:
    """The harmonic mean of precision and recall."""
    return float(2 * (truth & answer).sum() / max(1, truth.sum() + answer.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=10, help="how many films of 20 shots (default: 10)")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help=f"of the first film (default: {FIRST_SEED})")
    parser.add_argument("--soft", type=float, default=0.4, help="share of dissolves and fades between scenes")
    options = parser.parse_args()
    cameras, counts, same, joined = Counter(), Counter(), [], []
    keyframes = frames = taken = kept = renamed = 0
    for seed in range(options.seed, options.seed + options.films):
        film = sample_film(seed, soft=options.soft)
        records, seconds = read_shots(film)
        taken += seconds
        names: dict = {}
        for shot, record in zip(film.shots, records, strict=True):
            cameras[true_kind(film.shot(shot)), record.camera.kind] += 1
            count_characters(film, shot, record, names, counts)
            keyframes += len(record.keyframes)
            frames += record.num_frames
        for given in names.values():
            kept += sum(one == two for one, two in itertools.pairwise(given))
            renamed += sum(one != two for one, two in itertools.pairwise(given))
        same += [one.scene == two.scene for one, two in itertools.pairwise(film.shots)]
        joined += [one.scene == two.scene for one, two in itertools.pairwise(records)]
    shots, right = cameras.total(), sum(count for (true, found), count in cameras.items() if true == found)
    print(f"{shots} shots of {options.films} films, {frames} frames: {frames / taken:.0f} frames a second")
    print(f"camera: {100 * right / shots:.1f} % of the shots (target 90 %)")
    for (true, found), count in sorted(cameras.items()):
        if true != found:
            print(f"  {true} taken for {found}: {count}")
    truth, answer = np.array(same), np.array(joined)
    torn, merged = (truth & ~answer).sum(), (~truth & answer).sum()
    print(f"scenes: F1 {f1(truth, answer):.3f} for pairs of one scene (target 0.90)")
    print(f"  {torn} of {truth.sum()} torn apart; F1 {f1(~truth, ~answer):.3f} for other pairs, {merged} joined")
    found, wrong = counts["found"], counts["wrong"]
    print(f"characters: recall {found / counts['there']:.3f}, precision {found / (found + wrong):.3f}")
    print(f"  colour told {counts['colour'] / found:.3f}, movement told {counts['movement'] / found:.3f}")
    print(f"  name kept to the next shot {kept / (kept + renamed):.3f}")
    print(f"keyframes: {keyframes / shots:.2f} a shot, one every {frames / film.fps / keyframes:.2f} s")


if __name__ == "__main__":
    main()
