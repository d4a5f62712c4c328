"""A video file through Director-SR: read, enlarged and written as its frames come, with its sound."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..gen.conditions import VideoCondition
from ..media import PathLike, crop_note, decoded_frames, frame_pixels, probe_video, read_image, write_video
from ..media.files import check_outputs
from ..media.size import Size
from ..media.sound import left_out
from ..timeline import frame_in
from .pipeline import DirectorSRPipeline, SROptions

TILE = 256  # side, in pixels, of the HR tiles that flow one by one where a frame is larger


def upscale_video(
    sr: DirectorSRPipeline,
    video: PathLike,
    out: PathLike,
    keyframes: dict[int, PathLike] | None = None,
    scale: float = 2.0,
    options: SROptions | None = None,
    progress: bool = True,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[int, list[str]]:
    """Enlarge a video file.

    The frames keep their times and the sound is copied, so that both stay together. The file is decoded twice: first to
    count its frames and to find damage before the work begins. `out` appears when it is whole.

    Args:
        keyframes: large pictures, by the frame that they show; -1 is the last one.
        scale: of width and height; 2 is what the model was trained for.
        options: how Director-SR works; None for its defaults, with tiles of TILE pixels.
        progress: whether to show a progress bar.
        watch: is told how many of how many frames are done, from 0 on; what it raises ends the call.

    Returns:
        The number of frames, and notes on what was done to the keyframes and what of the file is left out.

    Raises:
        MediaError, ValueError: for what can't be done.
    """
    check_outputs([out], [video, *(keyframes or {}).values()])
    info, options = probe_video(video), options or SROptions(tile=TILE)
    shown = [(time, lasts) for time, lasts, _ in decoded_frames(video)]
    times, size = [*(time for time, _ in shown), sum(shown[-1])], info.size
    conditions, notes = _conditions(keyframes or {}, len(shown), size)
    if options.tile is not None and scale * max(size) <= options.tile:
        options = replace(options, tile=None)
    sr.set_progress_bar_config(disable=True)
    frames = (frame_pixels(frame) for _, _, frame in decoded_frames(video))
    parts = sr.stream(frames, len(shown), size, conditions, scale, options=options)
    large = Size(*(2 * (round(scale * side) // 2) for side in size))  # H.264 has even sides
    with tqdm(total=len(shown), unit="frame", desc="Director-SR", disable=not progress) as bar:

        def told(done: int) -> None:
            bar.update(done - bar.n)
            if watch is not None:
                watch(done, len(shown))

        write_video(out, _counted(parts, large, told), info.fps, times=times, sound=video if info.has_audio else None)
    return len(shown), [*notes, *([f"{Path(video).name}: {rest}"] if (rest := left_out(video)) else [])]


def _conditions(keyframes: dict[int, PathLike], num_frames: int, size: Size) -> tuple[list[VideoCondition], list[str]]:
    """The keyframes as conditions, and notes on those that are cropped."""
    conditions, notes = [], []
    for frame, path in keyframes.items():
        frame = frame_in(f"keyframe {path}: its frame", frame, num_frames)
        image = read_image(path)
        notes.append(crop_note(Path(path).name, Size(*image.size), size))
        conditions.append(VideoCondition(image=image, frame_index=frame))
    return sorted(conditions, key=lambda condition: condition.frame_index), [note for note in notes if note]


def _counted(parts: Iterator[tuple[int, np.ndarray]], size: Size, told: Callable[[int], None]) -> Iterator[np.ndarray]:
    """The frames one by one, without the row or column that makes a side odd; `told` hears how many are done."""
    told(0)
    for start, part in parts:
        for index, frame in enumerate(part, start):
            yield frame[: size.height, : size.width]
            told(index + 1)
