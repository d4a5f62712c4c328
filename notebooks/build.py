"""Build the notebooks from their sources: `NN_name.py` gives `NN_name.ipynb` and `labs/NN_name.ipynb`.

    python notebooks/build.py                    execute all, write them with their outputs, and the labs
    python notebooks/build.py --only 01 02       these alone
    python notebooks/build.py --labs             the labs alone, nothing is executed
    python notebooks/build.py --check            execute again, compare with what is committed, write nothing

People edit the sources, which are in jupytext's percent format. The builder adds the Colab badge and the cell that
installs the package. A lab is its notebook without outputs and without the text between the solution markers. The same
sources always give the same files: they hold no times, no widget state, and no random ids.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
from claims import take_claims
from execution import METADATA, TOLERANCE, BuildError, differences, execute, faults, number_cells
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

HERE = Path(__file__).resolve().parent
LABS = HERE / "labs"
NAME = re.compile(r"\d\d[a-z]?_\w+")  # of a notebook; one with a letter is an appendix to that of its number
HOST = "https://github.com/"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SEEKS_PACKAGE = 'find_spec("smartdirector_lite") is None'  # is part of every install cell
STUB, OPEN_QUESTION = "raise NotImplementedError  # your code here", "...  # your code here"
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
INSTALL = """\
# On a fresh machine, such as Colab, this cell installs the package, and leaves torch and numpy as they are.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+ADDRESS"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)"""
EXPLAIN = """\
# Where the package is missing, this cell says what to do.
import importlib.util

if importlib.util.find_spec("smartdirector_lite") is None:
    print("smartdirector_lite is not installed. Run this notebook in a clone of the repository: `make lab` there.")"""


# -- sources -----------------------------------------------------------------------------------------------------------


def sources(only: list[str] | None = None) -> list[Path]:
    """Return the paths of the sources, in order.

    Args:
        only: the numbers ("01", "02a") or names of the wanted sources; None means all.

    Raises:
        BuildError: there is no source of such a number or name.
    """
    found = sorted(path for path in HERE.glob("*.py") if NAME.fullmatch(path.stem))
    if not only:
        return found
    for wanted in only:
        if not any(wanted in (number_of(path.stem), path.stem) for path in found):
            raise BuildError(f"--only {wanted}: there are {', '.join(number_of(path.stem) for path in found)}")
    return [path for path in found if {number_of(path.stem), path.stem} & set(only)]


def number_of(name: str) -> str:
    """Return the number of a notebook: "02" of "02_multi_chunk", and "02a" of an appendix "02a_surplus"."""
    return name.partition("_")[0]


def parse(path: Path) -> NotebookNode:
    """Return the cells of a source as a notebook without outputs."""
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    number_cells(notebook, number_of(path.stem))
    return notebook


def read_source(path: Path, repository: str | None = None) -> NotebookNode:
    """Return a source as a notebook without outputs, with its badge and its install cell, and its claims set apart.

    Args:
        repository: the public repository as "owner/name", or "" for none; None takes that of pyproject.toml.

    Raises:
        BuildError: the source does not begin with a title.
    """
    notebook = parse(path)
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        raise BuildError(f"{path.name}: the first cell must be text and begin with a title (# ...)")
    take_claims(notebook)
    notebook.cells.insert(1, new_code_cell())
    number_cells(notebook, number_of(path.stem))
    stamp(notebook, path.stem, public_repository() if repository is None else repository)
    return notebook


# -- the repository's address ------------------------------------------------------------------------------------------


def public_repository(root: Path = HERE.parent) -> str:
    """Return the public repository, "owner/name", from pyproject.toml, or "" where `make address` has written none."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository", "").removeprefix(HOST)


def colab_link(repository: str, name: str) -> str:
    """Return the address at which Colab opens a notebook of the repository."""
    return f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"


def stamp(notebook: NotebookNode, name: str, repository: str) -> None:
    """Write the Colab badge below the title, and the install cell, in place of those that are there.

    Args:
        name: the path of the notebook below notebooks/, without its suffix.
        repository: "owner/name". Without it there is no badge, and the install cell installs nothing.
    """
    title, *text = notebook.cells[0].source.split("\n\n")
    text = [paragraph for paragraph in text if not paragraph.startswith(BADGE)]
    if repository:
        text.insert(0, f"{BADGE}({colab_link(repository, name)})")
    notebook.cells[0].source = "\n\n".join([title, *text])
    notebook.cells[1].source = INSTALL.replace("ADDRESS", HOST + repository) if repository else EXPLAIN


# -- labs --------------------------------------------------------------------------------------------------------------


def strip_solutions(source: str) -> str:
    """Return a code cell without the text between the solution markers.

    Inside a function a stub takes its place. The stub raises NotImplementedError, which the check of the exercise
    reports as "not filled in yet". At the left margin the stub does nothing: the answer stays None, and the cells below
    still run.

    Raises:
        ValueError: a marker has no partner.
    """
    kept, inside = [], False
    for line in source.splitlines():
        marker = line.strip()
        if marker in (BEGIN, END) and inside == (marker == BEGIN):
            raise ValueError(f"{marker!r} without its partner")
        if marker == BEGIN:
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(indent + (STUB if indent else OPEN_QUESTION))
            inside = True
        elif marker == END:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"{BEGIN!r} without its partner")
    return "\n".join(kept)


def has_exercises(notebook: NotebookNode) -> bool:
    return any(BEGIN in cell.source for cell in notebook.cells)


def make_lab(notebook: NotebookNode, name: str, labs: set[str], repository: str = "") -> NotebookNode:
    """Return the students' version: no solutions, no outputs, and a last cell that writes the file to hand in.

    Args:
        notebook: what `read_source` returns.
        labs: the names of all labs, so that links between labs stay among them.
        repository: the public repository as "owner/name", or "" for none.
    """
    lab = nbformat.from_dict({**notebook, "cells": []})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lab.cells.append(new_code_cell(strip_solutions(cell.source), metadata=cell.metadata))
        else:
            lab.cells.append(new_markdown_cell(_links(cell.source, labs), metadata=cell.metadata))
    number = number_of(name)
    code = f'from smartdirector_lite.course import lab\n\nlab.save_result("{number}", name="")'
    text = (
        "## Hand in\n\nWrite your name between the quotes and run the cell. Without a name, the cell asks for it. "
        "The cell writes a file beside this notebook. Hand in that file."
    )
    lab.cells += [new_markdown_cell(text), new_code_cell(code)]
    number_cells(lab, number)
    stamp(lab, f"labs/{name}", repository)
    return lab


def _links(text: str, labs: set[str]) -> str:
    """Return the text with its links as they must be in labs/, one folder further down."""
    text = re.sub(r"\]\((?=\.\./)", "](../", text)

    def link(found: re.Match) -> str:
        return found[0] if found[1] in labs else f"](../{found[1]}.ipynb"

    return re.sub(rf"\]\(({NAME.pattern})\.ipynb", link, text)


# -- the command -------------------------------------------------------------------------------------------------------


def build(path: Path, fast: bool, check: bool) -> list[str]:
    """Execute one notebook, and write it or compare it with the committed one. Return what is wrong with it."""
    notebook, target = read_source(path), path.with_suffix(".ipynb")
    try:
        untrue = execute(notebook, HERE, fast, TOLERANCE if check else 0.0)
    except BuildError as error:
        return [str(error)]
    found = faults(notebook) + untrue
    if check:
        if not target.is_file():
            return [*found, f"{target.name} is not there; build it"]
        return found + differences(nbformat.read(target, as_version=4), notebook)
    if not found and not fast:
        fold_solutions(notebook)
        write(notebook, target)
    return found


def fold_solutions(notebook: NotebookNode) -> None:
    """Hide the code of the cells that hold solutions. One click on the bar in its place opens it."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and BEGIN in cell.source:
            cell.metadata["jupyter"] = {"source_hidden": True}
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook to a temporary file, and rename it when it is whole."""
    nbformat.validate(notebook)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    temporary.replace(path)


def write_labs(only: list[str] | None = None) -> None:
    everything = {path.stem: read_source(path) for path in sources()}
    labs = {name for name, notebook in everything.items() if has_exercises(notebook)}
    LABS.mkdir(exist_ok=True)
    for path in sources(only):
        if path.stem in labs:
            lab = make_lab(everything[path.stem], path.stem, labs, public_repository())
            write(lab, LABS / f"{path.stem}.ipynb")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NN", help="build the notebooks of these numbers only")
    parser.add_argument("--fast", action="store_true", help="execute with less work in each cell; write no notebook")
    parser.add_argument("--check", action="store_true", help="compare with the committed outputs; write nothing")
    parser.add_argument("--labs", action="store_true", help="write the labs only")
    options = parser.parse_args(arguments)
    if options.check and options.fast:
        parser.error("--check compares full runs; leave --fast out")
    try:
        wanted, failed = sources(options.only), False
        for path in () if options.labs else wanted:
            found = build(path, options.fast, options.check)
            print(f"{path.stem}: {'fine' if not found else 'NOT FINE'}", *found, sep="\n    ", flush=True)
            failed |= bool(found)
        if not (options.check or options.fast or failed):
            write_labs(options.only)
    except (BuildError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
