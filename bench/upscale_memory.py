"""Peak memory of `smartdirector upscale` against the length of the video: parts of a film, shrunk to 112 x 64."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import HEIGHT, WIDTH, arguments, load_director

from smartdirector_lite.media import decoded_frames, frame_pixels, write_video
from smartdirector_lite.sr.upscale import upscale_video


def cut(film: str, seconds: float, out: Path) -> Path:
    """The first `seconds` of a film from its 20th on, small."""

    def frames():
        for time_, _, frame in decoded_frames(film):
            if time_ >= 20 + seconds:
                return
            if time_ >= 20:
                yield frame_pixels(frame, (WIDTH, HEIGHT))

    write_video(out, frames(), 24)
    return out


def main() -> None:
    options = arguments(__doc__, film="", one="", seconds="10,30,120")
    if options.one:
        director = load_director(options.model)
        started = time.perf_counter()
        large, steps = Path(options.one).with_suffix(".large.mp4"), director.sr_steps
        count, _ = upscale_video(director.sr, options.one, large, steps=steps, progress=False)
        seconds = time.perf_counter() - started
        print(count, seconds / count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
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
