"""Reading a film: frame by frame, at a steady rate, with no more than one shot in memory."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from numpy.typing import NDArray
from tqdm.auto import tqdm

from ..media import MediaError, PathLike, decoded_frames, frame_pixels, probe_video
from ..media.pixels import DecodedFrame
from ..media.size import Size
from ..storyboard.parts import MAX_FPS, MAX_FRAMES, MIN_FPS
from .records import ShotRecord
from .shots import MAX_SECONDS, THUMBNAIL, Detector, shots_between


@dataclass(frozen=True)
class Film:
    """A film's file.

    Attributes:
        fps: the rate at which it is read.
        about: how many frames it has, as far as that is known before it is decoded.
    """

    path: Path
    fps: float
    about: int

    @classmethod
    def open(cls, path: PathLike) -> "Film":
        """Look at a film.

        Raises:
            MediaError: no film, or one of a rate that a storyboard can't have.
        """
        info = probe_video(path)
        if not MIN_FPS <= info.fps <= MAX_FPS:
            raise MediaError(f"{path}: {info.fps:g} frames a second; convert it to {MIN_FPS} to {MAX_FPS}")
        return cls(Path(path), info.fps, round(info.duration * info.fps))

    def at(self, fps: float) -> "Film":
        """The same film, read at another rate."""
        return replace(self, fps=fps, about=round(self.about / self.fps * fps))

    @property
    def longest_shot(self) -> int:
        """How many frames of it a clip of the dataset may have."""
        return min(round(MAX_SECONDS * self.fps), MAX_FRAMES)

    def frames(self, what: str = "") -> Iterator[DecodedFrame]:
        """Decode the film at its rate. Where frames come at varying times, some come twice or not at all.

        Args:
            what: said by a progress bar; "" for no bar.
        """
        bar = tqdm(total=self.about, desc=what, unit=" frames", disable=not what)
        count = 0
        with bar:
            for time, lasts, frame in decoded_frames(self.path):
                while (count + 0.5) / self.fps < time + lasts:  # the frame that is on the screen in the period's middle
                    yield frame
                    count += 1
                    bar.update()

    def shots(self, detector: Detector, what: str = "") -> list[ShotRecord]:
        """Find the film's shots; it is decoded once."""
        num_frames = 0

        def thumbnails() -> Iterator[NDArray]:
            nonlocal num_frames
            for frame in self.frames(what):
                num_frames += 1
                yield frame_pixels(frame, THUMBNAIL)

        return shots_between(detector(thumbnails(), self.fps), num_frames, self.fps, self.longest_shot)

    def spans(
        self, spans: Sequence[tuple[int, int]], size: Size | None, what: str = ""
    ) -> Iterator[Iterator[NDArray]]:
        """Decode the film once and give parts of it.

        Args:
            spans: the frames [start, stop) of each part, in order and apart.
            size: that the frames are shrunk and cropped to; None leaves them as they are.

        Yields:
            For each part an iterator over its frames, (H, W, 3) uint8, to be read before the next one is asked for.
        """
        last = spans[-1][1] if spans else 0
        stream, position = replace(self, about=last).frames(what if spans else ""), 0
        for start, stop in spans:
            _skip(stream, start - position)
            yield (frame_pixels(frame, size) for frame in itertools.islice(stream, stop - start))
            position = stop


def _skip(stream: Iterable, count: int) -> None:
    for _ in itertools.islice(stream, count):
        pass
