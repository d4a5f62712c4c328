"""What is already filmed when a visitor comes. `python space/film_examples.py` makes it all again."""

import json
from pathlib import Path

import stories
import visitors

FOLDER = Path(__file__).parent / "examples"
MIDDLE = {
    "title": "Only the middle",
    "fps": 12,
    "num_frames": 37,
    "description": "A scene of an animated film about a big rabbit in a green forest.",
    "keyframes": [{"frame": 18, "image": "butterfly-24.jpg"}],
}


def storyboards() -> dict[str, dict]:
    """Return each example's storyboard by its name; its pictures have the names of the visitors' folders."""
    found = {}
    for name in ("snow", "butterfly"):
        value = json.loads((visitors.STORYBOARDS / name / "story.json").read_text(encoding="utf-8"))
        for entry in value["keyframes"]:
            entry["image"] = f"{name}-{entry['image'].removeprefix('keyframe-')}"
        found[name] = stories.with_frames(value)
    return {**found, "middle": stories.with_frames(MIDDLE)}


def finished(name: str) -> tuple[str, str, str]:
    """Return the paths of an example's film and sheet, and its verdict in words."""
    return path(f"{name}.mp4"), path(f"{name}.sheet.jpg"), text(f"{name}.md")


def path(name: str) -> str:
    """Return the path of a file among the examples."""
    return str(FOLDER / name)


def text(name: str) -> str:
    return Path(path(name)).read_text(encoding="utf-8")


def lesson() -> dict:
    """Return what the lesson on keyframes shows at first, beside its films: "labels" of them, and "words"."""
    return json.loads(text("naive.json"))
