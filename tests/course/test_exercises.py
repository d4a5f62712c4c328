"""The exercises of all labs: the notebook's own answers pass, stubs are not filled in yet, wrong answers get a hint."""

import importlib
import re
from pathlib import Path

import build
import pytest

CELLS = {  # (number of the lab, name of the check) -> the cell of the exercise
    (path.stem[:2], re.search(r"lab\.(check_\w+)", cell.source)[1]): cell.source
    for path in build.sources()
    for cell in build.parse(path).cells
    if build.BEGIN in cell.source
}
OLD = sorted(path.stem.removeprefix("lab") for path in (Path(__file__).parent / "wrong_answers").glob("lab[0-9]*.py"))
CELLS = {key: cell for key, cell in CELLS.items() if key[0] in OLD}  # `test_wrong.py` has the others
LABS = sorted({number for number, _ in CELLS})


def lab(number: str):
    return importlib.import_module(f"smartdirector_lite.course.lab.lab{number}")


def data(number: str):
    """What `wrong_answers` has for a lab."""
    return importlib.import_module(f"course.wrong_answers.lab{number}")


WRONG = [
    pytest.param(number, check, hint, answers, id=f"{number}-{check}-{hint}")
    for number in LABS
    for check, cases in data(number).WRONG.items()
    for hint, *answers in cases
]


def printed(capsys, number: str, source: str) -> str:
    """Run the cell of an exercise, and return what it prints."""
    exec(source, {"lab": lab(number), **data(number).NAMES})
    return capsys.readouterr().out


@pytest.mark.parametrize("number", LABS)
def test_every_exercise_has_a_check_and_wrong_answers(number):
    checks = {check for of, check in CELLS if of == number}
    assert checks == set(lab(number).__all__) == set(data(number).WRONG)


@pytest.mark.parametrize(("number", "check"), CELLS)
def test_committed_answer_passes(capsys, number, check):
    assert "passed" in printed(capsys, number, CELLS[number, check])


@pytest.mark.parametrize(("number", "check"), CELLS)
def test_stub_is_not_filled_in_yet(capsys, number, check):
    stub = build.strip_solutions(CELLS[number, check])
    assert build.BEGIN not in stub
    assert "not filled in yet" in printed(capsys, number, stub)


@pytest.mark.parametrize(("number", "check", "hint", "answers"), WRONG)
def test_wrong_answer_gets_its_hint(capsys, number, check, hint, answers):
    assert not getattr(lab(number), check)(*answers)
    assert hint in capsys.readouterr().out
