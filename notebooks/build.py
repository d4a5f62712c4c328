"""Notebooks from their sources: `NN_name.py` (py:percent) -> executed `NN_name.ipynb`, and `labs/NN_name.ipynb`.

    python notebooks/build.py                    execute all, write them with their outputs, and the labs
    python notebooks/build.py --only 01 02       these alone
    python notebooks/build.py --labs             the labs alone, nothing is executed
    python notebooks/build.py --check            execute again, compare with what is committed, write nothing

The sources are what people edit. A lab is its notebook without outputs and without the text between the solution
markers. The same sources give the same files: no times, no widget state, fixed ids.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

HERE = Path(__file__).resolve().parent
LABS = HERE / "labs"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB, OPEN_QUESTION = "raise NotImplementedError  # your code here", "...  # your code here"
MAX_BYTES = 500_000  # of a notebook with its outputs
CELL_SECONDS = 600
TOLERANCE, FLOOR = 0.05, 1e-3  # relative and absolute: what may differ between two machines
VARIES = "varies"  # the tag of a cell whose text need not come out the same: times, say
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_NOTE = "[something to drag: it needs a running kernel; the figure beside it does not]"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class BuildError(Exception):
    """A notebook that can't be built; a few lines that say which cell and why."""


# -- sources -----------------------------------------------------------------------------------------------------------


def sources(only: list[str] | None = None) -> list[Path]:
    """The sources, in order; `only`: the numbers ("01") or names of those that are wanted. BuildError for others."""
    found = sorted(HERE.glob("[0-9][0-9]_*.py"))
    if not only:
        return found
    for wanted in only:
        if not any(path.stem.startswith(wanted) for path in found):
            raise BuildError(f"--only {wanted}: there are {', '.join(path.stem[:2] for path in found)}")
    return [path for path in found if path.stem.startswith(tuple(only))]


def read_source(path: Path) -> NotebookNode:
    """A source as a notebook without outputs; ids are the cells' places."""
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    _number(notebook, path.stem)
    return notebook


def _number(notebook: NotebookNode, name: str) -> None:
    for place, cell in enumerate(notebook.cells):
        cell.id = f"{name[:2]}-{place:03d}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})


# -- execution ---------------------------------------------------------------------------------------------------------


def execute(notebook: NotebookNode, folder: Path, fast: bool = False) -> None:
    """Run a notebook in a fresh kernel, in `folder`, and keep its outputs in it. BuildError with the failing cell."""
    environment = {**os.environ, "SMARTDIRECTOR_FAST": "1" if fast else "", "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
    )
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        raise BuildError(_plain(str(error))) from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise BuildError(f"{type(error).__name__}: {_plain(str(error))}") from error
    _number(notebook, notebook.cells[0].id)
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _tidy(cell.outputs)


def _plain(text: str) -> str:
    """Without the terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Text joined, a note instead of a widget, and nothing of the error stream (it is shown while building)."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            print(_plain(output.text).rstrip(), file=sys.stderr)
        elif output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        elif WIDGET in output.get("data", {}):
            if "%|" not in output.data.get("text/plain", ""):  # that is a progress bar
                kept.append(new_output("display_data", {"text/plain": WIDGET_NOTE}))
        else:
            kept.append(output)
    return kept


def texts(cell: NotebookNode) -> Iterator[str]:
    """What a code cell has printed or shown as plain text."""
    for output in cell.get("outputs", []):
        yield output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")


def faults(notebook: NotebookNode) -> list[str]:
    """Why a notebook with outputs must not be committed; empty if it may."""
    found = []
    homes = {str(HERE.parent), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/"}
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        if any(output.output_type == "error" for output in outputs):
            found.append(f"cell {cell.id}: an error among its outputs")
        shown = re.sub(r"base64,[\w+/=]+", "", "\n".join(str(output) for output in outputs))
        if "Traceback (most recent call last)" in shown:
            found.append(f"cell {cell.id}: a traceback")
        found += [f"cell {cell.id}: shows a path of this computer, {home}" for home in sorted(homes) if home in shown]
        if re.search(r" at 0x[0-9a-f]{6,}", shown):
            found.append(f"cell {cell.id}: shows an address in memory, which is another one each time")
    size = len(nbformat.writes(notebook).encode())
    if size > MAX_BYTES:
        found.append(f"{size / 1000:.0f} KB, at most {MAX_BYTES / 1000:.0f}")
    return found


def differences(committed: NotebookNode, now: NotebookNode) -> list[str]:
    """What the texts of two runs differ in, but for numbers within the tolerance and cells tagged `varies`."""
    if [cell.source for cell in committed.cells] != [cell.source for cell in now.cells]:
        return ["the cells are not those of the source; build it again"]
    found = []
    for old, new in zip(committed.cells, now.cells, strict=True):
        if VARIES in new.metadata.get("tags", []):
            continue
        before, after = ("\n".join(texts(cell)).splitlines() for cell in (old, new))
        if len(before) != len(after):
            found.append(f"cell {new.id}: {len(before)} lines of output before, {len(after)} now")
        pairs = zip(before, after, strict=False)
        found += [f"cell {new.id}: {a!r} before, {b!r} now" for a, b in pairs if not same_text(a, b)]
    return found


def same_text(a: str, b: str) -> bool:
    """Equal, but for numbers that lie within the tolerance of each other."""
    if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split():
        return False
    numbers = [[float(number.replace("−", "-")) for number in NUMBER.findall(text)] for text in (a, b)]
    return all(abs(x - y) <= TOLERANCE * max(abs(x), abs(y)) + FLOOR for x, y in zip(*numbers, strict=True))


# -- labs --------------------------------------------------------------------------------------------------------------


def strip_solutions(source: str) -> str:
    """A code cell without what stands between the markers. ValueError for a marker without its partner.

    Inside a function the stub raises NotImplementedError, which its check tells as "not filled in yet". At the left
    margin it does nothing: the answer stays None, and the cells below still run.
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


def make_lab(notebook: NotebookNode, name: str, labs: set[str]) -> NotebookNode:
    """The students' version: solutions and outputs gone, and at its end a cell that writes the file to hand in.

    labs: the names of all labs, for the links between them.
    """
    lab = nbformat.from_dict({**notebook, "cells": []})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lab.cells.append(new_code_cell(strip_solutions(cell.source), metadata=cell.metadata))
        else:
            lab.cells.append(new_markdown_cell(_links(cell.source, labs), metadata=cell.metadata))
    number = name[:2]
    code = f'from smartdirector_lite import lab\n\nname = ""\nif name:\n    lab.save_result("{number}", name)'
    text = "## Hand in\n\nWrite your name between the quotes and run the cell. It writes a file beside this notebook."
    lab.cells += [new_markdown_cell(text), new_code_cell(code)]
    _number(lab, name)
    return lab


def _links(text: str, labs: set[str]) -> str:
    """Links as they must be one folder further down."""
    text = text.replace("/blob/main/notebooks/", "/blob/main/notebooks/labs/")
    text = re.sub(r"\]\((?=\.\./)", "](../", text)

    def link(found: re.Match) -> str:
        return found[0] if found[1] in labs else f"](../{found[1]}.ipynb"

    return re.sub(r"\]\((\d\d_\w+)\.ipynb", link, text)


# -- the command -------------------------------------------------------------------------------------------------------


def build(path: Path, fast: bool, check: bool) -> list[str]:
    """Execute one notebook and write it, or compare it; returns what is wrong with it."""
    notebook, target = read_source(path), path.with_suffix(".ipynb")
    try:
        execute(notebook, HERE, fast)
    except BuildError as error:
        return [str(error)]
    found = faults(notebook)
    if check:
        if not target.is_file():
            return [*found, f"{target.name} is not there; build it"]
        return found + differences(nbformat.read(target, as_version=4), notebook)
    if not found and not fast:
        write(notebook, target)
    return found


def write(notebook: NotebookNode, path: Path) -> None:
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
            write(make_lab(everything[path.stem], path.stem, labs), LABS / f"{path.stem}.ipynb")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NN", help="numbers of the notebooks that are wanted")
    parser.add_argument("--fast", action="store_true", help="less work in each cell; executes, and writes no notebook")
    parser.add_argument("--check", action="store_true", help="compare with the committed outputs; writes nothing")
    parser.add_argument("--labs", action="store_true", help="write the labs alone")
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
