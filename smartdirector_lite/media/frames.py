"""The frames of a video, in the order in which they are shown, each with its time.

They are decoded, or told from the packets alone, which is far quicker.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import av

from .demux import SHORTEST, OpenVideo, check_end, open_video, packets, pixel_ratio, stated
from .files import MediaError, PathLike
from .pixels import DecodedFrame

TIMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "gif")  # containers that state the time of every frame
PACKET_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "gif")  # codecs with at most one shown frame in each packet
VP8_SHOWN = 16  # the bit of a VP8 packet's first byte that says that the frame is shown
PROGRESSIVE = 1  # FFmpeg's number of the field order that is none; unknown is 0
MAX_REORDERED = 16  # frames that may be decoded between a frame and one that is shown before it (H.264, HEVC)
CUT_PACKETS = 2 * MAX_REORDERED  # so far behind a keyframe, no picture of H.264 refers to one from before a cut
WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # codecs of which libvpx's decoders give transparency, too
UNREAD_SPACES = {8: "YCgCo", 10: "BT.2020 with constant luminance", 14: "ICtCp"}  # by FFmpeg's numbers
T = TypeVar("T")


class TimesUnknownError(Exception):
    """The frames of a video can't be told from its packets."""


def decoded_frames(path: PathLike) -> Iterator[tuple[float, float, DecodedFrame]]:
    """Decode a video frame by frame.

    Yields:
        For each frame: the seconds since the first frame, the seconds that the frame lasts, and the frame, of which
        `frame_pixels` makes pixels.

    Raises:
        MediaError: the file is damaged or cut short.
    """
    with open_video(path) as video:
        yield from _since_first(_lasting(decoded(path, video), video[2]))


def first_time(path: PathLike) -> float:
    """When the first frame that is shown of a video is shown, in seconds of the file's clock."""
    with open_video(path) as video:
        return next((time for time, _, _ in _lasting(decoded(path, video), video[2])), 0.0)


def decoded(path: PathLike, video: OpenVideo) -> Iterator[tuple[float | None, float, DecodedFrame]]:
    """When each frame is shown and how long, as far as the file says so, and the frame."""
    container, stream, _ = video
    ratio, num_frames, in_cut_part, decoder = pixel_ratio(path, stream), 0, False, _decoder(stream)
    start, end, tally = math.inf, 0.0, _Tally(video)
    since_key = 0  # packets since the first keyframe
    ticks: deque[float | None] = deque()  # AVI: of the packets that no frame has come of yet
    for index, packet in enumerate(packets(path, video)):
        if not index and _needs_earlier(packet, stream.codec_context):
            in_cut_part, stream.thread_type = True, "SLICE"  # with frame threads, errors come packets later
        since_key += since_key > 0 or packet.is_keyframe
        in_cut_part = in_cut_part and since_key <= CUT_PACKETS
        tally.add(packet)
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
    if tally.is_known and num_frames < tally.num_shown:
        raise MediaError(f"{path}: damaged: {num_frames} of {tally.num_shown} frames can be decoded")
    if len(container.streams) == 1:
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
    Damage in the CUT_PACKETS from its first keyframe on can't be told from it.
    """
    if codec.codec.canonical_name != "h264":
        return False
    data, extra = bytes(packet), codec.extradata or b""
    if len(extra) < 5 or extra[0] != 1:  # units between start codes; 5 is an IDR picture's
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


def packet_times(path: PathLike, exact: bool = True) -> Iterator[tuple[float, float, None]]:
    """What `decoded_frames` yields, with None for the frame, found from the packets alone.

    Args:
        exact: whether to raise the error; without it the frames are those that the packets seem to hold.

    Raises:
        TimesUnknownError: packets and frames do not correspond, or may not.
    """
    with open_video(path) as video:
        yield from _since_first(_lasting(_in_order(path, video, exact), video[2]))


def _in_order(path: PathLike, video: OpenVideo, exact: bool) -> Iterator[tuple[float, float, None]]:
    """When each packet is shown and how long, in the order of showing; see `packet_times`."""
    tally = _Tally(video)
    waiting: list[tuple[float, float]] = []  # a heap, since packets come in the order of decoding
    for index, packet in enumerate(packets(path, video)):
        while len(waiting) > (0 if packet.is_keyframe or not packet.size else MAX_REORDERED):
            yield (*heapq.heappop(waiting), None)
        is_shown, is_lost = tally.add(packet)
        if exact and not tally.is_known:
            raise TimesUnknownError
        if is_shown and not is_lost:
            time, lasts = stated(packet)
            heapq.heappush(waiting, (index / video[2] if time is None else time, lasts))


class _Tally:
    """Counts the packets that are shown, as long as each of them is known to give one frame.

    A field of an interlaced frame has a packet of its own in some containers, and a decoder drops frames that need one
    from before the file begins.
    """

    def __init__(self, video: OpenVideo):
        container, stream, _ = video
        codec = stream.codec_context
        self.codec = codec.codec.canonical_name
        is_timed = container.format.name in TIMED_FORMATS and codec.field_order <= PROGRESSIVE
        self.is_known = is_timed and self.codec in PACKET_CODECS
        self.num_shown = 0
        self.first: float | None = None  # when the first keyframe is shown, infinity if the file begins with another

    def add(self, packet: av.Packet) -> tuple[bool, bool]:
        """Whether the packet is shown, and whether it can't be decoded, since it is shown before the first keyframe."""
        time = stated(packet)[0]
        if self.first is None:
            self.first = time if packet.is_keyframe and time is not None else math.inf
        is_shown = packet.size and not packet.is_discard  # an edit list hides some, and VP8 others
        is_shown = is_shown and not (self.codec == "vp8" and not memoryview(packet)[0] & VP8_SHOWN)
        is_early = is_shown and (time is None or time < self.first)
        self.num_shown += is_shown
        self.is_known = self.is_known and not is_early
        return is_shown, is_early and self.first < math.inf and self.num_shown <= MAX_REORDERED
