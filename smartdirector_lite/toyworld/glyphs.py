"""Letters for the signs: capitals made of strokes, computed once as small distance textures.

A glyph is a list of strokes on a grid 4 units wide and 6 high, with x to the right and y up. A texture holds the signed
distance to the strokes. One bilinear look-up draws a crisp letter from it at any size, and the same texture reads the
letter again by template matching. There is no Q.
"""

from functools import cache, lru_cache

import torch
from torch import Tensor

GRID_WIDTH, GRID_HEIGHT = 4.0, 6.0
CELL_WIDTH, CELL_HEIGHT = 6.0, 8.0  # a glyph with its margin, in grid units
STROKE_RADIUS = 0.62
TEXELS_PER_UNIT = 4

_STROKES = {  # "00-26" is a stroke from (0, 0) to (2, 6)
    "A": "00-26 26-40 12-32",
    "B": "00-06 06-36 36-44 44-33 03-33 33-42 42-30 30-00",
    "C": "45-26 26-15 15-01 01-20 20-41",
    "D": "00-06 06-26 26-44 44-42 42-20 20-00",
    "E": "40-00 00-06 06-46 03-33",
    "F": "00-06 06-46 03-33",
    "G": "45-26 26-15 15-01 01-20 20-41 41-43 43-23",
    "H": "00-06 40-46 03-43",
    "I": "20-26 10-30 16-36",
    "J": "46-41 41-20 20-01",
    "K": "00-06 02-46 13-40",
    "L": "06-00 00-40",
    "M": "00-06 06-23 23-46 46-40",
    "N": "00-06 06-40 40-46",
    "O": "20-02 02-04 04-26 26-44 44-42 42-20",
    "P": "00-06 06-36 36-44 44-33 33-03",
    "R": "00-06 06-36 36-44 44-33 33-03 23-40",
    "S": "45-26 26-05 05-41 41-20 20-01",
    "T": "20-26 06-46",
    "U": "06-01 01-20 20-41 41-46",
    "V": "06-20 20-46",
    "W": "06-10 10-23 23-30 30-46",
    "X": "00-46 06-40",
    "Y": "06-23 46-23 23-20",
    "Z": "06-46 46-00 00-40",
}
ALPHABET = "".join(_STROKES)


@cache
def glyph_texture(letter: str) -> Tensor:
    """Return the signed distance to a letter's strokes in grid units, negative inside: (rows from the top, columns)."""
    if letter not in _STROKES:
        raise ValueError(f"letter {letter!r} has no glyph; the letters are {ALPHABET}")
    rows, columns = int(CELL_HEIGHT * TEXELS_PER_UNIT), int(CELL_WIDTH * TEXELS_PER_UNIT)
    y = (CELL_HEIGHT + GRID_HEIGHT) / 2 - (torch.arange(rows) + 0.5) / TEXELS_PER_UNIT
    x = (torch.arange(columns) + 0.5) / TEXELS_PER_UNIT - (CELL_WIDTH - GRID_WIDTH) / 2
    point = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)
    distances = []
    for stroke in _STROKES[letter].split():
        a, b = (torch.tensor([float(end[0]), float(end[1])]) for end in stroke.split("-"))
        # Sums and not `@`: autocast would compute a matrix product in bfloat16, and the result stays in the cache.
        along = (((point - a) * (b - a)).sum(dim=-1) / (b - a).square().sum()).clamp(0, 1)
        distances.append((point - a - along[..., None] * (b - a)).norm(dim=-1))
    return torch.stack(distances).amin(dim=0) - STROKE_RADIUS


@lru_cache(maxsize=256)
def text_texture(text: str) -> Tensor:
    """Return the letters of a text side by side, (rows, columns * len(text)). The result is cached: don't change it."""
    return torch.cat([glyph_texture(letter) for letter in text], dim=1)
