"""What README.md and docs/architecture.md show is what the code does."""

import itertools
import re
from pathlib import Path

import pytest
from PIL import Image
from test_house import PACKAGE, graph_of, part_of, reachable, read_library

from smartdirector_lite import ChunkPlan, Condition, Storyboard

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


ARCHITECTURE = ROOT / "docs" / "architecture.md"


@pytest.mark.parametrize(
    "document",
    ["README.md", "docs/architecture.md", "docs/evaluation.md", "bench/README.md", "bench/RESULTS.md"],
)
def test_links_inside_the_repository_lead_somewhere(document):
    path = ROOT / document
    targets = set(re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")))
    assert [target for target in targets if "://" not in target and not (path.parent / target).exists()] == []


def test_readme_is_short():
    assert len(README.splitlines()) <= 200


def test_worked_example_is_the_plan():
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], stride=4)
    table, _, summary = plan.table().rpartition("\n")
    assert table in README and "30 frames, 3 chunks" in summary


def test_storyboard_of_the_readme_loads(tmp_path):
    path = tmp_path / "story.json"
    path.write_text(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1], encoding="utf-8")
    for name in ("red", "hill", "blue"):
        Image.new("RGB", (224, 128)).save(tmp_path / f"{name}.png")
    story = Storyboard.load(path)
    assert (story.num_frames, story.cuts) == (48, (24,))
    assert [condition.frame_index for condition in story.conditions] == [0, 15, 24]


def test_readme_counts_the_exercises():
    from smartdirector_lite.course.lab import exercises_of

    assert f"{sum(len(exercises_of(f'0{lab}')) for lab in (*range(1, 7), 8, 9))} exercises" in README


# -- docs/architecture.md ----------------------------------------------------------------------------------------------


def drawn_edges(text: str) -> dict[str, set[str]]:
    """The arrows of the drawing: room -> the rooms it is imported by."""
    edges: dict[str, set[str]] = {}
    for line in re.search(r"```mermaid\n(.*?)```", text, re.DOTALL)[1].splitlines():
        sources, _, targets = line.partition(" --> ")
        for source, target in itertools.product(re.findall(r"\w+", sources), re.findall(r"\w+", targets)):
            edges.setdefault(source, set()).add(target)
            edges.setdefault(target, set())
    return edges


def room_edges() -> dict[str, set[str]]:
    """The imports of the package: room -> the rooms that import it."""
    edges: dict[str, set[str]] = {}
    for module, imported in graph_of(read_library()).items():
        for source in {part_of(name) for name in imported} - {part_of(module)}:
            edges.setdefault(source, set()).add(part_of(module))
    return edges


def test_drawing_is_the_imports():
    drawn, real = drawn_edges(ARCHITECTURE.read_text(encoding="utf-8")), room_edges()
    rooms = {part_of(name) for name in graph_of(read_library())}
    assert set(drawn) == rooms | {"space", "notebooks"}
    assert [room for room in drawn if room in reachable(drawn, room)] == []
    missing = [(a, b) for a, importers in real.items() for b in importers if b not in reachable(drawn, a)]
    assert missing == [], "imports that no chain of arrows shows"
    extra = [(a, b) for a, targets in drawn.items() for b in targets & rooms if b not in real.get(a, set())]
    assert extra == [], "arrows without an import"


def test_tour_has_ten_stops_at_most_and_names_files_that_are_there():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert 0 < len(re.findall(r"^\d+\. ", text, re.MULTILINE)) <= 10
    named = set(re.findall(r"`([a-z]\w*/\w+\.py)`", text))
    assert [name for name in named if not (ROOT / PACKAGE / name).exists() and not (ROOT / name).exists()] == []
