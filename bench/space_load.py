"""Many visitors of the Space at once: `python bench/space_load.py URL --visitors 20 --minutes 5`.

Each films again and again, in two steps, and reads its own colour back from the film. Prints what failed, how long the
films took, and whether any visitor saw the picture of another. Read the memory of the Space meanwhile with ps.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from smartdirector_lite.media import read_video

STORY = {"fps": 12, "num_frames": 13, "description": "A colour.", "keyframes": [{"frame": 0, "image": "0"}]}


def visit(url: str, number: int, until: float, folder: Path, log: list) -> None:
    """One visitor: (number, seconds, what went wrong or "") of each film to `log`."""
    colour = np.array([40 + 10 * number, 240 - 10 * number, 128]).clip(0, 255)
    picture = folder / f"{number}.png"
    Image.new("RGB", (112, 64), tuple(colour.tolist())).save(picture)
    client = Client(url, verbose=False, download_files=str(folder))
    while time.monotonic() < until:
        start = time.monotonic()
        try:
            video, *_ = client.predict(json.dumps(STORY), [handle_file(picture)], number, 2, 1, api_name="/generate")
            video = video["video"] if isinstance(video, dict) else video
            seen = read_video(video)[0].mean(axis=(0, 1))
            wrong = "" if np.abs(seen - colour).max() < 30 else f"saw {seen.round()} for {colour}"
        except Exception as error:
            wrong = " ".join(str(error).split())[:200]
        log.append((number, time.monotonic() - start, wrong))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    until, log = time.monotonic() + 60 * options.minutes, []
    with tempfile.TemporaryDirectory() as folder:
        arguments = [(options.url, number, until, Path(folder), log) for number in range(options.visitors)]
        threads = [threading.Thread(target=visit, args=given) for given in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    failed = [(number, wrong) for number, _, wrong in log if wrong]
    took = sorted(seconds for _, seconds, _ in log)
    print(f"{len(log)} films of {len({number for number, *_ in log})} visitors, {len(failed)} failed")
    if took:
        print(f"median {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s")
    for number, wrong in failed[:10]:
        print(f"visitor {number}: {wrong}")


if __name__ == "__main__":
    main()
