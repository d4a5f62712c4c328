"""The sound of one file in another: copied packet by packet, or coded anew where an mp4 can't hold its codec."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av

from .files import MediaError, PathLike, check_file, one_line

CODECS_OF_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus")
FALLBACK_RATE = 48_000  # samples a second, where AAC does not know the source's rate
PREROLL = Fraction(1, 10)  # seconds of packets kept before the video: a decoder warms up on them, unheard
GAP = 0.05  # seconds: a smaller one between two decoded frames is the rounding of their times


class SoundTrack:
    """Packets for a container, in step with the video: `advance(time)` hands on what comes before that time."""

    def __init__(
        self, source: av.container.InputContainer, target: av.container.OutputContainer, origin: Fraction, name: str
    ):
        self.target, self.origin, self.name = target, origin, name
        stream = source.streams.audio[0]
        self.copied = stream.codec_context.codec.canonical_name in CODECS_OF_MP4
        if self.copied:
            self.stream = target.add_stream_from_template(stream)
        else:
            rate = stream.rate if stream.rate in av.Codec("aac", "w").audio_rates else FALLBACK_RATE
            layout = {1: "mono", 2: "stereo"}.get(stream.layout.nb_channels, stream.layout)  # AVI does not name them
            self.stream = target.add_stream("aac", rate=rate, layout=layout)
        self.packets = self._copy(source, stream) if self.copied else self._code(source, stream)
        self.next: tuple[float, av.Packet] | None = None

    def _copy(self, source: av.container.InputContainer, stream: av.AudioStream) -> Iterator[tuple[float, av.Packet]]:
        shift = round(self.origin / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is None:  # the end
                continue
            start = packet.dts if packet.pts is None else packet.pts
            if start * stream.time_base < self.origin - PREROLL:
                continue
            packet.pts, packet.dts = start - shift, packet.dts - shift
            packet.stream = self.stream
            yield float(packet.pts * stream.time_base), packet

    def _code(self, source: av.container.InputContainer, stream: av.AudioStream) -> Iterator[tuple[float, av.Packet]]:
        end = 0.0  # of the frame before, in the source's seconds
        place: int | None = None  # of the next frame, in samples of the video's time
        for frame in source.decode(stream):
            start = end if frame.time is None else frame.time
            wanted = round((start - self.origin) * frame.rate)
            if place is None or abs(wanted - place) > GAP * frame.rate:
                place = wanted
            frame.pts, frame.time_base = place, Fraction(1, frame.rate)
            end, place = start + frame.samples / frame.rate, place + frame.samples
            if place > 0:
                yield from self._timed(self.stream.encode(frame))
        yield from self._timed(self.stream.encode())

    def _timed(self, packets: list[av.Packet]) -> Iterator[tuple[float, av.Packet]]:
        for packet in packets:
            yield float(packet.pts * packet.time_base), packet

    def advance(self, time: float) -> None:
        """Write the packets up to `time`, in seconds of the video. MediaError for sound that is damaged."""
        while True:
            try:
                self.next = self.next or next(self.packets, None)
            except (av.FFmpegError, ValueError) as error:  # ValueError: the format of the samples changes
                raise MediaError(f"{self.name}: its sound can't be read ({one_line(error)})") from error
            if self.next is None or self.next[0] > time:
                return
            self.target.mux(self.next[1])
            self.next = None


@contextmanager
def sound_track(
    path: PathLike | None, target: av.container.OutputContainer, formats: str
) -> Iterator[SoundTrack | None]:
    """The sound of `path` for `target`; None where no path is given. Times count from the video's first frame.

    formats: that may be opened, as FFmpeg names them. MediaError for a file that can't be, or that holds no sound.
    """
    if path is None:
        yield None
        return
    check_file(path)
    try:
        source = av.open(str(path), options={"format_whitelist": formats, "protocol_whitelist": "file"})
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: damaged, or not a file with sound ({one_line(error)})") from error
    with source:
        if not source.streams.audio:
            raise MediaError(f"{path}: holds no sound")
        video = source.streams.video[0] if source.streams.video else None
        origin = Fraction(0) if video is None or video.start_time is None else video.start_time * video.time_base
        yield SoundTrack(source, target, origin, str(path))
