"""Labs as students hand them in: every exercise has another right answer than the notebook, and the rest runs on it."""

import build
import execution
import pytest
from course.test_wrong import ANSWERS, CELLS, CHECK

ALL = {path.stem for path in build.sources() if build.has_exercises(build.parse(path))}


def solved(number: str, place: int):
    """The lab with the other right answer that stands at `place` in the list of each exercise."""
    (path,) = build.sources([number])
    lab = build.make_lab(build.read_source(path), path.stem, ALL)
    lab.cells.pop()  # it asks for a name
    for exercise in (exercise for exercise in CELLS if exercise.startswith(f"{number}.")):
        code = [code for of, code in ANSWERS[number].RIGHT if of == exercise][place]
        stub = build.strip_solutions(CELLS[exercise])
        (cell,) = [cell for cell in lab.cells if cell.source == stub]
        cell.source = f"{code}\n{CHECK.search(stub)[0]}"
    return lab


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("number", ANSWERS)
def test_the_rest_of_a_lab_runs_on_other_right_answers(number, place):
    lab = solved(number, place)
    execution.execute(lab, build.LABS, fast=True)
    said = "\n".join(text for cell in lab.cells for text in execution.texts(cell))
    exercises = sum(exercise.startswith(f"{number}.") for exercise in CELLS)
    assert "✗" not in said and said.count("passed, ") == exercises
