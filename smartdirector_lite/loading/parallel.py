"""Several processes, one GPU each: storyboards shared out among them, or the tokens of one long video.

The processes are started by `torchrun` or `accelerate launch`, see docs/several-gpus.md. Without them everything here
works too, in the one process that there is.
"""

import atexit
import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from ..context_parallel import KINDS, num_shares, share_tokens
from .jobs import Job, prepare_jobs

if TYPE_CHECKING:
    from ..director import Director

__all__ = ["Job", "Outcome", "agree", "enable_context_parallel", "generate_all", "prepare_jobs"]
__all__ += ["process_device", "processes"]

T = TypeVar("T")
ERRORS = (ValueError, OSError, FloatingPointError)  # that one storyboard may raise
PATIENCE = timedelta(days=30)  # processes wait for each other at the end; a default of ten minutes would stop them


@dataclass(frozen=True)
class Outcome:
    """What came of a job. error: one line, or "" when the video, its sheet and its report are written."""

    source: Path
    video: Path
    num_frames: int
    fps: float
    seconds: float
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"{self.source}: {self.error}"
        return f"{self.video}: {self.num_frames} frames at {self.fps:g} fps in {self.seconds:.1f} s"


def processes() -> PartialState:
    """The processes that run together (`num_processes`, `process_index`, `is_main_process`, `device`).

    On CPUs they part when Python ends. ValueError where more of them are started than there are GPUs.
    """
    has_cuda, here = torch.cuda.is_available(), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if has_cuda and here > torch.cuda.device_count():
        raise ValueError(f"{here} processes for {torch.cuda.device_count()} GPUs; start one for each GPU at most")
    state = PartialState(cpu=not has_cuda, timeout=PATIENCE)
    atexit.unregister(_part)  # this may have been called before
    atexit.register(_part)
    return state


def _part() -> None:
    """Leave a group on CPUs while Python is still whole: threads of gloo's that outlive it may abort the process.

    A group on GPUs is left alone: to leave it may mean to wait for those that are still at work.
    """
    dist = torch.distributed
    if dist.is_available() and dist.is_initialized() and dist.get_backend() == "gloo":
        dist.destroy_process_group()


def process_device() -> torch.device | None:
    """Where this process loads its director: its own GPU; None, which leaves it to `load_director`, if it is alone."""
    state = processes()
    return state.device if state.num_processes > 1 else None


def agree(work: Callable[[], T]) -> T:
    """Run `work` in every process; where one gets a ValueError or an OSError, all get the first one's as ValueError."""
    state = processes()
    if state.num_processes == 1:
        return work()
    result, error = None, ""
    try:
        result = work()
    except (ValueError, OSError) as caught:
        error = _one_line(caught)
    errors = [error for error in gather_object([error]) if error]
    if errors:
        raise ValueError(errors[0])
    return result


def generate_all(
    director: "Director", jobs: Sequence[Job], done: Callable[[Outcome], None] | None = None, **options
) -> list[Outcome]:
    """Generate the videos of many storyboards, each process its share, and save them. All processes must call this.

    director: with context parallelism all processes make every video together; the first one saves it. jobs: from
    `prepare_jobs`, the same in every process. done: called in the process that made a video, when it has. options: of
    `Director.__call__`; the same seed gives the same videos, whatever the number of processes (and as ever, on the same
    kind of device with the same number of threads). Returns what came of every job, in their order, in every process;
    one that fails with a ValueError, an OSError or without memory does not stop the others.
    """
    state = processes()
    together = num_shares(director.gen.transformer) > 1
    options = {"progress": state.num_processes == 1 or (together and state.is_main_process), **options}
    outcomes = []
    with state.split_between_processes(list(jobs)) as mine:
        for job in jobs if together else mine:
            outcome = _generate(director, job, not together or state.is_main_process, together, options)
            if together and not state.is_main_process:
                continue
            outcomes.append(outcome)
            if done is not None:
                done(outcome)
    return gather_object(outcomes)


def _generate(director: "Director", job: Job, saves: bool, together: bool, options: dict) -> Outcome:
    """Make and, if `saves`, write one video; what it raises becomes the outcome's error."""
    # Without memory in one of several processes, the others would wait in the middle of a step: let torchrun end them.
    errors = ERRORS if together else (*ERRORS, MemoryError)
    started = time.perf_counter()
    outcome = Outcome(job.source, job.video, job.storyboard.num_frames, job.storyboard.fps, 0.0)
    try:
        result = director(job.storyboard, **options)
        if saves:
            result.save(job.video)
    except errors as error:
        outcome = dataclasses.replace(outcome, error=_one_line(error))
    return dataclasses.replace(outcome, seconds=time.perf_counter() - started)


def enable_context_parallel(director: "Director", kind: str = "ulysses") -> None:
    """Let all processes work on one video: each holds a share of the latent frames in Director-Gen's transformer.

    Every process loads the whole model on its own device (`process_device`), calls this, and then makes the same calls
    with the same seeds; each gets the whole result. Text encoder, VAE and Director-SR run in every process as before.
    Alone, a process is left as it is. A call whose latent frames can't be shared evenly raises a ValueError that names
    lengths that can.

    kind: "ulysses" exchanges attention heads, whose number must be a multiple of the processes; "ring" passes keys and
    values on, for any number of heads, and needs an attention backend that returns its log-sum-exp (flash, cuDNN).
    ValueError for another kind, a device that is not this process's, or heads or a backend that can't.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    state = processes()
    if state.num_processes > 1:
        share_tokens(director.gen.transformer, kind, state)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
