"""Films a storyboard in a thread beside the page: one at a time, with news of each step, while somebody waits."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from smartdirector_lite.director import Director, DirectorResult, Progress
from smartdirector_lite.media import write_video
from smartdirector_lite.storyboard import Storyboard

BEAT = 1.0  # seconds between two signs of life
SHARE = {"gen": (0.0, 0.6), "decode": (0.6, 0.7), "sr": (0.7, 0.95)}  # where each stage lies on the bar
SHARE_ALONE = {"gen": (0.0, 0.75), "decode": (0.75, 0.95)}  # the same without a second stage
WORDS = {"gen": "drafting, step", "decode": "decoding, frame", "sr": "adding detail, frame"}
_busy = threading.Lock()  # a pipeline holds state: one film at a time


def alone() -> threading.Lock:
    """Return the lock that every use of the model holds while it lasts."""
    return _busy


class Stopped(Exception):
    """The film was cancelled or took too long."""


@dataclass(frozen=True, eq=False)
class Update:
    """News of a film.

    Attributes:
        share: how much of the work is done, from 0 to 1.
        words: what is being done.
        draft: the draft, uint8 (T, H, W, 3), in one of the updates.
        result: the result, in the last one.
    """

    share: float
    words: str
    draft: NDArray | None = None
    result: DirectorResult | None = None


def film(director: Director, storyboard: Storyboard, seconds: float, **options) -> Iterator[Update]:
    """Run the director in a thread and yield its news, at least every BEAT seconds.

    Closing the iterator ends the run at its next step.

    Args:
        seconds: the time after which the run is stopped.
        options: those of `Director.__call__`.

    Raises:
        Stopped: when the time is over. Whatever else the run raises is raised here too.
    """
    told: queue.Queue = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(told, stop, seconds, director, storyboard, options), daemon=True)
    began = time.monotonic()
    thread.start()
    last = Update(0.0, "waiting for the film before this one")
    try:
        while True:
            try:
                news = told.get(timeout=BEAT)
            except queue.Empty:
                yield Update(last.share, f"{last.words} · {time.monotonic() - began:.0f} s")
                continue
            if isinstance(news, BaseException):
                raise news
            if isinstance(news, DirectorResult):
                yield Update(1.0, f"done in {time.monotonic() - began:.0f} s", result=news)
                return
            last = _update(news, director.sr is not None)
            yield last
    finally:
        stop.set()


def _run(told: queue.Queue, stop: threading.Event, seconds: float, director, storyboard, options: dict) -> None:
    with _busy:
        deadline = time.monotonic() + seconds

        def watch(progress: Progress) -> None:
            if stop.is_set():
                raise Stopped("cancelled")
            if time.monotonic() > deadline:
                raise Stopped(f"stopped after {seconds:.0f} s, the most that one video may take; take fewer steps")
            told.put(progress)

        try:
            if not stop.is_set():
                told.put(Progress("gen", 0, 1))
                told.put(director(storyboard, progress=False, watch=watch, **options))
        except BaseException as error:  # errors of every kind, since the page waits for an answer
            told.put(error)


def _update(progress: Progress, both: bool) -> Update:
    low, high = (SHARE if both else SHARE_ALONE)[progress.stage]
    share = low + (high - low) * progress.done / progress.total
    words = f"{WORDS[progress.stage]} {progress.done} of {progress.total}" if progress.done else "reading the keyframes"
    return Update(share, words, progress.draft)


def save(result: DirectorResult, folder: str | Path) -> tuple[str, str]:
    """Write the film and its sheet to a visitor's folder, and return their paths."""
    video, sheet, _ = result.save(Path(folder) / f"film-{time.time_ns()}.mp4")
    return str(video), str(sheet)


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
    return "\n".join([*lines, *(f"- Note: {note}" for note in report.notes)])


_MEANINGS: dict[str, str] = {
    "fine": "passes smoothly",
    "cut": "cuts where you asked for it",
    "no cut": "you asked for a cut, and the picture hardly changes",
    "flash": "the picture jumps more than the motion around it",
    "freeze": "the motion halts",
    "colour shift": "the colours change for good",
}


def save_draft(frames: NDArray, fps: float, folder: str | Path) -> str:
    """Write the first stage's film to a visitor's folder, and return its path."""
    path = Path(folder) / f"draft-{time.time_ns()}.mp4"
    write_video(path, frames, fps)
    return str(path)
