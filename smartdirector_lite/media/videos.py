"""Videos in and out with PyAV. A damaged or shortened file is an error, never a shorter video."""

import contextlib
import itertools
import math
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image

from .files import MediaError, PathLike, atomic_path, check_file, one_line
from .images import cover_crop
from .sound import sound_track

MAX_FRAME_PIXELS = 36_000_000  # one video frame: 8K and a little
MAX_VIDEO_FRAMES = 3_600  # that read_video returns at once: 60 s at 60 fps
MAX_VIDEO_PIXELS = 1_500_000_000  # that read_video returns at once: 4.5 GB, 60 s of 720p at 24 fps
VIDEO_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg"  # no playlists: they open other files
SOUND_FORMATS = "wav,mp3,flac,ogg,aac"  # that write_video takes sound from besides
SAME_EVERY_TIME = {"mbtree": "0"}  # of x264, whose macroblock tree gives another file for the same frames now and then
TICK = Fraction(1, 90_000)  # seconds; of frames that have times of their own
ROUNDING = 0.001  # seconds: Matroska's times are this coarse
TOLERANCE = 0.1  # seconds that may be missing where a header states the duration only (Matroska), not the frames
# The default conversion is fast and darkens by a level or two, with misplaced chroma (mean error 3.5, this 0.5).
CONVERSION = Interpolation.BICUBIC.value | Interpolation.FULL_CHR_H_INT.value | Interpolation.ACCURATE_RND.value


@dataclass(frozen=True)
class VideoInfo:
    """What a video's header says. width, height: as shown, after `rotation` (degrees, a multiple of 90).

    num_frames: as the header counts them, else estimated from the duration (seconds).
    """

    width: int
    height: int
    fps: float
    num_frames: int
    duration: float
    rotation: int
    has_audio: bool


@contextlib.contextmanager
def _open_video(path: PathLike) -> Iterator[tuple[av.container.InputContainer, av.VideoStream, float]]:
    """The open container, its video stream and its fps; every failure inside becomes a MediaError."""
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
    """Read a video's header and first frame. MediaError if it is missing, not a video, damaged or too large."""
    with _open_video(path) as (container, stream, fps):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise MediaError(f"{path}: holds no frame")
        if stream.duration and stream.time_base:
            duration = float(stream.duration * stream.time_base)
        else:
            duration = (container.duration or 0) / av.time_base
        width, height = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
        num_frames = stream.frames or max(1, round(duration * fps))
        has_audio = bool(container.streams.audio)
        return VideoInfo(width, height, fps, num_frames, duration, round(frame.rotation) % 360, has_audio)


def decoded_frames(path: PathLike) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """(seconds since the first frame, seconds it lasts, frame) of each frame; MediaError where the file is cut."""
    with _open_video(path) as (container, stream, fps):
        origin, end, num_frames, num_packets = None, 0.0, 0, 0
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise MediaError(f"{path}: damaged or cut short after {num_frames} frames")
            num_packets += packet.size > 0
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise MediaError(f"{path}: frame {num_frames} is damaged")
                time = num_frames / fps if frame.time is None else frame.time
                origin = time if origin is None else origin
                lasts = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 1 / fps
                end, num_frames = time - origin + lasts, num_frames + 1
                yield time - origin, lasts, frame
        if num_packets < stream.frames:  # not frames decoded: an edit list may rightly hide some
            raise MediaError(f"{path}: cut short, {num_packets} of {stream.frames} frames are there")
        duration = (container.duration or 0) / av.time_base
        if not stream.frames and len(container.streams) == 1 and duration > end + TOLERANCE:
            raise MediaError(f"{path}: cut short at {end:.2f} of {duration:.2f} s")


def frame_pixels(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> np.ndarray:
    """An upright RGB array (H, W, 3) of a decoded frame, cover-cropped to `size`."""
    array = frame.reformat(format="rgb24", interpolation=CONVERSION).to_ndarray()
    array = np.rot90(array, round(frame.rotation / 90))
    return np.ascontiguousarray(array) if size is None else np.array(cover_crop(Image.fromarray(array), size))


def iter_video(path: PathLike, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
    """Yield every frame, (H, W, 3) uint8, one at a time: for films too long for read_video."""
    for _, _, frame in decoded_frames(path):
        yield frame_pixels(frame, size)


def _select(path: PathLike, start: int | float, stop: int | float | None, fps: float | None, convert: Callable) -> list:
    """convert(frame) for the frames in [start, stop), resampled to `fps`: what read_video and count_frames share."""
    if not start >= 0 or (fps is not None and not 0 < fps <= 1000):
        raise MediaError(f"{path}: start must be at least 0 and fps over 0 and at most 1000, got {start} and {fps}")
    kept, times, count, end, period = [], [], 0, 0.0, 0.0

    def reached(bound: int | float, index: int, time: float) -> bool:
        return index >= bound if isinstance(bound, numbers.Integral) else time + period / 2 >= bound

    for time, period, frame in decoded_frames(path):
        if stop is not None and reached(stop, count, time):
            break
        if reached(start, count, time):
            kept.append(convert(frame))
            times.append(time)
            if len(kept) > MAX_VIDEO_FRAMES:
                raise MediaError(f"{path}: more than {MAX_VIDEO_FRAMES} frames; give start and stop, or use iter_video")
        count, end = count + 1, time + period
    else:
        if stop is not None and not reached(stop, count, end):
            raise MediaError(f"{path}: ends after {count} frames ({end:.2f} s), before stop={stop}")
    if not kept:
        raise MediaError(f"{path}: no frame from start={start} to stop={stop}; it has {count} frames before that")
    if fps is None:
        return kept
    num_frames = max(1, math.floor((times[-1] - times[0] + period) * fps + 0.5))
    if num_frames > MAX_VIDEO_FRAMES:
        raise MediaError(f"{path}: more than {MAX_VIDEO_FRAMES} frames at {fps} fps; give start and stop")
    return [kept[i] for i in _nearest(times, num_frames, fps)]


def _nearest(times: Sequence[float], num_frames: int, fps: float) -> list[int]:
    """Indices into `times` (seconds) of the frames nearest to 0, 1/fps, 2/fps, ... after the first; ties go back."""
    wanted = times[0] + np.arange(num_frames) / fps - 1e-6  # a microsecond: ties are not left to float rounding
    return np.abs(np.asarray(times)[None] - wanted[:, None]).argmin(axis=1).tolist()


def read_video(
    path: PathLike,
    start: int | float = 0,
    stop: int | float | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> np.ndarray:
    """Read the frames in [start, stop) as a (T, H, W, 3) uint8 RGB array, upright, cover-cropped to `size`.

    start, stop: an int counts the file's frames, a float its seconds; stop=None reads to the end. fps: resample by the
    nearest timestamp (the duration stays). The file is decoded from its beginning, so every frame number is exact.
    MediaError if the file is damaged or ends before `stop`, or the result passes MAX_VIDEO_FRAMES or MAX_VIDEO_PIXELS.
    """
    num_pixels, shape = 0, None

    def convert(frame: av.VideoFrame) -> np.ndarray:
        nonlocal num_pixels, shape
        pixels = frame_pixels(frame, size)
        num_pixels, shape = num_pixels + pixels.shape[0] * pixels.shape[1], shape or pixels.shape
        if num_pixels > MAX_VIDEO_PIXELS:
            raise MediaError(f"{path}: more than {MAX_VIDEO_PIXELS} pixels; give stop or a smaller size")
        if pixels.shape != shape:
            raise MediaError(f"{path}: the frame size changes from {shape} to {pixels.shape}; give a size")
        return pixels

    return np.stack(_select(path, start, stop, fps, convert))


def count_frames(
    path: PathLike, start: int | float = 0, stop: int | float | None = None, fps: float | None = None
) -> int:
    """How many frames read_video would return. It decodes them all, so that damage is found too."""
    return len(_select(path, start, stop, fps, lambda frame: None))


def write_video(
    path: PathLike,
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float,
    quality: int = 16,
    times: Sequence[float] | None = None,
    sound: PathLike | None = None,
) -> None:
    """Write an H.264 mp4 (yuv420p, BT.709, ready to stream).

    frames: (T, H, W, 3) uint8 RGB, or any iterable of (H, W, 3), so that a long video need not be in memory.
    quality: x264's constant rate factor, 0 (best) to 51 (worst). times: of the frames, in seconds from the first, and
    of the end if that is known; every 1 / fps when not given. sound: a file whose sound goes with them. MediaError for
    odd sizes (4:2:0 has none), frames of unequal size or type, and no frames at all.
    """
    if Path(path).suffix.lower() != ".mp4":
        raise MediaError(f"{path}: videos are written as .mp4; end the name so")
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise MediaError(f"{path}: fps must be over 0 and at most 1000, got {fps}")
    if not 0 <= quality <= 51:
        raise MediaError(f"{path}: quality must be from 0 (best) to 51 (worst), got {quality}")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path}: no frames to write")
    _check_frame(path, first, np.shape(first))
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise MediaError(f"{path}: H.264 needs an even width and height, got {width} x {height}; crop or resize first")
    if times is not None and all(abs(time - i / fps) < ROUNDING for i, time in enumerate(times)):
        times = None
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container,
        sound_track(sound, container, f"{VIDEO_FORMATS},{SOUND_FORMATS}") as track,
    ):
        stream = container.add_stream("libx264", rate=Fraction(float(fps)).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(quality), "preset": "medium", **SAME_EVERY_TIME}
        if times is not None:  # without frames out of order: an mp4 can't state how long each of those lasts
            stream.codec_context.time_base, stream.codec_context.max_b_frames = TICK, 0
            stream.codec_context.flags |= Flags.frame_duration
        stream.codec_context.colorspace = stream.codec_context.color_primaries = Colorspace.ITU709.value
        stream.codec_context.color_trc, stream.codec_context.color_range = 1, ColorRange.MPEG.value
        for index, pixels in enumerate(itertools.chain([first], frames)):
            _check_frame(path, pixels, first.shape, index)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, interpolation=CONVERSION)
            time = index / fps if times is None else times[index]
            frame.pts = index
            if times is not None:
                end = times[index + 1] if index + 1 < len(times) else time + 1 / fps
                frame.pts, frame.time_base = round(time / TICK), TICK
                frame.duration = round(end / TICK) - frame.pts
            container.mux(stream.encode(frame))
            if track is not None:
                track.advance(time)
        container.mux(stream.encode())
        if track is not None:
            track.advance(math.inf)


def _check_frame(path: PathLike, frame: object, shape: tuple[int, ...], index: int = 0) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise MediaError(f"{path}: frame {index} must be a uint8 array (height, width, 3), got {found}")
    if frame.shape != shape:
        raise MediaError(f"{path}: frame {index} has shape {frame.shape}, the first has {shape}; make them equal")
