"""Write the labs as master notebooks for otter-grader. `otter assign` makes the students' version and the autograder.

    python notebooks/otter_export.py FOLDER              all labs
    python notebooks/otter_export.py FOLDER --only 02    this one
    otter assign FOLDER/02_multi_chunk.ipynb OUT         (pip install otter-grader)

Each exercise becomes a question, which has the exercise's text, its cell with the solution between otter's markers, and
a test that asks whether the check in that cell has passed.
"""

import argparse
import re
import sys
from pathlib import Path

import build
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from smartdirector_lite.course.lab.record import EXERCISES

TITLE = re.compile(r"^### Exercise (\d\d\.\d+)", re.MULTILINE)
CHECK = re.compile(r"^(?:.+ = )?lab\.check_\w+\(.*\)$", re.MULTILINE)
CONFIG = "# ASSIGNMENT CONFIG\nsolutions_pdf: false\nexport_cell: true\ngenerate:\n  show_stdout: true"


def otter_notebook(source: NotebookNode) -> NotebookNode:
    """Return the master notebook of a source.

    Raises:
        ValueError: an exercise has no title before it, or no check in its cell.
    """
    made = build.nbformat.from_dict({**source, "cells": [new_raw_cell(CONFIG)]})
    number = None
    for cell in source.cells:
        if cell.cell_type == "markdown":
            before, number, text = _split(cell.source)
            made.cells += [new_markdown_cell(before)] if before else []
            made.cells += [_begin(number), new_markdown_cell(text)] if number else []
        elif build.BEGIN in cell.source:
            if number is None or not CHECK.search(cell.source):
                raise ValueError(f"cell {cell.id}: an exercise needs a title before it and a check in its cell")
            made.cells += _question(number, cell.source)
            number = None
        else:
            made.cells.append(new_code_cell(cell.source))
    return made


def _split(markdown: str) -> tuple[str, str | None, str]:
    """Return the text before an exercise's title, the exercise's number or None, and its text."""
    title = TITLE.search(markdown)
    if title is None:
        return markdown, None, ""
    return markdown[: title.start()].rstrip(), title[1], markdown[title.start() :]


def _begin(number: str) -> NotebookNode:
    name, points = number.replace(".", "_"), EXERCISES[number].points
    return new_raw_cell(f"# BEGIN QUESTION\nname: q{name}\npoints: {points}")


def _question(number: str, solution: str) -> list[NotebookNode]:
    """Return the cells of a question after its text."""
    lines = []
    for line in solution.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(line.replace("### ", "# ") if line.strip() in (build.BEGIN, build.END) else line)
        if line.strip() == build.END and indent:  # otter's own "..." would make the function return None
            lines += [f'{indent}""" # BEGIN PROMPT', f"{indent}{build.STUB}", f'{indent}""" # END PROMPT']
    return [
        new_raw_cell("# BEGIN SOLUTION"),
        new_code_cell("\n".join(lines)),
        new_raw_cell("# END SOLUTION"),
        new_raw_cell("# BEGIN TESTS"),
        new_code_cell(f'assert lab.passed("{number}")'),
        new_raw_cell("# END TESTS"),
        new_raw_cell("# END QUESTION"),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder that the master notebooks go to")
    parser.add_argument("--only", nargs="+", metavar="NN", help="export the labs of these numbers only")
    options = parser.parse_args(arguments)
    try:
        for path in build.sources(options.only):
            source = build.read_source(path)
            if build.has_exercises(source):
                options.folder.mkdir(parents=True, exist_ok=True)
                build.write(otter_notebook(source), options.folder / f"{path.stem}.ipynb")
    except (build.BuildError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
