"""What the notebooks need of Jupyter: a fast mode, and pictures and videos that also show without a kernel.

Only this module imports IPython.
"""

import base64
import html
import io
import os
import tempfile
from collections.abc import Sequence
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
WEBP = {"format": "WEBP", "quality": 88, "method": 6}  # a quarter of a PNG's bytes without a visible difference


def pick(full: Value, fast: Value) -> Value:
    """Return `full`, or `fast` in the fast mode."""
    return fast if FAST else full


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


def show_video(frames: np.ndarray, fps: float, alt: str, scale: int = 3, with_strip: bool = True) -> None:
    """Show a video as an mp4 inside the notebook, and below it a strip of frames for viewers that play no video.

    Args:
        frames: uint8 (T, H, W, 3).
        alt: a text that says what the video shows, for readers who cannot see it.
        scale: the browser enlarges each pixel so many times.
        with_strip: False leaves the strip out.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, frames, fps)
        data = base64.b64encode(path.read_bytes()).decode()
    width = scale * frames.shape[2]
    tag = (
        f'<video controls loop muted playsinline width="{width}" style="max-width:100%" '
        f'aria-label="{html.escape(alt, quote=True)}" src="data:video/mp4;base64,{data}"></video>'
    )
    display({"text/html": tag, "text/plain": f"[video: {alt}]"}, raw=True)
    if with_strip:
        show_strip(list(frames), alt)


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
    kind = "png" if data.startswith(b"\x89PNG") else "webp"
    sized = "" if width is None else f' width="{width}"'
    style = "max-width:100%" if width is None else "max-width:100%;image-rendering:pixelated"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{html.escape(alt, quote=True)}"{sized} style="{style}" src="{source}">'


def _show(tag: str, alt: str) -> None:
    # An <img> tag carries the alternative text. An image/png output beside the tag would double the notebook's size.
    display({"text/html": tag, "text/plain": f"[picture: {alt}]"}, raw=True)
