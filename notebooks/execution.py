"""Execute notebooks, find what must not be committed in their outputs, and compare the outputs of two runs."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from claims import add_probes, take_probes
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_SECONDS = 600  # the longest time that one cell may take
MAX_BYTES = 3_000_000  # the largest notebook with its outputs
TOLERANCE, FLOOR = 0.05, 1e-3  # relative and absolute: printed numbers may differ so far between two machines
VARIES = "varies"  # the tag of a cell whose text differs from run to run, such as times
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_NOTE = "[a widget, which needs a running kernel; what stands beside it shows the same without one]"
PROGRESS_BAR = "%|"  # is part of the text of a progress bar only


class BuildError(Exception):
    """A notebook cannot be built. The message says which cell is wrong, and why."""


def number_cells(notebook: NotebookNode, number: str) -> None:
    """Give every cell its place as its id, such as "01-003", and drop all cell metadata but tags and claims."""
    for place, cell in enumerate(notebook.cells):
        cell.id = f"{number}-{place:03d}"
        kept = {key: cell.metadata[key] for key in ("tags", "claims") if cell.metadata.get(key)}
        cell.metadata = nbformat.from_dict(kept)


def execute(notebook: NotebookNode, folder: Path, fast: bool = False, tolerance: float = 0.0) -> list[str]:
    """Run a notebook in a fresh kernel, and keep its outputs in it.

    Args:
        folder: the working directory of the kernel.
        fast: run the cells with less work in them (`smartdirector_lite.course.notebook.pick`).
        tolerance: how far, relatively, a number in the text may be from its value, besides rounding.

    Returns:
        What the text says and the cells do not, one line each (`claims`).

    Raises:
        BuildError: a cell failed, took too long, or killed the kernel.
    """
    environment = {**os.environ, "SMARTDIRECTOR_FAST": "1" if fast else "", "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
    add_probes(notebook)
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
        raise BuildError(_without_colours(str(error))) from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise BuildError(f"{type(error).__name__}: {_without_colours(str(error))}") from error
    untrue = take_probes(notebook, fast, tolerance)
    number_cells(notebook, notebook.cells[0].id.partition("-")[0])
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _tidy(cell.outputs)
    return untrue


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring texts, replace widgets by a note, and print the error stream instead of keeping it."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            print(_without_colours(output.text).rstrip(), file=sys.stderr)
        elif output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        elif WIDGET in output.get("data", {}):
            if PROGRESS_BAR not in output.data.get("text/plain", ""):
                kept.append(new_output("display_data", {"text/plain": WIDGET_NOTE}))
        else:
            kept.append(output)
    return kept


def texts(cell: NotebookNode) -> Iterator[str]:
    """Yield what a code cell has printed or shown as plain text."""
    for output in cell.get("outputs", []):
        yield output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")


def faults(notebook: NotebookNode) -> list[str]:
    """Return the reasons why a notebook with outputs must not be committed, one line each."""
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
    """Return how the texts of two runs differ, one line each.

    Numbers within the tolerance count as equal. Cells with the tag `varies` are not compared.
    """
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
    """Return whether two texts are equal, apart from numbers that lie within the tolerance of each other."""
    if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split():
        return False
    numbers = [[float(number.replace("−", "-")) for number in NUMBER.findall(text)] for text in (a, b)]
    return all(abs(x - y) <= TOLERANCE * max(abs(x), abs(y)) + FLOOR for x, y in zip(*numbers, strict=True))
