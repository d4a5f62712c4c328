"""`smartdirector demo`: the storyboards that ship with the package."""

from importlib import resources
from pathlib import Path

from .generate import generate
from .options import TINY, Model


def bundled_storyboards() -> Path:
    """Return the folder of the storyboards that ship with the package, each in a folder of its own."""
    return Path(str(resources.files("smartdirector_lite"))) / "storyboards"


def demo(out: Path = Path("out/demo"), model: Model = TINY, seed: int = 0) -> None:
    """Generate the videos of the storyboards that ship with the package.

    Args:
        out: the folder to write to; it is made if it is not there
        seed: the same seed gives the same videos
    """
    generate(tuple(sorted(bundled_storyboards().glob("*/story.json"))), out, model, seed)
