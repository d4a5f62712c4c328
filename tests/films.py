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
) -> Path:
    """Write a film of `picture`s, with a sound whose tone begins at the white frame.

    Args:
        times: when each frame is shown, in seconds; every 1 / fps by default.
        start, sound_start: when the picture and the sound begin in the file, in seconds.
        seconds, rate, layout: the sound's length, samples a second and channels.
    """
    rate_of_frames = Fraction(fps).limit_denominator(1001)
    tick = 1 / rate_of_frames if times is None else Fraction(1, 90_000)
    times = [i / fps for i in range(num_frames)] if times is None else times
    with av.open(str(path), "w", options={"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}) as file:
        video = file.add_stream(codec, rate=rate_of_frames)
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        if codec == "libx264":
            video.codec_context.time_base = tick
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
