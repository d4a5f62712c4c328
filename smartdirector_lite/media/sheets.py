"""Contact sheets: many frames in one picture, labelled and framed in colour."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from .images import to_image

KEYFRAME_COLOUR = "#e8a33d"  # the gold of everything that is given


def contact_sheet(
    frames: np.ndarray | Sequence[np.ndarray | Image.Image],
    columns: int,
    labels: Sequence[str] | None = None,
    borders: Sequence[str | None] | None = None,
    gap: int = 4,
) -> Image.Image:
    """Lay frames of one size out in rows, unscaled and on white. They read from left to right.

    Args:
        frames: (T, H, W, 3) uint8, or a sequence of arrays (H, W, 3) or PIL images.
        columns: how many frames a row has.
        labels: a text under each frame.
        borders: for each frame the colour of its outline (any name that Pillow knows), or None. The outline takes the
            place of the gap and covers no pixel of the frame.
        gap: pixels of white around each frame.
    """
    images = [to_image(frame) for frame in frames]
    if not images:
        raise ValueError("contact_sheet needs at least one frame")
    if columns < 1 or gap < 1:
        raise ValueError(f"columns and gap must be at least 1, got {columns} and {gap}")
    if len({image.size for image in images}) > 1:
        raise ValueError(f"frames must have one size, got {sorted({image.size for image in images})}")
    for name, values in (("labels", labels), ("borders", borders)):
        if values is not None and len(values) != len(images):
            raise ValueError(f"{name} must be one for each of the {len(images)} frames, got {len(values)}")
    width, height = images[0].size
    font = ImageFont.load_default(max(10, min(16, height // 5)))
    text_height = sum(font.getmetrics()) + 2 if labels else 0
    columns = min(columns, len(images))
    cell_width, cell_height = width + 2 * gap, height + 2 * gap + text_height
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        x, y = index % columns * cell_width, index // columns * cell_height
        if borders is not None and borders[index] is not None:
            colour = ImageColor.getrgb(borders[index])
            draw.rectangle((x, y, x + width + 2 * gap - 1, y + height + 2 * gap - 1), fill=colour)
        sheet.paste(image, (x + gap, y + gap))
        if labels is not None:
            draw.text((x + gap, y + height + 2 * gap), labels[index], fill="black", font=font)
    return sheet


def film_strip(frames: np.ndarray, count: int = 8, keyframes: Sequence[int] = ()) -> Image.Image:
    """One row of numbered frames, evenly spaced, with the first, the last and every keyframe among them.

    Args:
        frames: (T, H, W, 3) uint8.
        count: how many evenly spaced frames are shown.
        keyframes: the frame numbers that are shown besides, outlined in KEYFRAME_COLOUR.
    """
    if count < 1 or any(not 0 <= frame < len(frames) for frame in keyframes):
        raise ValueError(f"count must be at least 1 and keyframes in 0 to {len(frames) - 1}: {count}, {[*keyframes]}")
    even = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int).tolist()
    shown = sorted({*even, *keyframes})
    borders = [KEYFRAME_COLOUR if frame in set(keyframes) else None for frame in shown]
    return contact_sheet([frames[i] for i in shown], len(shown), [f"{i}" for i in shown], borders)
