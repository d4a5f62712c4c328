"""What all checks share: they print a pass or a hint at once, keep the points, and write the file to hand in."""

import functools
import inspect
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from ...media import atomic_path

CLOSE = 1e-4  # the relative error up to which an answer counts as right
NO_PROOF = "Written by the person's own computer: it tells what passed there, and is no proof of who wrote it."
REPORTED = ("smartdirector-lite", "torch", "diffusers", "numpy")


class Hint(Exception):
    """An answer is wrong. The message says what is wrong with it, and does not give the right answer away."""


@dataclass(frozen=True)
class Verdict:
    """Whether an answer passed. Jupyter does not display it, because the check has printed its line already."""

    passed: bool

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        pass


@dataclass
class Exercise:
    """One exercise of a lab, and how its last answer did."""

    number: str  # the lab and the place in it, such as "02.1"
    points: int
    title: str
    passed: bool = False
    answer: str = ""  # the answer that was checked last, as text

    @property
    def lab(self) -> str:
        return self.number.partition(".")[0]

    def line(self, hint: str | None) -> str:
        """Return the line that a check prints: the hint, or that the answer passed where there is none."""
        said = f"passed, {self.points} points" if hint is None else hint
        return f"{'✓' if hint is None else '✗'} {self.number} {self.title}: {said}"


EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, points: int, title: str) -> Callable[[Callable], Callable[..., Verdict]]:
    """Decorate a function that raises Hint for a wrong answer, and make the check of an exercise of it.

    The check prints one line, keeps the points and returns a Verdict. It reports an answer that is not filled in yet
    (None, ..., or a function that raises NotImplementedError) and an answer that raises another exception.

    Args:
        number: the lab and the place in it, such as "02.1".
        points: what a right answer is worth.
        title: the name of the exercise in the printed line.

    Raises:
        ValueError: there is an exercise of this number already.
    """

    def wrap(function: Callable) -> Callable[..., Verdict]:
        if number in EXERCISES:
            raise ValueError(f"exercise {number} is there already")
        entry = EXERCISES[number] = Exercise(number, points, title)

        @functools.wraps(function)
        def check(*answers) -> Verdict:
            entry.answer, hint = "\n".join(_as_text(answer) for answer in answers), None
            if any(answer is None or answer is ... for answer in answers):
                hint = "not filled in yet"
            else:
                try:
                    function(*answers)
                except Hint as wrong:
                    hint = str(wrong)
                except NotImplementedError:
                    hint = "not filled in yet"
                except Exception as error:  # the student's code failed; the notebook goes on
                    hint = f"your code raised {type(error).__name__}: {error}"
            entry.passed = hint is None
            print(entry.line(hint))
            return Verdict(entry.passed)

        return check

    return wrap


def _as_text(answer: object) -> str:
    try:
        return inspect.getsource(answer)
    except (TypeError, OSError):
        return repr(answer)[:2000]


def is_close(answer: object, right: Tensor) -> bool:
    """Return whether an answer is a tensor of the right shape and, apart from rounding, of the right values."""
    if not isinstance(answer, Tensor) or answer.shape != right.shape:
        return False
    return torch.allclose(answer.double(), right.double(), rtol=CLOSE, atol=0.1 * CLOSE)


def shape_of(answer: object) -> str:
    """Return the shape of an answer as text, or its type where it has none."""
    return str(tuple(answer.shape)) if isinstance(answer, Tensor) else f"of a {type(answer).__name__}"


def exercises_of(lab: str) -> list[Exercise]:
    """Return the exercises of a lab, in order.

    Args:
        lab: the number of the lab, such as "02".

    Raises:
        ValueError: there is no such lab.
    """
    found = [EXERCISES[number] for number in sorted(EXERCISES) if EXERCISES[number].lab == lab]
    if not found:
        labs = sorted({entry.lab for entry in EXERCISES.values()})
        raise ValueError(f"lab {lab!r}: there is none; there are {', '.join(labs)}")
    return found


def summary(lab: str) -> None:
    """Print the points that the answers of a lab have so far, and their sum."""
    found = exercises_of(lab)
    for entry in found:
        mark, points = ("✓", entry.points) if entry.passed else ("·", 0)
        print(f"{mark} {entry.number} {entry.title:50} {points:>3} of {entry.points}")
    print(f"{sum(e.points for e in found if e.passed)} of {sum(e.points for e in found)} points")


def save_result(lab: str, name: str, folder: str | Path = ".") -> Path:
    """Write `result_<lab>.json`, the file to hand in.

    The file holds the points, the answers as text, and the versions of Python and the libraries. It holds nothing else
    about the computer.

    Args:
        lab: the number of the lab, such as "02".
        name: the student's name.
        folder: where the file goes.

    Returns:
        The path of the file.

    Raises:
        ValueError: the name is empty, or there is no such lab.
    """
    if not name.strip():
        raise ValueError("name is empty; write yours, so that the file can be told from others")
    found = exercises_of(lab)
    path = Path(folder) / f"result_{lab}.json"
    result = {
        "lab": lab,
        "name": name.strip(),
        "points": sum(e.points for e in found if e.passed),
        "of": sum(e.points for e in found),
        "exercises": [
            {"number": e.number, "title": e.title, "points": e.passed * e.points, "of": e.points, "answer": e.answer}
            for e in found
        ],
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in REPORTED}},
        "note": NO_PROOF,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {result['points']} of {result['of']} points. {NO_PROOF}")
    return path


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
