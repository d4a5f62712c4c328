"""What every exercise's check does: say pass or a hint at once, keep the points, write the file that is handed in."""

import functools
import inspect
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ...media import atomic_path

NO_PROOF = "Written by the person's own computer: it tells what passed there, and is no proof of who wrote it."
LIBRARIES = ("smartdirector-lite", "torch", "diffusers", "numpy")


class Hint(Exception):
    """Raised by a check: what is wrong with the answer, in words that lead on and do not give the answer away."""


@dataclass(frozen=True)
class Verdict:
    """Whether an answer passed, as its truth value. Jupyter shows nothing of it: the check has printed its line."""

    passed: bool

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        pass


@dataclass
class Exercise:
    """One exercise of a lab. number: such as "02.1", lab and place in it. answer: the last one checked, as text."""

    number: str
    points: int
    title: str
    passed: bool = False
    answer: str = ""

    @property
    def lab(self) -> str:
        return self.number.partition(".")[0]

    def line(self, hint: str | None) -> str:
        """What a check prints: that the answer passed if there is no hint, else the hint."""
        said = f"passed, {self.points} points" if hint is None else hint
        return f"{'✓' if hint is None else '✗'} {self.number} {self.title}: {said}"


EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, points: int, title: str) -> Callable[[Callable], Callable[..., Verdict]]:
    """Make a check of a function that raises Hint for a wrong answer and returns for a right one.

    The check prints one line, keeps the score and returns a Verdict. An answer that is not filled in
    yet (None, or NotImplementedError raised by it) and one that raises are told so.
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
                except Exception as error:  # the student's own code failed
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


def exercises_of(lab: str) -> list[Exercise]:
    """The exercises of a lab ("02"), in order. ValueError for one that is not there."""
    found = [EXERCISES[number] for number in sorted(EXERCISES) if EXERCISES[number].lab == lab]
    if not found:
        raise ValueError(
            f"lab {lab!r}: there is none; there are {', '.join(sorted({e.lab for e in EXERCISES.values()}))}"
        )
    return found


def summary(lab: str) -> None:
    """Print the points of a lab so far."""
    found = exercises_of(lab)
    for entry in found:
        mark, points = ("✓", entry.points) if entry.passed else ("·", 0)
        print(f"{mark} {entry.number} {entry.title:50} {points:>3} of {entry.points}")
    print(f"{sum(e.points for e in found if e.passed)} of {sum(e.points for e in found)} points")


def save_result(lab: str, name: str, folder: str | Path = ".") -> Path:
    """Write `result_<lab>.json`, to hand in: points, answers, versions. ValueError without a name.

    It holds nothing of the computer but the versions of Python and the libraries.
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
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}},
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
