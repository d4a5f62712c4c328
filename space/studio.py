"""The director behind the page: which model films, on which device, and what a request becomes. No interface here.

The variable SMARTDIRECTOR_MODEL names another model than the bundled one. It may be a folder or a hub id; a hub id is
downloaded when the Space starts. On ZeroGPU the package `spaces` is there, and every film asks for a GPU for as long as
`limits` expects it to take.
"""

import os
import secrets
from collections.abc import Callable, Iterator

import torch

import filming
import limits
import stories
import visitors
from smartdirector_lite.director import MAX_SEED
from smartdirector_lite.loading import BUNDLED, load_director
from smartdirector_lite.media import MediaError
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.timeline import check_int, check_number

try:
    import spaces
except ImportError:  # anywhere but on ZeroGPU
    spaces = None

MODEL = os.environ.get("SMARTDIRECTOR_MODEL") or BUNDLED
ON_GPU = torch.cuda.is_available() and MODEL != BUNDLED  # the bundled model uses up nobody's GPU time
# ZeroGPU moves what is put on "cuda" at import to the GPU of each call, so there everything is placed at once.
DIRECTOR = load_director(
    MODEL,
    device="cuda" if ON_GPU else "cpu",
    memory="full" if ON_GPU and spaces is not None else "auto",
    download=MODEL != BUNDLED,
)
LIMITS = limits.GPU if ON_GPU else limits.CPU
STRIDE = DIRECTOR.gen.vae_scale_factor_temporal
HAS_SR = DIRECTOR.sr is not None


def on_gpu(function: Callable, duration: Callable) -> Callable:
    """Return the function, or on ZeroGPU one that asks for a GPU for `duration(*its arguments)` seconds."""
    return spaces.GPU(duration=duration)(function) if spaces is not None and ON_GPU else function


def request(value: object, folder: str, seed: object, steps: object, guidance: object) -> tuple[Storyboard, dict]:
    """Return a checked storyboard and the options of `Director.__call__`. ValueError, one line, for a bad request."""
    storyboard = stories.build(value, folder)
    seed = secrets.randbelow(2**31) if seed is None else check_int("seed", seed, 0, MAX_SEED)
    steps = DIRECTOR.defaults.steps if steps is None else check_int("steps", steps, 1, LIMITS.steps)
    limits.check_request(storyboard, storyboard.size or DIRECTOR.defaults.size, steps, LIMITS)
    guidance = check_number("guidance", DIRECTOR.defaults.guidance_scale if guidance is None else guidance, 0, 20)
    DIRECTOR.gen.check_size(Size(*(storyboard.size or DIRECTOR.defaults.size)))
    return storyboard, {"seed": seed, "steps": steps, "guidance_scale": guidance}


def seconds_of(value: object, folder: str, options: dict) -> int:
    """Return for how many seconds a GPU is asked for. A request that will be refused gets few."""
    try:
        storyboard = stories.build(value, folder)
        size = storyboard.size or DIRECTOR.defaults.size
        work = limits.check_request(storyboard, size, options["steps"], LIMITS)
    except ValueError:
        return 5
    return limits.expected_seconds(work, LIMITS, HAS_SR)


def _films(value: object, folder: str, options: dict) -> Iterator[dict]:
    """Film a storyboard and yield news of it.

    Every piece of news has "share" and "words" for the progress bar. One has "draft" as well, and the last one has
    "video", "sheet" and "verdict".
    """
    storyboard = stories.build(value, folder)
    for update in filming.film(DIRECTOR, storyboard, LIMITS.seconds, **options):
        news = {"share": update.share, "words": update.words}
        if update.draft is not None and HAS_SR:
            news["draft"] = filming.save_draft(update.draft, storyboard.fps, folder)
        if update.result is not None:
            news["video"], news["sheet"] = filming.save(update.result, folder)
            news["verdict"] = filming.verdict(update.result)
        yield news


films = on_gpu(_films, seconds_of)


def told(error: Exception, folder: str | None = None) -> str:
    """Return one line for a visitor: the message of an error that is meant for them, or one that reveals nothing."""
    if isinstance(error, ValueError | MemoryError | filming.Stopped):
        return visitors.plain(error, *((folder, "your files") if folder else ()))
    return "something went wrong here, and not through you; try again, or with fewer steps"


KNOWN = (ValueError, MemoryError, OSError, RuntimeError, ArithmeticError, MediaError, filming.Stopped)
