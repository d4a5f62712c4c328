"""The line before the model: one request at a time, first come, first served, and everybody is told how long.

A `Job` is one use of the model. `news` does its work in a thread and yields what the work tells, at least every BEAT
seconds, so that the page can stop at any moment: closing the iterator ends the work. Once the work has its turn, every
call of a torch module is a place where it may end, so neither a stage without news nor a slow one holds up the line.
"""

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator

from torch.nn.modules.module import register_module_forward_pre_hook

BEAT = 1.0  # seconds between two signs of life
LEARNING = 0.3  # weight of the newest job in the pace
PACES = (0.02, 50.0)  # the pace stays between these
SURE = 0.3  # share of the work from which its own speed tells best how long the rest will take


class Stopped(Exception):
    """The work was cancelled, or took too long."""


class Job:
    """One use of the model: what it has told so far, and whether it must end.

    Attributes:
        expected: seconds that the work is expected to take at pace 1.
        seconds: the time after which it is stopped, from the beginning of its turn.
        began: when its turn began, by `time.monotonic`; None while it waits.
        share: how much of the work was done when it told so last, from 0 to 1.
    """

    def __init__(self, expected: float, seconds: float):
        self.expected = expected
        self.seconds = seconds
        self.began: float | None = None
        self.share = 0.0
        self._until = 0.0  # the share up to which a progress bar may move before the next news
        self._since = 0.0  # when it told so last
        self._told: queue.SimpleQueue = queue.SimpleQueue()
        self._stop = threading.Event()
        self.ended = threading.Event()

    def begin(self) -> None:
        self.began = time.monotonic()

    def stop(self) -> None:
        """Ask the work to end. It does so at its next `check`."""
        self._stop.set()

    def check(self) -> None:
        """Raise Stopped where the work must end."""
        if self._stop.is_set():
            raise Stopped("cancelled")
        if self.began is not None and self.elapsed > self.seconds:
            raise Stopped(
                f"stopped after {self.seconds:.0f} s, the most that one request may take; ask for less: a shorter or "
                "smaller video, or fewer steps"
            )

    @property
    def elapsed(self) -> float:
        """Seconds since its turn began."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    def tell(self, share: float | None, words: str, until: float | None = None, **more: object) -> None:
        """Tell whoever waits for the work.

        Args:
            share: how much of the work is done; None while it has not begun.
            words: what is being done.
            until: how much will be done when the next news comes, as far as that is known.
            more: what has come of it.
        """
        self.check()
        self.share = share or 0.0
        self._until = self.share if until is None else until
        self._since = time.monotonic()
        self._told.put({"share": share, "words": words, **more})

    def left(self, pace: float) -> float:
        """Seconds that the rest will take."""
        share = self.shown(pace)
        by_share = self.elapsed * (1 / share - 1) if share >= SURE else 0.0
        return max(by_share or self.expected * pace - self.elapsed, BEAT)

    def shown(self, pace: float) -> float:
        """The share that a progress bar shows: it moves on with time, but never beyond what comes next."""
        since = (time.monotonic() - self._since) / max(self.expected * pace, BEAT)
        return max(self.share, min(self._until, self.share + since))


@contextlib.contextmanager
def ending(job: Job) -> Iterator[None]:
    """Make every call of a torch module in this thread a place where the job may end."""
    thread = threading.get_ident()

    def check(module: object, arguments: object) -> None:
        if threading.get_ident() == thread:
            job.check()

    with register_module_forward_pre_hook(check):
        yield


def news(work: Callable[[Job], dict], job: Job) -> Iterator[dict]:
    """Do the work in a thread and yield what it tells, and at last what it returns.

    After BEAT seconds without news the last news come again. What the work raises is raised here.
    """
    context = contextvars.copy_context()  # Gradio keeps in it whose request this is
    threading.Thread(target=context.run, args=(_do, work, job), daemon=True).start()
    last = {"share": None, "words": "waiting in line"}
    try:
        while True:
            try:
                told = job._told.get(timeout=BEAT)
            except queue.Empty:
                yield {"share": last["share"], "words": last["words"]}
                continue
            if isinstance(told, BaseException):
                raise told
            if told is None:
                return
            last = told
            yield told
    finally:
        job.stop()


def _do(work: Callable[[Job], dict], job: Job) -> None:
    try:
        job._told.put(work(job))
        job._told.put(None)
    except BaseException as error:  # errors of every kind, since somebody waits for an answer
        job._told.put(error)
    finally:
        job.ended.set()


class Line:
    """Lets one job work at a time, in the order in which they came, and knows how long each will wait.

    Attributes:
        pace: how much longer than expected jobs took lately.
    """

    def __init__(self):
        self.pace = 1.0
        self._jobs: list[Job] = []  # the first one works, the others wait
        self._moved = threading.Condition()

    @contextlib.contextmanager
    def turn(self, job: Job) -> Iterator[None]:
        """Wait for the job's turn, and tell its place every BEAT seconds. The block is the turn."""
        with self._moved:
            self._jobs.append(job)
        try:
            while self._jobs[0] is not job:
                job.tell(None, self.words(job))
                with self._moved:
                    self._moved.wait_for(lambda: self._jobs[0] is job, BEAT)
            job.check()
            job.begin()
            yield
            took = job.elapsed / max(job.expected, BEAT)
            self.pace = min(max(self.pace + LEARNING * (took - self.pace), PACES[0]), PACES[1])
        finally:
            with self._moved:
                self._jobs.remove(job)
                self._moved.notify_all()

    def words(self, job: Job) -> str:
        """Where a waiting job stands, and how long it will wait."""
        with self._moved:
            before = self._jobs[: self._jobs.index(job)]
            seconds = sum(other.left(self.pace) for other in before)
        return f"{len(before)} request{'s' * (len(before) > 1)} before yours: about {duration(seconds)}"

    def is_free(self) -> bool:
        """Whether nobody works or waits."""
        with self._moved:
            return not self._jobs

    def with_time(self, job: Job, told: dict) -> dict:
        """The news of a working job with a share that moves on with time, and with the seconds that are left."""
        if told["share"] is None or told["share"] >= 1 or job.began is None:
            return told
        words = f"{told['words']}; about {duration(job.left(self.pace))} left"
        return {**told, "share": max(told["share"], job.shown(self.pace)), "words": words}


def duration(seconds: float) -> str:
    """Seconds as people say them: 5 s, 40 s, 3 minutes."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s" if seconds < 10 else f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} minutes"
