"""A video file through Director-SR: read, enlarge and written as it comes, with its sound."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..gen.conditions import VideoCondition
from ..media import (
    MediaError,
    PathLike,
    VideoInfo,
    crop_note,
    decoded_frames,
    frame_pixels,
    probe_video,
    read_image,
    write_video,
)
from .options import SROptions
from .pipeline import DirectorSRPipeline


def parse_keyframes(texts: Sequence[str]) -> dict[int, str]:
    """["12=a.png", ...] -> {12: "a.png", ...}. ValueError for another form, and for a frame that comes twice."""
    keyframes: dict[int, str] = {}
    for text in texts:
        frame, equals, image = text.partition("=")
        if not (equals and image and frame.isascii() and frame.isdigit()):
            raise ValueError(f"keyframe {text!r}: write FRAME=IMAGE, such as 12=hilltop.png")
        if int(frame) in keyframes:
            raise ValueError(f"keyframe {text!r}: there is another one for frame {int(frame)}; give one each")
        keyframes[int(frame)] = image
    return keyframes


def upscale_video(
    sr: DirectorSRPipeline,
    video: PathLike,
    out: PathLike,
    keyframes: dict[int, PathLike] | None = None,
    scale: float = 2.0,
    steps: int = 4,
    restore: bool = True,
    tile: int | None = 256,
    progress: bool = True,
) -> tuple[int, list[str]]:
    """Enlarge a video file. Returns how many frames it has, and notes on what was done to the keyframes.

    keyframes: large pictures by the frame they show. steps, restore, tile: see `SROptions`.
    The frames keep their times and the sound is copied, so that both stay together. The file is decoded twice, first to
    count its frames and to find damage before the work. `out` appears when it is whole. MediaError or ValueError for
    what can't be done.
    """
    info = probe_video(video)
    shown = [(time, lasts) for time, lasts, _ in decoded_frames(video)]
    times, size = [*(time for time, _ in shown), sum(shown[-1])], (info.height, info.width)
    conditions, notes = _conditions(keyframes or {}, len(shown), info)
    if tile is not None and scale * max(size) <= tile:
        tile = None
    sr.set_progress_bar_config(disable=True)
    frames = (frame_pixels(frame) for _, _, frame in decoded_frames(video))
    options = SROptions(steps, restore=restore, tile=tile)
    parts = sr.stream(frames, len(shown), size, conditions, scale, options=options)
    large = tuple(2 * (round(scale * side) // 2) for side in size)  # H.264 has even sides
    with tqdm(total=len(shown), unit="frame", desc="Director-SR", disable=not progress) as bar:
        write_video(out, _counted(parts, large, bar), info.fps, times=times, sound=video if info.has_audio else None)
    return len(shown), notes


def _conditions(
    keyframes: dict[int, PathLike], num_frames: int, info: VideoInfo
) -> tuple[list[VideoCondition], list[str]]:
    conditions, notes = [], []
    for frame, path in sorted(keyframes.items()):
        if frame >= num_frames:
            raise MediaError(f"keyframe {frame}={path}: the video has frames 0 to {num_frames - 1}")
        image = read_image(path)
        notes.append(crop_note(Path(path).name, image.size, (info.width, info.height)))
        conditions.append(VideoCondition(image=image, frame_index=frame))
    return conditions, [note for note in notes if note]


def _counted(parts: Iterator[tuple[int, np.ndarray]], size: tuple[int, int], bar: tqdm) -> Iterator[np.ndarray]:
    """The frames one by one, without the row or column that makes a side odd."""
    for _, part in parts:
        for frame in part:
            yield frame[: size[0], : size[1]]
            bar.update()
