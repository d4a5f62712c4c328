"""Many storyboards to make videos of: loaded and named before any model is. Does not load torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..media import PathLike
from ..storyboard.schema import Storyboard


@dataclass(frozen=True)
class Job:
    """A storyboard, the file it came from, and the mp4 to write."""

    source: Path
    storyboard: Storyboard
    video: Path


def prepare_jobs(storyboards: Sequence[PathLike], out: PathLike) -> list[Job]:
    """Load several storyboards, and name their videos in the folder `out`, which is made if it is not there.

    `beach.json` becomes `beach.mp4`; a `story.json` takes the name of its folder. Raises StoryboardError, or ValueError
    where there is no storyboard, two of them would write the same video, or `out` is not a folder.
    """
    out, jobs = Path(out), []
    if not storyboards:
        raise ValueError("no storyboards; give one JSON file or more")
    if out.suffix.lower() == ".mp4" or (out.exists() and not out.is_dir()):
        raise ValueError(f"out = {out}: the videos of {len(storyboards)} storyboards need a folder; name one")
    taken: dict[str, Path] = {}
    for source in map(Path, storyboards):
        name = source.resolve().parent.name if source.name == "story.json" else source.stem
        video = out / f"{name}.mp4"
        first = taken.setdefault(video.name.casefold(), source)  # some file systems don't tell A from a
        if first is not source:
            raise ValueError(f"{first} and {source} would both be written to {video}; rename one of them")
        jobs.append(Job(source, Storyboard.load(source), video))
    out.mkdir(parents=True, exist_ok=True)
    return jobs
