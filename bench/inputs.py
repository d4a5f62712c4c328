"""What becomes of storyboards, pictures and videos that are damaged or odd: ten thousand mutations of valid ones.

    python bench/inputs.py --mutations 10000 --seed 0

Every mutated storyboard is loaded, planned and taken, every mutated picture and video is read. What is refused must be
a StoryboardError or a MediaError of one line. No case may take more than 10 s, none may end the process, and none may
write a file. The bench prints how many were taken and refused, each offence, and how many of 1,000 random storyboards
come back unchanged from a browser's JSON, which needs `node`. Its exit code is 1 if there is an offence.
"""

import argparse
import collections
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from boards import random_storyboard
from films import write_film

from smartdirector_lite.media import MediaError, count_frames, probe_video, read_image, read_video
from smartdirector_lite.storyboard import Storyboard, StoryboardError, Take

SECONDS = 10  # the longest that one case may take
BATCH = 100  # cases of one task
PICTURES = ("png", "jpg", "webp", "gif", "avif", "tiff", "bmp", "ppm")
VIDEOS = {"a.mp4": {}, "b.mkv": {"sound": "aac"}, "c.avi": {"codec": "mpeg4"}, "d.ts": {}}
VIDEOS["e.webm"] = {"codec": "libvpx-vp9"}
VALUES = [None, True, False, -1, 0, 1, 2.5, 1e300, -1e-300, 10**30, "", " ", "\0", "\ud800", "x" * 20_000, [], {}, [[]]]
VALUES += ["a.png", "../a.png", "c.mp4", "/dev/zero", "a\\png", float("inf"), float("nan"), [0, 1], [1, 0]]


def make_media(folder: Path) -> None:
    """Write a small valid file of each kind, and those that random storyboards name."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    for suffix in PICTURES:
        noise.save(folder / f"whole.{suffix}")
    for name, options in VIDEOS.items():
        write_film(folder / name, num_frames=12, size=(32, 32), **options)
    noise.save(folder / "a.png")
    write_film(folder / "c.mp4", num_frames=24, size=(32, 32))


def mutated_object(value: object, draw: random.Random) -> object:
    """The object with one of its parts replaced, removed or doubled."""
    parts = [(value, key) for key in (value if isinstance(value, dict) else range(len(value)))]
    for owner, key in parts:
        inner = owner[key]
        if isinstance(inner, dict | list):
            parts += [(inner, one) for one in (inner if isinstance(inner, dict) else range(len(inner)))]
    owner, key = draw.choice(parts)
    change = draw.randrange(4)
    if change == 0:
        del owner[key]
    elif change == 1 and isinstance(owner, dict):
        owner[draw.choice(["time", "frame", "start", "trim", "image", "x", "", "\ud800"])] = draw.choice(VALUES)
    elif change == 2 and isinstance(owner, list):
        owner.append(owner[key])
    else:
        owner[key] = draw.choice(VALUES)
    return value


def mutated_bytes(data: bytes, draw: random.Random) -> bytes:
    """The bytes with some of them changed, left out, doubled, or cut off."""
    data, change = bytearray(data), draw.randrange(5)
    start = draw.choice([0, draw.randrange(min(200, len(data))), draw.randrange(len(data))])
    stop = start + draw.choice([1, 4, 64])
    if change == 0:
        del data[start:]
    elif change == 1:
        del data[start:stop]
    elif change == 2:
        data[start:stop] = data[start:stop] * 2
    else:
        for _ in range(draw.choice([1, 3, 30])):
            place = draw.randrange(min(draw.choice([100, len(data)]), len(data)))
            data[place] = draw.choice([0, 255, draw.randrange(256)])
    return bytes(data)


def try_storyboard(seed: int, folder: Path, draw: random.Random) -> None:
    """Load, plan and take a mutated storyboard."""
    text = json.dumps(mutated_object(random_storyboard(seed), draw))
    data = text.encode("utf-8", "surrogatepass")
    path = folder / "mutated.json"
    path.write_bytes(mutated_bytes(data, draw) if draw.random() < 0.3 else data)
    board = Storyboard.load(path)
    board.plan(4).table()
    board.caption()
    if draw.random() < 0.2:
        Take.of(board, (32, 16), 4, factor=2)


def try_picture(seed: int, folder: Path, draw: random.Random) -> None:
    """Read a mutated picture."""
    suffix = draw.choice(PICTURES)
    path = folder / f"mutated.{suffix}"
    path.write_bytes(mutated_bytes((folder / f"whole.{suffix}").read_bytes(), draw))
    read_image(path)


def try_video(seed: int, folder: Path, draw: random.Random) -> None:
    """Look at a mutated video, count its frames and read it."""
    name = draw.choice([*VIDEOS])
    path = folder / f"mutated{Path(name).suffix}"
    path.write_bytes(mutated_bytes((folder / name).read_bytes(), draw))
    probe_video(path)
    count_frames(path)
    read_video(path, fps=12)


KINDS = {"storyboard": try_storyboard, "picture": try_picture, "video": try_video}


def run_batch(seeds: range, media: str) -> list[tuple[str, str, str]]:
    """Try some mutations. Gives for each its kind, what became of it, and where that is an offence, what it was."""
    warnings.simplefilter("ignore")
    results = []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(shutil.copytree(media, Path(home) / "media"))
        for seed in seeds:
            draw = random.Random(seed)
            kind = draw.choices([*KINDS], [5, 3, 2])[0]
            started, outcome, offence = time.monotonic(), "taken", ""
            try:
                KINDS[kind](seed, folder, draw)
            except (StoryboardError, MediaError) as error:
                outcome = "refused"
                if "\n" in str(error) or len(str(error)) > 2000:
                    offence = f"not one line: {str(error)[:200]!r}"
            except BaseException as error:
                outcome, offence = "offence", f"{type(error).__name__}: {str(error)[:200]}"
            if time.monotonic() - started > SECONDS:
                offence = f"took {time.monotonic() - started:.0f} s"
            for path in folder.glob("mutated*"):
                path.unlink()
            left = {path.name for path in Path(home).rglob("*")} - {path.name for path in Path(media).iterdir()}
            if left != {"media"}:
                offence = f"wrote {sorted(left - {'media'})}"
            results.append((kind, outcome, f"seed {seed}: {offence}" if offence else ""))
    return results


def round_trips(media: Path) -> tuple[int, int] | None:
    """How many random storyboards come back the same from node's JSON, and of how many; None without node."""
    if shutil.which("node") is None:
        return None
    boards = []
    for seed in range(3000):
        try:
            boards.append(Storyboard.from_dict(random_storyboard(seed), media))
        except StoryboardError:  # two of its moments are the same
            continue
    boards = boards[:1000]
    text = json.dumps([board.to_dict() for board in boards])
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0))))"
    rewritten = subprocess.run(["node", "-e", script], input=text, capture_output=True, text=True, check=True).stdout
    again = [Storyboard.from_dict(value, media) for value in json.loads(rewritten)]
    same = [a == b and a.conditions == b.conditions and a.cuts == b.cuts for a, b in zip(boards, again, strict=True)]
    return sum(same), len(boards)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation")
    options = parser.parse_args()
    counts, offences, started = collections.Counter(), [], time.monotonic()
    with tempfile.TemporaryDirectory() as media:
        make_media(Path(media))
        stop = options.seed + options.mutations
        batches = [range(first, min(first + BATCH, stop)) for first in range(options.seed, stop, BATCH)]
        with ProcessPoolExecutor(2) as pool:
            waiting = [pool.submit(run_batch, seeds, media) for seeds in batches]
            for seeds, batch in zip(batches, waiting, strict=True):
                try:
                    for kind, outcome, offence in batch.result(timeout=BATCH * SECONDS):
                        counts[kind, outcome] += 1
                        offences += [offence] if offence else []
                except (BrokenProcessPool, TimeoutError) as error:
                    offences.append(f"seeds {seeds.start} to {seeds.stop - 1}: {type(error).__name__}")
                    break
        trips = round_trips(Path(media))
    for kind in KINDS:
        print(f"{kind + 's':12} {counts[kind, 'taken']:6,} taken  {counts[kind, 'refused']:6,} refused")
    print(f"{sum(counts.values()):,} mutations in {time.monotonic() - started:.0f} s, {len(offences)} offences")
    print(*offences[:30], sep="\n", end="\n" if offences else "")
    print("browser's JSON:", "node is not here" if trips is None else f"{trips[0]} of {trips[1]} unchanged")
    sys.exit(bool(offences) or (trips is not None and trips[0] < trips[1]))


if __name__ == "__main__":
    main()
