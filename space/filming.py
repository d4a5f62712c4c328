"""What one request does with the model: it makes a film, or enlarges a video. It tells a `line.Job` of every step."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from numpy.typing import NDArray

import stories
from line import Job
from smartdirector_lite.director import Director, DirectorResult, Progress
from smartdirector_lite.media import write_image, write_video
from smartdirector_lite.sr.pipeline import DirectorSRPipeline, SROptions
from smartdirector_lite.sr.upscale import TILE, upscale_video
from smartdirector_lite.storyboard import Storyboard
from softness import SOFT, detail_kept

# Where each stage lies on the progress bar, as measured with the bundled model on a CPU. Stage two begins with a flow
# that gives no news; its frames come from FLOWN on.
SHARE = {"gen": (0.02, 0.34), "decode": (0.34, 0.42), "sr": (0.42, 0.96)}
SHARE_ALONE = {"gen": (0.02, 0.8), "decode": (0.8, 0.96)}  # the same without a second stage
FLOWN = 0.7
WORDS = {"gen": "drafting, step", "decode": "decoding the draft, frame", "sr": "adding detail, frame"}


def film(job: Job, director: Director, storyboard: Storyboard, folder: str, options: dict) -> dict:
    """Film a storyboard and write the film to a visitor's folder.

    Args:
        options: those of `Director.__call__`.

    Returns:
        The last news, with "video", "sheet", "verdict" and "seed". One before has "draft", where there are two stages.
    """
    both = director.sr is not None and options.get("stage") != "gen"
    shares = SHARE if both else SHARE_ALONE

    def watch(progress: Progress) -> None:
        more = {}
        if progress.draft is not None and both:
            more["draft"] = save_draft(progress.draft, storyboard.fps, folder)
        words = f"{WORDS[progress.stage]} {progress.done} of {progress.total}" if progress.done else "adding detail"
        share, until = _bar(progress, shares)
        job.tell(share, words, until, **more)

    job.tell(0.0, "reading your words and pictures", until=shares["gen"][0])
    result = director(storyboard, progress=False, watch=watch, **options)
    job.tell(0.96, "writing the film", until=0.99)
    video, sheet = save(result, folder, job)
    made = {"video": video, "sheet": sheet, "verdict": verdict(result), "seed": options["seed"]}
    return {"share": 1.0, "words": f"done in {job.elapsed:.0f} s", **made}


def _bar(progress: Progress, shares: dict) -> tuple[float, float]:
    """How much of a film is made, and how much when the next news comes."""
    low, high = shares[progress.stage]
    if progress.stage == "sr" and not progress.done:
        return low, FLOWN
    low = FLOWN if progress.stage == "sr" else low
    now, then = (min(done / progress.total, 1) for done in (progress.done, progress.done + 1))
    return low + (high - low) * now, low + (high - low) * then


def upscale(job: Job, sr: DirectorSRPipeline, video: str, folder: str, steps: int) -> dict:
    """Enlarge a video twofold and write it to a visitor's folder. Returns the last news, with "video"."""

    def watch(done: int, total: int) -> None:
        share = 0.05 + 0.95 * done / total
        job.tell(min(share, 0.99), f"enlarging, frame {done} of {total}", until=min(share + 0.3, 0.99))

    out = Path(folder) / f"large-{time.time_ns()}.mp4"
    job.tell(0.0, "reading the video", until=0.05)
    upscale_video(sr, video, out, options=SROptions(steps, tile=TILE), progress=False, watch=watch)
    return {"share": 1.0, "words": f"done in {job.elapsed:.0f} s", "video": str(out)}


# ---------------------------------------------------------------- what is written


def save(result: DirectorResult, folder: str, job: Job) -> tuple[str, str]:
    """Write the film and its sheet to a visitor's folder, and return their paths."""
    path = Path(folder) / f"film-{time.time_ns()}.mp4"
    sheet = path.with_suffix(".sheet.png")
    write_video(path, _checked(result.frames, job), result.fps)
    write_image(sheet, result.sheet())
    return str(path), str(sheet)


def _checked(frames: Iterable[NDArray], job: Job) -> Iterator[NDArray]:
    """The frames, each of them a place where the job may end."""
    for frame in frames:
        job.check()
        yield frame


def save_draft(frames: NDArray, fps: float, folder: str) -> str:
    """Write the first stage's film to a visitor's folder, and return its path."""
    path = Path(folder) / f"draft-{time.time_ns()}.mp4"
    write_video(path, frames, fps)
    return str(path)


# ---------------------------------------------------------------- what is said of it


def verdict(result: DirectorResult) -> str:
    """Return the report in words, as Markdown."""
    report, lines = result.report, []
    if report.keyframes:
        worst = max(report.keyframes, key=lambda k: k.l1_reconstruction)
        exact = "exactly" if worst.l1_reconstruction < 0.5 else f"within {worst.l1_reconstruction:.1f} levels of 255"
        shown = all(keyframe.l1 < 0.5 for keyframe in report.keyframes)  # shown as given, not as the VAE draws them
        limit, number = "" if shown else " as the model's VAE can draw them", len(report.keyframes)
        lines.append(f"**{number} given frame{'s' * (number > 1)}**: met {exact}{limit}.\n")
    for border in report.borders:
        meaning = _MEANINGS[border.verdict]
        mark = "✓" if border.verdict in ("fine", "cut") else "⚠"
        lines.append(f"- {mark} frame {border.frame} ({border.frame / result.fps:.2f} s): {meaning}")
    kept = detail_kept(result.frames, result.plan.given_frames, result.plan.cuts)
    if kept is not None:
        several = len(report.keyframes) > 1
        where, whose = ("Between your pictures", "their") if several else ("Around your picture", "its")
        percent = f"{100 * min(kept, 1):.0f} % of {whose} detail"
        lines.append(
            f"- ✓ {where} the film stays sharp ({percent} where it moves)."
            if kept >= SOFT
            else f"- ⚠ {where} the film is soft: where it moves it keeps {percent}, and things may melt. More pictures "
            "help."
        )
    return "\n".join([*lines, *(f"- Note: {stories.in_words(note)}" for note in report.notes)])


_MEANINGS: dict[str, str] = {
    "fine": "no jump",
    "cut": "cuts where you asked for it",
    "no cut": "you asked for a cut, and the picture hardly changes",
    "flash": "the picture jumps more than the motion around it",
    "freeze": "the motion halts",
    "colour shift": "the colours change for good",
}
