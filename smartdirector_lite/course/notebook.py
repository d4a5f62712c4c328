"""What the notebooks need of Jupyter: a fast mode, and pictures and videos that also show without a kernel.

Only this module imports IPython.
"""

import base64
import html
import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from IPython.display import display
from PIL import Image

from ..media import contact_sheet, write_video
from ..media.sheets import KEYFRAME_COLOUR
from .figures.base import Figure, figure_image

Value = TypeVar("Value")
FAST = bool(os.environ.get("SMARTDIRECTOR_FAST"))  # the tests run the same cells with less work in them
MAX_WIDTH = 900  # pixels; wider pictures are reduced to this width
EXACT_PIXELS = 40_000  # a picture of at most this many pixels is stored without loss
CODED = 2  # videos are coded with each pixel so many times, because H.264 halves the colours' resolution
WEBP = {"format": "WEBP", "quality": 88, "method": 6}  # a quarter of a PNG's bytes without a visible difference

# Videos play while they are on the screen (JupyterLab takes cells off the page, which stops them), unless somebody has
# stopped one or wants less motion. Several videos start, stop and jump together.
PLAYS = """
(() => {
  const all = [...document.currentScript.parentElement.querySelectorAll("video")];
  const rest = one => all.filter(other => other !== one);
  let stopped = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const set = video => stopped ? video.pause() : video.play().catch(() => {});
  const watch = new IntersectionObserver(seen => seen.forEach(one => one.isIntersecting && set(one.target)));
  for (const one of all) {
    watch.observe(one);
    one.onplay = () => { stopped = false; rest(one).forEach(set); };
    one.onpause = () => {
      const place = one.getBoundingClientRect();
      if (place.width && place.bottom > 0 && place.top < innerHeight) { stopped = true; rest(one).forEach(set); }
    };
    one.onseeked = () => rest(one).forEach(other => {
      if (Math.abs(other.currentTime - one.currentTime) > 0.1) other.currentTime = one.currentTime;
    });
  }
  all[0].ontimeupdate = all[0].onseeked;
})();"""


def pick(full: Value, fast: Value) -> Value:
    """Return `full`, or `fast` in the fast mode."""
    return fast if FAST else full


def bench_results(name: str) -> dict:
    """Read what a bench has measured, `bench/results/NAME.json`; an empty dict where the package lies in no clone."""
    path = Path(__file__).parents[2] / "bench" / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def show_figure(fig: Figure, alt: str) -> None:
    """Show a matplotlib figure.

    Args:
        alt: a text that says what the figure shows, for readers who cannot see it.
    """
    _show(img_tag(figure_bytes(fig), alt), alt)


def show_strip(
    frames: Sequence[np.ndarray],
    alt: str,
    count: int = 8,
    labels: Sequence[str] | None = None,
    keyframes: Sequence[int] = (),
) -> None:
    """Show evenly spaced frames side by side, the first and the last among them.

    Args:
        frames: uint8 (H, W, 3) each.
        alt: a text that says what the frames show, for readers who cannot see them.
        count: how many frames are shown at most.
        labels: a text for each frame of `frames`; None shows the frame numbers.
        keyframes: the numbers of frames that are shown besides, with an outline in gold.
    """
    even = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int).tolist()
    shown = sorted({*even, *keyframes})
    texts = [labels[i] for i in shown] if labels is not None else [str(i) for i in shown]
    borders = [KEYFRAME_COLOUR if i in keyframes else None for i in shown]
    show_image(contact_sheet([frames[i] for i in shown], len(shown), texts, borders), alt)


def show_image(picture: Image.Image | np.ndarray, alt: str, scale: int = 1) -> None:
    """Show a picture.

    Args:
        picture: a Pillow image, or uint8 (H, W, 3).
        alt: a text that says what the picture shows, for readers who cannot see it.
        scale: the browser enlarges each pixel so many times, with sharp edges.
    """
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    _show(img_tag(picture_bytes(picture), alt, None if scale == 1 else scale * picture.width), alt)


def show_video(
    frames: np.ndarray,
    fps: float,
    alt: str,
    scale: int = 3,
    poster: bool = True,
    label: str | None = None,
    with_strip: bool = True,
) -> None:
    """Show a video that plays by itself, over and over, and below it a strip of frames for viewers that play none.

    Args:
        frames: uint8 (T, H, W, 3), with even H and W.
        alt: a text that says what the video shows, for readers who cannot see it.
        scale: the browser enlarges each pixel so many times.
        poster: show the middle frame until the video plays.
        label: a text below the video.
        with_strip: False leaves the strip out.
    """
    _show_players({label or "": frames}, fps, alt, scale, poster)
    if with_strip:
        show_strip(list(frames), alt)


def show_videos(
    videos: Mapping[str, np.ndarray], fps: float, alt: str, scale: int = 2, poster: bool = True, count: int = 8
) -> None:
    """Show videos side by side, or below each other on a narrow page. They start, pause and jump together.

    Below them stands a picture for viewers that play no video: a row of frames for each of them, in the same order.

    Args:
        videos: by label; uint8 (T, H, W, 3) each, all of one shape, with even H and W.
        alt: a text that says what the videos show, for readers who cannot see them.
        scale: the browser enlarges each pixel so many times.
        poster: show the middle frames until the videos play.
        count: how many frames a row of the picture has at most.

    Raises:
        ValueError: the videos differ in shape.
    """
    shapes = {label: np.shape(frames) for label, frames in videos.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"the videos differ in shape, {shapes}; give them one length and one size")
    _show_players(videos, fps, alt, scale, poster)
    length = next(iter(shapes.values()))[0]
    shown = np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist()
    sheet = [frames[frame] for frames in videos.values() for frame in shown]
    names = [f"{label}, {frame}" if not place else str(frame) for label in videos for place, frame in enumerate(shown)]
    show_image(contact_sheet(sheet, len(shown), names), alt)


def show_table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
    """Show a table. On a narrow page it scrolls sideways, and its cells do not wrap.

    Args:
        rows: the cells of each row; numbers are shown as they are, so round them before.
        header: the name of each column.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    if wrong := [row for row in texts if len(row) != len(header)]:
        raise ValueError(f"a row has {len(wrong[0])} cells, and the header has {len(header)}: {wrong[0]}")
    right = ["right" if all(_is_number(row[c]) for row in texts) else "left" for c in range(len(header))]

    def line(cells: Sequence[str], tag: str) -> str:
        styled = (
            f'<{tag} style="text-align:{side};white-space:nowrap">{html.escape(cell)}'
            for cell, side in zip(cells, right)
        )
        return "<tr>" + "".join(f"{cell}</{tag[:2]}>" for cell in styled) + "</tr>"

    head, body = line(header, 'th scope="col"'), "".join(line(row, "td") for row in texts)
    table = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    widths = [max(map(len, column)) for column in zip(header, *texts)]
    plain = "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in [header, *texts])
    display({"text/html": f'<div tabindex="0" style="overflow-x:auto">{table}</div>', "text/plain": plain}, raw=True)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+−]?[\d.,]+(?:e[-+]?\d+)?(?: ?(?:%|dB|s|MB|GB))?|[-–]?", text.strip()))


def players_tag(videos: Mapping[str, np.ndarray], fps: float, alt: str, scale: int, poster: bool = True) -> str:
    """Return the HTML of videos side by side; the arguments are those of `show_videos`."""
    players = [
        _player(frames, fps, f"{label}: {alt}" if len(videos) > 1 else alt, label, scale, poster)
        for label, frames in videos.items()
    ]
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(players)}<script>{PLAYS}</script></div>'


def _show_players(videos: Mapping[str, np.ndarray], fps: float, alt: str, scale: int, poster: bool) -> None:
    tag = players_tag(videos, fps, alt, scale, poster)
    kind = f"video{'s' * (len(videos) > 1)} {', '.join(videos)}".rstrip()
    display({"text/html": tag, "text/plain": f"[{kind}: {alt}]"}, raw=True)


def _player(frames: np.ndarray, fps: float, alt: str, label: str, scale: int, poster: bool) -> str:
    """Return the HTML of one video with its label."""
    frames = np.asarray(frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, frames.repeat(CODED, axis=1).repeat(CODED, axis=2), fps)
        data = base64.b64encode(path.read_bytes()).decode()
    still = _data_url(picture_bytes(Image.fromarray(frames[len(frames) // 2]))) if poster else ""
    shown = f' poster="{still}"' if poster else ""
    text, width = html.escape(alt, quote=True), scale * frames.shape[2]
    size = f'width="{width}" style="max-width:100%;height:auto;image-rendering:pixelated"'
    video = f'<video autoplay loop muted playsinline controls {size} aria-label="{text}"{shown}'
    caption = f"<figcaption>{html.escape(label)}</figcaption>" if label else ""
    return (
        f'<figure style="margin:0;max-width:100%">{video} src="data:video/mp4;base64,{data}"></video>{caption}</figure>'
    )


def figure_bytes(fig: Figure) -> bytes:
    """Return a figure as a lossless WebP file, which takes half of a PNG's bytes."""
    buffer = io.BytesIO()
    figure_image(fig).save(buffer, format="WEBP", lossless=True, method=6)
    return buffer.getvalue()


def picture_bytes(picture: Image.Image) -> bytes:
    """Return a picture as a file: PNG if it is small, else WebP. A wide picture is reduced to MAX_WIDTH pixels."""
    if picture.width > MAX_WIDTH:
        height = round(picture.height * MAX_WIDTH / picture.width)
        picture = picture.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small = picture.width * picture.height <= EXACT_PIXELS
    picture.save(buffer, **({"format": "PNG", "optimize": True} if small else WEBP))
    return buffer.getvalue()


def img_tag(data: bytes, alt: str, width: int | None = None) -> str:
    """Return an HTML `<img>` that holds a picture.

    Args:
        data: a PNG or WebP file.
        alt: a text that says what the picture shows, for readers who cannot see it.
        width: the width in pixels at which the browser shows the picture, with sharp edges; None keeps its own.

    Raises:
        ValueError: the text is empty.
    """
    if not alt.strip():
        raise ValueError("alt is empty; say what the picture shows, for those who can't see it")
    sized = "" if width is None else f' width="{width}"'
    style = "max-width:100%" if width is None else "max-width:100%;image-rendering:pixelated"
    return f'<img alt="{html.escape(alt, quote=True)}"{sized} style="{style}" src="{_data_url(data)}">'


def _data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _show(tag: str, alt: str) -> None:
    # An <img> tag carries the alternative text. An image/png output beside the tag would double the notebook's size.
    display({"text/html": tag, "text/plain": f"[picture: {alt}]"}, raw=True)
