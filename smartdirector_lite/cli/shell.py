"""What the command owes to the shell that starts it: one line for an error, an exit code, and order at its end."""

import contextlib
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator

ERRORS = (ValueError, OSError, MemoryError, FloatingPointError)  # what bad input raises: one line for the user
NO_MEMORY = re.compile("(out of|not enough|allocate) memory", re.IGNORECASE)  # in torch's RuntimeErrors
SIGNALS = ("SIGTERM", "SIGHUP")  # from a scheduler, and from a terminal that is closed; Windows has no SIGHUP


def run(work: Callable[[], None]) -> int:
    """Do the work of a command.

    Returns:
        The exit code: 0; 2 for bad input; 130 when interrupted, and 128 and its number for another signal; 141 when
        nobody reads the output any more. Other errors are raised.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook has others
            stream.reconfigure(errors="backslashreplace")  # for names that the console can't show
    try:
        return _run(work)
    except BrokenPipeError:  # the output goes to a program such as `head`, which has ended
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except BrokenPipeError:  # Python would try again at its end, and complain
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 141


def _run(work: Callable[[], None]) -> int:
    try:
        with _signals_interrupt():
            work()
            print(end="", flush=True)  # unlike sys.stdout.flush, it also works without an output
    except SystemExit as stop:  # after --help, and where some of several storyboards failed
        return int(stop.code or 0)
    except BrokenPipeError:
        raise
    except ERRORS as error:
        complain(error)
        return 2
    except RuntimeError as error:
        if not NO_MEMORY.search(str(error)):
            raise
        complain(MemoryError(f"the memory does not suffice; take smaller sizes or fewer at once ({error})"))
        return 2
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        print(f"smartdirector: {'interrupted' if number == signal.SIGINT else 'told to stop'}", file=sys.stderr)
        return 128 + number
    return 0


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGNALS end the work as Ctrl-C does, so that no temporary file is left.

    One of several processes dies at once instead, because it may be waiting for the others.
    """
    alone = os.environ.get("WORLD_SIZE", "1") == "1" and threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in SIGNALS if alone and hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]  # `nohup` ignores one

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(number)

    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def complain(error: BaseException, about: str = "") -> None:
    """Print an error as one line on the error stream, with what it is about before it."""
    words = str(error) or "the memory does not suffice" if isinstance(error, MemoryError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        words = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    print(f"smartdirector: {about}{' '.join(words.split()) or type(error).__name__}", file=sys.stderr, flush=True)
