"""For teachers: read handed-in results as learning platforms deliver them, and write a table and feedback.

Nothing that students wrote runs in this process. `rerun` runs their answers in processes of their own.
"""

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, FiniteFloat, ValidationError

from ..media import atomic_path
from .lab.record import EXERCISES, Exercise, exercises_of
from .rerun import BORROWED, FAILED, NOT_RUN, PASSED, Outcome

MAX_BYTES, MAX_ZIP_BYTES, MAX_DEPTH = 1_000_000, 200_000_000, 3  # of a result, of what a zip holds, of zips in zips
NO_ZIP = (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError)


class HandedExercise(BaseModel):
    """What a result file says about one exercise. What it says proves nothing."""

    number: str
    points: FiniteFloat
    answer: str = ""


class Result(BaseModel):
    """A result file, as `lab.save_result` writes it."""

    lab: str
    name: str
    points: FiniteFloat
    exercises: list[HandedExercise]
    texts: dict[str, str] = {}
    written: datetime | None = None


@dataclass(frozen=True)
class HandIn:
    """A result, the file that it came in, and when that file was changed last."""

    result: Result
    file: str
    modified: datetime

    @property
    def lab(self) -> str:
        return self.result.lab

    @property
    def time(self) -> datetime:
        """When it was written, by the file's own time where it has one."""
        return self.result.written or self.modified

    def claim(self, entry: Exercise) -> float:
        """Return the points that the file claims for an exercise; 0 where it does not have it."""
        return next((e.points for e in self.result.exercises if e.number == entry.number), 0)

    @property
    def programs(self) -> dict[str, str]:
        """The answers by the number of the exercise; those that were tried or that claim points."""
        return {e.number: e.answer for e in self.result.exercises if e.answer or e.points}


@dataclass
class Grade:
    """The points of one exercise.

    Attributes:
        sure: False where the teacher must look.
        remark: what the teacher should know.
        hint: what the check said to an answer that claims no points; only the feedback has it.
    """

    points: float
    sure: bool = True
    remark: str = ""
    hint: str = ""


@dataclass
class Student:
    """One student: the newest hand-in of each lab, its grades, and notes on how it was handed in."""

    name: str
    hand_ins: dict[str, HandIn] = field(default_factory=dict)
    grades: dict[str, Grade] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        return sum(grade.points for grade in self.grades.values() if grade.sure)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_folder(folder: Path) -> tuple[list[HandIn], list[str]]:
    """Read all results below a folder, whatever their names, also in zips.

    Returns:
        The hand-ins, and a line for each file that is none: one that is broken, or something else.
    """
    hand_ins, problems = [], []
    for name, modified, data in _files(folder, problems):
        try:
            hand_ins.append(HandIn(_result(data), name, modified))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return hand_ins, problems


def _files(folder: Path, problems: list[str]) -> Iterator[tuple[str, datetime, bytes]]:
    """Yield the name, the time and the content of each file, and of each file in a zip."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path.name)):
        name = path.relative_to(folder).as_posix()
        try:
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            with path.open("rb") as file:
                is_zip = file.read(2) == b"PK"
                file.seek(0)
                if is_zip:
                    yield from _zipped(file, name, problems, MAX_DEPTH)
                else:
                    yield name, modified, file.read(MAX_BYTES + 1)
        except OSError as error:
            problems.append(f"{name}: cannot be read ({error.strerror})")


def _zipped(
    file: io.BufferedIOBase, name: str, problems: list[str], depth: int
) -> Iterator[tuple[str, datetime, bytes]]:
    try:
        with zipfile.ZipFile(file) as archive:
            inside = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
            if sum(info.file_size for info in inside) > MAX_ZIP_BYTES or not depth:
                raise ValueError("it holds too much")
            for info in inside:
                with archive.open(info) as member:
                    is_zip = info.filename.lower().endswith(".zip")
                    data = member.read(MAX_ZIP_BYTES if is_zip else MAX_BYTES + 1)
                where = f"{name}/{info.filename}"
                if is_zip:
                    yield from _zipped(io.BytesIO(data), where, problems, depth - 1)
                else:
                    yield where, _zip_time(info), data
    except NO_ZIP as error:
        problems.append(f"{name}: a broken zip ({error})")


def _zip_time(info: zipfile.ZipInfo) -> datetime:
    """Return when a file in a zip was changed, on this computer's clock; a zip may hold nonsense there."""
    try:
        return datetime(*info.date_time).astimezone(UTC)
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=UTC)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _result(data: bytes) -> Result:
    """Return a result file's content.

    Raises:
        ValueError: it is none, and why.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes, so no result")
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        kind = "broken" if data.lstrip()[:1] in (b"{", b"") or b"exercises" in data else "not a result"
        raise ValueError(f"{kind} ({'empty' if not data.strip() else type(error).__name__})") from error
    if isinstance(found, dict) and "cells" in found:
        raise ValueError("a notebook, and not the result that its last cell writes")
    try:
        result = Result.model_validate(found)
        labs = {entry.number: entry for entry in exercises_of(result.lab)}
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"broken ({'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']})") from error
    if unknown := [e.number for e in result.exercises if e.number not in labs]:
        raise ValueError(f"broken (exercise {unknown[0]!r} is not in lab {result.lab})")
    if not _key(result.name):
        raise ValueError("broken (name: it is empty)")
    if result.written and result.written.tzinfo is None:
        result.written = result.written.astimezone(UTC)
    return result


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


# -- students ----------------------------------------------------------------------------------------------------------


def students_of(hand_ins: Iterable[HandIn], due: datetime | None = None) -> list[Student]:
    """Return the students by name. Of several hand-ins of a student's lab the newest counts.

    Args:
        due: when the labs were due; None looks for no late ones.
    """
    students: dict[str, Student] = {}
    for hand_in in sorted(hand_ins, key=lambda one: (one.time, one.modified, one.file)):
        student = students.setdefault(_key(hand_in.result.name), Student(hand_in.result.name.strip()))
        before = student.hand_ins.get(hand_in.lab)
        if before is not None:
            student.notes.append(f"lab {hand_in.lab}: handed in twice; {hand_in.file} counts, not {before.file}")
        student.hand_ins[hand_in.lab] = hand_in
    found = sorted(students.values(), key=lambda student: _key(student.name))
    for student in found:
        for lab, hand_in in sorted(student.hand_ins.items()):
            student.notes += [f"lab {lab}: {note}" for note in _late(hand_in, due)]
            for entry in exercises_of(lab):
                student.grades[entry.number] = _claimed(hand_in, entry)
            said = sum(e.points for e in hand_in.result.exercises)
            if hand_in.result.points != said:
                student.notes.append(f"lab {lab}: the sum was edited, {hand_in.result.points:g} in place of {said:g}")
    return found


def _late(hand_in: HandIn, due: datetime | None) -> Iterator[str]:
    if due is None or max(hand_in.time, hand_in.modified) <= due:
        return
    own = hand_in.result.written
    if own is None:
        yield f"late by {_span(hand_in.modified, due)}, by the file's modification time (it has no time of its own)"
    elif own > due:
        yield f"late by {_span(own, due)}, by the time in the file"
    else:
        yield "in time by the time in the file; changed or downloaded after the due date"


def _span(time: datetime, due: datetime) -> str:
    hours = (time - due).total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _claimed(hand_in: HandIn, entry: Exercise) -> Grade:
    claim = hand_in.claim(entry)
    if claim not in (0, entry.points):
        return Grade(0, remark=f"edited: it claims {claim:g} of {entry.points} points")
    return Grade(claim)


def judge(student: Student, lab: str, outcomes: Mapping[str, Outcome], controls: Mapping[str, Outcome]) -> None:
    """Put what the rerun of a lab gave in the place of what the student claims.

    Args:
        outcomes: how the student's answers did, by exercise.
        controls: how the library's own answers did on the same inputs. A check that they fail judges nobody.
    """
    for entry in exercises_of(lab):
        grade, outcome = student.grades[entry.number], outcomes.get(entry.number)
        claim = student.hand_ins[lab].claim(entry)
        if outcome is None or (not claim and outcome.status != PASSED):
            grade.hint = outcome.said if outcome and outcome.status == FAILED else ""
            continue
        reliable = controls.get(entry.number, outcome).status != FAILED
        if outcome.status == NOT_RUN or (outcome.status == FAILED and not reliable):
            said = outcome.said if reliable else "the library's own answer fails on these inputs; please report that"
            remark = "; ".join(filter(None, [grade.remark, f"not judged again: {said}"]))
            student.grades[entry.number] = Grade(grade.points, False, remark)
        elif outcome.status == FAILED:
            remark = f"claimed {claim:g}, but it fails on new inputs: {outcome.said}"
            student.grades[entry.number] = Grade(0, remark=remark)
        elif not claim:
            student.grades[entry.number] = Grade(entry.points, remark="claimed 0, but it passes on new inputs")
        else:
            borrowed = outcome.said == BORROWED
            student.grades[entry.number] = Grade(entry.points, not borrowed, BORROWED if borrowed else grade.remark)


# -- writing -----------------------------------------------------------------------------------------------------------


def write_table(students: list[Student], path: Path) -> None:
    """Write a CSV: a row for each student, a column for each exercise of the labs that somebody handed in.

    "?" behind points asks the teacher to look; such points are in no sum.
    """
    labs = sorted({lab for student in students for lab in student.hand_ins})
    numbers = {lab: [entry.number for entry in exercises_of(lab)] for lab in labs}
    flat = [number for lab in labs for number in numbers[lab]]
    of = sum(EXERCISES[number].points for number in flat)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(["name", *flat, *(f"lab {lab}" for lab in labs), "total", "of", "notes"])
    for student in students:
        grades = [student.grades.get(number) for number in flat]
        cells = ["" if grade is None else f"{grade.points:g}{'' if grade.sure else '?'}" for grade in grades]
        sums = [_sum(student, numbers[lab]) if lab in student.hand_ins else "" for lab in labs]
        remarks = [f"{number}: {grade.remark}" for number, grade in student.grades.items() if grade.remark]
        notes = "; ".join(_plain(note) for note in [*student.notes, *remarks])
        table.writerow([_plain(student.name), *cells, *sums, f"{student.total:g}", of, notes])
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8-sig", newline="")


def _sum(student: Student, numbers: Iterable[str]) -> str:
    return f"{sum(student.grades[number].points for number in numbers if student.grades[number].sure):g}"


def _plain(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = " ".join(text.split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def write_feedback(students: list[Student], folder: Path) -> None:
    """Write a Markdown file for each student: points, remarks, and the answers in their own words to be graded."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for student in students:
        slug = base = re.sub(r"\W+", "-", _key(student.name)).strip("-") or "student"
        while slug in taken:
            slug = f"{base}-{len(taken)}"
        taken.add(slug)
        with atomic_path(folder / f"{slug}.md") as temporary:
            temporary.write_text(_feedback(student), encoding="utf-8", newline="\n")


def _feedback(student: Student) -> str:
    lines = [f"# {_escaped(student.name)}", *(f"- {_escaped(note)}" for note in student.notes)]
    for lab, hand_in in sorted(student.hand_ins.items()):
        entries = exercises_of(lab)
        of = sum(entry.points for entry in entries)
        lines += [f"\n## Lab {lab}: {_sum(student, [e.number for e in entries])} of {of} points\n"]
        lines += ["| exercise | points | remark |", "|---|---|---|"]
        for entry in entries:
            grade = student.grades[entry.number]
            points = f"{grade.points:g}{'' if grade.sure else '?'} of {entry.points}"
            said = _escaped(grade.remark or grade.hint).replace("|", "&#124;")
            lines.append(f"| {entry.number} {entry.title} | {points} | {said} |")
        for number, text in sorted(hand_in.result.texts.items()):
            quoted = "\n".join(f"> {_escaped(line)}" for line in text.splitlines() or ["(nothing written)"])
            lines.append(f"\n**{_escaped(number)}, in your own words**\n\n{quoted}\n\nPoints: ____")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
