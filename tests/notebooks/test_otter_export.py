"""notebooks/otter_export.py: the master notebooks for otter-grader."""

import build
import nbformat
import otter_export
import pytest

from smartdirector_lite.course.lab.record import exercises_of

WITH_EXERCISES = [path for path in build.sources() if build.has_exercises(build.parse(path))]


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_otter_master_notebook_has_a_question_for_each_exercise(path):
    exercises = exercises_of(path.stem[:2])
    master = otter_export.otter_notebook(build.read_source(path))
    nbformat.validate(master)
    raw = [cell.source for cell in master.cells if cell.cell_type == "raw"]
    named_so = [f"# BEGIN QUESTION\nname: q{e.number.replace('.', '_')}\npoints: {e.points}" for e in exercises]
    assert [text for text in raw if text.startswith("# BEGIN QUESTION")] == named_so
    assert [text for text in raw if not text.startswith(("# BEGIN QUESTION", "# ASSIGNMENT"))] == [
        *["# BEGIN SOLUTION", "# END SOLUTION", "# BEGIN TESTS", "# END TESTS", "# END QUESTION"] * len(exercises)
    ]
    code = [cell for cell in master.cells if cell.cell_type == "code"]
    tests = [cell.source for cell in code if cell.source.startswith("assert lab.passed")]
    assert tests == [f'assert lab.passed("{e.number}")' for e in exercises]
    text = "\n".join(cell.source for cell in code)
    assert build.BEGIN not in text and text.count("# BEGIN SOLUTION") == text.count("# END SOLUTION") == len(exercises)


def test_otter_export_refuses_an_exercise_without_a_check(parsed):
    source = parsed(f"def double(x):\n    {build.BEGIN}\n    return 2 * x\n    {build.END}")
    with pytest.raises(ValueError, match="09-000: an exercise needs"):
        otter_export.otter_notebook(source)
