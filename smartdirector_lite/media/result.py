"""What comes of a storyboard, and the files that it is written to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..report import Report
from ..timeline import ChunkPlan
from .files import PathLike, atomic_path, check_outputs, video_path, write_json
from .images import write_image
from .sheets import KEYFRAME_COLOUR, contact_sheet
from .writing import write_video


def result_paths(path: PathLike) -> tuple[Path, Path, Path]:
    """Return the files that a result is written to: the mp4, its contact sheet and its report."""
    video = video_path(path)
    # The report of story.mp4 is not story.json, which may be the storyboard.
    return video, video.with_suffix(".sheet.png"), video.with_suffix(".report.json")


@dataclass(frozen=True, eq=False)
class DirectorResult:
    """What came of a storyboard.

    Attributes:
        frames: the video, uint8 (T, H, W, 3).
        draft: the video of stage one; the same as `frames` where there was no second stage.
        fps: frames a second.
        plan: the chunks that it was made in.
        report: how well it went.
        inputs: the files that it was made from, which `save` does not write over.
    """

    frames: NDArray
    draft: NDArray
    fps: float
    plan: ChunkPlan
    report: Report
    inputs: tuple[Path, ...] = ()

    def save(self, path: PathLike) -> tuple[Path, Path, Path]:
        """Write the mp4, and beside it a contact sheet (`.sheet.png`) and the report (`.report.json`): all or none.

        Returns:
            The three paths.

        Raises:
            MediaError: for a name that does not end in .mp4, for a folder that is not there, and where one of the three
                is one of the `inputs`.
        """
        video, sheet, report = result_paths(path)
        check_outputs((video, sheet, report), self.inputs)
        with atomic_path(video) as new_video, atomic_path(sheet) as new_sheet, atomic_path(report) as new_report:
            write_video(new_video, self.frames, self.fps)
            write_image(new_sheet, self.sheet())
            write_json(new_report, {"num_frames": len(self.frames), "fps": self.fps, **self.report.to_dict()})
        return video, sheet, report

    def sheet(self, columns: int = 7, count: int = 21) -> Image.Image:
        """Return a contact sheet: evenly spaced frames and the first of every condition, given frames in gold.

        With more than `count` conditions only the `count` evenly spaced frames are shown.
        """
        given, first = self.plan.given_frames, {condition.frame_index for condition in self.plan.conditions}
        even = set(np.linspace(0, len(self.frames) - 1, min(count, len(self.frames))).round().astype(int).tolist())
        shown = sorted(even | first if len(first) <= count else even)
        labels = [f"{frame} given" if frame in given else f"{frame}" for frame in shown]
        borders = [KEYFRAME_COLOUR if frame in given else None for frame in shown]
        return contact_sheet([self.frames[frame] for frame in shown], columns, labels, borders)
