"""The sound of one file in another. It is copied packet by packet, or coded anew where an mp4 can't hold its codec."""

import contextlib
import heapq
import math
import os
from collections.abc import Iterator
from fractions import Fraction

import av

from .demux import VIDEO_FORMATS
from .files import MediaError, PathLike, check_file, one_line
from .frames import first_time

SOUND_FORMATS = f"{VIDEO_FORMATS},wav,mp3,flac,ogg,aac"  # the containers that sound is taken from
CODECS_OF_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus")
FALLBACK_RATE = 48_000  # samples a second, where AAC does not know the source's rate
PREROLL = Fraction(1, 10)  # seconds of packets kept before the video: a decoder warms up on them, unheard
GAP = 0.05  # seconds: a smaller one between two decoded frames is the rounding of their times
FILE_TAGS = ("title", "artist", "album", "date", "comment", "copyright")  # what is said of a file, and is kept
TRACK_TAGS = {"language": "language", "title": "title", "name": "title"}  # an mp4 calls a track's title its name


def sound_packets(path: PathLike, target: av.container.OutputContainer, fps: float) -> tuple[int, Iterator[av.Packet]]:
    """The sound of `path` for `target`: every track, with its language and title. The file's title goes along.

    The iterator gives `target` its streams when it is first asked, and yields the packets that go into them.

    Args:
        fps: of the picture in `target`.

    Returns:
        The number of frames by which the picture in `target` is to begin late, because it does in `path`, and the
        packets.

    Raises:
        MediaError: the file can't be opened, holds no sound, or its sound is damaged.
    """
    with _open(path) as source:
        tracks = [track for track, stream in enumerate(source.streams.audio) if stream.codec_context is not None]
        if not tracks:
            raise MediaError(f"{path}: holds no sound" + (" of a known codec" if source.streams.audio else ""))
        streams, has_video = source.streams.audio, bool(source.streams.video)
        begins = min((streams[track].start_time or 0) * streams[track].time_base for track in tracks)
        target.metadata.update({tag.lower(): text for tag, text in source.metadata.items() if tag.lower() in FILE_TAGS})
    origin = Fraction(first_time(path)) if has_video else Fraction(0)
    late = math.ceil((origin - begins) * Fraction(fps)) if has_video and origin - begins > PREROLL else 0
    origin -= late / Fraction(fps)
    packets = (_track(path, track, target, origin) for track in tracks)
    return late, heapq.merge(*packets, key=lambda packet: packet.pts * packet.time_base)


def left_out(path: PathLike) -> str | None:
    """A sentence on what a film holds beside the picture and the sound that `sound_packets` takes; None for nothing."""
    with _open(path) as source:
        counts = {
            "video": len(source.streams.video) - 1,
            "unknown sound": sum(stream.codec_context is None for stream in source.streams.audio),
            "subtitle": len(source.streams.subtitles),
            "data": len(source.streams.data),
            "attachment": len(source.streams.attachments),
        }
        found = [f"{count} {kind} track{'s' * (count > 1)}" for kind, count in counts.items() if count > 0]
        found += ["chapters"] * bool(source.chapters())
    return f"left out: {', '.join(found)}" if found else None


@contextlib.contextmanager
def _open(path: PathLike) -> Iterator[av.container.InputContainer]:
    check_file(path)
    options = {"format_whitelist": SOUND_FORMATS, "protocol_whitelist": "file"}
    try:  # old titles are not in UTF-8
        source = av.open(os.path.abspath(path), options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: damaged, or not a file with sound ({one_line(error)})") from error
    with source:
        yield source


def _track(path: PathLike, track: int, target: av.container.OutputContainer, origin: Fraction) -> Iterator[av.Packet]:
    """The packets of one sound track, with times from `origin`, in seconds, on, for a new stream of `target`."""
    with _open(path) as source:
        stream = source.streams.audio[track]
        try:
            yield from _packets(stream, target, origin)
        except (av.FFmpegError, ValueError) as error:  # ValueError: the format of the samples changes
            raise MediaError(f"{path}: its sound can't be read ({one_line(error)})") from error


def _packets(stream: av.AudioStream, target: av.container.OutputContainer, origin: Fraction) -> Iterator[av.Packet]:
    """The sound in `stream` as packets for a new stream of `target`, which gets its tags."""
    if stream.codec_context.codec.canonical_name in CODECS_OF_MP4:
        make, out = _copied, target.add_stream_from_template(stream)
    else:
        rate = stream.rate if stream.rate in av.Codec("aac", "w").audio_rates else FALLBACK_RATE
        layout = {1: "mono", 2: "stereo"}.get(stream.layout.nb_channels, stream.layout)  # AVI does not name them
        make, out = _coded, target.add_stream("aac", rate=rate, layout=layout)
    out.metadata.update({TRACK_TAGS[tag]: text for tag, text in stream.metadata.items() if tag in TRACK_TAGS})
    out.disposition = stream.disposition
    return make(stream, out, origin)


def _copied(stream: av.AudioStream, out: av.AudioStream, origin: Fraction) -> Iterator[av.Packet]:
    shift = round(origin / stream.time_base)
    for packet in stream.container.demux(stream):
        if packet.dts is None:  # the end
            continue
        start = packet.dts if packet.pts is None else packet.pts
        if start * stream.time_base < origin - PREROLL:
            continue
        packet.pts, packet.dts = start - shift, packet.dts - shift
        packet.stream = out
        yield packet


def _coded(stream: av.AudioStream, out: av.AudioStream, origin: Fraction) -> Iterator[av.Packet]:
    end = 0.0  # of the frame before, in the source's seconds
    place: int | None = None  # of the next frame, in samples of the video's time
    for frame in stream.container.decode(stream):
        start = end if frame.time is None else frame.time
        wanted = round((start - origin) * frame.rate)
        if place is None or abs(wanted - place) > GAP * frame.rate:
            place = wanted
        frame.pts, frame.time_base = place, Fraction(1, frame.rate)
        end, place = start + frame.samples / frame.rate, place + frame.samples
        if place > 0:
            yield from out.encode(frame)
    yield from out.encode()
