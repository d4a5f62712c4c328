"""course/collect.py, rerun.py and answers.py: a made-up class hands in, and the teacher gets the right table."""

import csv
import functools
import json
import math
import shutil
import zipfile
from datetime import timedelta

import numpy as np
import pytest
import torch
from course.classroom import (
    DUE,
    IN_TIME,
    LATE,
    constants,
    deliver,
    hand_in,
    left_alone,
    pack,
    run_cell,
    set_time,
    solve,
)

from smartdirector_lite.course import lab
from smartdirector_lite.course.__main__ import run_command
from smartdirector_lite.course.collect import read_folder, students_of, write_table
from smartdirector_lite.course.lab.answers import program_of
from smartdirector_lite.course.lab.record import EXERCISES, exercises_of
from smartdirector_lite.course.rerun import BORROWED, FAILED, NOT_RUN, PASSED, controls, rerun

WRONG = "def rounded_place(frame, start, stride):\n    return frame\n"
SLEEPY = "def latents_for(plan, frame):\n    raise NotImplementedError  # your code here\n"


def table_of(path) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())}


def points(row: dict, number: str) -> list[str]:
    return [row[entry.number] for entry in exercises_of(number)]


def full(number: str) -> list[str]:
    return [str(entry.points) for entry in exercises_of(number)]


def make_class(folder, labs: list[str], names: list[str]) -> int:
    """Fill a folder with a class's hand-ins, and return how many files there are.

    The first student of the names is wrong in 02.2, the second has not tried 02.5, the third and the fourth cheat with
    constants. The fifth is late by the file's time. The sixth file has no time, and is late by the modification time.
    The seventh hands in lab 02 twice, the eighth nothing after lab 02, and the files of the last three are broken.
    """
    paths = {}
    with left_alone():
        for number in labs:
            for changes, who in variants(number, names).items():
                solve(number, dict(changes))
                lab.free_text(f"{number}.9", "Because the <decoder> is causal.\nThat is all.")
                for name in who:
                    paths[name, number] = hand_in(folder, number, name)
        solve("02", {"02.3": "def join_chunks(decoded, spans):\n    return decoded[0]\n"})
        twice = hand_in(
            folder / "again", "02", names[6], lambda r: r.update(written=(IN_TIME - timedelta(1)).isoformat())
        )
    late = json.loads(paths[names[4], "02"].read_text())
    paths[names[4], "02"].write_text(json.dumps({**late, "written": LATE.isoformat()}))
    old = json.loads(paths[names[5], "02"].read_text())
    paths[names[5], "02"].write_text(json.dumps({key: value for key, value in old.items() if key != "written"}))
    set_time(paths[names[4], "02"], IN_TIME)
    set_time(paths[names[5], "02"], LATE)
    text = paths[names[-1], "02"].read_bytes()
    paths[names[-1], "02"].write_bytes(text[: len(text) // 2])
    paths[names[-2], "02"].write_bytes(b"")
    paths[names[-3], "02"].write_text('{"lab": "02", "name": "x", "points": "many", "exercises": 3}')
    for number in labs[labs.index("02") + 1 :]:
        paths.pop((names[7], number)).unlink()
    files = [deliver(path, place) for place, path in enumerate([*paths.values(), twice])]
    pack(folder / "moodle.zip", files[10:14])
    return len(files)


def variants(number: str, names: list[str]) -> dict[tuple, list[str]]:
    """The students by what they write in the place of the right answers."""
    if number != "02":
        return {(): names}
    cheat = {exercise: ((exercise, constants(number, exercise)),) for exercise in ("02.2", "02.1")}
    return {
        (("02.2", WRONG),): names[:1],
        (("02.5", SLEEPY),): names[1:2],
        cheat["02.2"]: names[2:3],
        cheat["02.1"]: names[3:4],
        (): names[4:],
    }


def check_class(table: dict, labs: list[str], names: list[str], said: str) -> None:
    """Check the table, and what the command prints, of `make_class`."""
    wrong = {names[0]: "02.2", names[1]: "02.5", names[2]: "02.2", names[3]: "02.1"}
    for name, row in table.items():
        for number in labs:
            missing = (name in names[-3:] and number == "02") or (name == names[7] and number > "02")
            wanted = [0 if wrong.get(name) == e.number else e.points for e in exercises_of(number)]
            cells = [row[entry.number] for entry in exercises_of(number)]
            assert cells == [str(points) if not missing else "" for points in wanted], (name, number)
            assert row[f"lab {number}"] == ("" if missing else str(sum(wanted)))
        assert row["total"] == str(sum(int(row[f"lab {number}"] or 0) for number in labs))
    notes = {name: row["notes"] for name, row in table.items() if row["notes"]}
    assert list(notes) == names[2:7]
    assert notes[names[2]].startswith("02.2: claimed 3, but it fails on new inputs: your code raised KeyError")
    assert notes[names[3]].startswith("02.1: claimed 3, but it fails on new inputs: your code raised KeyError")
    assert notes[names[4]] == "lab 02: late by 15.0 hours, by the time in the file"
    assert notes[names[5]].startswith("lab 02: late by 15.0 hours, by the file's modification time (it has no time")
    assert notes[names[6]].startswith("lab 02: handed in twice; ")
    assert "_student-06-ü.json counts, not " in notes[names[6]]
    assert said.count("not taken: ") == 3 and "broken (empty)" in said and "JSONDecodeError" in said


@pytest.mark.parametrize(
    ("labs", "size", "files"),
    [(["02"], 12, 13), pytest.param(["01", "02", "03"], 30, 90, marks=pytest.mark.slow)],
    ids=["13 files", "90 files"],
)
def test_a_class_gets_its_table(tmp_path, capsys, labs, size, files):
    names = [f"Student {place:02} Ü" for place in range(size)]
    assert make_class(tmp_path / "in", labs, names) == files
    capsys.readouterr()
    out, due = tmp_path / "grades.csv", DUE.astimezone().replace(tzinfo=None).isoformat()
    assert run_command(["collect", str(tmp_path / "in"), "-o", str(out), "--rerun", "--inputs", "7", "--due", due]) == 0
    said, table = capsys.readouterr().out, table_of(out)
    here = names if len(labs) > 1 else names[:-3]
    assert list(table) == here and said.startswith(f"{files} files: {files - 3} results of {len(here)} students")
    check_class(table, labs, names, said)
    feedback = sorted((tmp_path / "grades_feedback").iterdir())
    assert [path.name for path in feedback] == [f"student-{place:02}-ü.md" for place in range(len(here))]
    assert "| 02.2 Where rounding would put a keyframe | 0 of 3 | frame " in feedback[0].read_text(encoding="utf-8")
    text = feedback[2].read_text(encoding="utf-8")
    assert "| 02.2 Where rounding would put a keyframe | 0 of 3 | claimed 3, but it fails on new inputs" in text
    assert (
        "**02.9, in your own words**\n\n> Because the &lt;decoder> is causal.\n> That is all.\n\nPoints: ____" in text
    )


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def result(tmp_path):
    """A function that writes a result of lab 02 in which nothing is tried, changed as the keywords say."""

    def result(name="Ada", file="result_02_ada.json", **changes):
        with left_alone():
            path = hand_in(tmp_path, "02", name, lambda found: found.update(changes))
        return path.rename(tmp_path / file)

    return result


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "broken (empty)"),
        (b'{"lab": "02"', "broken (JSONDecodeError)"),
        (b"\xff\xfe\x00", "not a result (UnicodeDecodeError)"),
        (b"PK\x03\x04 and no zip", "a broken zip"),
        (b'{"cells": []}', "a notebook, and not the result"),
        (b"[1, 2]", "broken (the file"),
        (b"[" * 100_000, "RecursionError"),
        (b'{"lab": "02", "name": "A", "points": 1, "exercises": [{"number": "09.1", "points": 1}]}', "09.1"),
        (b'{"lab": "99", "name": "A", "points": 1, "exercises": []}', "lab '99': there is none"),
        (b'{"lab": "02", "name": " ", "points": 1, "exercises": []}', "name: it is empty"),
        (b'{"lab": "02", "name": "A", "points": NaN, "exercises": []}', "points"),
        (b" " * 1_000_001, "larger than"),
    ],
)
def test_a_broken_file_is_told_and_stops_nothing(tmp_path, result, content, said):
    result()
    (tmp_path / "another (1).json").write_bytes(content)
    hand_ins, (problem,) = read_folder(tmp_path)
    assert len(hand_ins) == 1 and problem.startswith("another (1).json: ") and said in problem


def test_results_are_found_in_zips_in_zips_under_any_name(tmp_path, result):
    path = result(file="upload-without-suffix")
    (tmp_path / "mac").mkdir()
    inner = tmp_path / "mac" / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(path, "Müller_7_assignsubmission_file_/result_02 (2).json")
        archive.writestr("__MACOSX/._result_02.json", b"\0\5")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(inner, "inner.zip")
    shutil.copy(path, tmp_path / ".hidden.json")
    hand_ins, problems = read_folder(tmp_path)
    assert not problems and sorted(one.file for one in hand_ins) == [
        "all.zip/inner.zip/Müller_7_assignsubmission_file_/result_02 (2).json",
        "mac/inner.zip/Müller_7_assignsubmission_file_/result_02 (2).json",
        "upload-without-suffix",
    ]
    (student,) = students_of(hand_ins)
    assert sum("handed in twice" in note for note in student.notes) == 2


def test_edited_points_are_seen_without_a_rerun(result, tmp_path):
    exercises = [{"number": "02.1", "points": 30, "answer": ""}, {"number": "02.2", "points": 3, "answer": ""}]
    result(exercises=exercises, points=12)
    (student,) = students_of(read_folder(tmp_path)[0])
    assert student.total == 3 and student.grades["02.1"].remark == "edited: it claims 30 of 3 points"
    assert student.notes == ["lab 02: the sum was edited, 12 in place of 33"]


def test_edited_points_are_seen_by_a_rerun(result, tmp_path, capsys):
    stub = "def rounded_place(frame, start, stride):\n    raise NotImplementedError\n\n\nanswers = (rounded_place,)"
    claims = {"02.1": (30, ""), "02.2": (3, stub), "02.3": (2, "answers = (print,)"), "02.4": (2, "")}
    exercises = [{"number": n, "points": points, "answer": answer} for n, (points, answer) in claims.items()]
    result(exercises=exercises, points=37)
    out = tmp_path / "grades.csv"
    assert run_command(["collect", str(tmp_path), "-o", str(out), "--rerun", "--inputs", "5"]) == 0
    row = table_of(out)["Ada"]
    assert [row[f"02.{place}"] for place in range(1, 6)] == ["0?", "0", "0", "2?", "0"] and row["total"] == "0"
    assert "02.1: edited: it claims 30 of 3 points; not judged again: the stored answer is no program" in row["notes"]
    assert "02.2: claimed 3, but it fails on new inputs: not filled in yet" in row["notes"]
    assert "02.4: not judged again" in row["notes"]


def test_a_time_in_the_file_counts_more_than_the_modification_time(result, tmp_path):
    set_time(result(), LATE)
    (student,) = students_of(read_folder(tmp_path)[0], DUE)
    assert student.notes == ["lab 02: in time by the time in the file; changed or downloaded after the due date"]


def test_names_are_no_formulas_no_paths_and_no_two_students(result, tmp_path):
    result(name="=cmd|' /C calc'!A0", file="a.json")
    result(name="ada  LOVELACE", file="b.json")
    result(name="Ada Lovelace", file="c.json", lab="02")
    students = students_of(read_folder(tmp_path)[0])
    assert [student.name for student in students] == ["=cmd|' /C calc'!A0", "ada LOVELACE"]
    write_table(students, tmp_path / "grades.csv")
    assert "'=cmd|' /C calc'!A0" in table_of(tmp_path / "grades.csv")


def test_a_folder_without_results_is_told(tmp_path, capsys):
    assert run_command(["collect", str(tmp_path / "none")]) == 2
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    assert run_command(["collect", str(tmp_path), "-o", str(tmp_path / "g.csv")]) == 2
    assert "photo.jpg: not a result" in capsys.readouterr().out and not (tmp_path / "g.csv").exists()


# -- running again -----------------------------------------------------------------------------------------------------

CHUNKS = 'from smartdirector_lite.course.lab.record import EXERCISES\nright = EXERCISES["02.2"].reference\n'


@pytest.mark.parametrize("offset", [1, *(pytest.param(offset, marks=pytest.mark.slow) for offset in (2, 77, 4321))])
def test_the_librarys_own_answers_pass_on_any_inputs(offset):
    for number in sorted({entry.lab for entry in EXERCISES.values()}):
        outcomes = rerun(controls(number), offset)
        assert {outcome.status for outcome in outcomes.values()} == {PASSED}, outcomes


def test_answers_that_attack_or_never_end_cost_only_themselves(tmp_path):
    mark = tmp_path / "written"
    outcomes = rerun(
        {
            "02.1": "import time\nwhile True:\n    time.sleep(1)",
            "02.2": f"{CHUNKS}answers = (lambda *given: right(*given),)",
            "02.3": "import os\nos._exit(0)",
            "02.4": f"open({str(mark)!r}, 'w').write('x' * 99_999)",
            "02.5": "def f(plan, frame):\n    return bytearray(9 * 10**9)\n\n\nanswers = (f,)",
        },
        offset=3,
        seconds=3,
    )
    assert {number: outcome.status for number, outcome in outcomes.items()} == {
        "02.1": FAILED,
        "02.2": PASSED,
        "02.3": FAILED,
        "02.4": NOT_RUN,
        "02.5": FAILED,
    }
    assert outcomes["02.1"].said == "it runs for more than 3 seconds" and outcomes["02.2"].said == BORROWED
    assert "ended its process" in outcomes["02.3"].said and "MemoryError" in outcomes["02.5"].said
    assert not mark.exists() or not mark.stat().st_size


def test_what_was_not_kept_is_no_fault(tmp_path):
    program = "# vae: a VAE, which is not kept\n\n\ndef f(plan, frame):\n    return vae\n\n\nanswers = (f,)"
    outcomes = rerun({"02.5": program, "02.4": "def f(:"}, offset=3)
    assert outcomes["02.5"].status == NOT_RUN and "name 'vae' is not defined" in outcomes["02.5"].said
    assert outcomes["02.4"].status == NOT_RUN and "SyntaxError" in outcomes["02.4"].said


# -- answers as programs -----------------------------------------------------------------------------------------------

NOTEBOOK = """
import math
import torch
import torch.nn.functional as F
from itertools import pairwise
from smartdirector_lite.course.lab import exercises_of as find

SCALE, WEIGHTS, BIG = 3, torch.tensor([1.0, 2.0]), torch.zeros(1000)
right = lambda x: 1

def helper(x):
    return inner(x) * SCALE

def inner(x):
    return math.floor(x) + WEIGHTS.sum() + len(list(pairwise([1, 2, 3])))

def needs_helpers(x: torch.Tensor):
    return helper(torch.as_tensor(x)) + F.relu(torch.ones(1)) + right(x)

def outer(shift):
    def moved(x):
        return x + shift
    return moved

moved, double, keeps = outer(4), lambda x: SCALE * x, lambda x: BIG
def asks(x): return find(x)
"""


@pytest.fixture
def notebook():
    return run_cell(NOTEBOOK, {"__name__": "__main__"})


def run(program: str) -> tuple:
    names = {"__name__": "answer"}
    exec(program, names)
    return names["answers"]


def test_a_program_has_helpers_imports_and_globals(notebook):
    program = program_of((notebook["needs_helpers"],))
    imports = ["import torch", "import math", "from itertools import pairwise", "import torch.nn.functional as F"]
    assert sorted(program.split("\n\n\n")[0].splitlines()) == sorted(imports)
    (again,) = run(program)
    assert again(2.5) == notebook["needs_helpers"](2.5)


def test_a_program_of_values_lambdas_and_closures(notebook):
    assert run(program_of((notebook["double"],)))[0](2) == 6
    assert run(program_of((notebook["moved"],)))[0](1) == 5
    values = (5, "a", [1.5, math.inf], {"k": (1,)}, np.float32(2.0), torch.tensor([1, 2]))
    again = run(program_of(values))
    assert again[:5] == values[:5] and torch.equal(again[5], values[5])
    assert "# BIG: a Tensor, which is not kept" in program_of((notebook["keeps"],))
    assert "which is not kept" in program_of((object(),))


def test_a_program_names_the_librarys_functions_and_references(notebook):
    assert "from smartdirector_lite.course.lab.record import exercises_of as find" in program_of((notebook["asks"],))
    partial = functools.partial(max, 1)
    program = program_of(
        (run_cell("def mine(x):\n    return right(x)\n", {"right": partial})["mine"],), {id(partial): "02.2"}
    )
    assert "right = EXERCISES['02.2'].reference" in program
