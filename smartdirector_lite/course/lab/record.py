"""What a lab keeps of its exercises: points, answers and hints; and the file to hand in."""

import inspect
import json
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ...media import atomic_path
from ..words import translate as _
from .hints import HINTS

NO_PROOF = "Written by the person's own computer: it tells what passed there, and is no proof of who wrote it."
REPORTED = ("smartdirector-lite", "torch", "diffusers", "numpy")
NOT_FILLED_IN = "not filled in yet"


@dataclass
class Exercise:
    """One exercise of a lab, and how its last answer did."""

    number: str  # the lab and the place in it, such as "02.1"
    points: int
    title: str
    reference: Any = None  # what the cells below use until the answer passes
    passed: bool = False
    answer: str = ""  # the answers that were checked last, as a program
    said: str | None = None  # the hint that they got, or None where they passed
    levels: int = 0  # how many levels of its hints were shown
    check: Callable | None = None

    @property
    def lab(self) -> str:
        return self.number.partition(".")[0]

    def line(self, hint: str | None) -> str:
        """Return the line that a check prints: the hint, or that the answer passed where there is none."""
        said = f"passed, {self.points} points" if hint is None else hint
        return f"{'✓' if hint is None else '✗'} {self.number} {_(self.title)}: {_(said)}"


EXERCISES: dict[str, Exercise] = {}
TEXTS: dict[str, str] = {}  # the answers in the student's own words, by number


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


def passed(number: str) -> bool:
    """Return whether the last answer to an exercise passed."""
    return EXERCISES[number].passed


def hints(number: str) -> tuple[str, ...]:
    """Return the hints of an exercise, from a nudge to nearly the answer.

    Raises:
        ValueError: there is no such exercise, or it has no hints.
    """
    if number not in HINTS:
        raise ValueError(f"exercise {number!r}: it has no hints")
    return HINTS[number]


def hint(number: str) -> None:
    """Print the next hint of an exercise. Each call gives one more away, and the last one comes again and again."""
    found, entry = hints(number), EXERCISES[number]
    entry.levels = min(entry.levels + 1, len(found))
    text = _(found[entry.levels - 1])
    print(f"{number} {_(f'hint {entry.levels} of {len(found)}: {text}')}")


def free_text(number: str, text: str) -> None:
    """Keep an answer in the student's own words for the teacher. No program judges it.

    Args:
        number: the lab and the place in it, such as "02.6"; no exercise with a check has it.
        text: the answer; an empty one, or "...", is not filled in yet.

    Raises:
        ValueError: the number is that of an exercise with a check, or not of this form.
    """
    if number in EXERCISES or not re.fullmatch(r"\d\d\.\w+", number):
        raise ValueError(f"free text {number!r}: give it a number of its own, such as '02.6'")
    TEXTS[number] = "" if text.strip() in ("", "...") else inspect.cleandoc(text)
    words = len(TEXTS[number].split())
    print(f"✎ {number}: {_(f'{words} words kept for your teacher' if words else NOT_FILLED_IN)}")


def summary(lab: str) -> None:
    """Print the points that the answers of a lab have so far, and their sum."""
    found = exercises_of(lab)
    for entry in found:
        mark, points = ("✓", entry.points) if entry.passed else ("·", 0)
        print(f"{mark} {entry.number} {_(entry.title):50} {points:>3} of {entry.points}")
    print(_(f"{sum(e.points for e in found if e.passed)} of {sum(e.points for e in found)} points"))


def save_result(lab: str, name: str = "", folder: str | Path = ".") -> Path:
    """Write `result_<lab>_<name>.json`, the file to hand in.

    The file holds the points, the answers as programs that run on their own, the answers in the student's own words,
    the time, and the versions of Python and the libraries. It holds nothing else about the computer.

    Args:
        lab: the number of the lab, such as "02".
        name: the student's name; where it is empty, the student is asked for it.
        folder: where the file goes.

    Returns:
        The path of the file.

    Raises:
        ValueError: there is no name and nobody to ask, or there is no such lab.
    """
    found, name = exercises_of(lab), " ".join((name.strip() or _asked_for_name()).split())
    slug = re.sub(r"\W+", "-", name.casefold()).strip("-_")[:60]
    if not slug:
        raise ValueError(f"name is {name!r}; write yours in letters, so that the file can be told from others")
    path = Path(folder) / f"result_{lab}_{slug}.json"
    result = {
        "lab": lab,
        "name": name,
        "points": sum(e.points for e in found if e.passed),
        "of": sum(e.points for e in found),
        "exercises": [
            {"number": e.number, "title": e.title, "points": e.passed * e.points, "of": e.points, "answer": e.answer}
            for e in found
        ],
        "texts": {number: text for number, text in TEXTS.items() if number.startswith(f"{lab}.")},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in REPORTED}},
        "note": NO_PROOF,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {result['points']} of {result['of']} points. {NO_PROOF}")
    return path


def _asked_for_name() -> str:
    try:
        name = input(_("Your name, for the file to hand in: ")).strip()
    except (EOFError, OSError, NotImplementedError):  # nobody sits at this kernel
        name = ""
    if not name:
        raise ValueError('name is empty; write yours, as in lab.save_result("02", name="Ada Lovelace")')
    return name


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
