"""How films become a dataset: borders, wall time, memory, and what a killed run loses.

  borders     what each detector finds in held-out toy films, against what is known of them
  thresholds  what TransNetV2 finds with other thresholds, in the toy films that its own were chosen on
  film        the same for 40 positions of a real film that were looked at (results/cuts.json), and the film's curation
              as a whole: wall time, shots, scenes, and what was left out
  memory      the peak memory of the curation of a film and of one three times as long
  kills       20 runs that are killed at random moments, and whether the dataset is then the one of a run that was not

A border is found if one that the detector gives lies within a frame of a cut, or within two of a dissolve or fade.
The 40 positions are those on which the detectors disagree, and 11 of the others, drawn at random. So precision and
recall at these positions are lower than over the whole film.
"""

import argparse
import itertools
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from smartdirector_lite.curation.dataset import Curation, curate_films
from smartdirector_lite.curation.film import Film
from smartdirector_lite.curation.records import Border
from smartdirector_lite.curation.shots import (
    THUMBNAIL,
    Detector,
    TransNet,
    adaptive_borders,
    fast_borders,
    transitions,
)
from smartdirector_lite.media import frame_pixels, write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED
from smartdirector_lite.toyworld.films import ToyFilm, sample_film

SIZE = Size(192, 108)
CUTS = Path(__file__).resolve().parent / "results" / "cuts.json"
KILLS = 20


def detectors() -> dict[str, Detector]:
    return {
        "fast": fast_borders,
        "pyscenedetect": adaptive_borders,
        "transnet where there is change": TransNet(),
        "transnet everywhere": TransNet(everywhere=True),
    }


def matches(found: Border, true: Border) -> bool:
    slack = 1 if true.kind == "cut" else 2
    return found.start <= true.stop + slack and found.stop >= true.start - slack


def count_found(found: Sequence[Border], true: Sequence[Border]) -> int:
    """How many of the true borders are found; one that is found stands for one."""
    free, count = list(found), 0
    for border in true:
        if hit := next((one for one in free if matches(one, border)), None):
            free.remove(hit)
            count += 1
    return count


def print_scores(films: Sequence[ToyFilm], found: Sequence[Sequence[Border]]) -> None:
    """Print what was found of the films' cuts, and of their dissolves and fades."""
    for what, kinds in (("hard cuts", {"cut"}), ("dissolves and fades", {"dissolve", "fade"})):
        hits = given = there = 0
        for film, those in zip(films, found, strict=True):
            true = [Border(*one) for one in film.transitions if one.kind in kinds]
            mine = [one for one in those if one.kind in kinds]
            hits, given, there = hits + count_found(mine, true), given + len(mine), there + len(true)
        print(f"  {what}: {hits} of {there} found, {given - hits} wrong, F1 {2 * hits / max(1, given + there):.3f}")


def toy_thumbnails(film: ToyFilm) -> list[NDArray]:
    return [cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA) for frame in film.frames(SIZE)]


def borders(options: argparse.Namespace) -> None:
    first = HELD_OUT_SEED // 1000
    films = [sample_film(seed) for seed in range(first, first + options.films)]
    thumbnails = [toy_thumbnails(film) for film in films]
    for name, detector in detectors().items():
        began = time.perf_counter()
        found = [detector(pictures, film.fps) for pictures, film in zip(thumbnails, films, strict=True)]
        seconds = time.perf_counter() - began
        print(f"{name}: {sum(map(len, thumbnails)) / seconds:.0f} frames a second")
        print_scores(films, found)


def thresholds(options: argparse.Namespace) -> None:
    films = [sample_film(seed) for seed in range(1, 9)]
    detector = TransNet(everywhere=True)
    judged = [detector.judge(toy_thumbnails(film)) for film in films]
    for single, many in itertools.product((0.05, 0.1, 0.2, 0.3, 0.5), (0.2, 0.3, 0.5)):
        print(f"a border from {single} on, a transition's frame from {many} on")
        print_scores(films, [transitions(*one, single, many) for one in judged])


def film(options: argparse.Namespace) -> None:
    movie = Film.open(options.film)
    thumbnails = [frame_pixels(frame, THUMBNAIL) for frame in movie.frames()]
    checked = json.loads(CUTS.read_text(encoding="utf-8"))
    if len(thumbnails) != checked["num_frames"]:
        raise SystemExit(f"{options.film}: {len(thumbnails)} frames; the film looked at has {checked['num_frames']}")
    seconds = len(thumbnails) / movie.fps
    for name, detector in detectors().items():
        began = time.perf_counter()
        found = detector(thumbnails, movie.fps)
        taken = time.perf_counter() - began
        hits = {True: 0, False: 0}
        for one in checked["positions"]:
            kind = "cut" if one["kind"] == "none" else one["kind"]
            near = any(matches(border, Border(one["start"], one["stop"], kind)) for border in found)
            hits[one["kind"] != "none"] += near
        true = sum(one["kind"] != "none" for one in checked["positions"])
        precision = hits[True] / max(1, sum(hits.values()))
        print(f"{name}: {len(found)} borders, {seconds / taken:.1f} x real time without decoding")
        print(f"  at {len(checked['positions'])} positions: precision {precision:.2f}, recall {hits[True] / true:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        (summary,) = curate_films([options.film], folder, Curation()).values()
        taken = time.perf_counter() - began
    print(f"curated in {taken:.0f} s, {seconds / taken:.2f} x real time; {peak_memory():.0f} MB at most")
    print(f"  {summary.shots} shots, left out: {dict(summary.rejected)}")
    print(f"  {summary.scenes} scenes, {summary.clips} clips of {summary.seconds:.0f} s together")


def peak_memory() -> float:
    """Of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def curated_apart(movie: Path, folder: Path) -> float:
    """Curate a film in a process of its own. Returns that process's peak memory in MB.

    It is read from Linux's /proc: what `resource` tells of a new process includes the peak of the one that started it.
    """
    program = (
        "import re, sys\nfrom smartdirector_lite.curation.dataset import Curation, curate_films\n"
        "curate_films([sys.argv[1]], sys.argv[2], Curation())\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"
    )
    command = [sys.executable, "-c", program, str(movie), str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def repeated(toy: ToyFilm, times: int) -> Iterator[NDArray]:
    for _ in range(times):
        yield from toy.frames(Size(1280, 720))


def memory(options: argparse.Namespace) -> None:
    toy = sample_film(1, num_shots=12)
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 3):
            movie = Path(folder) / f"{times}.mp4"
            write_video(movie, repeated(toy, times), toy.fps)
            peak = curated_apart(movie, Path(folder) / f"dataset{times}")
            print(f"{times * toy.num_frames} frames: {peak:.0f} MB at most")


def kills(options: argparse.Namespace) -> None:
    toy, rng, killed = sample_film(3, num_shots=8), random.Random(0), 0
    with tempfile.TemporaryDirectory() as folder:
        movie, whole, hurt = (Path(folder) / name for name in ("film.mp4", "whole", "hurt"))
        write_video(movie, toy.frames(SIZE), toy.fps)
        command = [sys.executable, "-m", "smartdirector_lite.cli", "curate", str(movie), "--detector", "fast", "-o"]
        subprocess.run([*command, str(whole)], check=True, capture_output=True)
        began = time.perf_counter()
        subprocess.run([*command, str(whole)], check=True, capture_output=True)
        at_rest = time.perf_counter() - began  # mostly of imports
        while killed < KILLS:
            if (hurt / "metadata.jsonl").exists():  # it was ready before the kill: begin again
                shutil.rmtree(hurt)
            process = subprocess.Popen([*command, str(hurt)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.5, 1.5) * at_rest)
            killed += process.poll() is None
            process.kill()
            process.wait()
        subprocess.run([*command, str(hurt)], check=True, capture_output=True)
        one, other = (
            {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
            for root in (whole, hurt)
        )
        lost, more = len(one.keys() - other.keys()), len(other.keys() - one.keys())
        changed = sum(one[path] != other[path] for path in one.keys() & other.keys())
        print(f"{killed} kills: {lost} of {len(one)} files lost, {more} too many, {changed} different")


PARTS = {"borders": borders, "thresholds": thresholds, "film": film, "memory": memory, "kills": kills}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=tuple(PARTS))
    parser.add_argument("--films", type=int, default=10, help="toy films of 20 shots, for borders (default: 10)")
    parser.add_argument("--film", type=Path, help="a film's file, for film")
    options = parser.parse_args()
    if options.part == "film" and options.film is None:
        parser.error("film needs --film MOVIE")
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
