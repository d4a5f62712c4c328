"""Videos are read here with PyAV. A damaged or shortened file is an error, never a shorter video."""

import contextlib
import heapq
import math
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

from ..timeline import check_int, check_number
from .files import MediaError, PathLike, check_file, one_line
from .images import cover_crop
from .size import Size

MAX_FRAME_PIXELS = 36_000_000  # pixels of one video frame: 8K and a little
MAX_VIDEO_FRAMES = 3_600  # frames that read_video returns at once: 60 s at 60 fps
MAX_VIDEO_PIXELS = 1_500_000_000  # pixels that read_video returns at once: 4.5 GB, or 60 s of 720p at 24 fps
VIDEO_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg"  # no playlists: they open other files
TIMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "gif")  # containers that state the time of every frame
PACKET_CODECS = ("h264", "hevc", "vp9", "av1", "gif")  # codecs that hold exactly one shown frame in each packet
MAX_REORDERED = 16  # frames that may be decoded between a frame and one that is shown before it (H.264, HEVC)
TOLERANCE = 0.1  # seconds that may be missing where a header states only the duration (Matroska), not the frames
# The default conversion is fast, but it darkens by a level or two and misplaces chroma (mean error 3.5; this one: 0.5).
CONVERSION = Interpolation.BICUBIC.value | Interpolation.FULL_CHR_H_INT.value | Interpolation.ACCURATE_RND.value

OpenVideo = tuple[av.container.InputContainer, av.VideoStream, float]


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a video says."""

    size: Size  # as shown, after the rotation
    fps: float
    num_frames: int  # as the header counts them, else estimated from the duration
    duration: float  # seconds
    rotation: int  # degrees, a multiple of 90
    has_audio: bool


class _TimesUnknownError(Exception):
    """The frames of a video can't be told from its packets."""


@contextlib.contextmanager
def _open_video(path: PathLike) -> Iterator[OpenVideo]:
    """The open container, its video stream and its fps. Every failure inside becomes a MediaError."""
    check_file(path)
    options = {"format_whitelist": VIDEO_FORMATS, "protocol_whitelist": "file"}
    try:
        with av.open(os.path.abspath(path), options=options) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: holds no video")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(MAX_FRAME_PIXELS)}
            width, height = stream.codec_context.width, stream.codec_context.height
            if not 0 < width * height <= MAX_FRAME_PIXELS:
                raise MediaError(f"{path}: frames of {width} x {height}; 1 to {MAX_FRAME_PIXELS} pixels are read")
            rate = stream.average_rate or stream.guessed_rate
            if not rate:
                raise MediaError(f"{path}: states no frame rate")
            yield container, stream, float(rate)
    except (av.FFmpegError, OSError, EOFError) as error:
        raise MediaError(f"{path}: damaged, cut short or not a video ({one_line(error)})") from error


def probe_video(path: PathLike) -> VideoInfo:
    """Read the header and the first frame of a video.

    Raises:
        MediaError: the file is missing, no video, damaged or too large.
    """
    with _open_video(path) as (container, stream, fps):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise MediaError(f"{path}: holds no frame")
        if stream.duration and stream.time_base:
            duration = float(stream.duration * stream.time_base)
        else:
            duration = (container.duration or 0) / av.time_base
        size = Size(frame.height, frame.width) if frame.rotation % 180 else Size(frame.width, frame.height)
        num_frames = stream.frames or max(1, round(duration * fps))
        has_audio = bool(container.streams.audio)
        return VideoInfo(size, fps, num_frames, duration, round(frame.rotation) % 360, has_audio)


def decoded_frames(path: PathLike) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Decode a video frame by frame.

    Yields:
        For each frame: the seconds since the first frame, the seconds that the frame lasts, and the frame.

    Raises:
        MediaError: the file is damaged or cut short.
    """
    with _open_video(path) as video:
        origin, end, num_frames = 0.0, 0.0, 0
        for packet in _packets(path, video):
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise MediaError(f"{path}: frame {num_frames} is damaged")
                time, lasts = _times(frame, num_frames, video[2])
                origin = origin if num_frames else time
                num_frames, end = num_frames + 1, time + lasts
                yield time - origin, lasts, frame
        _check_end(path, video, origin, end)  # again: the decoder may drop a last packet that is not whole


def _packets(path: PathLike, video: OpenVideo) -> Iterator[av.Packet]:
    """The packets of a video in the file's order, then an empty one. A file that is cut short is a MediaError."""
    container, stream, fps = video
    num_packets, start, end = 0, math.inf, 0.0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise MediaError(f"{path}: damaged or cut short after {num_packets} frames")
        if packet.size:
            time, lasts = _times(packet, num_packets, fps)
            num_packets, start, end = num_packets + 1, min(start, time), max(end, time + lasts)
        yield packet
    if num_packets < stream.frames:  # the frames shown may rightly be fewer: an edit list hides some
        raise MediaError(f"{path}: cut short, {num_packets} of {stream.frames} frames are there")
    _check_end(path, video, start, end)


def _check_end(path: PathLike, video: OpenVideo, start: float, end: float) -> None:
    """A video whose frames end before the duration that its header states is a MediaError."""
    container, stream, _ = video
    duration = (container.duration or 0) / av.time_base
    if "matroska" not in container.format.name:  # Matroska's duration counts from 0, others' from the first frame
        end -= start
    if not stream.frames and len(container.streams) == 1 and duration > end + TOLERANCE:
        raise MediaError(f"{path}: cut short at {end:.2f} of {duration:.2f} s")


def _times(part: av.Packet | av.VideoFrame, index: int, fps: float) -> tuple[float, float]:
    """When a packet or a frame is shown and how long, in seconds; by its number where it does not say so."""
    time = index / fps if part.pts is None else float(part.pts * part.time_base)
    return time, float(part.duration * part.time_base) if part.duration else 1 / fps


def _packet_times(path: PathLike) -> Iterator[tuple[float, float, None]]:
    """What `decoded_frames` yields, with None for the frame, found from the packets alone.

    Raises:
        _TimesUnknownError: packets and frames do not correspond, or may not. A field of an interlaced frame has a
            packet of its own in some containers, and a decoder drops frames that need one from before the file begins.
    """
    with _open_video(path) as video:
        container, stream, fps = video
        if container.format.name not in TIMED_FORMATS or stream.codec_context.codec.canonical_name not in PACKET_CODECS:
            raise _TimesUnknownError
        waiting: list[tuple[float, float]] = []  # a heap, since packets come in the order of decoding
        first = origin = None
        for packet in _packets(path, video):
            if packet.size:
                time, lasts = _times(packet, 0, fps)
                first = (time if packet.is_keyframe else math.inf) if first is None else first
                if not packet.is_discard:  # an edit list hides the others
                    if packet.pts is None or time < first:
                        raise _TimesUnknownError
                    heapq.heappush(waiting, (time, lasts))
            while len(waiting) > (MAX_REORDERED if packet.size else 0):
                time, lasts = heapq.heappop(waiting)
                origin = time if origin is None else origin
                yield time - origin, lasts, None


def frame_pixels(frame: av.VideoFrame) -> NDArray:
    """The upright RGB pixels (H, W, 3) of a decoded frame, uint8."""
    pixels = frame.reformat(format="rgb24", interpolation=CONVERSION).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


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
    if fps is not None and not 0 < fps <= 1000:
        raise MediaError(f"{path}: fps must be over 0 and at most 1000, got {fps}")
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
    num_frames = max(1, math.floor((times[-1] - times[0] + period) * fps + 0.5))
    if num_frames > MAX_VIDEO_FRAMES:
        raise MediaError(f"{path}: more than {MAX_VIDEO_FRAMES} frames at {fps} fps; read a part of it")
    # The frames nearest to 0, 1/fps, 2/fps, ... after the first. The microsecond keeps rounding from deciding ties.
    wanted = times[0] + np.arange(num_frames) / fps - 1e-6
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

    The file is decoded from its beginning, so every frame number is exact.

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
    given: list[Size] = []

    def convert(frame: av.VideoFrame) -> list[NDArray]:
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
        return len(_select(path, _packet_times(path), part, fps, lambda frame: None))
    except _TimesUnknownError:
        return len(_select(path, decoded_frames(path), part, fps, lambda frame: None))
