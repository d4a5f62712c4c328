"""What a storyboard's values may be. Each check returns the value or raises a StoryboardError of one line."""

import difflib
import json
import math
import reprlib
from collections.abc import Collection
from pathlib import Path

from ..timeline import check_int

MAX_JSON_BYTES = 1_000_000
MAX_TEXT = 10_000  # characters of one text
MAX_PATH = 1_000  # characters of a file name with its folders
MAX_DURATION = 60.0  # seconds
MAX_FRAMES = 1_441  # 60 s at 24 fps, and the first frame
MAX_SIDE = 4_096  # pixels
MIN_FPS, MAX_FPS = 1, 120


class StoryboardError(ValueError):
    """A storyboard that can't be made as asked; one line that names the field, the value and the remedy."""


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """An int in [low, high]."""
    try:
        return check_int(name, value, low, high)
    except ValueError as error:
        raise StoryboardError(str(error)) from error


def number(name: str, value: object, low: float, high: float) -> float:
    """A finite int or float in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StoryboardError(f"{name} must be a number, got {reprlib.repr(value)} ({type(value).__name__})")
    if not low <= value <= high:  # false for NaN too
        raise StoryboardError(f"{name} must be from {low:g} to {high:g}, got {reprlib.repr(value)}")
    return value


def text(name: str, value: object) -> str:
    """A str of at most MAX_TEXT characters that UTF-8 can hold."""
    if not isinstance(value, str):
        raise StoryboardError(f"{name} must be a text, got {reprlib.repr(value)} ({type(value).__name__})")
    if len(value) > MAX_TEXT:
        raise StoryboardError(f"{name} has {len(value)} characters, at most {MAX_TEXT} are taken; shorten it")
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value):
        raise StoryboardError(f"{name} holds a character that is not text (a lone surrogate or NUL); remove it")
    return value


def length(duration: float | None, num_frames: int | None, fps: float) -> int:
    """The number of frames from a duration in seconds, a number of frames, or both if they agree."""
    number("fps", fps, MIN_FPS, MAX_FPS)
    if num_frames is not None:
        integer("num_frames", num_frames, 1, MAX_FRAMES)
    if duration is None:
        if num_frames is None:
            raise StoryboardError("the storyboard needs duration (seconds) or num_frames")
        return num_frames
    number("duration", duration, 0, MAX_DURATION)
    frames = nearest_frame(duration, fps)
    if not 1 <= frames <= MAX_FRAMES:
        raise StoryboardError(f"duration {duration} s at {fps} fps is {frames} frames; 1 to {MAX_FRAMES} can be made")
    if num_frames not in (None, frames):
        raise StoryboardError(
            f"duration {duration} s at {fps} fps is {frames} frames, but num_frames is {num_frames}; give only one"
        )
    return frames


def nearest_frame(seconds: float, fps: float) -> int:
    """The frame nearest to a time; halves go up."""
    return math.floor(seconds * fps + 0.5)


def moment(name: str, time: float | None, frame: int | None, fps: float, num_frames: int) -> int:
    """The frame of a `time` in seconds or of a `frame`, exactly one of which is given."""
    if (time is None) == (frame is None):
        found = "has neither time (seconds) nor frame" if time is None else "has both time and frame"
        raise StoryboardError(f"{name} {found}; give one of them")
    if frame is not None:
        return integer(f"{name}.frame", frame, 0, num_frames - 1)
    return when(f"{name}.time", float(number(f"{name}.time", time, 0, MAX_DURATION)), fps, num_frames)


def when(name: str, value: int | float, fps: float, num_frames: int) -> int:
    """The frame of a value that is a frame if it is an int, and seconds if it is a float."""
    if not isinstance(value, float):
        return integer(name, value, 0, num_frames - 1)
    index = nearest_frame(number(name, value, 0, MAX_DURATION), fps)
    if index >= num_frames:
        last = num_frames - 1
        raise StoryboardError(
            f"{name} {value:g} s is frame {index}, past the end; the last frame is {last} ({last / fps:.3f} s)"
        )
    return index


def trim(name: str, value: object) -> None:
    """None, or (start, stop) with 0 <= start < stop, both ints (frames) or both floats (seconds)."""
    if value is None:
        return
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise StoryboardError(f"{name} must be [start, stop], got {reprlib.repr(value)}")
    for bound in value:
        number(name, bound, 0, 1e9)
    if type(value[0]) is not type(value[1]):
        raise StoryboardError(f"{name} mixes frames (int) and seconds (float): {list(value)}; use one of the two")
    if value[0] >= value[1]:
        raise StoryboardError(f"{name} must end after it starts, got {list(value)}")


def size(value: object) -> None:
    """None, or (width, height) in pixels."""
    if value is None:
        return
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise StoryboardError(f"size must be [width, height], got {reprlib.repr(value)}")
    integer("size: width", value[0], 1, MAX_SIDE)
    integer("size: height", value[1], 1, MAX_SIDE)


def inside(name: str, path: str | Path, folder: Path | None) -> Path:
    """The resolved path of a file that lies in `folder`, symbolic links followed; any path if folder is None."""
    if not str(path).strip():
        raise StoryboardError(f"{name} is empty; give the name of a file")
    if len(str(path)) > MAX_PATH:
        raise StoryboardError(f"{name} has {len(str(path))} characters, at most {MAX_PATH} are taken; shorten it")
    try:
        resolved = (Path(path) if folder is None else folder / path).resolve()
        found = resolved.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise StoryboardError(f"{name} {str(path)!r} is not a usable file name") from error
    if folder is not None and not resolved.is_relative_to(folder.resolve()):
        raise StoryboardError(f"{name} {str(path)!r} leaves the storyboard's folder; put the file in it")
    if not found:
        raise StoryboardError(f"{name} {str(path)!r}: no such file{'' if folder is None else f' in {folder}'}")
    return resolved


def keys(name: str, value: object, allowed: Collection[str], required: Collection[str] = ()) -> dict:
    """A dict with no key outside `allowed` and all of `required`."""
    if not isinstance(value, dict):
        raise StoryboardError(f"{name} must be an object {{...}}, got {type(value).__name__}")
    for key in value:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(allowed)}"
            raise StoryboardError(f"{name} has an unknown key {reprlib.repr(key)}; {hint}")
    for key in required:
        if key not in value:
            raise StoryboardError(f"{name} needs {key!r}")
    return value


def items(name: str, value: object) -> list:
    """A list (or tuple)."""
    if not isinstance(value, list | tuple):
        raise StoryboardError(f"{name} must be a list [...], got {type(value).__name__}")
    return list(value)


def read_json(path: Path) -> object:
    """Read a small UTF-8 JSON file strictly: no double keys, no NaN, no infinity."""

    def pairs(found: list[tuple[str, object]]) -> dict:
        result = dict(found)
        if len(result) < len(found):
            names = [key for key, _ in found]
            raise StoryboardError(f"{path}: the key {next(k for k in names if names.count(k) > 1)!r} appears twice")
        return result

    def constant(name: str) -> None:
        raise StoryboardError(f"{path}: {name} is not a number that can be used")

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise StoryboardError(f"{path}: more than {MAX_JSON_BYTES} bytes; is it a storyboard?")
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=pairs, parse_constant=constant)
    except OSError as error:
        raise StoryboardError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise StoryboardError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise StoryboardError(f"{path}: not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise StoryboardError(f"{path}: nested too deeply to be a storyboard") from error
    except StoryboardError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise StoryboardError(f"{path}: {error}") from error
