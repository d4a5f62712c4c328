"""Videos are read here with PyAV, as players show them. A damaged or cut file is an error, never a shorter video."""

import math
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..timeline import check_int, check_number
from .demux import open_video
from .files import MediaError, PathLike
from .frames import TimesUnknownError, decoded, decoded_frames, packet_times
from .images import cover_crop
from .pixels import DecodedFrame, frame_pixels
from .size import Size

MIN_FPS, MAX_FPS = 0.001, 1000
MAX_VIDEO_FRAMES = 3_600  # frames that read_video returns at once: 60 s at 60 fps
MAX_VIDEO_PIXELS = 1_500_000_000  # pixels that read_video returns at once: 4.5 GB, or 60 s of 720p at 24 fps
ROUNDING = 1e-6  # seconds that keep rounding from deciding ties where frames are resampled
CLOCK_TICK = 0.001  # seconds: Matroska's times are this coarse
RATE_TOLERANCE = 0.01  # by which a header's rate may differ from what is measured


@dataclass(frozen=True)
class VideoInfo:
    """What a video is. It is measured: headers may say nothing, or what is not true."""

    size: Size  # as shown: upright, with square pixels
    fps: float  # as the header states it if that fits the frames, else their average
    num_frames: int  # for formats that do not tell, the number of packets, of which a decoder may drop some
    duration: float  # seconds from the first frame to the end of the last one
    rotation: int  # degrees, a multiple of 90
    has_audio: bool  # of a codec that is known


def probe_video(path: PathLike) -> VideoInfo:
    """Measure a video from its packets, and decode its first frame.

    Raises:
        MediaError: the file is missing, no video, damaged, cut short or too large.
    """
    with open_video(path) as video:
        container, stream, _ = video
        _, _, frame = next(decoded(path, video), (0, 0, None))
        rates = [float(rate) for rate in (stream.average_rate, stream.base_rate) if rate]
        has_audio = any(stream.codec_context is not None for stream in container.streams.audio)
    try:
        times = list(packet_times(path))
    except TimesUnknownError:
        times = list(packet_times(path, exact=False))
    if frame is None or not times:
        raise MediaError(f"{path}: holds no frame")
    size, rotation = frame.size, 90 * frame.turns % 360
    size = Size(size.height, size.width) if rotation % 180 else size
    fps = _true_rate(rates, [lasts for _, lasts, _ in times])
    return VideoInfo(size, fps, len(times), sum(times[-1][:2]), rotation, has_audio)


def _true_rate(rates: list[float], lasts: list[float]) -> float:
    """The first of a header's rates that fits how long frames last, in seconds; else how many there are in a second.

    A rate fits on average, or where frames were only left out: then each lasts a whole number of periods.
    """
    average = len(lasts) / sum(lasts)
    for rate in rates:
        slack = rate * CLOCK_TICK + RATE_TOLERANCE  # in periods
        left_out = slack < 0.1 and all(abs(one * rate - round(one * rate)) < slack for one in lasts)
        if left_out or abs(rate / average - 1) < RATE_TOLERANCE:
            return rate
    return average


def _part(
    path: PathLike, frames: Sequence[int | None] | None, seconds: Sequence[float | None] | None
) -> tuple[str, float, float]:
    """The unit of the part of a video that is asked for, "frames" or "seconds", where it begins and where it ends.

    An end that is not given is infinity.
    """
    if frames is not None and seconds is not None:
        raise MediaError(f"{path}: frames and seconds are both given; give one of them")
    unit, check, given = ("frames", check_int, frames) if seconds is None else ("seconds", check_number, seconds)
    try:
        start, stop = (0, None) if given is None else given
    except (TypeError, ValueError) as error:
        raise MediaError(f"{path}: {unit} must be (start, stop), got {reprlib.repr(given)}") from error
    try:
        start = check(f"{path}: the start of {unit}", start, 0)
        return unit, start, math.inf if stop is None else check(f"{path}: the stop of {unit}", stop, 0)
    except ValueError as error:
        raise MediaError(str(error)) from error


def _select(path: PathLike, shown: Iterable, part: tuple[str, float, float], fps: float | None, convert: Callable):
    """A list of convert(frame) for each of the frames in `part`, resampled to `fps`.

    `read_video` and `count_frames` share this function, so that both choose the same frames.

    Args:
        path: for messages.
        shown: (seconds since the first frame, seconds that it lasts, frame) of each frame of the file.
        part: see `_part`.
    """
    unit, start, stop = part
    try:
        fps = None if fps is None else check_number("fps", fps, MIN_FPS, MAX_FPS)
    except ValueError as error:
        raise MediaError(f"{path}: {error}") from error
    kept, times, count, end, period = [], [], 0, 0.0, 0.0

    def reached(bound: float, index: int, time: float) -> bool:
        return index >= bound if unit == "frames" else time + period / 2 >= bound

    for time, period, frame in shown:
        if reached(stop, count, time):
            break
        if reached(start, count, time):
            kept.append(convert(frame))
            times.append(time)
            if len(kept) > MAX_VIDEO_FRAMES:
                raise MediaError(f"{path}: more than {MAX_VIDEO_FRAMES} frames; read a part, with frames or seconds")
        count, end = count + 1, time + period
    else:
        if stop < math.inf and not reached(stop, count, end):
            raise MediaError(f"{path}: ends after {count} frames ({end:.2f} s), before {unit} {stop}")
    if not kept:
        wanted = f"from {unit} {start} on" if stop == math.inf else f"in {unit} {start} to {stop}"
        raise MediaError(f"{path}: no frame {wanted}; it has {count} frames before that")
    if fps is None:
        return kept
    num_frames = max(1, math.floor((times[-1] - times[0] + period + ROUNDING) * fps + 0.5))
    if num_frames > MAX_VIDEO_FRAMES:
        raise MediaError(f"{path}: more than {MAX_VIDEO_FRAMES} frames at {fps} fps; read a part of it")
    # The frames nearest to 0, 1/fps, 2/fps, ... after the first.
    wanted = times[0] + np.arange(num_frames) / fps - ROUNDING
    return [kept[i] for i in np.abs(np.asarray(times)[None] - wanted[:, None]).argmin(axis=1)]


def read_video(
    path: PathLike,
    size: Size | None = None,
    fps: float | None = None,
    *,
    frames: Sequence[int | None] | None = None,
    seconds: Sequence[float | None] | None = None,
) -> NDArray:
    """Read a video, or a part of it, upright and cover-cropped to `size`.

    The file is decoded from its beginning, so every frame number is exact. Damage shortly behind the part may refuse
    it, too, since decoders read ahead; damage farther behind does not.

    Args:
        fps: the frame rate to resample to, by the nearest time stamp; the duration stays.
        frames: (start, stop) of the part to read, as numbers of the file's frames; with None for `stop` it has no end.
        seconds: the same in seconds, in place of `frames`.

    Returns:
        (T, H, W, 3) uint8 RGB.

    Raises:
        MediaError: the file is damaged or ends before `stop`, or passes MAX_VIDEO_FRAMES or MAX_VIDEO_PIXELS.
    """
    return read_video_at(path, [size], fps, frames=frames, seconds=seconds)[1][0]


def read_video_at(
    path: PathLike,
    sizes: Sequence[Size | None],
    fps: float | None = None,
    *,
    frames: Sequence[int | None] | None = None,
    seconds: Sequence[float | None] | None = None,
) -> tuple[Size, list[NDArray]]:
    """Do what `read_video` does for several sizes, and decode the file once.

    Returns:
        The size of the first frame read, before cropping, and a (T, H, W, 3) uint8 array for each of the `sizes`.
    """
    try:
        sizes = [None if size is None else Size.of("size", size) for size in sizes]
    except ValueError as error:
        raise MediaError(f"{path}: {error}") from error
    given: list[Size] = []

    def convert(frame: DecodedFrame) -> list[NDArray]:
        pixels = frame_pixels(frame)
        given.append(Size(pixels.shape[1], pixels.shape[0]))
        if None in sizes and given[-1] != given[0]:
            raise MediaError(f"{path}: the frame size changes from {given[0]} to {given[-1]}; give a size")
        if len(given) * max(math.prod(size or given[0]) for size in sizes) > MAX_VIDEO_PIXELS:
            raise MediaError(f"{path}: more than {MAX_VIDEO_PIXELS} pixels; read a part, or give a smaller size")
        return [pixels if size is None else np.array(cover_crop(Image.fromarray(pixels), size)) for size in sizes]

    kept = _select(path, decoded_frames(path), _part(path, frames, seconds), fps, convert)
    return given[0], [np.stack(video) for video in zip(*kept)]


def count_frames(
    path: PathLike,
    fps: float | None = None,
    *,
    frames: Sequence[int | None] | None = None,
    seconds: Sequence[float | None] | None = None,
) -> int:
    """How many frames `read_video` returns. Only a file whose packets do not tell them is decoded.

    Raises:
        MediaError: the file is cut short, or ends before `stop`. Damage inside a frame shows only in decoding.
    """
    part = _part(path, frames, seconds)
    try:
        return len(_select(path, packet_times(path), part, fps, lambda frame: None))
    except TimesUnknownError:
        return len(_select(path, decoded_frames(path), part, fps, lambda frame: None))
