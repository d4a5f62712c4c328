"""A lab in a real kernel: endless loops end, names are asked for, and stored answers run again elsewhere."""

import json

import execution
import nbformat
import pytest

from smartdirector_lite.course.rerun import FAILED, PASSED, rerun

CELLS = [
    """import math
import torch
from smartdirector_lite.course import lab
from smartdirector_lite.course.lab import core
core.SECONDS = 1.0
quarter = math.pi / 2""",
    "def partners(x):\n    return torch.stack([-x[:, 1::2], x[:, ::2]], dim=-1).flatten(1)",
    """def rotate(x, angles):
    wide = angles.repeat_interleave(2, dim=-1)
    return x * torch.cos(wide) + partners(x) * torch.cos(wide - quarter)

mine = rotate
rotate = lab.check_rotate(rotate)
assert rotate is mine""",
    """def turning_period(pair, dim, theta):
    while True:
        pass

turning_period = lab.check_turning_period(turning_period)
print(turning_period(0, 24, 10000.0))""",
    "turning_period = lab.check_turning_period(lambda pair, dim, theta: 4 * quarter * theta ** (2 * pair / dim))",
    'lab.save_result("03", name="Ada Lovelace")',
]


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """The executed notebook, and the result that it wrote."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.cells[0].id = "03-000"
    execution.execute(notebook, folder)
    return notebook, json.loads((folder / "result_03_ada-lovelace.json").read_text(encoding="utf-8"))


def test_an_endless_loop_ends_and_the_notebook_goes_on(handed_in):
    said = "".join(execution.texts(handed_in[0].cells[3])).splitlines()
    assert "your code runs for more than 1 seconds" in said[0] and said[0].endswith("until it passes")
    assert said[1].startswith("6.28")  # the library's


def test_stored_answers_run_again_on_other_inputs(handed_in):
    programs = {entry["number"]: entry["answer"] for entry in handed_in[1]["exercises"] if entry["points"]}
    assert list(programs) == ["03.1", "03.2"] and "def partners" in programs["03.1"]
    assert {outcome.status for outcome in rerun(programs, offset=5).values()} == {PASSED}
    broken = {"03.1": programs["03.1"].replace("* torch.cos(wide - quarter)", "")}
    assert rerun(broken, offset=5)["03.1"].status == FAILED


def test_without_a_name_and_anybody_to_ask_the_result_is_refused(tmp_path):
    code = 'from smartdirector_lite.course import lab\nlab.save_result("03", name="")'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    with pytest.raises(execution.BuildError, match="name is empty; write yours"):
        execution.execute(notebook, tmp_path)
