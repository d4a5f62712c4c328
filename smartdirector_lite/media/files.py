"""Files. What is written appears under its name only when it is whole. What is read is looked at first."""

import contextlib
import json
import os
import platform
import re
import secrets
import stat
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

PathLike = str | os.PathLike[str]
ANYONE_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
TEMPORARY = f".smartdirector-{zlib.crc32(platform.node().encode()):08x}-"  # the machine; the process follows
# What safetensors, tokenizers and torch say of a full disk.
DISK = re.compile(r"\(os error \d+\)|inline_container|iostream error")
PART = re.compile(r"requested and|inline_container|iostream error")  # of numpy and torch: no word for a user


class MediaError(ValueError):
    """An image, a video or a sound can't be read or written. The message is one line that names the file."""


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary name beside `path`, and rename the file to `path` at the end. A failure removes the file.

    Where `path` is a link, the file that it leads to is written anew.

    Raises:
        MediaError: nothing can be written there, which is found at once or by the system while the file is written.
    """
    path = Path(path)
    check_writable(path)
    target = Path(os.path.realpath(path))
    _sweep(target.parent)
    temporary = target.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        with writing(path):
            yield temporary
            os.replace(temporary, target)
    except MediaError as error:  # of what was given the temporary name
        raise MediaError(str(error).replace(str(temporary), str(path))) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the temporary files of processes that were killed on this machine, where the system tells of them."""
    for path in folder.glob(f"{TEMPORARY}*") if os.name == "posix" else ():
        with contextlib.suppress(ValueError, OverflowError, PermissionError):  # not ours; another user's
            try:
                os.kill(int(path.name.removeprefix(TEMPORARY).partition("-")[0]), 0)  # asks whether it lives
            except ProcessLookupError:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: PathLike) -> Iterator[None]:
    """Turn what the system says while `path` is written into a MediaError that names it.

    Libraries have other exceptions than OSError for a full disk. They are known by their words.
    """
    try:
        yield
    except (BrokenPipeError, MediaError):  # the first one is of the terminal
        raise
    except Exception as error:
        if not (isinstance(error, OSError) or DISK.search(str(error))):
            raise
        reason = "the disk took only a part of it" if PART.search(str(error)) else one_line(error)
        raise MediaError(f"{path}: can't be written ({reason}); make room, or choose another place") from error


def check_folder(folder: PathLike) -> None:
    """Raise a MediaError unless `folder` is one that takes files, or can be made one."""
    folder = Path(folder)
    try:
        there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise MediaError(f"{folder}: can't write there ({one_line(error)}); choose another folder") from error


def make_folder(folder: PathLike) -> Path:
    """Make a folder, and those that it lies in, where they are not there yet. MediaError where that can't be."""
    check_folder(folder)
    with writing(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def check_writable(path: PathLike) -> None:
    """Raise a MediaError unless a file can be written to `path`. It is found before the work, not after it."""
    path = Path(path)
    if not path.parent.exists():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; make it first")
    check_folder(path.parent)
    with writing(path), contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(f"{path}: is a folder; give the name of a file")
        if not stat.S_ISREG(mode) or not mode & ANYONE_WRITES:
            raise MediaError(f"{path}: is write-protected or no plain file; give another name")


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
    """Return the path of a video to be written. MediaError for a name that does not end in .mp4."""
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise MediaError(f"{path}: videos are written as .mp4; end the name so")
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
    name = str(path)[:1000]
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: it can't be a name at all
        raise MediaError(f"{name}: no such file") from error
    except OSError as error:
        raise MediaError(f"{name}: can't be read ({one_line(error)})") from error
    if not stat.S_ISREG(mode):
        raise MediaError(f"{name}: is {'a folder' if stat.S_ISDIR(mode) else 'no plain file'}; give a file")


def one_line(error: BaseException) -> str:
    """The error's text without its line breaks, its error number and its file name."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200] or type(error).__name__
