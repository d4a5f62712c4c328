"""The notebooks: every source runs, what is committed is what the sources give, and labs hold no solutions.

`notebooks/build.py` executes and strips; its parts are tested here on small made-up notebooks.
"""

import ast
import json
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))

import build  # noqa: E402
import otter_export  # noqa: E402

from smartdirector_lite.course.lab.core import exercises_of  # noqa: E402

SOURCES = build.sources()
MAX_LINES, MAX_CELL_LINES, MIN_CELLS, MAX_CELLS = 350, 40, 25, 50
SHOWS = ("figure", "strip", "image", "video", "step_slider")  # what takes an alternative text
HEADER = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       format_name: percent\n# ---\n\n"


def named(path: Path) -> str:
    return path.stem


@pytest.fixture
def write(tmp_path):
    """Write a source of these cells and read it as a notebook."""

    def write(*cells: str, name: str = "09_made_up"):
        path = tmp_path / f"{name}.py"
        path.write_text(HEADER + "\n\n".join(f"# %%\n{cell}" for cell in cells) + "\n", encoding="utf-8")
        return build.read_source(path)

    return write


# -- the sources -------------------------------------------------------------------------------------------------------


def code_of(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_keeps_the_limits(path):
    notebook = build.read_source(path)
    lengths = [len(cell.source.splitlines()) for cell in code_of(notebook)]
    assert MIN_CELLS <= len(notebook.cells) <= MAX_CELLS
    assert sum(lengths) <= MAX_LINES, f"{sum(lengths)} lines of code"
    assert max(lengths) <= MAX_CELL_LINES, f"a cell of {max(lengths)} lines"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_opens_and_ends_as_all_do(path):
    notebook = build.read_source(path)
    first, last = notebook.cells[0].source, "\n".join(cell.source for cell in notebook.cells[-4:])
    assert f"(https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/{path.stem}.ipynb)" in first
    for word in ("Goals", "Time", "Needs"):
        assert re.search(word, first, re.IGNORECASE), f"the first cell does not tell {word}"
    setup = code_of(notebook)[0].source
    assert 'find_spec("smartdirector_lite") is None' in setup and "smartdirector-lite[notebooks]" in setup
    assert "Recap" in last and "Next" in last
    if build.has_exercises(notebook):
        assert f'lab.summary("{path.stem[:2]}")' in code_of(notebook)[-1].source


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


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_runs_in_the_fast_mode(path):
    notebook = build.read_source(path)
    build.execute(notebook, ROOT / "notebooks", fast=True)
    assert not [fault for fault in build.faults(notebook) if "KB" not in fault]
    said = "\n".join(text for cell in code_of(notebook) for text in build.texts(cell))
    assert "✗" not in said, "an exercise's own answer fails its check"


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("path", [path for path in SOURCES if build.has_exercises(build.read_source(path))], ids=named)
def test_lab_runs_on_with_nothing_filled_in(path):
    source = build.read_source(path)
    lab = build.make_lab(source, path.stem, {path.stem})
    build.execute(lab, ROOT / "notebooks", fast=True)
    checks = [cell for cell in code_of(lab) if build.STUB in cell.source or build.OPEN_QUESTION in cell.source]
    assert checks and all("not filled in yet" in "".join(build.texts(cell)) for cell in checks)
    assert "✓" not in "".join(text for cell in code_of(lab) for text in build.texts(cell))


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
    assert committed.metadata == build.METADATA
    assert all(cell.execution_count for cell in code_of(committed) if cell.source.strip())
    assert not build.faults(committed)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_committed_lab_is_the_source_without_solutions(path):
    everything = {source.stem: build.read_source(source) for source in SOURCES}
    labs = {name for name, notebook in everything.items() if build.has_exercises(notebook)}
    target = build.LABS / f"{path.stem}.ipynb"
    if path.stem not in labs:
        assert not target.exists()
        return
    assert target.is_file(), f"labs/{target.name} is not there: make notebooks"
    lab, made = nbformat.read(target, as_version=4), build.make_lab(everything[path.stem], path.stem, labs)
    nbformat.validate(lab)
    assert [(c.id, c.source) for c in lab.cells] == [(c.id, c.source) for c in made.cells]
    assert all(not cell.outputs and cell.execution_count is None for cell in code_of(lab))
    text = target.read_text(encoding="utf-8")
    assert "SOLUTION" not in text
    for line in solution_lines(everything[path.stem]):
        assert line not in [there.strip() for cell in lab.cells for there in cell.source.splitlines()], line


def solution_lines(notebook) -> set[str]:
    """Lines that stand in solutions and nowhere else in the notebook; short ones, `return x`, may well be elsewhere."""
    inside, outside = set(), set()
    for cell in notebook.cells:
        parts = re.split(rf"{build.BEGIN}(.*?){build.END}", cell.source, flags=re.DOTALL)
        outside |= {line.strip() for part in parts[::2] for line in part.splitlines()}
        inside |= {line.strip() for part in parts[1::2] for line in part.splitlines()}
    return {line for line in inside - outside if len(line) > 12}


@pytest.mark.parametrize("path", sorted(build.LABS.glob("*.ipynb")), ids=named)
def test_no_lab_without_a_source(path):
    assert (ROOT / "notebooks" / f"{path.stem}.py").is_file()


# -- build.py: executing -----------------------------------------------------------------------------------------------


def test_a_failing_assertion_fails_the_run(write, tmp_path):
    notebook = write("x = 2", "assert x == 3, 'not three'", "y = 1")
    with pytest.raises(build.BuildError, match="not three"):
        build.execute(notebook, tmp_path)


def test_execution_is_the_same_each_time_and_leaves_no_times(write, tmp_path):
    cells = ("import os, sys\nprint('fast' if os.environ['SMARTDIRECTOR_FAST'] else 'full')", "print('mine')\n1 + 1")
    runs = []
    for _ in range(2):
        notebook = write(*cells)
        build.execute(notebook, tmp_path, fast=True)
        runs.append(nbformat.writes(notebook))
    assert runs[0] == runs[1] and "fast" in runs[0] and "execution" not in runs[0].replace("execution_count", "")
    assert [cell.id for cell in notebook.cells] == ["09-000", "09-001"]
    assert not build.faults(notebook)


def test_widgets_leave_a_note_and_the_error_stream_nothing(write, tmp_path):
    notebook = write("import sys\nfrom ipywidgets import IntSlider\nprint('bar', file=sys.stderr)", "IntSlider()")
    build.execute(notebook, tmp_path)
    text = nbformat.writes(notebook)
    assert "bar" not in "".join(map(str, notebook.cells[0].outputs)) and "widget-view" not in text
    assert "running kernel" in "".join(build.texts(notebook.cells[1]))


def with_output(write, text: str, kind: str = "stream"):
    notebook = write("pass")
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
        ("x" * 600_000, "600"),
    ],
)
def test_outputs_that_must_not_be_committed(write, text, fault):
    assert not build.faults(with_output(write, "fine, 3.5 dB"))
    assert any(fault in found for found in build.faults(with_output(write, text)))


def test_an_error_output_must_not_be_committed(write):
    assert any("error" in found for found in build.faults(with_output(write, "failed", "error")))


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
    assert build.same_text(a, b) is same


def test_differences_are_told_but_not_in_cells_that_vary(write):
    old, new = with_output(write, "took 3 s"), with_output(write, "took 9 s")
    (told,) = build.differences(old, new)
    assert "'took 3 s' before, 'took 9 s' now" in told
    new.cells[0].metadata["tags"] = ["varies"]
    assert not build.differences(old, new)
    assert "not those of the source" in build.differences(write("other"), new)[0]
    assert "lines" in build.differences(old, with_output(write, "took 3 s\nand more"))[0]


# -- build.py: labs ----------------------------------------------------------------------------------------------------

FUNCTION = """def f(x):
    \"\"\"Twice x.\"\"\"
    ### BEGIN SOLUTION
    secret = 2 * x
    return secret
    ### END SOLUTION
lab.check(f)"""


def test_solutions_are_stripped_at_their_indentation():
    assert build.strip_solutions(FUNCTION) == (
        'def f(x):\n    """Twice x."""\n    raise NotImplementedError  # your code here\nlab.check(f)'
    )
    question = "answer = None\n### BEGIN SOLUTION\nanswer = 42\n### END SOLUTION\nlab.check(answer)"
    stripped = build.strip_solutions(question)
    assert stripped == "answer = None\n...  # your code here\nlab.check(answer)"
    ast.parse(stripped)


def test_two_solutions_in_a_cell():
    assert build.strip_solutions(f"{FUNCTION}\n{FUNCTION}").count(build.STUB) == 2


@pytest.mark.parametrize(
    "text", ["### BEGIN SOLUTION\nx", "x\n### END SOLUTION", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"]
)
def test_a_marker_without_its_partner_is_refused(text):
    with pytest.raises(ValueError, match="without its partner"):
        build.strip_solutions(text)


def test_lab_has_no_outputs_no_solution_and_links_that_fit(write):
    notebook = write(FUNCTION)
    notebook.cells.insert(
        0,
        nbformat.v4.new_markdown_cell(
            "[open](https://x.org/blob/main/notebooks/09_made_up.ipynb) [a](08_other.ipynb) "
            "[b](00_start.ipynb) [c](../d.md)"
        ),
    )
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="secret = 4")]
    notebook.cells[1].execution_count = 3
    lab = build.make_lab(notebook, "09_made_up", {"09_made_up", "08_other"})
    nbformat.validate(lab)
    text = nbformat.writes(lab)
    assert "secret" not in text and "SOLUTION" not in text
    for link in ("notebooks/labs/09_made_up.ipynb", "[a](08_other.ipynb)", "(../00_start.ipynb)", "(../../d.md)"):
        assert link in text
    assert 'lab.save_result(\\"09\\", name)' in text and 'name = \\"\\"' in text


def test_unknown_notebooks_are_refused(capsys):
    assert build.main(["--only", "77"]) == 2
    assert "--only 77" in capsys.readouterr().err


# -- smartdirector_lite/notebook.py and widgets.py ---------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """What the helpers have displayed, as HTML."""
    from smartdirector_lite.course import notebook

    found = []
    monkeypatch.setattr(notebook, "display", lambda it, raw: found.append(it["text/html"]))
    return found


def plan():
    from smartdirector_lite import ChunkPlan, Condition

    return ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], 4)


def test_pictures_carry_their_text(shown):
    from smartdirector_lite.course import notebook
    from smartdirector_lite.course.figures.base import timeline_figure

    frames = np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), np.uint8)
    notebook.figure(timeline_figure(plan()), alt='a "plan" & more')
    notebook.image(frames[0], alt="one frame", scale=2)
    notebook.strip(list(frames), alt="some frames")
    assert all(tag.startswith("<img alt=") for tag in shown) and 'alt="a &quot;plan&quot; &amp; more"' in shown[0]
    notebook.video(frames, 12, alt="a video")
    assert 'aria-label="a video"' in shown[3] and "data:video/mp4" in shown[3] and len(shown) == 5
    with pytest.raises(ValueError, match="alt is empty"):
        notebook.image(frames[0], alt=" ")


@pytest.mark.parametrize("scheme", ["frame_time", "continuous", "restart", "midpoint"])
def test_timeline_figure_puts_latents_at_their_tau(scheme):
    from smartdirector_lite.course.figures.base import ORANGE, timeline_figure

    axes = timeline_figure(plan(), scheme, fps=12).axes[0]
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in circles] == plan().tau(scheme)
    assert [line.get_markerfacecolor() == ORANGE for line in circles] == plan().anchors
    low, high = axes.get_xlim()
    assert low < min(plan().tau(scheme)) and high > max(plan().tau(scheme))


def test_timeline_editor_moves_keyframes_and_refuses_collisions():
    from smartdirector_lite import Condition
    from smartdirector_lite.course.widgets import tau_explorer, timeline_editor

    editor = timeline_editor(plan())
    before = editor.picture.value
    editor.sliders[1].value = 17
    assert (
        editor.plan.conditions[1] == Condition(17) and editor.picture.value != before and "4.25" in editor.message.value
    )
    editor.sliders[2].value = 17
    assert editor.plan.conditions[2] == Condition(23) and "both stand at frame 17" in editor.message.value
    explorer = tau_explorer(plan(), "continuous")
    before = explorer.picture.value
    explorer.scheme.value = "restart"
    assert explorer.picture.value != before and "restart" in explorer.message.value
    assert all(slider.description for slider in explorer.sliders)


def test_timeline_editor_of_a_storyboard_gives_a_storyboard():
    from PIL import Image

    from smartdirector_lite import Storyboard
    from smartdirector_lite.course.widgets import timeline_editor
    from smartdirector_lite.storyboard import Keyframe

    picture = Image.new("RGB", (48, 32))
    story = Storyboard(num_frames=30, keyframes=(Keyframe(picture, frame=0), Keyframe(picture, frame=13)))
    editor = timeline_editor(story)
    editor.sliders[1].value = 20
    assert editor.storyboard.keyframes[1].frame == 20 and editor.plan == editor.storyboard.plan()
    with pytest.raises(ValueError, match="nothing to move"):
        timeline_editor(Storyboard("no keyframe", num_frames=30))


def test_sliders_show_what_they_say():
    from smartdirector_lite.course.widgets import comparison_slider, step_slider

    black, white = np.zeros((8, 10, 3), np.uint8), np.full((8, 10, 3), 255, np.uint8)
    steps = step_slider([black, white], alt="noise to picture", labels=["t = 1", "t = 0"], scale=2)
    before = steps.picture.value
    steps.slider.value = 1
    assert steps.picture.value != before and 'alt="noise to picture: step t = 0"' in steps.picture.value
    wipe = comparison_slider(black, white, names=("naive", "ours"))
    wipe.slider.value = 30
    assert "naive in the left 30 percent, ours in the rest" in wipe.picture.value
    with pytest.raises(ValueError, match="two sizes"):
        comparison_slider(black, white[:4])
    with pytest.raises(ValueError, match="one each"):
        step_slider([black], labels=["a", "b"])
    with pytest.raises(ValueError, match="empty"):
        step_slider([])


def test_notebook_03_quotes_the_short_trainings_of_the_bench():
    errors = json.loads((ROOT / "bench" / "results" / "rope.json").read_text(encoding="utf-8"))["errors"]
    (cell,) = [c for c in code_of(build.read_source(*build.sources(["03"]))) if "SHORT_TRAININGS = {" in c.source]
    assert ast.literal_eval(ast.parse(cell.source).body[0].value) == {
        scheme: tuple(values[f"t = {t}, beside keyframes"] for t in (0.9, 0.6)) for scheme, values in errors.items()
    }


# -- notebooks/otter_export.py -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path in SOURCES if build.has_exercises(build.read_source(path))], ids=named)
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
    tests = [cell for cell in code_of(master) if cell.source.startswith("assert lab.check_")]
    assert [cell.outputs[0].text for cell in tests] == [f"{e.line(None)}\n" for e in exercises]
    code = "\n".join(cell.source for cell in code_of(master))
    assert build.BEGIN not in code and code.count("# BEGIN SOLUTION") == code.count("# END SOLUTION") == len(exercises)


def test_otter_export_refuses_an_exercise_without_a_check(write):
    source = write(f"def double(x):\n    {build.BEGIN}\n    return 2 * x\n    {build.END}")
    with pytest.raises(ValueError, match="09-000: an exercise needs"):
        otter_export.otter_notebook(source)
