"""The notebooks of the repository: sources run, committed files are what the sources give, labs hold no solutions."""

import ast
import re
from pathlib import Path

import build
import execution
import nbformat
import pytest

ROOT = Path(build.__file__).resolve().parents[1]
SOURCES = build.sources()
WITH_EXERCISES = [path for path in SOURCES if build.has_exercises(build.parse(path))]
LABS = {path.stem for path in WITH_EXERCISES}
MAX_LINES, MAX_CELL_LINES, MIN_CELLS, MAX_CELLS = 420, 40, 25, 60
# These take an alternative text.
SHOWS = ("show_figure", "show_strip", "show_image", "show_video", "show_videos", "step_slider")


def named(path: Path) -> str:
    return path.stem


def code_of(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# -- the sources -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_keeps_the_limits(path):
    notebook = build.read_source(path)
    lengths = [len(cell.source.splitlines()) for cell in code_of(notebook)]
    is_appendix = build.number_of(path.stem)[-1].isalpha()
    assert (MIN_CELLS if not is_appendix else 8) <= len(notebook.cells) <= MAX_CELLS
    assert sum(lengths) <= MAX_LINES, f"{sum(lengths)} lines of code"
    assert max(lengths) <= MAX_CELL_LINES, f"a cell of {max(lengths)} lines"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_opens_and_ends_as_all_do(path):
    notebook = build.parse(path)
    first, last = notebook.cells[0].source, "\n".join(cell.source for cell in notebook.cells[-4:])
    for word in ("Goals", "Time", "Needs"):
        assert re.search(word, first, re.IGNORECASE), f"the first cell does not tell {word}"
    assert "Recap" in last and "Next" in last
    if path.stem in LABS:
        assert f'lab.summary("{build.number_of(path.stem)}")' in code_of(notebook)[-1].source


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_everything_shown_has_an_alternative_text(path):
    for cell in code_of(build.read_source(path)):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SHOWS:
                given = [keyword.value for keyword in node.keywords if keyword.arg == "alt"]
                assert given, f"{cell.id}: {node.func.id} without alt="
                if isinstance(given[0], ast.Constant):
                    assert len(given[0].value) >= 20, f"{cell.id}: {given[0].value!r} says too little"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_links_lead_somewhere(path):
    for cell in build.read_source(path).cells:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", cell.source) if cell.cell_type == "markdown" else ():
            found = ROOT / "notebooks" / re.sub(r"\.ipynb$", ".py", target)
            assert found.exists(), f"{cell.id}: {target}"


def run(notebook) -> None:
    """Run it in the fast mode; what is claimed in the text must be there, and the outputs fit to be committed."""
    untrue = execution.execute(notebook, ROOT / "notebooks", fast=True)
    assert not [fault for fault in execution.faults(notebook) if "KB" not in fault] + untrue


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("path", [path for path in SOURCES if path not in WITH_EXERCISES], ids=named)
def test_source_runs_in_the_fast_mode(path):
    run(build.read_source(path))


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("path", WITH_EXERCISES, ids=named)
def test_lab_runs_on_with_nothing_filled_in(path):
    """What else the sources with exercises hold, their answers, runs in tests/course/test_wrong.py."""
    lab = build.make_lab(build.read_source(path), path.stem, LABS)
    lab.cells.pop()  # it asks for a name
    run(lab)
    checks = [cell for cell in code_of(lab) if build.STUB in cell.source or build.OPEN_QUESTION in cell.source]
    assert checks and all("not filled in yet" in "".join(execution.texts(cell)) for cell in checks)
    assert "✓" not in "".join(text for cell in code_of(lab) for text in execution.texts(cell))


# -- what is committed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_committed_notebook_is_the_source_with_outputs(path):
    target = path.with_suffix(".ipynb")
    assert target.is_file(), f"{target.name} is not there: make notebooks"
    committed, source = nbformat.read(target, as_version=4), build.read_source(path)
    nbformat.validate(committed)
    assert [(c.id, c.cell_type, c.source) for c in committed.cells] == [
        (c.id, c.cell_type, c.source) for c in source.cells
    ], f"{target.name} is older than its source: make notebooks"
    assert committed.metadata == execution.METADATA
    assert all(cell.execution_count for cell in code_of(committed) if cell.source.strip())
    assert not execution.faults(committed)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_committed_lab_is_the_source_without_solutions(path):
    target = build.LABS / f"{path.stem}.ipynb"
    if path.stem not in LABS:
        assert not target.exists()
        return
    assert target.is_file(), f"labs/{target.name} is not there: make notebooks"
    source = build.read_source(path)
    made = build.make_lab(source, path.stem, LABS, build.public_repository())
    lab = nbformat.read(target, as_version=4)
    nbformat.validate(lab)
    assert [(c.id, c.source) for c in lab.cells] == [(c.id, c.source) for c in made.cells]
    assert all(not cell.outputs and cell.execution_count is None for cell in code_of(lab))
    text = target.read_text(encoding="utf-8")
    assert "SOLUTION" not in text and "source_hidden" not in text
    for line in solution_lines(source):
        assert line not in [there.strip() for cell in lab.cells for there in cell.source.splitlines()], line


def solution_lines(notebook) -> set[str]:
    """Return the lines that only solutions contain. Short lines, such as `return x`, are left out."""
    inside, outside = set(), set()
    for cell in notebook.cells:
        parts = re.split(rf"{build.BEGIN}(.*?){build.END}", cell.source, flags=re.DOTALL)
        outside |= {line.strip() for part in parts[::2] for line in part.splitlines()}
        inside |= {line.strip() for part in parts[1::2] for line in part.splitlines()}
    return {line for line in inside - outside if len(line) > 12}


@pytest.mark.parametrize("path", sorted(build.LABS.glob("*.ipynb")), ids=named)
def test_no_lab_without_a_source(path):
    assert (ROOT / "notebooks" / f"{path.stem}.py").is_file()
