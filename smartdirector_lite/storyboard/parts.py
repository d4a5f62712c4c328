"""The parts of a storyboard: shots, keyframes and clips, and the limits of every value."""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import AfterValidator, Field, InstanceOf, StrictInt, StrictStr

from ..media import MediaError, Size
from .complaints import checked

MAX_TEXT = 10_000  # characters of one text
MAX_PATH = 1_000  # characters of a file's name with its folders
MAX_DURATION = 60.0  # seconds
MAX_FRAMES = 1_441  # 60 s at 24 fps, and the first frame
MAX_SIDE = 4_096  # pixels
MIN_FPS, MAX_FPS = 1, 120

# Keeps a number as it is given: an int stays an int in reports and in JSON. No other type is converted to a float:
# numpy's integers mean frames, and would become seconds.
Number = StrictInt | InstanceOf[float]
Seconds = Annotated[Number, Field(ge=0, le=MAX_DURATION)]
FrameIndex = Annotated[StrictInt, Field(ge=0, le=MAX_FRAMES - 1)]
Bound = Annotated[Number, Field(ge=0, le=1e9)]  # frames or seconds
Length = Annotated[StrictInt, Field(ge=1, le=MAX_FRAMES)]
Fps = Annotated[Number, Field(ge=MIN_FPS, le=MAX_FPS)]
Side = Annotated[StrictInt, Field(ge=1, le=MAX_SIDE)]
Sides = Annotated[tuple[Side, Side], AfterValidator(lambda sides: Size(*sides))]
Text = Annotated[StrictStr, Field(max_length=MAX_TEXT)]
FilePath = Annotated[StrictStr, Field(min_length=1, max_length=MAX_PATH)] | InstanceOf[Path]


def nearest_frame(seconds: float, fps: float) -> int:
    """The frame nearest to a time; halves go up."""
    return math.floor(seconds * fps + 0.5)


@checked
class Shot:
    """Continuous footage until the next shot begins.

    Attributes:
        start: its first frame; an int is a frame, a float is seconds. The first shot begins at 0.
    """

    start: Bound = 0
    description: Text = ""
    camera: Text = ""
    characters: tuple[Text, ...] = ()


@checked
class Keyframe:
    """An image that the video shows at one moment.

    Attributes:
        image: a path or a PIL image.
        time, frame: the moment, in seconds or as a frame; one of the two is given.
    """

    image: FilePath | InstanceOf[Image.Image]
    time: Seconds | None = None
    frame: FrameIndex | None = None

    def __post_init__(self) -> None:
        _check_moment(self)


@checked
class Clip:
    """Footage that the video shows from one moment on.

    Attributes:
        video: a path, or a (T, H, W, 3) uint8 array at the storyboard's fps. A file is resampled to that fps.
        time, frame: the moment, in seconds or as a frame; one of the two is given.
        trim: (start, stop) of the part that is shown; ints are frames of the file or array, floats are seconds.
    """

    video: FilePath | InstanceOf[np.ndarray]
    time: Seconds | None = None
    frame: FrameIndex | None = None
    trim: tuple[Bound, Bound] | None = None

    def __post_init__(self) -> None:
        _check_moment(self)
        video = self.video
        if isinstance(video, np.ndarray) and (video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != 3):
            raise ValueError(f"video must be a uint8 array (T, H, W, 3), got {video.dtype} {video.shape}")
        if self.trim is None:
            return
        start, stop = self.trim
        if type(start) is not type(stop):
            raise ValueError(f"trim mixes frames (int) and seconds (float): {[start, stop]}; use one of the two")
        if start >= stop:
            raise ValueError(f"trim must end after it starts, got {[start, stop]}")

    def cut(self, fps: float) -> np.ndarray:
        """The part of an array in memory that is shown."""
        start, stop = self.trim or (0, len(self.video))
        if isinstance(start, float):
            start, stop = nearest_frame(start, fps), nearest_frame(stop, fps)
        if not start < stop <= len(self.video):
            raise MediaError(f"frames {start} to {stop} are asked for, and the array holds {len(self.video)}")
        return self.video[start:stop]


def _check_moment(item: Keyframe | Clip) -> None:
    if (item.time is None) == (item.frame is None):
        found = "neither time (seconds) nor frame is there" if item.time is None else "time and frame are both there"
        raise ValueError(f"{found}; give one of them")
