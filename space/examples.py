"""What is already filmed when a visitor comes. `python space/examples.py` makes it all again."""

import json
from pathlib import Path

from PIL import Image

import stories
import visitors
from smartdirector_lite.media import write_video
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.timeline import TAU_SCHEMES

FOLDER = Path(__file__).parent / "examples"
MIDDLE = {
    "title": "Only the middle",
    "fps": 12,
    "num_frames": 37,
    "description": "A scene of an animated film about a big rabbit in a green forest.",
    "keyframes": [{"frame": 18, "image": "butterfly-24.jpg"}],
}


def storyboards() -> dict[str, dict]:
    """Each example's storyboard by its name, with the bundled frames' names as the visitors' folders have them."""
    found = {}
    for name in ("snow", "butterfly"):
        value = json.loads((visitors.STORYBOARDS / name / "story.json").read_text(encoding="utf-8"))
        for entry in value["keyframes"]:
            entry["image"] = f"{name}-{entry['image'].removeprefix('keyframe-')}"
        found[name] = stories.with_frames(value)
    return {**found, "middle": stories.with_frames(MIDDLE)}


def finished(name: str) -> tuple[str, str, str]:
    """The paths of an example's film and sheet, and its verdict in words."""
    return path(f"{name}.mp4"), path(f"{name}.sheet.jpg"), text(f"{name}.md")


def path(name: str) -> str:
    """A file among the examples."""
    return str(FOLDER / name)


def text(name: str) -> str:
    return Path(path(name)).read_text(encoding="utf-8")


def film(folder: str) -> None:
    """Each storyboard's film, sheet, verdict and draft, and the first one's draft with every temporal index."""
    import filming
    from studio import DIRECTOR

    for name, value in storyboards().items():
        storyboard: Storyboard = stories.build(value, folder)
        result = DIRECTOR(storyboard, seed=0)
        _, sheet, report = result.save(FOLDER / f"{name}.mp4")
        Image.open(sheet).convert("RGB").save(FOLDER / f"{name}.sheet.jpg", quality=88)  # a fifth of the PNG
        sheet.unlink(), report.unlink()
        (FOLDER / f"{name}.md").write_text(filming.verdict(result) + "\n", encoding="utf-8")
        write_video(FOLDER / f"{name}.draft.mp4", result.draft, storyboard.fps)
    storyboard = stories.build(storyboards()["snow"], folder)
    for scheme in TAU_SCHEMES:
        result = DIRECTOR(storyboard, seed=0, stage="gen", rope=scheme)
        write_video(FOLDER / f"rope-{scheme}.mp4", result.frames, storyboard.fps)


def compare() -> None:
    """What the lessons show before anything is pressed, from the drafts that `film` has left."""
    import lessons
    from studio import HAS_SR

    sheet, words = lessons.compare_naive()
    sheet.save(FOLDER / "naive.png")
    (FOLDER / "naive.md").write_text(words + "\n", encoding="utf-8")
    for name, picture in zip(("lr", "without", "with"), lessons.three_ways(lessons.SHOWN) if HAS_SR else ()):
        picture.save(FOLDER / f"anchors-{name}.png")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    folder = visitors.new_folder()
    try:
        film(folder)
        compare()
    finally:
        visitors.remove(folder)


if __name__ == "__main__":
    main()
