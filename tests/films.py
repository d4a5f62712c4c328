"""Small video files with sound, made with PyAV alone, and what is seen and heard in them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS, RATE = 12, 48_000  # frames and samples a second
FLASH = 6  # the white frame; a tone sounds from then on, for a tenth of a second


def picture(index: int, size: tuple[int, int]) -> np.ndarray:
    """Stripes whose brightness tells the frame, and a red corner at the top left."""
    width, height = size
    pixels = np.full((height, width, 3), 250 if index == FLASH else 20 + 8 * index % 200, np.uint8)
    pixels[:, width // 2 :: 4] //= 2
    pixels[: height // 2, : width // 4] = (220, 30, 30)
    return pixels


def write_film(
    path: Path,
    num_frames: int = 6,
    size: tuple[int, int] = (24, 16),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: float = FPS,
    times: list[float] | None = None,
    start: float = 0.0,
    rotation: int = 0,
    sound: str | None = None,
    sound_start: float = 0.0,
    seconds: float = 1.0,
    rate: int = RATE,
    layout: str = "mono",
    ratio: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    tick: Fraction | None = None,
) -> Path:
    """Write a film of `picture`s, with a sound whose tone begins at the white frame.

    Args:
        times: when each frame is shown, in seconds; every 1 / fps by default.
        start, sound_start: when the picture and the sound begin in the file, in seconds.
        seconds, rate, layout: the sound's length, samples a second and channels.
        ratio: the width of the picture's pixels for a height of 1.
        options, container: FFmpeg's for the codec and for the container.
        tick: the unit of the picture's times, in seconds.
    """
    rate_of_frames = Fraction(fps).limit_denominator(1001)
    own_tick, tick = tick is not None, tick or (1 / rate_of_frames if times is None else Fraction(1, 90_000))
    times = [i / fps for i in range(num_frames)] if times is None else times
    if container is None:
        container = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=container) as file:
        video = file.add_stream(codec, rate=rate_of_frames)
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        video.options = options or {}
        if codec == "libx264" or own_tick:
            video.codec_context.time_base = tick
        if ratio:
            video.codec_context.sample_aspect_ratio = ratio
        if rotation:
            video.set_display_rotation(rotation)
        audio = file.add_stream(sound, rate=rate, layout=layout) if sound else None
        if sound == "vorbis":  # FFmpeg's own encoder is an experiment
            audio.codec_context.options = {"strict": "-2"}
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts, frame.time_base = round((start + time) / tick), tick
            file.mux(video.encode(frame))
        file.mux(video.encode())
        if audio:
            at = np.arange(round(seconds * rate)) / rate + sound_start - start - FLASH / FPS
            wave = 12_000 * np.sin(2 * np.pi * 1000 * at) * ((at >= 0) & (at < 0.1))
            samples = np.tile(wave.astype(np.int16)[:, None], audio.layout.nb_channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
            frame.rate, frame.pts, frame.time_base = rate, round(sound_start * rate), Fraction(1, rate)
            file.mux(audio.encode(frame))
            file.mux(audio.encode())
    return path


def browser_recording(path: Path, num_frames: int = 60, fps: float = 30, codec: str = "libvpx") -> Path:
    """Write a WebM as MediaRecorder does: no duration, no frame rate, and times in whole milliseconds."""
    times = [round(i / fps, 3) for i in range(num_frames)]
    return write_film(path, codec=codec, fps=1000, times=times, tick=Fraction(1, 1000), container={"live": "1"})


def copied(path: Path, *streams: tuple[Path, str], **marks: dict) -> Path:
    """Write a file of streams of other files, coded as they are.

    Args:
        streams: (file, "video" or "audio" or "subtitles"), of which the first one is taken.
        marks: `disposition`, by the number of a stream; `tags`, too; `title`, of the file.
    """
    with av.open(str(path), "w") as target:
        target.metadata.update(marks.get("title", {}))
        sources = [av.open(str(source)) for source, _ in streams]
        outs = []
        for index, (source, (_, kind)) in enumerate(zip(sources, streams, strict=True)):
            outs.append(target.add_stream_from_template(getattr(source.streams, kind)[0]))
            outs[-1].disposition = marks.get("disposition", {}).get(index, 0)
            outs[-1].metadata.update(marks.get("tags", {}).get(index, {}))
        for source, (_, kind), out in zip(sources, streams, outs, strict=True):
            for packet in source.demux(getattr(source.streams, kind)[0]):
                if packet.size:
                    packet.stream = out
                    target.mux(packet)
            source.close()
    return path


def cut_in_open_gop(path: Path, codec: str = "libx264", offset: int = 0, more: str = "") -> Path:
    """Write a film that begins in the middle of another, at a keyframe before which later packets are shown.

    Args:
        path: its neighbour, "whole.mkv", is the film that it is cut from.
        offset: how many packets behind that keyframe it begins.
        more: x264's or x265's parameters.
    """
    whole, size = path.with_name("whole.mkv"), (128, 96)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    parameters = "open-gop=1:keyint=12:min-keyint=1:bframes=3:b-adapt=0:scenecut=0:repeat-headers=1"
    with av.open(str(whole), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {f"{codec[3:]}-params": parameters + more}
        for index in range(120):
            pixels = picture(index, size)
            pixels[20:60, index % 80 : index % 80 + 40] = noise
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in packets[keys[2] + offset :]:
            packet.stream = stream
            target.mux(packet)
    return path


def sound_of(path: Path) -> tuple[float, float]:
    """When the tone begins, counted from the first frame, and how long the sound lasts from then on, in seconds."""
    with av.open(str(path)) as file:
        first = next(file.decode(video=0)).time
    begin, end = None, 0.0
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            samples = frame.to_ndarray().astype(float)
            samples = samples[0] if frame.format.is_planar else samples[0, :: frame.layout.nb_channels]
            loud = np.nonzero(np.abs(samples) > (0.05 if np.abs(samples).max() < 2 else 1600))[0]
            if begin is None and len(loud):
                begin = frame.time + loud[0] / frame.rate
            end = frame.time + frame.samples / frame.rate
    return begin - first, end - begin


def packets(path: Path) -> list[bytes]:
    """The coded packets of the sound."""
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


def sound_codec(path: Path) -> tuple[str, int, int]:
    """The sound's codec, samples a second and channels."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        return stream.codec_context.codec.canonical_name, stream.rate, stream.layout.nb_channels
