"""`smartdirector demo`: the storyboards that ship with the package."""

from importlib import resources
from pathlib import Path

from .generate import make_video
from .options import TINY, Model, check_seed, check_writable


def bundled_storyboards() -> Path:
    """Return the folder of the storyboards that ship with the package, each in a folder of its own."""
    return Path(str(resources.files("smartdirector_lite"))) / "storyboards"


def demo(out: Path = Path("out/demo"), model: Model = TINY, seed: int = 0) -> None:
    """Generate the videos of the storyboards that ship with the package.

    Args:
        out: the folder to write to; it is made if it is not there
        seed: the same seed gives the same videos
    """
    from ..storyboard import Storyboard

    found = sorted(bundled_storyboards().glob("*/story.json"))
    if not found:
        raise ValueError(f"no storyboards in {bundled_storyboards()}; install the package again")
    stories = {path.parent.name: Storyboard.load(path) for path in found}
    if out.exists() and not out.is_dir():
        raise ValueError(f"out = {out} is a file; give a folder")
    check_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    check_writable(out / "demo.mp4")
    director = model.load()
    for name, story in stories.items():
        make_video(director, story, out / f"{name}.mp4", seed=seed)
