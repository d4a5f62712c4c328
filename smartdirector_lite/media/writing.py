"""Videos are written here with PyAV, as H.264 mp4 files."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorRange, Colorspace

from ..timeline import check_number
from .files import MediaError, PathLike, atomic_path, one_line, video_path
from .images import check_pixels
from .pixels import CONVERSION, converted
from .sound import sound_packets
from .videos import MAX_FPS, MIN_FPS

SAME_EVERY_TIME = {"mbtree": "0"}  # x264's macroblock tree now and then gives another file for the same frames
TICK = Fraction(1, 90_000)  # seconds; the unit of frames that have times of their own
ROUNDING = 0.001  # seconds: Matroska's times are this coarse


def write_video(
    path: PathLike,
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float,
    quality: int = 16,
    times: Sequence[float] | None = None,
    sound: PathLike | None = None,
) -> None:
    """Write an H.264 mp4 (yuv420p, BT.709, ready to stream).

    Args:
        frames: (T, H, W, 3) uint8 RGB, or any iterable of (H, W, 3), so that a long video need not be in memory.
        quality: x264's constant rate factor, from 0 (best) to 51 (worst).
        times: when each frame is shown, in seconds from the first, and when the last one ends if that is known. The
            default is one frame every 1 / fps.
        sound: a file whose sound goes with the frames, as it does with the film in that file. Where that film begins
            later than its sound, this one does, too.

    Raises:
        MediaError: there is no frame, a side is odd (4:2:0 has none), or frames differ in size or type.
    """
    path = video_path(path)
    try:
        fps, quality = check_number("fps", fps, MIN_FPS, MAX_FPS), check_number("quality", quality, 0, 51)
        frames = iter(frames)
    except (TypeError, ValueError) as error:
        raise MediaError(f"{path}: {error}") from error
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path}: no frames to write")
    check_pixels(f"{path}: frame 0", first)
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise MediaError(f"{path}: H.264 needs an even width and height, got {width} x {height}; crop or resize first")
    if times is not None and all(abs(time - i / fps) < ROUNDING for i, time in enumerate(times)):
        times = None
    options = {"movflags": "+faststart"}
    with (
        atomic_path(path) as temporary,
        _refusals(path),
        av.open(os.path.abspath(temporary), "w", options=options) as container,  # a name may look like an address
    ):
        late, heard = (0, iter(())) if sound is None else sound_packets(sound, container, fps)
        waiting = next(heard, None)  # the sound's stream is made before the first packet is written
        stream = _video_stream(container, width, height, fps, quality, times is not None)
        for index, pixels in enumerate(itertools.chain([first], frames)):
            check_pixels(f"{path}: frame {index}", pixels)
            if pixels.shape != first.shape:
                raise MediaError(
                    f"{path}: frame {index} has shape {pixels.shape}, the first has {first.shape}; make them equal"
                )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = converted(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, interpolation=CONVERSION)
            time = late / fps + (index / fps if times is None else times[index])
            frame.pts = late + index
            if times is not None:
                end = late / fps + times[index + 1] if index + 1 < len(times) else time + 1 / fps
                frame.pts, frame.time_base = round(time / TICK), TICK
                frame.duration = round(end / TICK) - frame.pts
            container.mux(stream.encode(frame))
            while waiting is not None and float(waiting.pts * waiting.time_base) <= time:
                container.mux(waiting)
                waiting = next(heard, None)
        container.mux(stream.encode())
        for packet in itertools.chain([waiting] if waiting else [], heard):
            container.mux(packet)


@contextlib.contextmanager
def _refusals(path: PathLike) -> Iterator[None]:
    """What FFmpeg does not write into an mp4, such as the sound of a damaged file, becomes a MediaError."""
    try:
        yield
    except (av.ArgumentError, av.InvalidDataError) as error:
        raise MediaError(f"{path}: its sound or picture can't be written ({one_line(error)})") from error


def _video_stream(
    container: av.container.OutputContainer, width: int, height: int, fps: float, quality: int, own_times: bool
) -> av.VideoStream:
    """A new H.264 stream. own_times: the frames state when they are shown, in TICKs, and how long."""
    stream = container.add_stream("libx264", rate=Fraction(float(fps)).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.options = {"crf": str(quality), "preset": "medium", **SAME_EVERY_TIME}
    if own_times:  # no frames out of order, since an mp4 can't state how long each of those lasts
        stream.codec_context.time_base, stream.codec_context.max_b_frames = TICK, 0
        stream.codec_context.flags |= Flags.frame_duration
    stream.codec_context.colorspace = stream.codec_context.color_primaries = Colorspace.ITU709.value
    stream.codec_context.color_trc, stream.codec_context.color_range = 1, ColorRange.MPEG.value
    return stream
