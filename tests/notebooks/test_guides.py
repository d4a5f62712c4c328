"""notebooks/README.md and INSTRUCTOR.md: their times and counts are those of the notebooks."""

import re

import build
import pytest

from smartdirector_lite.course.lab.record import EXERCISES

GUIDES = {name: (build.HERE / name).read_text(encoding="utf-8") for name in ("README.md", "INSTRUCTOR.md")}
WORDS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "a minute or two": 2}
SOURCES = build.sources()


def times_of(path) -> tuple[int, int]:
    """The minutes that a notebook names: for reading and trying, and for computing."""
    text = " ".join(build.parse(path).cells[0].source.split())
    said = re.search(r"\*\*Time\.\*\* (\d+) minutes.*?(a minute or two|about (\w+) minutes?)\b", text)
    return int(said[1]), WORDS[said[3] or said[2]]


def row(guide: str, start: str) -> list[str]:
    """Return the cells of the table's row that begins so; only a table of times has minutes in it."""
    (line,) = re.findall(rf"^\| \[?{re.escape(start)}\b.*\d min\b.*$", GUIDES[guide], re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_map_has_each_notebook_with_its_times_and_exercises(path):
    number = build.number_of(path.stem)
    name, _, needs, time, computing, exercises = row("README.md", number)
    assert f"]({path.stem}.ipynb)" in name
    assert (time, computing) == tuple(f"{minutes} min" for minutes in times_of(path))
    count = sum(entry.lab == number for entry in EXERCISES.values())
    assert exercises.partition(",")[0] == (str(count) if count else "")
    titles = re.findall(
        rf"^### Exercise {number}.*?(★+)", "\n".join(cell.source for cell in build.parse(path).cells), re.M
    )
    if titles:
        low, high = (max(min(titles), "★"), max(titles))
        assert exercises == f"{count}, {low} to {high}"
    assert all(need in {build.number_of(other.stem) for other in SOURCES} for need in filter(None, needs.split(", ")))


@pytest.mark.parametrize("path", [path for path in SOURCES if path.stem[2] == "_"], ids=lambda path: path.stem)
def test_the_teachers_table_has_the_notebooks_times(path):
    assert row("INSTRUCTOR.md", path.stem[:2])[-1] == f"{times_of(path)[0]} min"


def test_appendices_take_as_long_as_the_teachers_guide_says():
    extra = {build.number_of(path.stem): times_of(path)[0] for path in SOURCES if path.stem[2] != "_"}
    said = re.search(
        r"appendices ([\w, ]+?)\s+take another ([\w, ]+) minutes", GUIDES["INSTRUCTOR.md"].replace("\n", " ")
    )
    assert said[1].split(" and ") == list(extra) and said[2].split(" and ") == [str(time) for time in extra.values()]


@pytest.mark.parametrize("guide", GUIDES)
def test_commands_and_files_in_the_guides_are_there(guide):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", GUIDES[guide]):
        assert (build.HERE / target.replace(".ipynb", ".py")).exists(), target
    for path in re.findall(r"`((?:tests|smartdirector_lite|bench|binder)/[\w/.]*)`", GUIDES[guide]):
        assert (build.HERE.parent / path).exists(), path


def test_the_map_fits_a_page():
    text = GUIDES["README.md"]
    assert len(text[text.index("## The map") : text.index("**Open them.**")].splitlines()) <= 40
