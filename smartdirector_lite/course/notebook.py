"""What the notebooks need of Jupyter: a fast mode, and figures and videos that also show without a kernel.

IPython is imported here only.
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

T = TypeVar("T")
FAST = bool(os.environ.get("SMARTDIRECTOR_FAST"))  # the tests': the same cells, with less to do in them
STRIP_WIDTH = 900  # pixels
EXACT_PIXELS = 40_000  # a picture up to this size is shown without loss
WEBP = {"format": "WEBP", "quality": 88, "method": 6}  # a quarter of a PNG's bytes, and no difference that one sees


def pick(full: T, fast: T) -> T:
    """`full`, or `fast` in the fast mode."""
    return fast if FAST else full


def figure(fig, alt: str) -> None:
    """Show a matplotlib figure with a text for those who can't see it."""
    _show(img_tag(figure_bytes(fig), alt), alt)


def strip(frames: Sequence[np.ndarray], alt: str, count: int = 8, labels: Sequence[str] | None = None) -> None:
    """Show some frames, uint8 (H, W, 3) each, side by side: evenly spaced, first and last included."""
    shown = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int).tolist()
    texts = [labels[i] for i in shown] if labels is not None else [str(i) for i in shown]
    image(contact_sheet([frames[i] for i in shown], columns=len(shown), labels=texts), alt)


def image(picture: Image.Image | np.ndarray, alt: str, scale: int = 1) -> None:
    """Show a picture, each pixel `scale` times as large."""
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    _show(img_tag(picture_bytes(picture), alt, None if scale == 1 else scale * picture.width), alt)


def video(frames: np.ndarray, fps: float, alt: str, scale: int = 3, with_strip: bool = True) -> None:
    """Show a video, uint8 (T, H, W, 3), as an mp4 inside the notebook, and a strip of it where no video plays."""
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
        strip(list(frames), alt)


def figure_bytes(fig) -> bytes:
    """A matplotlib figure as a WebP file's bytes, without loss (half of a PNG's size), 100 dots an inch."""
    raw, buffer = io.BytesIO(), io.BytesIO()
    fig.savefig(raw, format="png", dpi=100, bbox_inches="tight")
    Image.open(raw).convert("RGB").save(buffer, format="WEBP", lossless=True, method=6)
    return buffer.getvalue()


def picture_bytes(picture: Image.Image) -> bytes:
    """A picture as a file's bytes, at most STRIP_WIDTH pixels wide: PNG for a small one, WebP for a large one."""
    if picture.width > STRIP_WIDTH:
        height = round(picture.height * STRIP_WIDTH / picture.width)
        picture = picture.resize((STRIP_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small = picture.width * picture.height <= EXACT_PIXELS
    picture.save(buffer, **({"format": "PNG", "optimize": True} if small else WEBP))
    return buffer.getvalue()


def img_tag(data: bytes, alt: str, width: int | None = None) -> str:
    """The bytes of a PNG or WebP file as an HTML `<img>` that holds them. ValueError without an alternative text.

    width: to show it in, pixels, each of the picture's own with sharp edges.
    """
    if not alt.strip():
        raise ValueError("alt is empty; say what the picture shows, for those who can't see it")
    kind = "png" if data.startswith(b"\x89PNG") else "webp"
    sized = "" if width is None else f' width="{width}"'
    style = "max-width:100%" if width is None else "max-width:100%;image-rendering:pixelated"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{html.escape(alt, quote=True)}"{sized} style="{style}" src="{source}">'


def _show(tag: str, alt: str) -> None:
    """As an <img>, for its alternative text; image/png beside it would only double a notebook's size."""
    display({"text/html": tag, "text/plain": f"[picture: {alt}]"}, raw=True)
