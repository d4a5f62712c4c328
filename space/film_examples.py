"""Film the examples of the page again: `python space/film_examples.py`, after the model has changed."""

import json

from PIL import Image

import examples
import filming
import handlers
import lessons
import stories
import visitors
from smartdirector_lite.media import read_video, write_video
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.timeline import TAU_SCHEMES
from studio import DIRECTOR, HAS_SR


def film(folder: str) -> None:
    """Make each storyboard's film, sheet, verdict and draft, and the first one's draft with every temporal index."""
    for name, value in examples.storyboards().items():
        storyboard: Storyboard = stories.build(value, folder)
        result = DIRECTOR(storyboard, seed=0)
        _, sheet, report = result.save(examples.FOLDER / f"{name}.mp4")
        Image.open(sheet).convert("RGB").save(examples.FOLDER / f"{name}.sheet.jpg", quality=88)  # a fifth of the PNG
        sheet.unlink(), report.unlink()
        (examples.FOLDER / f"{name}.md").write_text(filming.verdict(result) + "\n", encoding="utf-8")
        write_video(examples.FOLDER / f"{name}.draft.mp4", result.draft, storyboard.fps)
    storyboard = stories.build(examples.storyboards()["snow"], folder)
    for scheme in TAU_SCHEMES:
        result = DIRECTOR(storyboard, seed=0, stage="gen", rope=scheme)
        write_video(examples.FOLDER / f"rope-{scheme}.mp4", result.frames, storyboard.fps)


def cards() -> None:
    """Make the picture on each example's button: a frame from the middle of its film."""
    for name in examples.storyboards():
        frames = read_video(examples.path(f"{name}.mp4"))
        Image.fromarray(frames[len(frames) // 2]).save(examples.path(f"{name}.card.jpg"), quality=85)


def compare() -> None:
    """Make what the lessons show before anything is pressed, from the drafts that `film` has left."""
    result = lessons.inserted(*lessons.check_inserted(13, None))
    handlers.write_inserted(result, examples.FOLDER, "naive")
    shown = {"labels": handlers.labels_of(result), "words": handlers.meaning(result)}
    (examples.FOLDER / "naive.json").write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")
    for name, picture in zip(("lr", "without", "with"), lessons.three_ways(lessons.SHOWN) if HAS_SR else ()):
        picture.save(examples.FOLDER / f"anchors-{name}.png")


def main() -> None:
    examples.FOLDER.mkdir(exist_ok=True)
    folder = visitors.new_folder()
    try:
        film(folder)
        cards()
        compare()
    finally:
        visitors.remove(folder)


if __name__ == "__main__":
    main()
