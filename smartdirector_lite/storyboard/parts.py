"""The parts of a storyboard: shots, keyframes and clips, and the limits of every value.

What a number means never hangs on whether it is written 2 or 2.0, since JSON tools rewrite one into the other: the
name of a field says whether it holds seconds (`time`, `start`, `trim`) or frames (`frame`, `start_frame`,
`trim_frames`).
"""

import contextlib
import math
import operator
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, StrictInt, StrictStr

from ..media import MediaError, Size
from ..timeline import check_int, check_number
from .complaints import checked

MAX_TEXT = 10_000  # characters of one text
MAX_PATH = 1_000  # characters of a file's name with its folders
MAX_DURATION = 60.0  # seconds
MAX_FRAMES = 1_441  # 60 s at 24 fps, and the first frame
MAX_SIDE = 4_096  # pixels
MIN_FPS, MAX_FPS = 1, 120
MAX_TRIM = 10**9  # seconds or frames into a clip's file


def _whole(value: object) -> object:
    """A whole number as an int, whatever kind it is of. Anything else is left for pydantic to refuse."""
    with contextlib.suppress(ValueError):
        return check_int("", value, -MAX_TRIM, MAX_TRIM)
    return value


def _number(value: object) -> object:
    """A number as Python's int or float, whatever kind it is of. Anything else is left for pydantic to refuse."""
    with contextlib.suppress(ValueError):
        return check_number("", value, -math.inf)
    return value


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character; remove it")
    return text


def _plain_list(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


Whole = Annotated[StrictInt, BeforeValidator(_whole)]
Number = Annotated[StrictInt | InstanceOf[float], BeforeValidator(_number)]  # an int stays one in reports and in JSON
Seconds = Annotated[Number, Field(ge=0, le=MAX_DURATION)]
FrameIndex = Annotated[Whole, Field(ge=-MAX_FRAMES, le=MAX_FRAMES - 1)]  # from the end where it is negative
Length = Annotated[Whole, Field(ge=1, le=MAX_FRAMES)]
Fps = Annotated[Number, Field(ge=MIN_FPS, le=MAX_FPS)]
Side = Annotated[Whole, Field(ge=1, le=MAX_SIDE)]
Sides = Annotated[tuple[Side, Side], BeforeValidator(_plain_list), AfterValidator(lambda sides: Size(*sides))]
TrimSeconds = Annotated[Number, Field(ge=0, le=MAX_TRIM)]
TrimFrame = Annotated[Whole, Field(ge=0, le=MAX_TRIM)]
Text = Annotated[StrictStr, Field(max_length=MAX_TEXT), AfterValidator(_without_nul)]
FilePath = Annotated[StrictStr, Field(min_length=1, max_length=MAX_PATH)] | InstanceOf[Path]


def nearest_frame(seconds: float, fps: float) -> int:
    """The frame nearest to a time; halves go up."""
    return math.floor(seconds * fps + 0.5)


@checked
class Shot:
    """Continuous footage until the next shot begins.

    Attributes:
        start, start_frame: when it begins, in seconds or as a frame. The first shot begins at 0 and needs neither.
    """

    start: Seconds | None = None
    description: Text = ""
    camera: Text = ""
    characters: tuple[Text, ...] = ()
    start_frame: FrameIndex | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.start_frame is not None:
            raise ValueError("start (seconds) and start_frame are both there; give one of them")

    @property
    def moment(self) -> tuple[str, float]:
        """The field that says when it begins, and its value."""
        return ("start", self.start or 0) if self.start_frame is None else ("start_frame", self.start_frame)


class _Placed:
    """What keyframes and clips have in common: exactly one of `time` (seconds) and `frame` says when they are shown."""

    @property
    def moment(self) -> tuple[str, float]:
        """The field that says when it is shown, and its value."""
        return ("time", self.time) if self.frame is None else ("frame", self.frame)

    def __post_init__(self) -> None:
        if (self.time is None) == (self.frame is None):
            found = "neither time (seconds) nor frame is" if self.time is None else "time (seconds) and frame are both"
            raise ValueError(f"{found} there; give one of them")


@checked
class Keyframe(_Placed):
    """An image that the video shows at one moment.

    Attributes:
        image: a path or a PIL image.
        time, frame: the moment, in seconds or as a frame (-1 is the last one); one of the two is given.
    """

    image: FilePath | InstanceOf[Image.Image]
    time: Seconds | None = None
    frame: FrameIndex | None = None


@checked
class Clip(_Placed):
    """Footage that the video shows from one moment on.

    Attributes:
        video: a path, or a (T, H, W, 3) uint8 array at the storyboard's fps. A file is resampled to that fps.
        time, frame: the moment, in seconds or as a frame; one of the two is given.
        trim, trim_frames: [start, stop] of the part that is shown, in seconds or as frames of the file or array. At
            most one of the two is given; without either all is shown.
    """

    video: FilePath | InstanceOf[np.ndarray]
    time: Seconds | None = None
    frame: FrameIndex | None = None
    trim: Annotated[tuple[TrimSeconds, TrimSeconds], BeforeValidator(_plain_list)] | None = None
    trim_frames: Annotated[tuple[TrimFrame, TrimFrame], BeforeValidator(_plain_list)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        video = self.video
        if isinstance(video, np.ndarray) and (video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != 3):
            raise ValueError(f"video must be a uint8 array (T, H, W, 3), got {video.dtype} {video.shape}")
        if self.trim is not None and self.trim_frames is not None:
            raise ValueError("trim (seconds) and trim_frames are both there; give one of them")
        for name in ("trim", "trim_frames"):
            bounds = getattr(self, name)
            if bounds is not None and bounds[0] >= bounds[1]:
                raise ValueError(f"{name} must end after it starts, got {[*bounds]}")

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal. Arrays are equal where all their values are."""
        if not isinstance(other, Clip):
            return NotImplemented
        rest = operator.attrgetter("time", "frame", "trim", "trim_frames")
        return np.array_equal(self.video, other.video) and rest(self) == rest(other)

    def cut(self, fps: float) -> np.ndarray:
        """The part of an array in memory that is shown."""
        start, stop = self.trim_frames or (0, len(self.video))
        if self.trim is not None:
            start, stop = (nearest_frame(bound, fps) for bound in self.trim)
        if not start < stop <= len(self.video):
            raise MediaError(f"frames {start} to {stop} are asked for, and the array holds {len(self.video)}")
        return self.video[start:stop]
