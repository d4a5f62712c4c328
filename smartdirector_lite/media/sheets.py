"""Contact sheets: many frames in one picture, labelled and framed in colour."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..timeline import check_int
from .images import to_image

KEYFRAME_COLOUR = "#e8a33d"  # gold, for frames that come from a condition
MARGIN = 4  # pixels of white around each frame


def contact_sheet(
    frames: np.ndarray | Sequence[np.ndarray | Image.Image],
    columns: int,
    labels: Sequence[str] | None = None,
    borders: Sequence[str | None] | None = None,
) -> Image.Image:
    """Lay frames of one size out in rows, unscaled and on white. They read from left to right.

    Args:
        frames: (T, H, W, 3) uint8, or a sequence of arrays (H, W, 3) or PIL images.
        columns: how many frames a row has.
        labels: a text under each frame.
        borders: for each frame the colour of its outline (any name that Pillow knows), or None. The outline takes the
            place of the gap and covers no pixel of the frame.
    """
    images = [to_image(frame) for frame in frames]
    if not images:
        raise ValueError("contact_sheet needs at least one frame")
    check_int("columns", columns, 1)
    if len({image.size for image in images}) > 1:
        raise ValueError(f"frames must have one size, got {sorted({image.size for image in images})}")
    for name, values in (("labels", labels), ("borders", borders)):
        if values is not None and len(values) != len(images):
            raise ValueError(f"{name} must be one for each of the {len(images)} frames, got {len(values)}")
    width, height = images[0].size
    font = ImageFont.load_default(max(10, min(16, height // 5)))
    text_height = sum(font.getmetrics()) + 2 if labels else 0
    columns = min(columns, len(images))
    cell_width, cell_height = width + 2 * MARGIN, height + 2 * MARGIN + text_height
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        x, y = index % columns * cell_width, index // columns * cell_height
        if borders is not None and borders[index] is not None:
            colour = ImageColor.getrgb(borders[index])
            draw.rectangle((x, y, x + width + 2 * MARGIN - 1, y + height + 2 * MARGIN - 1), fill=colour)
        sheet.paste(image, (x + MARGIN, y + MARGIN))
        if labels is not None:
            draw.text((x + MARGIN, y + height + 2 * MARGIN), labels[index], fill="black", font=font)
    return sheet
