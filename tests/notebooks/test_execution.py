"""notebooks/execution.py: running notebooks, what must not be committed, and the comparison of two runs."""

from pathlib import Path

import execution
import nbformat
import pytest

ROOT = Path(execution.__file__).resolve().parents[1]


def test_a_failing_assertion_fails_the_run(parsed, tmp_path):
    notebook = parsed("x = 2", "assert x == 3, 'not three'", "y = 1")
    with pytest.raises(execution.BuildError, match="not three"):
        execution.execute(notebook, tmp_path)


def test_execution_is_the_same_each_time_and_leaves_no_times(parsed, tmp_path):
    cells = ("import os, sys\nprint('fast' if os.environ['SMARTDIRECTOR_FAST'] else 'full')", "print('mine')\n1 + 1")
    runs = []
    for _ in range(2):
        notebook = parsed(*cells)
        execution.execute(notebook, tmp_path, fast=True)
        runs.append(nbformat.writes(notebook))
    assert runs[0] == runs[1] and "fast" in runs[0] and "execution" not in runs[0].replace("execution_count", "")
    assert [cell.id for cell in notebook.cells] == ["09-000", "09-001"]
    assert not execution.faults(notebook)


def test_widgets_leave_a_note_and_the_error_stream_nothing(parsed, tmp_path):
    notebook = parsed("import sys\nfrom ipywidgets import IntSlider\nprint('bar', file=sys.stderr)", "IntSlider()")
    execution.execute(notebook, tmp_path)
    text = nbformat.writes(notebook)
    assert "bar" not in "".join(map(str, notebook.cells[0].outputs)) and "widget-view" not in text
    assert "running kernel" in "".join(execution.texts(notebook.cells[1]))


def with_output(parsed, text: str, kind: str = "stream"):
    notebook = parsed("pass")
    if kind == "error":
        notebook.cells[0].outputs = [nbformat.v4.new_output("error", ename="E", evalue=text, traceback=[])]
    else:
        notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text=text)]
    return notebook


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"saved to {ROOT}/out.mp4", "path of this computer"),
        (f"found {Path.home() / 'x.png'}", "path of this computer"),
        ("<object object at 0x7f3c2ab01c30>", "address in memory"),
        ("Traceback (most recent call last)", "traceback"),
        ("x" * 3_100_000, "3100 KB"),
    ],
)
def test_outputs_that_must_not_be_committed(parsed, text, fault):
    assert not execution.faults(with_output(parsed, "fine, 3.5 dB"))
    assert any(fault in found for found in execution.faults(with_output(parsed, text)))


def test_an_error_output_must_not_be_committed(parsed):
    assert any("error" in found for found in execution.faults(with_output(parsed, "failed", "error")))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("26.4 dB", "26.1 dB", True),
        ("26.4 dB", "21.5 dB", False),
        ("loss 1.2e-07", "loss 3.1e-07", True),  # both nothing
        ("frames 12", "frames 13", False),
        ("-2.50", "−2.51", True),
        ("12 latents", "12 chunks", False),
        ("x1 2.0", "x2 2.0", False),  # a name, not a number
        ("1 2", "1 2 3", False),
    ],
)
def test_comparing_texts(a, b, same):
    assert execution.same_text(a, b) is same


def test_differences_are_told_but_not_in_cells_that_vary(parsed):
    old, new = with_output(parsed, "took 3 s"), with_output(parsed, "took 9 s")
    (told,) = execution.differences(old, new)
    assert "'took 3 s' before, 'took 9 s' now" in told
    new.cells[0].metadata["tags"] = ["varies"]
    assert not execution.differences(old, new)
    assert "not those of the source" in execution.differences(parsed("other"), new)[0]
    assert "lines" in execution.differences(old, with_output(parsed, "took 3 s\nand more"))[0]
