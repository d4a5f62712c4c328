"""Each visitor's files: their folder, what may enter it, and when it is deleted.

A storyboard from outside names pictures and clips; only names in the visitor's folder count, and those of the bundled
frames, which are copied in when they are named. What is uploaded is looked at before it is decoded, and pictures are
written anew: nothing of the sender's bytes or names is kept.
"""

import base64
import contextlib
import io
import re
import secrets
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image

import limits
from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.media import (
    MediaError,
    count_frames,
    probe_video,
    read_image,
    read_video,
    to_image,
    write_image,
)
from smartdirector_lite.storyboard import StoryboardError

ROOT = Path(tempfile.gettempdir()) / "smartdirector-space"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
THUMBNAIL = (192, 108)
LARGEST_SIDE = 1_536  # of a picture that is kept
STORYBOARDS = bundled_folder().parent.parent / "storyboards"


def new_folder() -> str:
    """Make an empty folder for a visitor, and delete the folders that nobody uses any more."""
    sweep()
    ROOT.mkdir(parents=True, exist_ok=True, mode=0o700)
    return tempfile.mkdtemp(dir=ROOT)


def remove(folder: str | None) -> None:
    """Delete a visitor's folder. Nothing outside ROOT is ever deleted."""
    if folder and Path(folder).parent == ROOT:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(older_than: float = limits.KEEP_SECONDS) -> int:
    """Delete the folders that nobody has used for so many seconds, and return how many they were."""
    old = [path for path in (ROOT.iterdir() if ROOT.is_dir() else ()) if time.time() - _used(path) > older_than]
    for path in old:
        remove(str(path))
    return len(old)


def _used(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return time.time()


def bundled() -> dict[str, Path]:
    """Return the bundled frames by the names that they have here, such as snow-12.jpg."""
    found = sorted(STORYBOARDS.glob("*/keyframe-*.jpg"))
    return {f"{path.parent.name}-{path.name.removeprefix('keyframe-')}": path for path in found}


def bundled_media() -> dict[str, dict]:
    """Return what the timeline shows of each bundled frame."""
    return {
        name: {"kind": "image", "url": thumbnail(read_image(path)), "label": name.rpartition(".")[0].replace("-", " ")}
        for name, path in bundled().items()
    }


def thumbnail(image: Image.Image) -> str:
    """Return a small JPEG as a data URL."""
    small = image.copy()
    small.thumbnail(THUMBNAIL)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def bring_in(names: list[str], folder: str) -> None:
    """Copy the bundled frames among `names` into the folder. StoryboardError for a name that is no plain name."""
    frames = bundled()
    for name in names:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise StoryboardError(f"{str(name)[:80]!r} is not the name of a picture or clip here; add it first")
        target = Path(folder) / name
        if name in frames and not target.exists():
            shutil.copyfile(frames[name], target)
        if not target.is_file():
            raise StoryboardError(f"{name!r} is not among your pictures and clips; add it first")


def add_upload(path: str, folder: str, fps: float) -> tuple[str, dict]:
    """Take a picture or a clip in, and return its name here and what the timeline shows of it.

    Raises:
        MediaError: without any path of this machine in it.
    """
    with contextlib.suppress(OSError):
        Path(folder).touch()  # in use
    try:
        if sum(file.name.startswith("upload-") for file in Path(folder).iterdir()) >= limits.MAX_FILES:
            raise MediaError(f"you have {limits.MAX_FILES} files here already; reload the page to start anew")
        if Path(path).stat().st_size > limits.MAX_UPLOAD_BYTES:
            raise MediaError(f"over {limits.MAX_UPLOAD_BYTES // 1_000_000} MB; shrink it")
        return _add_clip(path, folder, fps) if _is_video(path) else _add_picture(path, folder)
    except MediaError as error:
        raise MediaError(plain(error, path, "the file")) from error
    except OSError as error:
        raise MediaError("the file can't be read; upload it again") from error


def add_picture(image: Image.Image, folder: str, label: str) -> tuple[str, dict]:
    """Keep a picture, made smaller where it is very large; return its name and what the timeline shows of it."""
    image = to_image(image)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    name = f"upload-{secrets.token_hex(6)}.png"
    write_image(Path(folder) / name, image)
    return name, {"kind": "image", "url": thumbnail(image), "label": label}


def _is_video(path: str) -> bool:
    """Whether a file may be a video, by its content. An animated GIF is a picture, namely its first one."""
    try:
        with Image.open(path) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError as error:
        raise MediaError(f"more than {limits.MAX_PICTURE_PIXELS} pixels; shrink it") from error
    except Exception:
        return True
    if pixels > limits.MAX_PICTURE_PIXELS:
        raise MediaError(f"{pixels} pixels, over {limits.MAX_PICTURE_PIXELS}; shrink it")
    return False


def _add_picture(path: str, folder: str) -> tuple[str, dict]:
    return add_picture(read_image(path), folder, "your picture")


def _add_clip(path: str, folder: str, fps: float) -> tuple[str, dict]:
    try:
        info = probe_video(path)
    except MediaError as error:
        raise MediaError("neither a picture nor a video that can be read; use PNG, JPEG, WebP or MP4") from error
    check_clip(info)
    num_frames = count_frames(path, fps=fps)
    name = f"upload-{secrets.token_hex(6)}.mp4"
    shutil.copyfile(path, Path(folder) / name)
    first = Image.fromarray(read_video(path, frames=(0, 1))[0])
    return name, {"kind": "clip", "url": thumbnail(first), "label": "your clip", "frames": num_frames}


def check_clip(info) -> None:
    """Raise a MediaError for a video (`media.VideoInfo`) that is too long or too large."""
    for count, most, unit in (
        (info.duration, limits.MAX_CLIP_SECONDS, "seconds"),
        (info.num_frames, limits.MAX_CLIP_FRAMES, "frames"),
        (info.size.width * info.size.height, limits.MAX_CLIP_PIXELS, "pixels a frame"),
    ):
        if count > most:
            raise MediaError(f"the clip has {count:g} {unit}, at most {most:g} are taken; cut or shrink it")


def plain(error: Exception, *paths: str) -> str:
    """Return the error's line with no path of this machine in it.

    Args:
        paths: a path, the words to put in its place, another path, its words, and so on.
    """
    text = " ".join(str(error).split())
    for path, words in zip(paths[::2], paths[1::2], strict=True):
        text = text.replace(str(path), words)
    return re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+[\w.+-]*", "a file", text)[:400]
