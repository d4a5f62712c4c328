"""The sound of one file in another. It is copied packet by packet, or coded anew where an mp4 can't hold its codec."""

from collections.abc import Iterator
from fractions import Fraction

import av

from .demux import VIDEO_FORMATS
from .files import MediaError, PathLike, check_file, one_line

SOUND_FORMATS = f"{VIDEO_FORMATS},wav,mp3,flac,ogg,aac"  # the containers that sound is taken from
CODECS_OF_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus")
FALLBACK_RATE = 48_000  # samples a second, where AAC does not know the source's rate
PREROLL = Fraction(1, 10)  # seconds of packets kept before the video: a decoder warms up on them, unheard
GAP = 0.05  # seconds: a smaller one between two decoded frames is the rounding of their times


def sound_packets(path: PathLike, target: av.container.OutputContainer) -> Iterator[av.Packet]:
    """Give `target` a stream for the sound of `path`, and yield the packets that go into the stream.

    Their times count from the video's first frame.

    Raises:
        MediaError: the file can't be opened, holds no sound, or its sound is damaged.
    """
    check_file(path)
    try:
        source = av.open(str(path), options={"format_whitelist": SOUND_FORMATS, "protocol_whitelist": "file"})
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: damaged, or not a file with sound ({one_line(error)})") from error
    with source:
        if not source.streams.audio:
            raise MediaError(f"{path}: holds no sound")
        video = source.streams.video[0] if source.streams.video else None
        origin = Fraction(0) if video is None or video.start_time is None else video.start_time * video.time_base
        try:
            yield from _packets(source.streams.audio[0], target, origin)
        except (av.FFmpegError, ValueError) as error:  # ValueError: the format of the samples changes
            raise MediaError(f"{path}: its sound can't be read ({one_line(error)})") from error


def _packets(stream: av.AudioStream, target: av.container.OutputContainer, origin: Fraction) -> Iterator[av.Packet]:
    """The sound in `stream` as packets for a new stream of `target`, with times from `origin`, in seconds, on."""
    if stream.codec_context.codec.canonical_name in CODECS_OF_MP4:
        return _copied(stream, target.add_stream_from_template(stream), origin)
    rate = stream.rate if stream.rate in av.Codec("aac", "w").audio_rates else FALLBACK_RATE
    layout = {1: "mono", 2: "stereo"}.get(stream.layout.nb_channels, stream.layout)  # AVI does not name them
    return _coded(stream, target.add_stream("aac", rate=rate, layout=layout), origin)


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
