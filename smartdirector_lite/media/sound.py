"""The sound of one file in another: copied packet by packet, or coded anew where an mp4 can't hold its codec."""

from collections.abc import Iterator
from contextlib import contextmanager

import av

from .files import PathLike

CODECS_OF_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus")


class SoundTrack:
    """Packets for a container, in step with the video: `advance(time)` hands on what comes before that time."""

    def __init__(self, source: av.container.InputContainer, target: av.container.OutputContainer, origin: float):
        self.target, self.origin = target, origin
        stream = source.streams.audio[0]
        self.copied = stream.codec_context.name in CODECS_OF_MP4
        if self.copied:
            self.stream = target.add_stream_from_template(stream)
        else:
            self.stream = target.add_stream("aac", rate=stream.rate)
        self.packets = self._copy(source, stream) if self.copied else self._code(source, stream)
        self.next: tuple[float, av.Packet] | None = None

    def _copy(self, source: av.container.InputContainer, stream: av.AudioStream) -> Iterator[tuple[float, av.Packet]]:
        shift = round(self.origin / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is None or (packet.pts is not None and packet.pts < shift):  # the end, or before the video
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = self.stream
            yield float(packet.pts * packet.time_base), packet

    def _code(self, source: av.container.InputContainer, stream: av.AudioStream) -> Iterator[tuple[float, av.Packet]]:
        resampler = av.AudioResampler("fltp", stream.layout, stream.rate)
        for frame in source.decode(stream):
            for part in resampler.resample(frame):
                part.pts = None
                for packet in self.stream.encode(part):
                    yield float(packet.pts * packet.time_base), packet
        for packet in self.stream.encode():
            yield float(packet.pts * packet.time_base), packet

    def advance(self, time: float) -> None:
        """Write the packets up to `time`, in seconds of the video."""
        while True:
            self.next = self.next or next(self.packets, None)
            if self.next is None or self.next[0] > time:
                return
            self.target.mux(self.next[1])
            self.next = None


@contextmanager
def sound_track(path: PathLike | None, target: av.container.OutputContainer) -> Iterator[SoundTrack | None]:
    """The sound of `path` for `target`; None where no path is given. Times count from the video's first frame."""
    if path is None:
        yield None
        return
    with av.open(str(path)) as source:
        start = source.streams.video[0].start_time if source.streams.video else None
        origin = float(start * source.streams.video[0].time_base) if start else 0.0
        yield SoundTrack(source, target, origin)
