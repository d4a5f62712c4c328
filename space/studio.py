"""What the page and programs ask of the model. Each call goes through one line, first come, first served.

A call is a generator. It yields news, dicts with "share" (how much is done, from 0 to 1; None while it waits) and
"words" for the progress bar, and at last what came of it. Closing the generator ends the work within seconds.
"""

import secrets
import traceback
from collections.abc import Iterator

from PIL import Image

import filming
import lessons
import limits
import stories
import visitors
from line import Job, Line, Stopped, ending, news
from model import DIRECTOR, HAS_SR, LIMITS, MODEL, ON_GPU, ON_ZERO, STRIDE, spaces
from smartdirector_lite.director import MAX_SEED
from smartdirector_lite.media import MediaError, probe_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.timeline import check_int, check_number

__all__ = ["DIRECTOR", "HAS_SR", "LIMITS", "LINE", "MODEL", "ON_GPU", "STRIDE", "Stopped"]

LINE = Line()
LESSON_SECONDS = {"compared": 10, "enlarged": 25}  # on a CPU, at pace 1
ENDS_WITHIN = 10.0  # seconds that a call on a GPU may take to end when it is cancelled


# ---------------------------------------------------------------- the calls


def request(value: object, folder: str, seed: object, steps: object, guidance: object) -> tuple[Storyboard, dict]:
    """Return a checked storyboard and the options of `Director.__call__`. ValueError, one line, for a bad request."""
    storyboard = stories.build(value, folder)
    seed = secrets.randbelow(2**31) if seed is None else check_int("seed", seed, 0, MAX_SEED)
    steps = DIRECTOR.defaults.steps if steps is None else check_int("steps", steps, 1, LIMITS.steps)
    limits.check_request(storyboard, storyboard.size or DIRECTOR.defaults.size, steps, LIMITS)
    guidance = check_number("guidance", DIRECTOR.defaults.guidance_scale if guidance is None else guidance, 0, 20)
    DIRECTOR.gen.check_size(Size(*(storyboard.size or DIRECTOR.defaults.size)))
    return storyboard, {"seed": seed, "steps": steps, "guidance_scale": guidance}


def films(value: object, folder: str, options: dict) -> Iterator[dict]:
    """Film a storyboard.

    Args:
        value: the storyboard that `request` was given.
        options: what `request` returned; "stage" and "rope" may be added.

    Yields:
        News; see above. One of them has "draft", a path, where there are two stages, and the last one has "video" and
        "sheet", paths, "verdict", Markdown, and "seed".
    """
    storyboard = stories.build(value, folder)
    size, steps = storyboard.size or DIRECTOR.defaults.size, options.get("steps") or DIRECTOR.defaults.steps
    work = limits.check_request(storyboard, size, steps, LIMITS)
    work *= 2 if options.get("guidance_scale", 1) > 1 else 1  # a step with guidance calls the transformer twice
    both = HAS_SR and options.get("stage") != "gen"
    yield from _told("film", (value, folder, options), limits.seconds_of_film(work, LIMITS, both))


def upscales(video: object, folder: str) -> Iterator[dict]:
    """Enlarge a short video twofold, with its sound. The last news has "video", a path."""
    if not HAS_SR:
        raise ValueError(lessons.NO_SR)
    if not isinstance(video, str) or not video:
        raise MediaError("no video is given; add one")
    info = probe_video(video)
    visitors.check_clip(info)
    pixels = info.num_frames * info.size.width * info.size.height
    if pixels > LIMITS.enlarged:
        most = LIMITS.enlarged // (info.size.width * info.size.height)
        remedy = f"give at most {most} frames of this size, or a smaller video" if most else "give a smaller video"
        raise MediaError(
            f"{info.num_frames} frames of {info.size.width} x {info.size.height} are more than this machine enlarges "
            f"in a minute; {remedy}"
        )
    yield from _told("upscale", (video, folder), limits.seconds_of_enlarging(pixels, LIMITS))


def compared(frame: object, picture: Image.Image | str | None = None) -> Iterator[dict]:
    """Put a picture into a film at a frame, in each of the ways of `lessons.inserted`.

    The last news has "result": what `lessons.inserted` returns.
    """
    frame, picture = lessons.check_inserted(frame, picture)
    yield from _told("compared", (frame, picture), limits_of_lesson("compared"))


def three_ways(frame: object) -> Iterator[dict]:
    """Enlarge a frame of a draft. The last news has "result": what `lessons.three_ways` returns."""
    frame = lessons.check_shown(frame)
    if not lessons.ENLARGED:
        for told in _told("enlarged", (), limits_of_lesson("enlarged")):
            if "result" in told:
                lessons.ENLARGED.update(told["result"])
            else:
                yield told
    yield {"share": 1.0, "words": "done", "result": lessons.three_ways(frame)}


def limits_of_lesson(name: str) -> float:
    """How long a lesson is expected to take."""
    return LIMITS.start if ON_GPU else LESSON_SECONDS[name]


# ---------------------------------------------------------------- how they reach the model


def _film(job: Job, value: object, folder: str, options: dict) -> dict:
    return filming.film(job, DIRECTOR, stories.build(value, folder), folder, options)


def _upscale(job: Job, video: str, folder: str) -> dict:
    return filming.upscale(job, DIRECTOR.sr, video, folder, DIRECTOR.defaults.sr_steps)


def _compared(job: Job, frame: int, picture: Image.Image) -> dict:
    return {"share": 1.0, "words": "done", "result": lessons.inserted(frame, picture, job.tell)}


def _enlarged(job: Job) -> dict:
    return {"share": 1.0, "words": "done", "result": lessons.enlarged(job.tell)}


WORK = {"film": _film, "upscale": _upscale, "compared": _compared, "enlarged": _enlarged}


def _told(name: str, arguments: tuple, expected: float) -> Iterator[dict]:
    """Do the work of this name when its turn has come, and yield its news with the time that is left."""
    job = Job(expected, gpu_seconds(name, arguments, expected) if ON_ZERO else LIMITS.seconds)

    def work(job: Job) -> dict:
        with LINE.turn(job):
            if ON_ZERO:
                return _through_zero(job, name, arguments)
            with ending(job):
                return WORK[name](job, *arguments)

    for told in news(work, job):
        yield LINE.with_time(job, told)


def gpu_seconds(name: str, arguments: tuple, expected: float) -> int:
    """For how many whole seconds ZeroGPU is asked for a GPU."""
    return int(min(expected, LIMITS.seconds)) + 1


def _on_zero(name: str, arguments: tuple, expected: float) -> Iterator[dict]:
    """Do the work on ZeroGPU, which runs this generator in another process.

    ZeroGPU keeps of an error only its kind, so that errors come as news: "error". It takes the process for idle when
    the generator has ended, so that the work has ended by then, too.
    """
    job = Job(expected, gpu_seconds(name, arguments, expected))
    job.begin()

    def work(job: Job) -> dict:
        with ending(job):
            return WORK[name](job, *arguments)

    try:
        yield from news(work, job)
    except Exception as error:
        if not is_told(error):
            traceback.print_exc()
        yield {"share": 1.0, "words": "", "error": error if is_told(error) else RuntimeError(type(error).__name__)}
    finally:
        job.stop()
        job.ended.wait(ENDS_WITHIN)


if ON_ZERO:
    _on_zero = spaces.GPU(duration=gpu_seconds)(_on_zero)


def _through_zero(job: Job, name: str, arguments: tuple) -> dict:
    told = {}
    for told in _on_zero(name, arguments, job.expected):
        if "error" in told:
            raise told["error"]
        if told["share"] is not None and told["share"] < 1:
            job.tell(**told)
    return told


# ---------------------------------------------------------------- what is said of errors


def is_told(error: Exception) -> bool:
    return isinstance(error, ValueError | MemoryError | Stopped)


def told(error: Exception, folder: str | None = None) -> str:
    """Return one line for a visitor: the message of an error that is meant for them, or one that reveals nothing."""
    if is_told(error):
        return stories.in_words(visitors.plain(error, *((folder, "your files") if folder else ())))
    title = str(getattr(error, "title", ""))
    if title.startswith("ZeroGPU") and title != "ZeroGPU worker error":  # such as that the minutes are used up
        return visitors.plain(error)
    return "something went wrong here, and not through you; try again, or with fewer steps"
