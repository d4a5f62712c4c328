"""`python -m smartdirector_lite.course collect FOLDER -o grades.csv`, and `... words`, which lists all texts."""

import argparse
import json
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time
from pathlib import Path

COLLECT = """\
Read the result files below a folder, and write a table of points and a feedback file for each student.

With --rerun, the stored answers run again in processes of their own, on inputs that the students have not seen. The
processes have a limit of time and, on Linux, of memory. They are no sandbox: use a container without a network where
that matters."""


def run_command(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m smartdirector_lite.course")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("words", help="print all texts of the course as JSON, to be translated")
    raw = argparse.RawDescriptionHelpFormatter
    collect = commands.add_parser("collect", help="grade handed-in results", description=COLLECT, formatter_class=raw)
    collect.add_argument("folder", type=Path, help="what was handed in: files, folders and zips, under any names")
    collect.add_argument("-o", "--output", type=Path, default=Path("grades.csv"), help="the table (grades.csv)")
    collect.add_argument("--due", type=_due, help="when it was due, such as 2026-11-30 or 2026-11-30T18:00")
    collect.add_argument("--rerun", action="store_true", help="run the answers again on new inputs")
    collect.add_argument("--inputs", type=int, help="the number of the new inputs; else a random one")
    collect.add_argument("--seconds", type=float, default=30.0, help="the limit for one answer (30)")
    collect.add_argument("--megabytes", type=int, default=2000, help="the limit for one process, on Linux (2000)")
    options = parser.parse_args(arguments)
    if options.command == "words":
        from .words import all_texts

        print(json.dumps(all_texts(), indent=1, ensure_ascii=False))
        return 0
    return _collect(options)


def _due(text: str) -> datetime:
    """Return a time on this computer's clock; a day alone means its end."""
    due = datetime.fromisoformat(text)
    return (datetime.combine(due, time.max) if len(text) <= 10 else due).astimezone(UTC)


def _collect(options: argparse.Namespace) -> int:
    from .collect import read_folder, students_of, write_feedback, write_table
    from .lab.record import EXERCISES

    if not options.folder.is_dir():
        print(f"{options.folder}: there is no such folder", file=sys.stderr)
        return 2
    hand_ins, problems = read_folder(options.folder)
    students = students_of(hand_ins, options.due)
    print(f"{len(hand_ins) + len(problems)} files: {len(hand_ins)} results of {len(students)} students")
    print(*(f"  not taken: {line}" for line in problems), sep="\n", end="\n" if problems else "")
    if not students:
        print("no results, so no table", file=sys.stderr)
        return 2
    if options.rerun:
        _rerun(students, options)
    for student in students:
        remarks = [f"{number}: {grade.remark}" for number, grade in student.grades.items() if grade.remark]
        print(*(f"  {student.name}: {note}" for note in [*student.notes, *remarks]), sep="\n", end="")
        print(end="\n" if student.notes or remarks else "")
    for number in sorted({number for student in students for number in student.grades}):
        grades = [student.grades[number] for student in students if number in student.grades]
        print(f"  {number} {EXERCISES[number].title:45} {sum(g.points > 0 for g in grades):3} of {len(grades)} passed")
    write_table(students, options.output)
    feedback = options.output.with_name(f"{options.output.stem}_feedback")
    write_feedback(students, feedback)
    print(f"{options.output} and {feedback}{os.sep}*.md written")
    return 0


def _rerun(students: list, options: argparse.Namespace) -> None:
    """Run the answers of all students again, and judge them by that."""
    from .collect import judge
    from .rerun import LIMITS_MEMORY, controls, rerun

    offset = options.inputs if options.inputs is not None else random.SystemRandom().randint(1, 10**6)
    limits = f"{options.seconds:g} seconds" + (f", {options.megabytes} MB" if LIMITS_MEMORY else ", no limit of memory")
    print(f"running again on inputs number {offset} (--inputs {offset} repeats this), limits: {limits}", flush=True)
    labs = sorted({lab for student in students for lab in student.hand_ins})
    jobs = [(student, lab) for student in students for lab in student.hand_ins]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:

        def run(programs: dict) -> dict:
            return rerun(programs, offset, options.seconds, options.megabytes)

        right = dict(zip(labs, pool.map(run, [controls(lab) for lab in labs])))
        outcomes = pool.map(run, [student.hand_ins[lab].programs for student, lab in jobs])
        for (student, lab), outcome in zip(jobs, outcomes):
            judge(student, lab, outcome, right[lab])


if __name__ == "__main__":
    sys.exit(run_command())
