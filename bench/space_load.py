"""How a running Space serves many visitors at once.

    python bench/space_load.py URL --visitors 10 --minutes 5 --pid PID

Each visitor sends a picture of its own colour and films it again and again, with two steps and both stages. One more
visitor enlarges the longest video that is allowed. The bench prints what failed, how long the films took, for how long
anybody heard nothing of how long the wait would be, whether a visitor ever got another one's colour, whether a film
overtook one that was asked for earlier, and the memory of the Space. Its exit code is 1 if anything was wrong.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from gradio_client import Client, handle_file
from PIL import Image

from smartdirector_lite.media import read_video, write_video

STORY = {"fps": 12, "num_frames": 13, "description": "A colour.", "keyframes": [{"frame": 0, "image": "0"}]}
LEVELS = np.array([40, 128, 215])
COLOURS = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), axis=-1).reshape(-1, 3)  # 27, one for each visitor
ENLARGED = (83, 64, 112, 3)  # the most frames of this size that space/limits.py takes on a CPU
SILENCE = 120.0  # seconds for which nobody may hear nothing of how long it takes
LOOK = 0.5  # seconds between two looks at what is told
MARGIN = 3.0  # seconds; a film's upload and download may take this long, and are not the queue's business


@dataclass(frozen=True)
class Film:
    """One film that a visitor asked for."""

    visitor: int
    asked: float  # time.monotonic() of the call
    given: float  # time.monotonic() of the answer
    wrong: str  # what was wrong with the answer, or ""
    silence: float  # the longest time, in seconds, without a word about how long it takes
    waited: bool  # whether a place in the line was told


def whats_wrong(video: str, sheet: str, number: int) -> str:
    """Say what is wrong with a visitor's video and contact sheet; "" if both begin with the visitor's colour."""
    frame = read_video(video)[0]
    tile = np.asarray(Image.open(sheet).convert("RGB"))[10:40, 10:40]
    for name, pixels in (("film", frame), ("sheet", tile)):
        nearest = int(np.abs(COLOURS - pixels.mean(axis=(0, 1))).sum(axis=1).argmin())
        if nearest != number:
            return f"the {name} shows the colour of visitor {nearest}"
    return ""


def listen(job) -> tuple[object, float, bool]:
    """Wait for a call. Returns its answer, the longest silence on how long it takes, and whether it stood in line."""
    heard, words, silence, waited = time.monotonic(), "", 0.0, False
    while not job.done():
        told = next((unit.desc or "" for unit in job.status().progress_data or []), "")
        waited |= "before yours" in told
        if "about" in told and told != words:
            heard, words = time.monotonic(), told
        silence = max(silence, time.monotonic() - heard)
        time.sleep(LOOK)
    return job.result(), silence, waited


def visit(url: str, number: int, until: float, folder: Path, log: list[Film]) -> None:
    """Be visitor `number` until the time `until`, and log each film. The visitor after the last colour enlarges."""
    client = Client(url, verbose=False, download_files=str(folder / str(number)))
    given = folder / (f"{number}.png" if number < len(COLOURS) else "small.mp4")
    if number < len(COLOURS):
        Image.new("RGB", (112, 64), tuple(COLOURS[number].tolist())).save(given)
    else:
        write_video(given, np.random.default_rng(0).integers(0, 255, ENLARGED).astype(np.uint8), 12)
    while time.monotonic() < until:
        asked, silence, waited = time.monotonic(), 0.0, False
        try:
            if number < len(COLOURS):
                sent = {"picture_0": handle_file(given), "seed": number, "steps": 2, "guidance": 1}
                job = client.submit(storyboard=json.dumps(STORY), **sent, api_name="/generate")
                (video, sheet, _, seed), silence, waited = listen(job)
                at = time.monotonic()
                video = video["video"] if isinstance(video, dict) else video
                wrong = whats_wrong(video, sheet, number) if seed == number else f"the seed of visitor {seed}"
            else:
                _, silence, waited = listen(client.submit(handle_file(given), api_name="/upscale"))
                at, wrong = time.monotonic(), ""
        except Exception as error:
            at, wrong = time.monotonic(), " ".join(str(error).split())[:200] or repr(error)
        log.append(Film(number, asked, at, wrong, silence, waited))


def watch_memory(pid: int, done: threading.Event, sizes: list[int]) -> None:
    """Note the resident bytes of a process and its children, once a second."""
    process = psutil.Process(pid)
    while not done.wait(1):
        family = [process, *process.children(recursive=True)]
        sizes.append(sum(member.memory_info().rss for member in family))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the Space, as `make space` prints it")
    parser.add_argument("--visitors", type=int, default=10, help=f"how many, at most {len(COLOURS)} (default: 10)")
    parser.add_argument("--minutes", type=float, default=5, help="how long (default: 5)")
    parser.add_argument("--pid", type=int, help="process id of the Space, to watch its memory")
    options = parser.parse_args()
    until, log, sizes, done = time.monotonic() + 60 * options.minutes, [], [], threading.Event()
    if options.pid:
        threading.Thread(target=watch_memory, args=(options.pid, done, sizes), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        numbers = [*range(options.visitors), len(COLOURS)]
        arguments = [(options.url, number, until, Path(folder), log) for number in numbers]
        threads = [threading.Thread(target=visit, args=given) for given in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    done.set()
    failed = [film for film in log if film.wrong]
    overtaken = sum(a.asked + MARGIN < b.asked and a.given > b.given + MARGIN for a in log for b in log)
    took = sorted(film.given - film.asked for film in log)
    silence = max(film.silence for film in log)
    print(f"{len(log)} requests of {len({film.visitor for film in log})} visitors, {len(failed)} failed", end="; ")
    print(f"median {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s; {overtaken} overtaken")
    print(
        f"{sum(film.waited for film in log)} were told their place; nobody heard nothing for more than {silence:.1f} s"
    )
    if sizes:
        print(
            f"memory: {sizes[0] / 1e9:.2f} GB before, at most {max(sizes) / 1e9:.2f} GB, {sizes[-1] / 1e9:.2f} GB after"
        )
    for film in failed[:10]:
        print(f"visitor {film.visitor}: {film.wrong}")
    return bool(failed or overtaken or silence > SILENCE)


if __name__ == "__main__":
    sys.exit(main())
