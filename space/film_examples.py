"""Film the examples of the page again: `python space/film_examples.py`, after the model has changed."""

from PIL import Image

import examples
import filming
import lessons
import stories
import visitors
from smartdirector_lite.media import write_video
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


def compare() -> None:
    """Make what the lessons show before anything is pressed, from the drafts that `film` has left."""
    sheet, words = lessons.compare_naive()
    sheet.save(examples.FOLDER / "naive.png")
    (examples.FOLDER / "naive.md").write_text(words + "\n", encoding="utf-8")
    for name, picture in zip(("lr", "without", "with"), lessons.three_ways(lessons.SHOWN) if HAS_SR else ()):
        picture.save(examples.FOLDER / f"anchors-{name}.png")


def main() -> None:
    examples.FOLDER.mkdir(exist_ok=True)
    folder = visitors.new_folder()
    try:
        film(folder)
        compare()
    finally:
        visitors.remove(folder)


if __name__ == "__main__":
    main()
