"""course/lab/core.py and record.py: what all checks share, tested with exercises that are made up here."""

import contextlib
import json
import random
import re
import signal
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from smartdirector_lite.course.lab import core, record
from smartdirector_lite.course.lab.core import Hint, ask, exercise
from smartdirector_lite.course.lab.record import NO_PROOF, exercises_of, save_result, summary


def right_double(x):
    return 2 * x


@pytest.fixture
def lab98(monkeypatch):
    """No exercises but those that a test declares."""
    entries, texts = {}, {}
    for module in (core, record):
        monkeypatch.setattr(module, "EXERCISES", entries)
    monkeypatch.setattr(record, "TEXTS", texts)
    return entries


@pytest.fixture
def check_double(lab98):
    """The check of a function that doubles a tensor, with a reference. Lab 98 has this exercise, and a question."""

    @exercise("98.1", 3, "Twice as much", reference=right_double)
    def check_double(double):
        for n in range(3):
            x = torch.rand(4, generator=core.generator(n))
            answer = ask(double, x)
            if not core.is_close(answer, 2 * x):
                raise Hint("add each number to itself")

    @exercise("98.2", 2, "A question", reference=5)
    def check_value(value):
        if value != 5:
            raise Hint("count again")

    check_double.question = check_value
    return check_double


# -- what a check returns ----------------------------------------------------------------------------------------------


def test_right_answer_passes_scores_and_goes_on(check_double, capsys):
    def double(x):
        return x + x

    assert check_double(double) is double
    assert capsys.readouterr().out == "✓ 98.1 Twice as much: passed, 3 points\n"
    assert [e.passed for e in exercises_of("98")] == [True, False]
    assert check_double.question(5) == 5


def test_wrong_answer_gets_the_reference(check_double, capsys):
    assert check_double(lambda x: x + 1) is right_double
    assert check_double.question(4) == 5
    for line in capsys.readouterr().out.splitlines():
        assert line.startswith("✗") and line.endswith("; the cells below use the library's until it passes")


def test_the_reference_itself_is_no_answer(check_double, capsys):
    double = check_double(None)
    assert check_double(double) is right_double and not exercises_of("98")[0].passed
    assert "run the cell in which you define yours again" in capsys.readouterr().out


def test_several_answers_come_back_together(lab98):
    @exercise("98.3", 1, "Two", reference=(1, 2))
    def check_two(a, b):
        if (a, b) != (1, 2):
            raise Hint("no")

    assert check_two(1, 2) == (1, 2) and check_two(1, 3) == (1, 2)


def test_without_a_reference_the_answer_comes_back(lab98, capsys):
    @exercise("98.3", 1, "Open", reference=None)
    def check_open(a):
        raise Hint("no")

    assert check_open(7) == 7
    assert capsys.readouterr().out == "✗ 98.3 Open: no\n"


# -- ask ---------------------------------------------------------------------------------------------------------------


def runs_for_ever(x):
    while True:
        pass


def sleeps_with_a_wide_except(x):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: x + 1, "add each number to itself"),
        (None, "not filled in yet"),
        (..., "not filled in yet"),
        (lambda x: 1 / 0, "your code raised ZeroDivisionError: division by zero"),
        (lambda x: exit(), "your code raised SystemExit"),
        (lambda x: None, "your function returns nothing; is a `return` missing?"),
        (lambda x: x.mul_(2), "your function changes its input x; leave"),
        (lambda values: values.add_(values) * 1, "your function changes its input values; leave"),
        ("twice", "give the check a function, not 'twice'"),
        (runs_for_ever, "your code runs for more than 0.3 seconds"),
        (sleeps_with_a_wide_except, "your code runs for more than 0.3 seconds"),
    ],
)
def test_wrong_answer_gets_its_hint_and_no_points(check_double, capsys, monkeypatch, answer, said):
    monkeypatch.setattr(core, "SECONDS", 0.3)
    assert check_double(answer) is right_double
    assert capsys.readouterr().out.startswith(f"✗ 98.1 Twice as much: {said}")
    assert not exercises_of("98")[0].passed


def test_the_time_limit_holds_where_interrupts_are_ignored_and_leaves_them_so(check_double, capsys, monkeypatch):
    monkeypatch.setattr(core, "SECONDS", 0.3)
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a process that a shell starts in the background
    try:
        assert check_double(runs_for_ever) is right_double
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)
    assert "your code runs for more than 0.3 seconds" in capsys.readouterr().out


def test_ask_hands_over_copies_of_everything():
    x, shapes, table = torch.ones(2).expand(3, 2), [1, [2]], {"a": torch.zeros(1)}

    def spoils(x, shapes, table):
        shapes[1].append(3)
        return 1

    with pytest.raises(Hint, match="its input shapes;"):
        ask(spoils, x, shapes, table)
    with pytest.raises(Hint, match="its input table;"):
        ask(lambda x, shapes, table: table["a"].add_(1), x, shapes, table)
    assert shapes == [1, [2]] and table == {"a": torch.zeros(1)}
    assert ask(lambda x: x.isnan().sum(), torch.tensor([float("nan")])) == 1  # NaN equals itself here


def test_a_fault_of_the_check_is_not_called_the_students(lab98, capsys):
    @exercise("98.3", 1, "Faulty", reference=right_double)
    def check_faulty(double):
        ask(double, 1)
        raise KeyError("oops")

    assert check_faulty(lambda x: x) is right_double
    said = capsys.readouterr().out
    assert "the check itself failed (KeyError: 'oops')" in said and "your code" not in said


@pytest.fixture
def eager_threads():
    """A thread waits for another one for 10 microseconds at most; usually it is 5 ms, longer than the calls here."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def test_the_time_limit_leaves_no_interrupt_behind(monkeypatch, eager_threads):
    """Calls that end just when their time does: the interrupt of some comes between the call and what follows it."""
    pause, rng, hints = time.sleep, random.Random(0), 0
    monkeypatch.setattr(core, "SECONDS", 0.001)
    monkeypatch.setattr(core, "time", SimpleNamespace(sleep=lambda seconds: pause(0.01)))
    start = time.monotonic()
    while time.monotonic() < start + (30 if hints == 0 else 2):  # longer where the machine is busy
        end = time.perf_counter() + rng.uniform(0.0007, 0.0016)

        def work(end=end):
            while time.perf_counter() < end:
                pass
            return 1

        try:
            assert ask(work) == 1
        except Hint:
            hints += 1
    assert hints > 0


def test_an_interrupt_stops_the_check_and_takes_an_earlier_pass_away(check_double):
    def interrupted(x):
        raise KeyboardInterrupt

    check_double(lambda x: 2 * x)
    with pytest.raises(KeyboardInterrupt):
        check_double(interrupted)
    assert not exercises_of("98")[0].passed


def test_another_offset_gives_other_inputs(monkeypatch):
    first = torch.rand(2, generator=core.generator(1)), core.draw(1, 0, 10**6), core.draw_from(1, range(10**6), 3)
    again = torch.rand(2, generator=core.generator(1)), core.draw(1, 0, 10**6), core.draw_from(1, range(10**6), 3)
    monkeypatch.setattr(core, "OFFSET", 99)
    moved = torch.rand(2, generator=core.generator(1)), core.draw(1, 0, 10**6), core.draw_from(1, range(10**6), 3)
    assert torch.equal(first[0], again[0]) and first[1:] == again[1:]
    assert not torch.equal(first[0], moved[0]) and first[1] != moved[1] and first[2] != moved[2]
    assert isinstance(core.draw(1, 0, 3), int) and isinstance(core.draw(1, 0.0, 3.0), float)


# -- points ------------------------------------------------------------------------------------------------------------


def test_stub_is_told_so(check_double, capsys):
    def double(x):
        raise NotImplementedError  # your code here

    assert check_double(double) is right_double
    assert "not filled in yet" in capsys.readouterr().out


def test_right_then_wrong_loses_the_points(check_double):
    check_double(lambda x: 2 * x)
    check_double(lambda x: x)
    assert not exercises_of("98")[0].passed


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
    assert [p.name for p in tmp_path.iterdir()] == [path.name] == ["result_98_ada.json"]
    assert (result["lab"], result["name"], result["points"], result["of"]) == ("98", "Ada", 3, 5)
    first, second = result["exercises"]
    assert first["points"] == 3 and "return x + x" in first["answer"]
    assert second["points"] == 0 and second["answer"] == "answers = (4,)"
    assert set(result["versions"]) == {"python", *record.REPORTED} and result["note"] == NO_PROOF
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

    labs = sorted({entry.lab for entry in record.EXERCISES.values()})
    assert labs and all(hasattr(lab, "Hint") for _ in labs)
    for number in labs:
        found = exercises_of(number)
        assert [entry.number for entry in found] == [f"{number}.{i + 1}" for i in range(len(found))]
        assert 3 <= len(found) <= 6 and all(entry.points > 0 for entry in found)


def test_a_name_is_asked_for_and_part_of_the_files_name(check_double, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: "  Jürgen O'Neil-Smith 王 ")
    assert save_result("98", folder=tmp_path).name == "result_98_jürgen-o-neil-smith-王.json"
    with pytest.raises(ValueError, match="write yours in letters"):
        save_result("98", "!?", tmp_path)


def test_hints_come_one_by_one_and_the_last_stays(check_double, monkeypatch, capsys):
    monkeypatch.setattr(record, "hints", lambda number: ("look", "look closer", "it is 2 x"))
    for _ in range(4):
        record.hint("98.1")
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "look",
        "look closer",
        "it is 2 x",
        "it is 2 x",
    ]
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"'98\.7': it has no hints"):
        record.hints("98.7")


def test_free_text_is_kept_for_the_teacher(check_double, tmp_path, capsys):
    record.free_text("98.3", "...")
    assert not record.TEXTS["98.3"]
    record.free_text(
        "98.3",
        """
        Because it doubles.
        That is all.
    """,
    )
    assert capsys.readouterr().out.endswith("✎ 98.3: 6 words kept for your teacher\n")
    result = json.loads(save_result("98", "Ada", tmp_path).read_text(encoding="utf-8"))
    assert result["texts"] == {"98.3": "Because it doubles.\nThat is all."} and result["written"].endswith("+00:00")
    for number in ("98.1", "next", "98."):
        with pytest.raises(ValueError, match="a number of its own"):
            record.free_text(number, "text")
