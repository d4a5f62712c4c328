"""notebooks/build.py: reading sources, the badge and the install cell, and making labs."""

import ast
import importlib.util
import subprocess

import build
import nbformat
import pytest

REPOSITORY = "somebody/films"
TEXT = "# 09 Made up\n\n**Goals.** None."


@pytest.fixture
def read(parsed, tmp_path):
    """A function that makes a notebook of a title and the given code cells, complete with its install cell."""

    def read(*cells: str, repository: str = ""):
        parsed(*cells)
        path = tmp_path / "09_made_up.py"
        title = "".join(f"# {line}\n" for line in TEXT.splitlines())
        path.write_text(path.read_text(encoding="utf-8").replace("# %%", f"# %% [markdown]\n{title}\n# %%", 1))
        return build.read_source(path, repository)

    return read


# -- the address -------------------------------------------------------------------------------------------------------


def test_without_an_address_there_is_no_badge_and_no_link(read):
    notebook = read("x = 1")
    assert [cell.source for cell in notebook.cells] == [TEXT, build.EXPLAIN, "x = 1"]
    assert [cell.id for cell in notebook.cells] == ["09-000", "09-001", "09-002"]
    assert "http" not in nbformat.writes(notebook)


def test_with_an_address_the_badge_follows_the_title_and_the_cell_installs(read):
    title, install, _ = read("x = 1", repository=REPOSITORY).cells
    colab = "https://colab.research.google.com/github/somebody/films/blob/main/notebooks/09_made_up.ipynb"
    assert title.source == f"# 09 Made up\n\n{build.BADGE}({colab})\n\n**Goals.** None."
    assert "git+https://github.com/somebody/films" in install.source


def test_another_address_takes_the_place_of_the_first_and_none_leaves_nothing(read):
    notebook, plain = read("x = 1", repository="first/one"), read("x = 1")
    build.stamp(notebook, "09_made_up", REPOSITORY)
    assert notebook == read("x = 1", repository=REPOSITORY)
    build.stamp(notebook, "09_made_up", "")
    assert notebook == plain


def test_a_source_without_a_title_is_refused(parsed, tmp_path):
    parsed("x = 1")
    with pytest.raises(build.BuildError, match="begin with a title"):
        build.read_source(tmp_path / "09_made_up.py")


@pytest.mark.parametrize("code", [build.EXPLAIN, build.INSTALL])
def test_install_cell_does_nothing_where_the_package_is(monkeypatch, capsys, code):
    monkeypatch.setattr(subprocess, "run", None)
    exec(code, {})
    assert not capsys.readouterr().out


def test_without_an_address_the_install_cell_tells_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(build.EXPLAIN, {})
    (line,) = capsys.readouterr().out.splitlines()
    assert "Run this notebook in a clone of the repository" in line


def test_with_an_address_the_install_cell_installs_and_leaves_torch_as_it_is(monkeypatch, read):
    find, ran = importlib.util.find_spec, []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(name) if name == "torch" else None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: ran.append(command[2:]))
    exec(read("x = 1", repository=REPOSITORY).cells[1].source, {})
    (command,) = ran
    package = "smartdirector-lite[notebooks] @ git+https://github.com/somebody/films"
    assert command[:4] == ["pip", "install", "-q", package]
    assert len(command) == 5 and command[4].startswith("torch==")


# -- labs --------------------------------------------------------------------------------------------------------------

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


def test_lab_has_no_outputs_no_solution_and_links_that_fit(read):
    notebook = read(FUNCTION, repository=REPOSITORY)
    notebook.cells.append(nbformat.v4.new_markdown_cell("[a](08_other.ipynb) [b](00_start.ipynb) [c](../d.md)"))
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="secret = 4")]
    notebook.cells[2].execution_count = 3
    lab = build.make_lab(notebook, "09_made_up", {"09_made_up", "08_other"}, REPOSITORY)
    nbformat.validate(lab)
    text = nbformat.writes(lab)
    assert "secret" not in text and "SOLUTION" not in text
    badge = "somebody/films/blob/main/notebooks/labs/09_made_up.ipynb"
    for link in (badge, "[a](08_other.ipynb)", "(../00_start.ipynb)", "(../../d.md)"):
        assert link in text
    assert 'lab.save_result(\\"09\\", name=\\"\\")' in text


def test_lab_without_an_address_has_no_badge(read):
    lab = build.make_lab(read(FUNCTION, repository=REPOSITORY), "09_made_up", {"09_made_up"})
    assert "http" not in nbformat.writes(lab)


def test_unknown_notebooks_are_refused(capsys):
    assert build.main(["--only", "77"]) == 2
    assert "--only 77" in capsys.readouterr().err


def test_solutions_are_folded_in_the_solved_notebook_alone(read):
    notebook = read(FUNCTION, "x = 1")
    build.fold_solutions(notebook)
    assert [cell.metadata.get("jupyter") for cell in notebook.cells[2:]] == [{"source_hidden": True}, None]
    nbformat.validate(notebook)
    assert "source_hidden" not in nbformat.writes(build.make_lab(notebook, "09_made_up", set()))


def test_an_appendix_has_the_number_of_its_notebook_and_a_letter(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "HERE", tmp_path)
    for name in ("02_chunks", "02a_surplus", "build", "03_rope"):
        (tmp_path / f"{name}.py").touch()
    assert [path.stem for path in build.sources()] == ["02_chunks", "02a_surplus", "03_rope"]
    assert [path.stem for path in build.sources(["02", "03_rope"])] == ["02_chunks", "03_rope"]
    assert [build.number_of(path.stem) for path in build.sources(["02a"])] == ["02a"]
    with pytest.raises(build.BuildError, match="there are 02, 02a, 03"):
        build.sources(["04"])
