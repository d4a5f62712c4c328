"""The files of a storyboard: its JSON, and the pictures and clips that lie in its folder."""

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from ..media import atomic_path, write_image, write_video
from .complaints import StoryboardError

MAX_JSON_BYTES = 1_000_000


def inside(name: str, path: str | Path, folder: Path | None) -> Path:
    """The resolved path of what lies in `folder`, symbolic links followed. Reading it shows whether it is there.

    Args:
        name: the field that gives the path, for messages.
        folder: where a relative path starts and what no path may leave; None takes any path.
    """
    try:
        resolved = (Path(path) if folder is None else folder / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise StoryboardError(f"{name} {str(path)!r} is not a usable file name") from error
    if folder is not None and not resolved.is_relative_to(folder.resolve()):
        raise StoryboardError(f"{name} {str(path)!r} leaves the storyboard's folder; put the file in it")
    return resolved


def put_beside(path: Path, name: str, media: Path | Image.Image | np.ndarray, fps: float) -> str:
    """Make sure that a picture or a clip lies in the folder of the file `path`.

    What is in memory or lies elsewhere is written there as <path>_<name>.

    Returns:
        The file's name relative to that folder.
    """
    home = path.parent.resolve()
    target = home / f"{path.stem}_{name}"
    if isinstance(media, Image.Image):
        target = target.with_name(f"{target.name}.png")
        write_image(target, media)
    elif isinstance(media, np.ndarray):
        target = target.with_name(f"{target.name}.mp4")
        write_video(target, media, fps, quality=4)
    elif media.is_relative_to(home):
        return media.relative_to(home).as_posix()
    else:
        target = target.with_name(f"{target.name}{media.suffix}")
        with atomic_path(target) as temporary:
            shutil.copyfile(media, temporary)
    return target.name


def parse_json(text: str | bytes) -> object:
    """What a small JSON text says. No key may come twice in an object, and no number may be NaN or infinity."""
    if len(text) > MAX_JSON_BYTES:
        raise StoryboardError(f"more than {MAX_JSON_BYTES} bytes; is it a storyboard?")
    try:
        return json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # a ValueError, too, for a number of thousands of digits
        raise StoryboardError(f"not JSON: {error}") from error


def _without_doubles(pairs: list[tuple[str, object]]) -> dict:
    """The object of these keys and values."""
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} appears twice")
    return result


def _refuse(name: str) -> None:
    """Refuse NaN and the infinities, which json would take."""
    raise ValueError(f"{name} is not a number that can be used")
