"""Every exercise of every lab: right answers pass in all their ways, and each wrong answer gets the hint that fits.

`wrong/labNN.py` has the answers of a lab as text, so that they are what a student types:

- `NAMES`: what the cells of the exercises take from cells before them;
- `RIGHT`: (exercise, code) of other right ways to write an answer, two or more for each exercise;
- `WRONG`: (exercise, code, pattern) of wrong answers, ten or more for each exercise; the hint must match the pattern.

The code takes the place of what the exercise's cell has above its check. The check runs as it stands in the notebook.
"""

import importlib
import re
from collections import Counter
from pathlib import Path

import build
import pytest

from smartdirector_lite.course import lab
from smartdirector_lite.course.lab import core
from smartdirector_lite.course.lab.core import EXERCISES

NUMBERS = sorted(path.stem.removeprefix("lab") for path in (Path(__file__).parent / "wrong").glob("lab[0-9]*.py"))
ANSWERS = {number: importlib.import_module(f"course.wrong.lab{number}") for number in NUMBERS}
CHECK = re.compile(r"^(?:(.+) = )?lab\.check_\w+\(.*\)$", re.MULTILINE)


def exercise_cells() -> dict[str, str]:
    """The cell of each exercise by the number that the text above it gives, such as "02.1"."""
    cells, number = {}, None
    for cell in (cell for path in build.sources(NUMBERS) for cell in build.parse(path).cells):
        if named := re.search(r"^### Exercise (\d\d\.\d)", cell.source, re.MULTILINE):
            number = named[1]
        elif build.BEGIN in cell.source and CHECK.search(cell.source):
            cells[number] = cell.source
    return cells


CELLS = exercise_cells()
RIGHT = [
    pytest.param(exercise, code, id=f"{exercise}-{place}")
    for answers in ANSWERS.values()
    for place, (exercise, code) in enumerate(answers.RIGHT)
]
WRONG = [
    pytest.param(exercise, code, pattern, id=f"{exercise}-{place}-{pattern}")
    for answers in ANSWERS.values()
    for place, (exercise, code, pattern) in enumerate(answers.WRONG)
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(core, "SECONDS", 0.5)  # an endless loop shall not take long here


def check(capsys, exercise: str, code: str) -> tuple[str, dict]:
    """Run an answer and the check of its exercise; return the line that the check prints, and all names after it."""
    found = CHECK.search(CELLS[exercise])
    names = {"lab": lab, **ANSWERS[exercise[:2]].NAMES}
    exec(f"{code}\n{found[0]}", names)
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line[:1] in "✓✗" and line[2:6] == exercise
    assert found[1], f"the cell of {exercise} drops what its check returns"
    return line, names


def test_every_exercise_has_its_answers():
    numbers = {number for number in EXERCISES if number[:2] in NUMBERS}
    assert set(CELLS) == numbers
    right, wrong = (Counter(case.values[0] for case in cases) for cases in (RIGHT, WRONG))
    assert set(right) == set(wrong) == numbers
    assert min(right.values()) >= 2 and min(wrong.values()) >= 10


@pytest.mark.parametrize("exercise", CELLS)
def test_answer_of_the_notebook_passes(capsys, exercise):
    line, _ = check(capsys, exercise, CHECK.sub("", CELLS[exercise]))
    assert line.startswith("✓") and EXERCISES[exercise].passed


@pytest.mark.parametrize("exercise", CELLS)
def test_stub_is_not_filled_in_yet(capsys, exercise):
    line, _ = check(capsys, exercise, CHECK.sub("", build.strip_solutions(CELLS[exercise])))
    assert "not filled in yet" in line and not EXERCISES[exercise].passed


@pytest.mark.parametrize(("exercise", "code"), RIGHT)
def test_other_right_answer_passes(capsys, exercise, code):
    line, _ = check(capsys, exercise, code)
    assert line.startswith("✓"), line


@pytest.mark.parametrize(("exercise", "code", "pattern"), WRONG)
def test_wrong_answer_gets_the_hint_that_fits(capsys, exercise, code, pattern):
    line, names = check(capsys, exercise, code)
    assert line.startswith("✗") and re.search(pattern, line), line
    assert not EXERCISES[exercise].passed
    for name in CHECK.search(CELLS[exercise])[1].split(", "):
        assert names[name] is not None  # the cells below go on with the library's


@pytest.mark.parametrize("exercise", CELLS)
def test_exercise_has_three_hints_that_grow(exercise):
    hints = lab.hints(exercise)
    assert len(hints) == 3 and all(hint.strip() for hint in hints) and len(set(hints)) == 3
