"""What all checks share: they call an answer safely, print a pass or a hint at once, and keep the points."""

import copy
import functools
import inspect
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..words import translate as _
from .answers import program_of
from .record import EXERCISES, NOT_FILLED_IN, Exercise

CLOSE = 1e-4  # the relative error up to which an answer counts as right
SECONDS = 10.0  # the longest time that one call of a student's function may take
OFFSET = 0  # what all seeds are moved by; a teacher's rerun sets another one, so that its inputs are new
GOES_ON = "; the cells below use the library's until it passes"


class Hint(Exception):
    """An answer is wrong. The message says what is wrong with it, and does not give the right answer away."""


class _NotFilledIn(Hint):
    """The student's function still raises NotImplementedError."""


# -- what checks are made of -------------------------------------------------------------------------------------------


def exercise(number: str, points: int, title: str, reference: Any = None) -> Callable[[Callable], Callable]:
    """Decorate a function that raises Hint for a wrong answer, and make the check of an exercise of it.

    The check prints one line, keeps the points, and returns what the cells below go on with: the student's answer where
    it passed, and else the reference. It reports an answer that is not filled in yet (None, ..., or a function that
    raises NotImplementedError). The function that is decorated calls a student's function through `ask` only.

    Args:
        number: the lab and the place in it, such as "02.1".
        points: what a right answer is worth.
        title: the name of the exercise in the printed line.
        reference: the library's function, or the right value (a tuple of values for several answers). With None, the
            check always returns the answer.

    Raises:
        ValueError: there is an exercise of this number already.
    """

    def wrap(function: Callable) -> Callable:
        if number in EXERCISES:
            raise ValueError(f"exercise {number} is there already")
        entry = EXERCISES[number] = Exercise(number, points, title, reference)

        @functools.wraps(function)
        def check(*answers: Any) -> Any:
            entry.passed = False  # an interrupted try is no pass
            references = {id(e.reference): e.number for e in EXERCISES.values() if callable(e.reference)}
            entry.answer = program_of(answers, references)
            hint = _judge(entry, function, answers)
            entry.passed, entry.said = hint is None, hint
            fails = hint is not None and entry.reference is not None
            print(entry.line(hint) + (_(GOES_ON) if fails else ""))
            return entry.reference if fails else answers[0] if len(answers) == 1 else answers

        entry.check = check
        return check

    return wrap


def _judge(entry: Exercise, function: Callable, answers: tuple) -> str | None:
    """Return the hint for the answers, or None where they are right."""
    if any(answer is None or answer is ... for answer in answers):
        return NOT_FILLED_IN
    if callable(entry.reference) and any(answer is entry.reference for answer in answers):
        return "this is the library's function; run the cell in which you define yours again"
    try:
        function(*answers)
    except _NotFilledIn:
        return NOT_FILLED_IN
    except Hint as wrong:
        return str(wrong)
    except Exception as error:  # the notebook goes on
        kind = type(error).__name__
        return f"the check itself failed ({kind}: {error}); this is not your mistake, so tell your teacher"
    return None


def ask(function: Callable, *arguments: Any) -> Any:
    """Call a student's function with deep copies of the arguments, and return its result.

    The check keeps its own tensors and lists, so it may compute the right answer from them before the call or after it.

    Raises:
        Hint: the function changes an argument, raises an exception, returns None, or takes longer than SECONDS.
    """
    if not callable(function):
        raise Hint(f"give the check a function, not {function!r:.80}")
    given = tuple(_clone(argument) for argument in arguments)
    try:
        result = _call_within(SECONDS, function, given)
    except Hint:
        raise
    except NotImplementedError as error:
        raise _NotFilledIn(NOT_FILLED_IN) from error
    except (Exception, SystemExit) as error:
        raise Hint(f"your code raised {type(error).__name__}: {error}") from error
    if result is None:
        raise Hint("your function returns nothing; is a `return` missing?")
    for place, (before, after) in enumerate(zip(arguments, given)):
        if not _equal(before, after):
            name = _parameter(function, place)
            raise Hint(f"your function changes its input {name}; leave the input as it is, and return something new")
    return result


def _clone(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, list | tuple | set) and type(value) in (list, tuple, set):
        return type(value)(_clone(item) for item in value)
    if type(value) is dict:
        return {key: _clone(item) for key, item in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value if callable(value) else copy.deepcopy(value)


def _equal(a: Any, b: Any) -> bool:
    """Return whether an argument is as it was; what cannot be compared counts as equal."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return not isinstance(a, set | int | float | str) or a == b or a != a


def _parameter(function: Callable, place: int) -> str:
    try:
        return list(inspect.signature(function).parameters)[place]
    except (TypeError, ValueError, IndexError):
        return f"number {place + 1}"


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # ends a sleep, too
    else:  # Windows: Python's handlers run in the main thread, whichever thread raises the signal
        signal.raise_signal(signal.SIGINT)


def _call_within(seconds: float, function: Callable, arguments: Sequence) -> Any:
    """Call a function, and raise Hint if it takes longer than so many seconds. Outside the main thread it may.

    This is no context manager: the interrupt may come between any two steps of the main thread, also between the end of
    a block and the manager's own code, where nothing would catch it. Here every step that it can hit is inside a `try`.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*arguments)
    lock, state = threading.Lock(), {"done": False, "fired": False}

    def fire() -> None:
        with lock:
            if not state["done"]:
                state["fired"] = True
                _interrupt_main_thread()

    def finish() -> None:
        with lock:
            state["done"] = True
        timer.cancel()

    timer = threading.Timer(seconds, fire)
    timer.daemon = True
    # A process that a shell starts in the background ignores interrupts.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        try:
            timer.start()
            return function(*arguments)
        finally:
            finish()
            if state["fired"]:
                time.sleep(0.2)  # the interrupt may be still on its way: it arrives here at the latest
    except KeyboardInterrupt:
        if not state["fired"]:
            raise
        raise Hint(f"your code runs for more than {seconds:g} seconds; is there a loop that never ends?") from None
    finally:
        finish()  # again, since an interrupt by hand may have kept the first one from it
        signal.signal(signal.SIGINT, usual or signal.SIG_DFL)


def seed(n: int) -> int:
    """Return the seed number `n` for any random generator. Another OFFSET moves all seeds."""
    return n + OFFSET


def generator(n: int) -> torch.Generator:
    """Return torch's generator with seed number `n`, for the random inputs of a check."""
    return torch.Generator().manual_seed(seed(n))


def draw(n: int, low: float, high: float) -> float:
    """Return a random number from `low` to `high`, a whole one if both are ints, by seed number `n`."""
    rng = random.Random(seed(n))
    return rng.randint(low, high) if isinstance(low, int) and isinstance(high, int) else rng.uniform(low, high)


def draw_from(n: int, options: Sequence, count: int | None = None) -> Any:
    """Return one of the options, or a list of `count` different ones, by seed number `n`."""
    rng = random.Random(seed(n))
    return rng.choice(options) if count is None else rng.sample(options, count)


def is_close(answer: object, right: Tensor) -> bool:
    """Return whether an answer is a tensor of the right shape and, apart from rounding, of the right values."""
    if not isinstance(answer, Tensor) or answer.shape != right.shape:
        return False
    return torch.allclose(answer.double(), right.double(), rtol=CLOSE, atol=0.1 * CLOSE)


def shape_of(answer: object) -> str:
    """Return the shape of an answer as text, or its type where it has none."""
    return str(tuple(answer.shape)) if isinstance(answer, Tensor) else f"of a {type(answer).__name__}"
