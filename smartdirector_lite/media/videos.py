"""Videos are read here with PyAV, as players show them. A damaged or cut file is an error, never a shorter video."""

import heapq
import math
import reprlib
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
from .pixels import DecodedFrame, frame_pixels
from .size import Size

MAX_VIDEO_FRAMES = 3_600  # frames that read_video returns at once: 60 s at 60 fps
MAX_VIDEO_PIXELS = 1_500_000_000  # pixels that read_video returns at once: 4.5 GB, or 60 s of 720p at 24 fps
TIMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "gif")  # containers that state the time of every frame
PACKET_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "gif")  # codecs with at most one shown frame in each packet
VP8_SHOWN = 16  # the bit of a VP8 packet's first byte that says that the frame is shown
PROGRESSIVE = 1  # FFmpeg's number of the field order that is none; unknown is 0
MAX_REORDERED = 16  # frames that may be decoded between a frame and one that is shown before it (H.264, HEVC)
CLOCK_TICK = 0.001  # seconds: Matroska's times are this coarse
CUT_PACKETS = 2 * MAX_REORDERED  # after so many packets, no picture of H.264 refers to one from before a cut
RATE_TOLERANCE = 0.01  # by which a header's rate may differ from what is measured
WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # codecs of which libvpx's decoders give transparency, too
UNREAD_SPACES = {8: "YCgCo", 10: "BT.2020 with constant luminance", 14: "ICtCp"}  # by FFmpeg's numbers
T = TypeVar("T")


@dataclass(frozen=True)
class VideoInfo:
    """What a video is. It is measured: headers may say nothing, or what is not true."""

    size: Size  # as shown: upright, with square pixels
    fps: float  # as the header states it if that fits the frames, else their average
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
        size = frame.size
        rates, has_audio = (stream.average_rate, stream.base_rate), bool(container.streams.audio)
    try:
        times = list(_packet_times(path))
    except _TimesUnknownError:
        times = list(_packet_times(path, exact=False))
    duration = sum(times[-1][:2])
    fps = _true_rate([float(rate) for rate in rates if rate], [lasts for _, lasts, _ in times])
    turned = Size(size.height, size.width) if frame.coded.rotation % 180 else size
    return VideoInfo(turned, fps, len(times), duration, round(frame.coded.rotation) % 360, has_audio)


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


def decoded_frames(path: PathLike) -> Iterator[tuple[float, float, DecodedFrame]]:
    """Decode a video frame by frame.

    Yields:
        For each frame: the seconds since the first frame, the seconds that the frame lasts, and the frame, of which
        `frame_pixels` makes pixels.

    Raises:
        MediaError: the file is damaged or cut short.
    """
    with open_video(path) as video:
        yield from _since_first(_lasting(_decoded(path, video), video[2]))


def first_time(path: PathLike) -> float:
    """When the first frame that is shown of a video is shown, in seconds of the file's clock."""
    with open_video(path) as video:
        return next((time for time, _, _ in _lasting(_decoded(path, video), video[2])), 0.0)


def _decoded(path: PathLike, video: OpenVideo) -> Iterator[tuple[float | None, float, DecodedFrame]]:
    """When each frame is shown and how long, as far as the file says so, and the frame."""
    container, stream, _ = video
    ratio, num_frames, in_cut_part, decoder = pixel_ratio(path, stream), 0, False, _decoder(stream)
    start, end = math.inf, 0.0
    ticks: deque[float | None] = deque()  # AVI: of the packets that no frame has come of yet
    for index, packet in enumerate(packets(path, video)):
        if not index and _needs_earlier(packet, stream.codec_context):
            in_cut_part, stream.thread_type = True, "SLICE"  # with frame threads, errors come packets later
        elif packet.is_keyframe or index > CUT_PACKETS:
            in_cut_part = False
        if packet.size and container.format.name == "avi":
            ticks.append(stated(packet)[0])
        try:
            frames = decoder.decode(packet)
        except av.InvalidDataError:
            if not in_cut_part:
                raise
            continue
        for frame in frames:
            if frame.is_corrupt and not in_cut_part:
                raise MediaError(f"{path}: frame {num_frames} is damaged")
            if frame.colorspace in UNREAD_SPACES:
                raise MediaError(f"{path}: its colours are {UNREAD_SPACES[frame.colorspace]}; convert them to BT.709")
            num_frames += 1
            time, lasts = stated(frame)
            time = ticks.popleft() if ticks else time
            if time is not None:
                start, end = min(start, time), max(end, time + lasts)
            yield time, lasts, DecodedFrame(frame, ratio)
    check_end(path, video, start, end)  # again: the decoder may drop a last packet that is not whole


def _decoder(stream: av.VideoStream) -> av.VideoCodecContext:
    """The stream's decoder. FFmpeg's own ones for VP8 and VP9 leave transparency out, libvpx's do not."""
    codec = stream.codec_context
    if stream.metadata.get("alpha_mode") != "1" or codec.codec.canonical_name not in WITH_ALPHA:
        return codec
    decoder = av.CodecContext.create(WITH_ALPHA[codec.codec.canonical_name], "r")
    decoder.options = codec.options
    return decoder


def _needs_earlier(packet: av.Packet, codec: av.VideoCodecContext) -> bool:
    """Whether a first H.264 packet is no IDR picture: the video was cut out of another without coding it anew.

    The next pictures may then refer to some that are gone. The decoder calls that an error, and players do not mind.
    Damage in the first CUT_PACKETS of such a video can't be told from it.
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


def _since_first(frames: Iterable[tuple[float, float, T]]) -> Iterator[tuple[float, float, T]]:
    """The frames with times that count from the first one."""
    origin = None
    for time, lasts, frame in frames:
        origin = time if origin is None else origin
        yield time - origin, lasts, frame


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
        yield from _since_first(_lasting(_in_order(path, video, exact), fps))


def _in_order(path: PathLike, video: OpenVideo, exact: bool) -> Iterator[tuple[float, float, None]]:
    """When each packet is shown and how long, in the order of showing; see `_packet_times`."""
    has_hidden = video[1].codec_context.codec.canonical_name == "vp8"
    waiting: list[tuple[float, float]] = []  # a heap, since packets come in the order of decoding
    first = None
    for index, packet in enumerate(packets(path, video)):
        time, lasts = stated(packet)
        first = (time if packet.is_keyframe else math.inf) if first is None else first
        while len(waiting) > (0 if packet.is_keyframe or not packet.size else MAX_REORDERED):
            yield (*heapq.heappop(waiting), None)
        is_shown = packet.size and not packet.is_discard and not (has_hidden and not memoryview(packet)[0] & VP8_SHOWN)
        if is_shown:  # others are hidden by an edit list or by the codec
            if exact and (time is None or time < first):
                raise _TimesUnknownError
            time = index / video[2] if time is None else time
            if index > MAX_REORDERED or time >= first or first == math.inf:  # what is shown before it can't be decoded
                heapq.heappush(waiting, (time, lasts))


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
        return len(_select(path, _packet_times(path), part, fps, lambda frame: None))
    except _TimesUnknownError:
        return len(_select(path, decoded_frames(path), part, fps, lambda frame: None))
