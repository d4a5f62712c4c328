"""Peak memory of `smartdirector upscale` against the length of the video.

The videos are parts of a film of two and a half minutes or more, shrunk to the draft's size. Each is upscaled in a
process of its own.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import DRAFT, arguments, load_director
from numpy.typing import NDArray

from smartdirector_lite.media import cover_crop, decoded_frames, frame_pixels, to_image, write_video
from smartdirector_lite.sr.pipeline import SROptions
from smartdirector_lite.sr.upscale import TILE, upscale_video

START = 20  # seconds of the film that are left out, for they are often black


def cut(film: str, seconds: float, out: Path) -> Path:
    """Write the film's next `seconds` after START, at the draft's size."""

    def frames() -> Iterator[NDArray]:
        for moment, _, frame in decoded_frames(film):
            if moment >= START + seconds:
                return
            if moment >= START:
                yield np.asarray(cover_crop(to_image(frame_pixels(frame)), DRAFT))

    write_video(out, frames(), 24)
    return out


def upscale_one(model: str, path: Path) -> None:
    """Upscale a video; print its number of frames, the seconds a frame took, and this process's peak memory in MB."""
    director = load_director(model)
    started = time.perf_counter()
    large, steps = path.with_suffix(".large.mp4"), director.defaults.sr_steps
    count, _ = upscale_video(director.sr, path, large, options=SROptions(steps, tile=TILE), progress=False)
    seconds = time.perf_counter() - started
    print(count, seconds / count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    options = arguments(
        __doc__,
        film=("", "the film's file"),
        seconds=("10,30,120", "lengths of the videos"),
        one=("", "only upscale this video, and print its figures"),
    )
    if options.one:
        upscale_one(options.model, Path(options.one))
        return
    if not options.film:
        raise SystemExit("give --film MOVIE, a film of two and a half minutes or more")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in map(float, options.seconds.split(",")):
            small = cut(options.film, seconds, Path(folder) / f"{seconds:g}.mp4")
            command = [sys.executable, __file__, "--model", options.model, "--one", str(small)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            count, each, peak = printed.split()[-3:]
            print(
                f"{seconds:6g} s, {count:>5} frames: {float(each):.3f} s a frame, peak {float(peak):.0f} MB", flush=True
            )


if __name__ == "__main__":
    main()
