"""The storyboards that are already filmed. `python space/examples.py` films them again, `... gen` only their drafts."""

import json
import sys
from pathlib import Path

import stories
import visitors
from smartdirector_lite.storyboard import Storyboard

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
    video, sheet, verdict = (FOLDER / f"{name}{suffix}" for suffix in (".mp4", ".sheet.png", ".md"))
    return str(video), str(sheet), verdict.read_text(encoding="utf-8")


def main(stage: str) -> None:
    import filming
    from studio import DIRECTOR

    FOLDER.mkdir(exist_ok=True)
    folder = visitors.new_folder()
    try:
        for name, value in storyboards().items():
            storyboard: Storyboard = stories.build(value, folder)
            result = DIRECTOR(storyboard, seed=0, stage=stage)
            _, _, report = result.save(FOLDER / f"{name}.mp4")
            report.unlink()
            (FOLDER / f"{name}.md").write_text(filming.verdict(result) + "\n", encoding="utf-8")
    finally:
        visitors.remove(folder)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["all"])
