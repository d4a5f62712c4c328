"""A piece of a film as a storyboard, from which it can be generated anew: its keyframes, its cuts and its caption.

A generated video knows cuts alone, so a dissolve or a fade becomes one. The next shot begins where the transition ends,
with a keyframe there. The transition's frames fall to the shot before, and none of them is a keyframe.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..media import MediaError, PathLike, read_image, write_image
from ..media.files import check_outputs, make_folder
from ..media.size import Size
from ..storyboard import Keyframe, Shot, Storyboard
from ..storyboard.parts import MAX_DURATION, MAX_FRAMES, nearest_frame
from ..storyboard.schema import DEFAULT_FPS
from .captions import describe_passage, write_contents
from .characters import name_characters
from .dataset import DETECTORS, SMALL, Curation
from .film import Film
from .records import Passage, ShotRecord
from .shots import THUMBNAIL, Detector, shots_between
from .vision import Observer

FILE = "storyboard.json"


def write_storyboard(
    path: PathLike,
    seconds: tuple[float, float],
    folder: PathLike,
    curation: Curation,
    size: Size | None = None,
    fps: float | None = None,
    progress: bool = False,
) -> Path:
    """Write the storyboard of a piece of a film, and its keyframes as PNG files beside it.

    The film is decoded twice from its beginning to the end of the piece, so that every frame is the right one.

    Args:
        seconds: where the piece begins and ends in the film.
        curation: what finds its shots and looks at them; the piece counts as one scene, and no shot is left out.
        size: of the draft; None leaves it to the model.
        fps: of the storyboard; None takes what smartdirector-tiny was made for, or the film's own where that is lower.
        progress: whether bars show how far it is.

    Returns:
        The JSON file.

    Raises:
        ValueError: there is no such piece, or no storyboard can have it.
        MediaError: the film can't be read, or the folder can't be written to.
    """
    film = Film.open(path)
    if fps is not None and not 0 < fps <= film.fps:
        raise ValueError(f"fps {fps:g}: the film has {film.fps:g} frames a second; give at most that")
    film = film.at(min(film.fps, DEFAULT_FPS) if fps is None else fps)
    first, stop = piece_frames(film, seconds)
    curation.find_models()
    (span,) = film.spans([(first, stop)], SMALL, "shots" if progress else "")
    small = np.stack([*span])
    if len(small) < stop - first - 1:  # the times in a file's header may be a frame off
        raise MediaError(f"{path}: ends {len(small) / film.fps:.2f} s after START, before END {seconds[1]:g}")
    shots = look_at_piece(small, film.fps, curation)
    frames = sorted(frame for shot in shots for frame in shot.keyframes)
    pictures = [make_folder(folder) / f"keyframe-{frame:04}.png" for frame in frames]
    check_outputs([Path(folder) / FILE, *pictures], [path])
    spans = [(first + frame, first + frame + 1) for frame in frames]
    for picture, span in zip(pictures, film.spans(spans, None, "keyframes" if progress else ""), strict=True):
        write_image(picture, next(span))
    if curation.vlm:
        observe, held = Observer(curation.open_vision_model()), dict(zip(frames, pictures, strict=True))
        shots = [observe(shot, _stack(held[frame] for frame in shot.keyframes), film.fps) for shot in shots]
    passage = describe_passage(Passage(tuple(shots)))
    if curation.llm:
        passage = curation.open_rewriter()(passage)
    Storyboard(
        title=f"{film.path.stem}, {seconds[0]:g} to {seconds[1]:g} s",
        description=passage.description,
        shots=tuple(told_shots(passage)),
        keyframes=tuple(Keyframe(picture, frame=frame) for picture, frame in zip(pictures, frames, strict=True)),
        num_frames=len(small),
        fps=film.fps,
        size=size,
    ).save(Path(folder) / FILE)
    return Path(folder) / FILE


def _stack(pictures: Iterable[Path]) -> NDArray:
    return np.stack([np.asarray(read_image(picture)) for picture in pictures])


def piece_frames(film: Film, seconds: tuple[float, float]) -> tuple[int, int]:
    """Return the frames [first, stop) of a piece of a film. ValueError where no storyboard can have it."""
    start, end = seconds
    length = film.about / film.fps
    if not start >= 0:
        raise ValueError(f"storyboard START is {start:g}; give seconds from 0 on")
    if not end > start:
        raise ValueError(f"storyboard END is {end:g}, not after START {start:g}; give a later END")
    if end > length + 1 / film.fps:
        raise ValueError(f"storyboard END is {end:g}, and {film.path} lasts {length:.2f} s; give an earlier END")
    first, stop = (nearest_frame(bound, film.fps) for bound in seconds)
    if end - start > MAX_DURATION or stop - first > MAX_FRAMES:
        most = min(MAX_DURATION, MAX_FRAMES / film.fps)
        raise ValueError(f"storyboard START {start:g} to END {end:g} is longer than {most:g} s; give an earlier END")
    if stop - first < 2:
        raise ValueError(f"storyboard START {start:g} to END {end:g} is shorter than two frames; give a later END")
    return first, stop


def look_at_piece(frames: NDArray, fps: float, curation: Curation) -> list[ShotRecord]:
    """Find the shots of a piece and what is in them. frames: uint8 (T, H, W, 3), small."""
    detector: Detector = DETECTORS[curation.detector]()
    thumbnails = (cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA) for frame in frames)
    shots, steps = [], curation.load_shot_steps()
    for shot in shots_between(detector(thumbnails, fps), len(frames), fps, len(frames)):
        if shot.num_frames:
            for step in steps:
                shot = step(shot, frames[shot.start : shot.stop], fps)
            shots.append(replace(shot, rejected=""))
    return write_contents(name_characters(shots))


def told_shots(passage: Passage) -> Iterator[Shot]:
    """The shots of a storyboard. The first one begins with the piece, even if that begins within a transition."""
    for number, shot in enumerate(passage.shots):
        names = tuple(one.name for one in shot.characters)
        yield Shot(None, shot.content, shot.camera.kind, names, shot.start if number else 0)
