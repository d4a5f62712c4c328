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

import numpy as np
from PIL import Image

import limits
from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.media import (
    MediaError,
    VideoInfo,
    check_image,
    count_frames,
    cover_crop,
    decoded_frames,
    frame_pixels,
    probe_video,
    read_image,
    read_video,
    to_image,
    write_image,
    write_video,
)
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import StoryboardError

ROOT = Path(tempfile.gettempdir()) / "smartdirector-space"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
THUMBNAIL = (192, 108)
MAX_LABEL = 60  # characters of a file's name that are shown
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

    What is shown has "kind", "url" (a thumbnail), "label" (the file's name without its suffix), for a clip "frames",
    and "note", a sentence, where the file was made smaller.

    Raises:
        MediaError: with the file's name in front, and without any path of this machine in it.
    """
    file = Path(path)
    with contextlib.suppress(OSError):
        Path(folder).touch()  # in use
    try:
        if sum(kept.name.startswith("upload-") for kept in Path(folder).iterdir()) >= limits.MAX_FILES:
            raise MediaError(f"you have {limits.MAX_FILES} files here already; start a new film to make room")
        if file.stat().st_size > limits.MAX_UPLOAD_BYTES:
            raise MediaError(f"over {limits.MAX_UPLOAD_BYTES // 1_000_000} MB; shrink it")
        if _is_video(path):
            return _add_clip(path, folder, fps)
        return add_picture(read_image(path), folder, _label(path))
    except MediaError as error:
        words = plain(error, path, file.name).removeprefix(f"{file.name}: ")
        raise MediaError(f"{file.name[:MAX_LABEL]}: {words}") from error
    except OSError as error:
        raise MediaError(f"{file.name[:MAX_LABEL]}: it can't be read; upload it again") from error


def read_upload(path: str) -> Image.Image:
    """Read a picture that is not kept. MediaError, with the file's name in front and no path of this machine."""
    try:
        return read_image(path)
    except MediaError as error:
        name = Path(path).name
        raise MediaError(f"{name[:MAX_LABEL]}: {plain(error, path, name).removeprefix(f'{name}: ')}") from error


def _label(path: str) -> str:
    return Path(path).stem[:MAX_LABEL]


def add_picture(image: Image.Image, folder: str, label: str) -> tuple[str, dict]:
    """Keep a picture, made smaller where it is very large; return its name and what the timeline shows of it."""
    image = to_image(image)
    given = image.size
    image.thumbnail((limits.KEPT_SIDE, limits.KEPT_SIDE))
    name = f"upload-{secrets.token_hex(6)}.png"
    write_image(Path(folder) / name, image)
    return name, {"kind": "image", "url": thumbnail(image), "label": label, **_note(label, given, image.size)}


def _note(label: str, given: tuple[int, int], kept: tuple[int, int]) -> dict:
    if tuple(given) == tuple(kept):
        return {}
    sizes = (f"{width:,} x {height:,}" for width, height in (given, kept))
    return {"note": f"{label} was made smaller: {' became '.join(sizes)} pixels."}


def _is_video(path: str) -> bool:
    """Whether a file may be a video, by its content. An animated GIF is a picture, namely its first one.

    Raises:
        MediaError: for a file that is neither, but something that people take for a picture, such as HEIC.
    """
    try:
        check_image(path)
    except MediaError as error:
        words = str(error).removeprefix(f"{path}: ")
        if not words.startswith(("is a video", "not an image that can be read")):
            raise
        return True
    return False


def _add_clip(path: str, folder: str, fps: float) -> tuple[str, dict]:
    try:
        info = probe_video(path)
    except MediaError as error:
        words = "neither a picture nor a video that can be read; use PNG, JPEG, WebP or MP4"
        raise MediaError(f"{words} ({plain(error, path, 'it').removeprefix('it: ')})") from error
    check_clip(info)
    target, label = Path(folder) / f"upload-{secrets.token_hex(6)}.mp4", _label(path)
    size = _kept_size(info.size)
    try:
        if size == info.size:
            shutil.copyfile(path, target)
        else:
            _shrink(path, target, info, size)
        num_frames = count_frames(target, fps=fps)
        first = Image.fromarray(read_video(target, frames=(0, 1))[0])
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    shown = {"kind": "clip", "url": thumbnail(first), "label": label, "frames": num_frames}
    return target.name, {**shown, **_note(label, info.size, size)}


def _kept_size(size: Size) -> Size:
    """The size in which a clip is kept: its own one, or a smaller one with even sides."""
    share = (limits.KEPT_PIXELS / (size.width * size.height)) ** 0.5
    return size if share >= 1 else Size(*(2 * max(1, int(side * share / 2)) for side in size))


def _shrink(path: str, target: Path, info: VideoInfo, size: Size) -> None:
    """Write a clip anew in another size. Its frames keep their times; its sound is not needed."""
    times = [time for time, _, _ in decoded_frames(path)]
    frames = (frame_pixels(frame) for _, _, frame in decoded_frames(path))
    smaller = (np.asarray(cover_crop(Image.fromarray(pixels), size)) for pixels in frames)
    write_video(target, smaller, info.fps, times=times)


def check_clip(info: VideoInfo) -> None:
    """Raise a MediaError for a video that is too long or too large."""
    for count, most, unit in (
        (info.duration, limits.MAX_CLIP_SECONDS, "seconds"),
        (info.num_frames, limits.MAX_CLIP_FRAMES, "frames"),
        (info.size.width * info.size.height, limits.MAX_CLIP_PIXELS, "pixels a frame"),
    ):
        if count > most:
            given, taken = limits.readable(count), limits.readable(most)
            raise MediaError(f"the clip has {given} {unit}, and at most {taken} are taken; cut or shrink it")


def plain(error: Exception, *paths: str) -> str:
    """Return the error's line with no path of this machine in it.

    Args:
        paths: a path, the words to put in its place, another path, its words, and so on.
    """
    text = " ".join(str(error).split())
    for path, words in zip(paths[::2], paths[1::2], strict=True):
        text = text.replace(str(path), words)
    return re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+[\w.+-]*", "a file", text)[:400]
