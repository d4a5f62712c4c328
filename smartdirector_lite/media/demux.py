"""Video files are opened and taken apart into packets here. What can't be read, or is cut short, is an error.

A packet is a coded frame, or a part of one. Packets come in the order of decoding.
"""

import contextlib
import math
import os
import re
from collections.abc import Iterator
from fractions import Fraction

import av
from av.stream import Disposition

from .files import MediaError, PathLike, check_file, one_line
from .pixels import square

MAX_FRAME_PIXELS = 36_000_000  # pixels of one video frame: 8K and a little
MAX_PIXEL_RATIO = 4  # of a pixel's longer side to its shorter one
VIDEO_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg"  # no playlists: they open other files
COUNT_FROM_ZERO = ("matroska", "mov")  # formats whose duration counts from 0, not from the first frame
TOLERANCE = 0.1  # seconds that may be missing where a header states only the duration (Matroska), not the frames
SHORTEST = 0.002  # seconds; a shorter duration is a tick of Matroska's clock, which FFmpeg takes where none is stated
USUAL_FPS = 25.0  # where neither the header nor a second frame tells the rate
STILL_BRANDS = ("avif", "heic", "heix", "mif1")  # pictures in the container of MP4
OTHER_FILES = {  # what people take for a video that can be read, by how its first bytes look
    rb"RIFF.{4}WEBP|\x89PNG.{,80}acTL": "is an animated picture (WebP, APNG); save it as GIF or MP4",
    rb"\x89PNG|\xff\xd8\xff|BM|II\*\0|MM\0\*": "is a picture; place it as a keyframe",
    rb"ID3|fLaC|RIFF.{4}WAVE|\xff[\xf1\xf3\xf9\xfb]": "holds no video, only sound",
    rb"FLV\x01": "is Flash video (FLV); convert it to MP4",
    rb"\x30\x26\xb2\x75": "is Windows Media (WMV, ASF); convert it to MP4",
    rb"OggS": "is Ogg (OGV), which does not tell whether it is whole; convert it to MP4 or WebM",
    rb"$": "is empty",
}


OpenVideo = tuple[av.container.InputContainer, av.VideoStream, float]


@contextlib.contextmanager
def open_video(path: PathLike) -> Iterator[OpenVideo]:
    """The open container, its video stream and its usual fps. Every failure inside becomes a MediaError."""
    check_file(path)
    options = {"format_whitelist": VIDEO_FORMATS, "protocol_whitelist": "file"}
    try:
        with av.open(os.path.abspath(path), options=options, metadata_errors="replace") as container:
            stream = _shown_stream(path, container)
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(MAX_FRAME_PIXELS)}
            if not stream.codec_context.width * stream.codec_context.height:
                raise MediaError(f"{path}: damaged, or cut before its first keyframe: no frame size is stated")
            size = square(stream.codec_context.width, stream.codec_context.height, pixel_ratio(path, stream))
            if math.prod(size) > MAX_FRAME_PIXELS:
                raise MediaError(f"{path}: frames of {size.width} x {size.height}, over {MAX_FRAME_PIXELS} pixels")
            rates = [rate for rate in (stream.average_rate, stream.base_rate) if rate and rate * SHORTEST < 1]
            yield container, stream, float(rates[0]) if rates else USUAL_FPS
    except (av.FFmpegError, OSError, EOFError) as error:
        raise MediaError(f"{path}: {_what_it_is(path, error)}") from error


def _shown_stream(path: PathLike, container: av.container.InputContainer) -> av.VideoStream:
    """The video stream that players show: no cover picture, and the best where there is a choice."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    films = [stream for stream in container.streams.video if not stream.disposition & still]
    if not container.streams:
        raise MediaError(f"{path}: damaged or cut short: no stream is stated")
    if not films:
        raise MediaError(f"{path}: holds no video" + (", only a cover picture" if container.streams.video else ""))
    best = container.streams.best("video")  # FFmpeg's choice: marked as default, more than one frame, more bits
    stream = best if best in films else films[0]
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video has a codec that FFmpeg does not know; convert it to H.264")
    if container.metadata.get("major_brand", "").strip() in STILL_BRANDS:
        raise MediaError(f"{path}: is a picture; place it as a keyframe")
    return stream


def _what_it_is(path: PathLike, error: Exception) -> str:
    """Why FFmpeg can't read this file, and what to do."""
    with open(path, "rb") as file:
        start = file.read(100)
    for pattern, words in OTHER_FILES.items():
        if re.match(pattern, start, re.DOTALL):
            return words
    if isinstance(error, av.ArgumentError):  # what FFmpeg raises at a format that is not in the list
        return "not a video of a kind that is read (MP4, MOV, MKV, WebM, AVI, GIF, MPEG); convert it to MP4"
    return f"damaged, cut short or not a video ({one_line(error)})"


def pixel_ratio(path: PathLike, stream: av.VideoStream) -> Fraction:
    """The width of a stream's pixels for a height of 1, as the container states it, or else the codec, or else 1.

    Raises:
        MediaError: the pixels are longer than MAX_PIXEL_RATIO.
    """
    ratio = stream.sample_aspect_ratio or Fraction(1)
    if not 1 <= ratio * MAX_PIXEL_RATIO <= MAX_PIXEL_RATIO**2:
        raise MediaError(
            f"{path}: states pixels of {ratio.numerator}:{ratio.denominator}, which no camera makes; "
            f"write it anew with a ratio from 1:{MAX_PIXEL_RATIO} to {MAX_PIXEL_RATIO}:1"
        )
    return ratio


def packets(path: PathLike, video: OpenVideo) -> Iterator[av.Packet]:
    """The packets of a video in the file's order, then an empty one. A file that is cut short is a MediaError."""
    container, stream, fps = video
    listed = len(stream.index_entries)
    num_packets, start, end, last = 0, math.inf, 0.0, 0.0
    # Where the header counts no frames, only the streams together tell whether the file is as long as it says.
    streams = [stream] if stream.frames else container.streams
    for packet in container.demux(*streams):
        if packet.stream.index != stream.index:
            time, lasts = stated(packet)
            last = max(last, (time or 0) + lasts)
            continue
        if packet.has_sidedata("encryption_info"):
            raise MediaError(f"{path}: is encrypted; use a copy that is not")
        if packet.is_corrupt:
            raise MediaError(f"{path}: damaged or cut short after {num_packets} frames")
        if packet.size:
            time, lasts = stated(packet)
            time = num_packets / fps if time is None else time
            num_packets, start, end = num_packets + 1, min(start, time), max(end, time + lasts)
        yield packet
    wanted = stream.frames
    if container.format.name == "avi" and (num_packets == listed or round(end / stream.time_base) >= wanted):
        wanted = listed  # AVI counts empty chunks, too. Each shows the frame before it again, and none is listed
    if num_packets < wanted:  # the frames shown may rightly be fewer: an edit list hides some
        raise MediaError(f"{path}: cut short, {num_packets} of {wanted} frames are there")
    check_end(path, video, min(start, end), max(end, last))


def check_end(path: PathLike, video: OpenVideo, start: float, end: float) -> None:
    """A file that ends before the duration that its header states is a MediaError."""
    container, stream, _ = video
    duration = (container.duration or 0) / av.time_base
    if not container.format.name.startswith(COUNT_FROM_ZERO):
        end -= start
    if not stream.frames and duration > end + TOLERANCE:
        raise MediaError(f"{path}: cut short at {end:.2f} of {duration:.2f} s")


def stated(part: av.Packet | av.VideoFrame) -> tuple[float | None, float]:
    """When a packet or a frame is shown and how long, in seconds, as far as it says so: else None and 0.

    AVI states no times. Its packets have their places, which FFmpeg gives as the time of decoding.
    """
    in_avi = isinstance(part, av.Packet) and part.stream.container.format.name == "avi"
    time = part.dts if in_avi or (isinstance(part, av.Packet) and part.pts is None) else part.pts
    return None if time is None else float(time * part.time_base), float((part.duration or 0) * part.time_base)
