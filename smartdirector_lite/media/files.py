"""Files. What is written appears under its name only when it is whole. What is read is looked at first."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

PathLike = str | os.PathLike[str]


class MediaError(ValueError):
    """An image, a video or a sound can't be read or written. The message is one line that names the file."""


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary name beside `path`, and rename the file to `path` at the end. A failure removes the file."""
    path = Path(path)
    if not path.parent.is_dir():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; make it first")
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_outputs(outputs: Sequence[PathLike], inputs: Sequence[PathLike] = ()) -> None:
    """Raise a MediaError where an output is one of the inputs, or where two outputs are one file.

    A file is known by links and other spellings too. Names that differ in upper and lower case alone count as one,
    because they are one on Windows and macOS.
    """
    taken = {identity: f"{path}, an input," for path in inputs for identity in _identities(path)}
    for path in outputs:
        for identity in _identities(path):
            if other := taken.get(identity):
                raise MediaError(f"{path}: {other} would be written over; give the output another name")
        taken |= dict.fromkeys(_identities(path), f"{path}, another output,")


def _identities(path: PathLike) -> set[str | tuple[int, int]]:
    """What two names of one file have in common: the path without links, and for a file that is there its number."""
    names = {os.path.realpath(path).casefold()}
    with contextlib.suppress(OSError):  # it is not there yet
        status = os.stat(path)
        names.add((status.st_dev, status.st_ino))
    return names


def video_path(path: PathLike) -> Path:
    """Return the path of a video to be written. MediaError for a name that does not end in .mp4, and for a folder."""
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise MediaError(f"{path}: videos are written as .mp4; end the name so")
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; give the name of a file")
    return path


def write_json(path: PathLike, value: object) -> None:
    """Write `value` as indented JSON in UTF-8.

    Raises:
        ValueError: the value holds NaN or infinity.
        TypeError: the value holds something that JSON has no form for.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def check_file(path: PathLike) -> None:
    """Raise a MediaError unless `path` is a file."""
    if not os.path.isfile(path):  # unlike Path.is_file, it is False for what can't be a name at all
        raise MediaError(f"{str(path)[:1000]}: no such file")


def one_line(error: BaseException) -> str:
    """The error's text without its line breaks, its error number and its file name."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200] or type(error).__name__
