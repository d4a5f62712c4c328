"""The clips of a dataset that `smartdirector curate` made, and what is told of them."""

import itertools
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ..media.videos import ROUNDING
from ..storyboard import Shot, Storyboard

LIST = "metadata.jsonl"
MIRRORED = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class CuratedClip:
    """A clip of a dataset.

    Attributes:
        path: its video file.
        fps, num_frames: of that file.
        description: the holistic description.
        cuts: the first frames of all shots but the first one.
        shots: what is told of each shot.
    """

    path: Path
    fps: float
    num_frames: int
    description: str
    cuts: tuple[int, ...]
    shots: tuple[Shot, ...]

    @classmethod
    def from_dict(cls, dataset: Path, value: dict) -> Self:
        """Read a line of metadata.jsonl."""
        shots = tuple(
            Shot(description=shot["description"], camera=shot["camera"], characters=tuple(shot["characters"]))
            for shot in value["shots"]
        )
        clip = cls(
            dataset / value["file_name"],
            value["fps"],
            value["num_frames"],
            value["description"],
            tuple(value["cuts"]),
            shots,
        )
        if len(clip.shots) != len(clip.cuts) + 1:
            raise ValueError(f"{value['file_name']} has {len(clip.shots)} shots, but {len(clip.cuts)} cuts")
        return clip

    def spans(self, fps: float) -> list[tuple[int, int]]:
        """The frames [start, stop) of each shot where the clip is read at `fps`."""
        borders = [first_kept(frame, self.fps, fps) for frame in (0, *self.cuts)]
        return list(itertools.pairwise([*borders, num_kept(self.num_frames, self.fps, fps)]))

    def storyboard(self, start: int, stop: int, fps: float, mirrored: bool = False) -> Storyboard:
        """Tell what a part of the clip shows; its `caption()` is what the text encoder reads.

        Args:
            start, stop: the part's frames [start, stop) at `fps`.
            mirrored: whether left and right have changed places in it.
        """
        shots = [
            replace(shot, start_frame=max(first - start, 0))
            for shot, (first, end) in zip(self.shots, self.spans(fps), strict=True)
            if first < stop and end > start
        ]
        description = self.description
        if mirrored:
            description = mirror(description)
            shots = [replace(one, description=mirror(one.description), camera=mirror(one.camera)) for one in shots]
        return Storyboard(description=description, shots=shots, num_frames=stop - start, fps=fps)


def mirror(text: str) -> str:
    """Say "left" for "right" and "right" for "left"."""
    return re.sub(r"\b(left|right)\b", lambda found: MIRRORED[found[0]], text)


def num_kept(num_frames: int, fps: float, kept: float) -> int:
    """How many frames `read_video` gives of a clip at the rate `kept`."""
    return max(1, math.floor((num_frames / fps + ROUNDING) * kept + 0.5))


def first_kept(frame: int, fps: float, kept: float) -> int:
    """The first frame at the rate `kept` that shows `frame` or a later one; `read_video` takes the nearest."""
    return math.floor(((frame - 0.5) / fps + ROUNDING) * kept) + 1 if frame else 0


def read_dataset(dataset: str | Path) -> list[CuratedClip]:
    """Read the list of a dataset's clips.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    dataset = Path(dataset)
    try:
        lines = (dataset / LIST).read_text(encoding="utf-8").splitlines()
        clips = [CuratedClip.from_dict(dataset, json.loads(line)) for line in lines]
        if not clips:
            raise ValueError("it lists no clip")
    except (OSError, ValueError, TypeError, KeyError, ZeroDivisionError) as error:
        raise ValueError(f"{dataset}: no curated dataset ({error!r}); make one with `smartdirector curate`") from error
    return clips

