"""The files of a storyboard: its JSON, and the pictures and clips that lie in its folder."""

import difflib
import filecmp
import itertools
import json
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from ..media import MediaError, atomic_path, write_image, write_video
from .complaints import StoryboardError

MAX_JSON_BYTES = 1_000_000
NEAR = 0.8  # how much a file's name must have of one that is asked for, to be what is meant (0 to 1)


def inside(name: str, path: str | Path, folder: Path | None) -> Path:
    """The resolved path of what lies in `folder`, symbolic links followed. Reading it shows whether it is there.

    A path that was written on another system is understood: backslashes between folders, as on Windows, and accents
    that are stored as characters of their own, as on macOS.

    Args:
        name: the field that gives the path, for messages.
        folder: where a relative path starts and what no path may leave; None takes any path.

    Raises:
        StoryboardError: no path can be like this, it leaves the folder, or a file of nearly this name is there.
    """
    if re.match(r"\w+://", str(path)):
        raise StoryboardError(f"{name} {str(path)!r} is an address; download the file into the storyboard's folder")
    slashes = str(path).replace("\\", "/")
    spellings = [str(path), slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD"))]
    try:
        paths = [(Path(one) if folder is None else folder / one).resolve() for one in spellings]
        resolved = next((one for one in paths if one.exists()), paths[1])
    except (OSError, ValueError, RuntimeError) as error:
        raise StoryboardError(f"{name} {str(path)!r} is not a usable file name") from error
    if folder is not None and not resolved.is_relative_to(folder.resolve()):
        raise StoryboardError(f"{name} {str(path)!r} leaves the storyboard's folder; put the file in it")
    if folder is not None and not resolved.exists() and resolved.parent.is_dir():
        there = {file.stem.casefold(): file.name for file in resolved.parent.iterdir()}
        if near := difflib.get_close_matches(resolved.stem.casefold(), there, 1, NEAR):
            raise StoryboardError(f"{name} {str(path)!r}: no such file; is it {there[near[0]]!r}?")
    return resolved


def put_beside(path: Path, name: str, media: Path | Image.Image | np.ndarray, fps: float) -> str:
    """Make sure that a picture or a clip lies in the folder of the file `path`.

    What is in memory or lies elsewhere is written there as <path>_<name>, with a number at the end. The number is the
    first one that is free, or whose file holds just this already. So no other file is ever written over.

    Returns:
        The file's name relative to that folder.
    """
    home = path.parent.resolve()
    if isinstance(media, Path) and media.is_relative_to(home):
        return media.relative_to(home).as_posix()
    with tempfile.TemporaryDirectory() as folder:
        fresh = media
        try:
            if isinstance(media, Image.Image):
                fresh = Path(folder) / "new.png"
                write_image(fresh, media)
            elif isinstance(media, np.ndarray):
                fresh = Path(folder) / "new.mp4"
                write_video(fresh, media, fps, quality=4)
        except MediaError as error:
            raise MediaError(str(error).replace(str(fresh), f"a {name} in memory")) from error
        for number in itertools.count():
            target = home / f"{path.stem}_{name}{number}{fresh.suffix}"
            if not target.exists():
                with atomic_path(target) as temporary:
                    shutil.copyfile(fresh, temporary)
            elif not (target.is_file() and filecmp.cmp(fresh, target, shallow=False)):
                continue
            return target.name


def parse_json(text: str | bytes) -> object:
    """What a small JSON text says. No key may come twice in an object, and no number may be NaN or infinity."""
    if len(text) > MAX_JSON_BYTES:
        raise StoryboardError(f"more than {MAX_JSON_BYTES} bytes; is it a storyboard?")
    try:
        return json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse)
    except StoryboardError:
        raise
    except UnicodeDecodeError as error:
        if b"\0" in text[:1000]:
            raise StoryboardError("is no text; give the JSON file of a storyboard") from error
        raise StoryboardError(f"not text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except RecursionError as error:
        raise StoryboardError("not JSON of a storyboard: its lists are nested too deeply") from error
    except ValueError as error:  # JSONDecodeError, and what Python raises at a number of thousands of digits
        remedy = "JSON has no comments, no single quotes and no comma after the last entry"
        raise StoryboardError(f"not JSON: {str(error).partition(';')[0]}; {remedy}") from error


def _without_doubles(pairs: list[tuple[str, object]]) -> dict:
    """The object of these keys and values."""
    result = dict(pairs)
    if len(result) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise StoryboardError(f"the key {key!r} appears twice; keep one of them")
    return result


def _refuse(name: str) -> None:
    """Refuse NaN and the infinities, which json would take."""
    raise StoryboardError(f"{name} is not a number that can be used; give a finite one")
