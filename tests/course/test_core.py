"""course/lab/core.py: what all checks share, tested with exercises that are made up here."""

import json
import re

import pytest

from smartdirector_lite.course.lab import core
from smartdirector_lite.course.lab.core import NO_PROOF, Hint, exercise, exercises_of, save_result, summary


@pytest.fixture
def check_double(monkeypatch):
    """The check of a function that doubles a number. Lab 98 has this exercise, and a question of two points."""
    monkeypatch.setattr(core, "EXERCISES", {})

    @exercise("98.1", 3, "Twice as much")
    def check_double(double):
        if double(0) != 0:
            raise Hint("twice nothing is nothing")
        if double(4) != 8:
            raise Hint("try 4: you double, so add the number to itself")

    @exercise("98.2", 2, "A question")
    def check_value(value):
        if value != 5:
            raise Hint("count again")

    check_double.question = check_value
    return check_double


def test_right_answer_passes_and_scores(check_double, capsys):
    assert check_double(lambda x: 2 * x)
    assert capsys.readouterr().out == "✓ 98.1 Twice as much: passed, 3 points\n"
    assert [e.passed for e in exercises_of("98")] == [True, False]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: x + 1, "twice nothing is nothing"),
        (lambda x: x * x, "try 4: you double, so add the number to itself"),
        (None, "not filled in yet"),
        (..., "not filled in yet"),
        (lambda x: 1 / x, "your code raised ZeroDivisionError: division by zero"),
        ("twice", "your code raised TypeError: 'str' object is not callable"),
    ],
)
def test_wrong_answer_gets_its_hint_and_no_points(check_double, capsys, answer, said):
    assert not check_double(answer)
    assert capsys.readouterr().out == f"✗ 98.1 Twice as much: {said}\n"
    assert not exercises_of("98")[0].passed


def test_stub_is_told_so(check_double, capsys):
    def double(x):
        raise NotImplementedError  # your code here

    assert not check_double(double)
    assert "not filled in yet" in capsys.readouterr().out


def test_right_then_wrong_loses_the_points(check_double):
    check_double(lambda x: 2 * x)
    check_double(lambda x: x)
    assert not exercises_of("98")[0].passed


def test_an_interrupt_stops_the_check(check_double):
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_double(interrupted)


def test_numbers_are_given_once(check_double):
    with pytest.raises(ValueError, match=re.escape("98.1")):
        exercise("98.1", 1, "again")(lambda answer: None)


def test_a_lab_that_is_not_there_is_refused(check_double):
    with pytest.raises(ValueError, match="there are 98"):
        exercises_of("97")


def test_summary_lists_and_adds(check_double, capsys):
    check_double(lambda x: 2 * x)
    capsys.readouterr()
    summary("98")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("✓ 98.1") and lines[1].startswith("· 98.2")
    assert lines[0].endswith("3 of 3") and lines[1].endswith("0 of 2") and lines[2] == "3 of 5 points"


def test_result_file_holds_points_answers_and_versions(check_double, tmp_path, capsys):
    def double(x):
        return x + x

    check_double(double)
    check_double.question(4)
    path = save_result("98", "  Ada ", tmp_path)
    result = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "result_98.json" and [p.name for p in tmp_path.iterdir()] == ["result_98.json"]
    assert (result["lab"], result["name"], result["points"], result["of"]) == ("98", "Ada", 3, 5)
    first, second = result["exercises"]
    assert first["points"] == 3 and "return x + x" in first["answer"]
    assert second["points"] == 0 and second["answer"] == "4"
    assert set(result["versions"]) == {"python", *core.REPORTED} and result["note"] == NO_PROOF
    assert "3 of 5 points" in capsys.readouterr().out


def test_result_file_tells_nothing_of_the_computer(check_double, tmp_path):
    check_double(lambda x: 2 * x)
    text = save_result("98", "Ada", tmp_path).read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "/home" not in text


@pytest.mark.parametrize("name", ["", "  "])
def test_result_without_a_name_is_refused(check_double, tmp_path, name):
    with pytest.raises(ValueError, match="name is empty"):
        save_result("98", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_exercises_of_the_course_are_numbered_without_gaps():
    from smartdirector_lite.course import lab

    labs = sorted({entry.lab for entry in core.EXERCISES.values()})
    assert labs and all(hasattr(lab, "Hint") for _ in labs)
    for number in labs:
        found = exercises_of(number)
        assert [entry.number for entry in found] == [f"{number}.{i + 1}" for i in range(len(found))]
        assert 3 <= len(found) <= 5 and all(entry.points > 0 for entry in found)
