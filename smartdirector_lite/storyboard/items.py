"""What a storyboard places in time: shots, keyframes and clips, with the reading and writing of their media."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..media import (
    atomic_path,
    count_frames,
    cover_crop,
    probe_video,
    read_image,
    read_video,
    to_image,
    write_image,
    write_video,
)
from ..storyboard import checks as check
from .checks import StoryboardError


@dataclass(frozen=True)
class Shot:
    """Continuous footage, until the next shot. start: an int is a frame, a float seconds; 0 for the first shot."""

    start: int | float = 0
    description: str = ""
    camera: str = ""
    characters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keyframe:
    """An image that the video shows at `time` (seconds) or `frame`, one of the two. image: a path or a PIL image."""

    image: str | Path | Image.Image
    time: float | None = None
    frame: int | None = None

    def count(self, name: str, folder: Path | None, fps: float) -> int:
        """1, after the image has been read to see that it can be."""
        return len(self.read(name, folder, fps))

    def read(self, name: str, folder: Path | None, fps: float, size: tuple[int, int] | None = None) -> np.ndarray:
        """The image as a (1, H, W, 3) uint8 array, cover-cropped to `size` (width, height)."""
        if isinstance(self.image, str | Path):
            image = read_image(check.inside(f"{name}.image", self.image, folder), size)
        elif isinstance(self.image, Image.Image):
            image = to_image(self.image)
            image = image if size is None else cover_crop(image, size)
        else:
            raise StoryboardError(f"{name}.image must be a path or a PIL image, got {type(self.image).__name__}")
        return np.asarray(image)[None]

    def size(self, name: str, folder: Path | None) -> tuple[int, int]:
        """(width, height) before any cropping."""
        return self.read(name, folder, 1.0).shape[2:0:-1]


@dataclass(frozen=True)
class Clip:
    """Footage that the video shows from `time` (seconds) or `frame` on, one of the two.

    video: a path, or a (T, H, W, 3) uint8 array at the storyboard's fps (a file is resampled to it).
    trim: (start, stop) of the part that is used: ints count frames of the file or array, floats are seconds.
    """

    video: str | Path | np.ndarray
    time: float | None = None
    frame: int | None = None
    trim: tuple[int, int] | tuple[float, float] | None = None

    def count(self, name: str, folder: Path | None, fps: float) -> int:
        """Frames that `read` returns; a file is decoded to the end, so that damage is found."""
        check.trim(f"{name}.trim", self.trim)
        if isinstance(self.video, str | Path):
            path = check.inside(f"{name}.video", self.video, folder)
            return count_frames(path, *(self.trim or (0, None)), fps=fps)
        video = self.video
        if not isinstance(video, np.ndarray) or video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != 3:
            found = f"{video.dtype} {video.shape}" if isinstance(video, np.ndarray) else type(video).__name__
            raise StoryboardError(f"{name}.video must be a path or a uint8 array (T, H, W, 3), got {found}")
        start, stop = self._array_trim(fps)
        if not start < stop <= len(video):
            raise StoryboardError(f"{name}: frames {start} to {stop} are asked for, and the array holds {len(video)}")
        return stop - start

    def read(self, name: str, folder: Path | None, fps: float, size: tuple[int, int]) -> np.ndarray:
        """The trimmed footage at `fps` as a (T, H, W, 3) uint8 array, cover-cropped to `size` (width, height)."""
        if isinstance(self.video, np.ndarray):
            frames = self.video[slice(*self._array_trim(fps))]
            return np.stack([np.asarray(cover_crop(Image.fromarray(frame), size)) for frame in frames])
        path = check.inside(f"{name}.video", self.video, folder)
        return read_video(path, *(self.trim or (0, None)), size=size, fps=fps)

    def size(self, name: str, folder: Path | None) -> tuple[int, int]:
        """(width, height) before any cropping."""
        if isinstance(self.video, np.ndarray):
            return self.video.shape[2:0:-1]
        info = probe_video(check.inside(f"{name}.video", self.video, folder))
        return info.width, info.height

    def _array_trim(self, fps: float) -> tuple[int, int]:
        start, stop = self.trim or (0, len(self.video))
        if isinstance(start, float):
            return check.nearest_frame(start, fps), check.nearest_frame(stop, fps)
        return start, stop


def to_entry(name: str, item: Shot | Keyframe | Clip) -> dict:
    """The item as a JSON object, without what is empty. StoryboardError for media in memory."""
    result = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if isinstance(value, Image.Image | np.ndarray):
            raise StoryboardError(f"{name}.{field.name} is in memory; save(path) writes it to a file")
        if value is None or value == "" or value == ():
            continue
        value = value.as_posix() if isinstance(value, Path) else value
        result[field.name] = list(value) if isinstance(value, tuple) else value
    return result


def put_beside(
    media: str | Path | Image.Image | np.ndarray, path: Path, name: str, folder: Path | None, fps: float
) -> str:
    """Name of a file, relative to path's folder and in it, that holds `media`; written as <path>_<name> if need be."""
    home = path.parent.resolve()
    target = home / f"{path.stem}_{name}"
    if isinstance(media, Image.Image):
        target = target.with_name(f"{target.name}.png")
        write_image(target, media)
    elif isinstance(media, np.ndarray):
        target = target.with_name(f"{target.name}.mp4")
        write_video(target, media, fps, quality=4)
    else:
        source = check.inside(name, media, folder)
        if source.is_relative_to(home):
            return source.relative_to(home).as_posix()
        target = target.with_name(f"{target.name}{source.suffix}")
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    return target.name
