"""Videos are read here with PyAV, as players show them. A damaged or cut file is an error, never a shorter video."""

import heapq
import math
import reprlib
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..timeline import check_int, check_number
from .demux import SHORTEST, OpenVideo, check_end, open_video, packets, pixel_ratio, stated
from .files import MediaError, PathLike
from .images import cover_crop
from .pixels import frame_pixels, square
from .size import Size

MAX_VIDEO_FRAMES = 3_600  # frames that read_video returns at once: 60 s at 60 fps
MAX_VIDEO_PIXELS = 1_500_000_000  # pixels that read_video returns at once: 4.5 GB, or 60 s of 720p at 24 fps
TIMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "gif")  # containers that state the time of every frame
PACKET_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "gif")  # codecs with at most one shown frame in each packet
VP8_SHOWN = 16  # the bit of a VP8 packet's first byte that says that the frame is shown
PROGRESSIVE = 1  # FFmpeg's number of the field order that is none; unknown is 0
MAX_REORDERED = 16  # frames that may be decoded between a frame and one that is shown before it (H.264, HEVC)
RATE_TOLERANCE = 0.01  # by which a header's rate may differ from what is measured
T = TypeVar("T")


@dataclass(frozen=True)
class VideoInfo:
    """What a video is. It is measured: headers may say nothing, or what is not true."""

    size: Size  # as shown: upright, with square pixels
    fps: float  # as the header states it if that fits the average or the usual frame, else the average
    num_frames: int  # for formats that do not tell, the number of packets, of which a decoder may drop some
    duration: float  # seconds from the first frame to the end of the last one
    rotation: int  # degrees, a multiple of 90
    has_audio: bool


class _TimesUnknownError(Exception):
    """The frames of a video can't be told from its packets."""


def probe_video(path: PathLike) -> VideoInfo:
    """Measure a video from its packets, and decode its first frame.

    Raises:
        MediaError: the file is missing, no video, damaged, cut short or too large.
    """
    with open_video(path) as video:
        container, stream, fps = video
        _, _, frame = next(_decoded(path, video), (0, 0, None))
        if frame is None:
            raise MediaError(f"{path}: holds no frame")
        size = square(frame.width, frame.height, frame.opaque)
        rates, has_audio = (stream.average_rate, stream.base_rate), bool(container.streams.audio)
    times = [(time, lasts) for time, lasts, _ in _packet_times(path, exact=False)]
    duration = sum(times[-1])
    average, usual = len(times) / duration, 1 / statistics.median(lasts for _, lasts in times)
    fits = (rate for rate in rates if rate and min(abs(rate / average - 1), abs(rate / usual - 1)) < RATE_TOLERANCE)
    fps = float(next(fits, average))
    turned = Size(size.height, size.width) if frame.rotation % 180 else size
    return VideoInfo(turned, fps, len(times), duration, round(frame.rotation) % 360, has_audio)


def decoded_frames(path: PathLike) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Decode a video frame by frame.

    Yields:
        For each frame: the seconds since the first frame, the seconds that the frame lasts, and the frame, of which
        `frame_pixels` makes pixels.

    Raises:
        MediaError: the file is damaged or cut short.
    """
    with open_video(path) as video:
        origin, end = None, 0.0
        for time, lasts, frame in _lasting(_decoded(path, video), video[2]):
            origin, end = time if origin is None else origin, time + lasts
            yield time - origin, lasts, frame
        check_end(path, video, origin or 0, end)  # again: the decoder may drop a last packet that is not whole


def first_time(path: PathLike) -> float:
    """When the first frame that is shown of a video is shown, in seconds of the file's clock."""
    with open_video(path) as video:
        return next((time for time, _, _ in _lasting(_decoded(path, video), video[2])), 0.0)


def _decoded(path: PathLike, video: OpenVideo) -> Iterator[tuple[float | None, float, av.VideoFrame]]:
    """When each frame is shown and how long, as far as the file says so, and the frame with its pixels' ratio."""
    container, stream, _ = video
    ratio, num_frames, in_cut_part = pixel_ratio(path, stream), 0, False
    ticks: deque[float | None] = deque()  # AVI: of the packets that no frame has come of yet
    for index, packet in enumerate(packets(path, video)):
        if not index and _needs_earlier(packet, stream.codec_context):
            in_cut_part, stream.thread_type = True, "SLICE"  # with frame threads, errors come packets later
        elif packet.is_keyframe:
            in_cut_part = False
        if packet.size and container.format.name == "avi":
            ticks.append(stated(packet)[0])
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            if not in_cut_part:
                raise
            continue
        for frame in frames:
            if frame.is_corrupt and not in_cut_part:
                raise MediaError(f"{path}: frame {num_frames} is damaged")
            frame.opaque, num_frames = ratio, num_frames + 1
            time, lasts = stated(frame)
            yield ticks.popleft() if ticks else time, lasts, frame


def _needs_earlier(packet: av.Packet, codec: av.VideoCodecContext) -> bool:
    """Whether a first H.264 packet is no IDR picture: the video was cut out of another without coding it anew.

    Pictures up to the next keyframe may then refer to some that are gone. The decoder calls that an error, players do
    not mind, and damage there can't be told from it.
    """
    if codec.codec.canonical_name != "h264":
        return False
    data, extra = bytes(packet), codec.extradata or b""
    if extra[:1] != b"\1":  # units between start codes; 5 is an IDR picture's
        return not any(unit[:1] and unit[0] & 31 == 5 for unit in data.split(b"\0\0\1")[1:])
    place, length = 0, (extra[4] & 3) + 1  # units after their lengths
    while place + length < len(data):
        if data[place + length] & 31 == 5:
            return False
        place += length + int.from_bytes(data[place : place + length])
    return True


def _lasting(frames: Iterable[tuple[float | None, float, T]], fps: float) -> Iterator[tuple[float, float, T]]:
    """Make each frame last until the next one comes, as players do.

    A frame that would last no time is left out. Where the clock jumps back, as where transport streams were joined, it
    goes on from there.

    Args:
        frames: when each begins and how long it lasts, as far as that is stated, and the frame.
        fps: for what is not stated.
    """
    before, shift, lasts = None, 0.0, 1 / fps
    for time, length, frame in frames:
        if before is not None:
            start = before[0]
            time = start + lasts if time is None else time + shift
            if time < start:
                shift, time = shift + start + lasts - time, start + lasts
            if time > start:
                lasts = time - start
                yield start, lasts, before[2]
        before = (time or 0.0, length, frame)
    if before is not None:
        start, length, frame = before
        yield start, length if length > SHORTEST else lasts, frame


def _packet_times(path: PathLike, exact: bool = True) -> Iterator[tuple[float, float, None]]:
    """What `decoded_frames` yields, with None for the frame, found from the packets alone.

    Args:
        exact: whether to raise the error; without it the frames are those that the packets seem to hold.

    Raises:
        _TimesUnknownError: packets and frames do not correspond, or may not. A field of an interlaced frame has a
            packet of its own in some containers, and a decoder drops frames that need one from before the file begins.
    """
    with open_video(path) as video:
        container, stream, fps = video
        codec = stream.codec_context
        is_known = container.format.name in TIMED_FORMATS and codec.codec.canonical_name in PACKET_CODECS
        if exact and not (is_known and codec.field_order <= PROGRESSIVE):
            raise _TimesUnknownError
        origin = None
        for time, lasts, _ in _lasting(_in_order(path, video, exact), fps):
            origin = time if origin is None else origin
            yield time - origin, lasts, None


def _in_order(path: PathLike, video: OpenVideo, exact: bool) -> Iterator[tuple[float, float, None]]:
    """When each packet is shown and how long, in the order of showing; see `_packet_times`."""
    _, stream, fps = video
    has_hidden = stream.codec_context.codec.canonical_name == "vp8"
    waiting: list[tuple[float, float]] = []  # a heap, since packets come in the order of decoding
    first = None
    for index, packet in enumerate(packets(path, video)):
        if packet.size:
            time, lasts = stated(packet)
            if exact and time is None:
                raise _TimesUnknownError
            time = index / fps if time is None else time
            first = (time if packet.is_keyframe else math.inf) if first is None else first
            if exact and not packet.is_discard and time < first:
                raise _TimesUnknownError
            if not packet.is_discard and not (has_hidden and not memoryview(packet)[0] & VP8_SHOWN):
                heapq.heappush(waiting, (time, lasts))  # an edit list hides the others
        while len(waiting) > (MAX_REORDERED if packet.size else 0):
            yield (*heapq.heappop(waiting), None)


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
