"""Labs as students hand them in: every exercise has another right answer than the notebook, and the rest runs on it.

One run of a lab takes half a minute, so that each lab runs once. Its exercises take the first and the second of their
right answers by turns; test_wrong.py checks all of them.
"""

import build
import execution
import pytest
from course.test_wrong import ANSWERS, CELLS, CHECK

ALL = {path.stem for path in build.sources() if build.has_exercises(build.parse(path))}


def solved(number: str):
    """The lab with other right answers than the notebook's."""
    (path,) = build.sources([number])
    lab = build.make_lab(build.read_source(path), path.stem, ALL)
    lab.cells.pop()  # it asks for a name
    for place, exercise in enumerate(exercise for exercise in CELLS if exercise.startswith(f"{number}.")):
        code = [code for of, code in ANSWERS[number].RIGHT if of == exercise][place % 2]
        stub = build.strip_solutions(CELLS[exercise])
        (cell,) = [cell for cell in lab.cells if cell.source == stub]
        cell.source = f"{code}\n{CHECK.search(stub)[0]}"
    return lab


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("number", ANSWERS)
def test_the_rest_of_a_lab_runs_on_other_right_answers(number):
    lab = solved(number)
    execution.execute(lab, build.LABS, fast=True)
    said = "\n".join(text for cell in lab.cells for text in execution.texts(cell))
    exercises = sum(exercise.startswith(f"{number}.") for exercise in CELLS)
    assert "✗" not in said and said.count("passed, ") == exercises
