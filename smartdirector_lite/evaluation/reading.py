"""Reads what the toy world's videos show, against its truth: the letters on signs, and where eyes look.

Frames are (3, H, W) in [0, 1]; boxes and eyes are those of `toyworld.scene_truth` at the same size.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ..toyworld import Box
from ..toyworld.glyphs import ALPHABET, glyph_texture

EDGE = 0.6  # grid units over which a template's ink fades, as a letter some ten pixels high does
SLACK = (-1, 0, 1)  # pixels that a letter may be off
LOOK = 0.12  # of an eye's radius: a pupil further from the middle looks to that side


@cache
def _templates() -> Tensor:
    """(letters, rows * columns): brightness of each letter, centred and of unit norm."""
    ink = torch.stack([torch.sigmoid(glyph_texture(letter) * 4 / EDGE) for letter in ALPHABET]).flatten(1)
    ink = ink - ink.mean(dim=1, keepdim=True)
    return ink / ink.norm(dim=1, keepdim=True)


def read_letter(frame: Tensor, box: Box) -> str:
    """The letter in a box, by template matching against the toy world's own glyphs."""
    grey = frame.mean(dim=0)
    height, width = grey.shape
    size = glyph_texture(ALPHABET[0]).shape
    scores = []
    for down in SLACK:
        for across in SLACK:
            moved = Box(box.top + down, box.left + across, box.bottom + down, box.right + across).clip(height, width)
            patch = F.interpolate(grey[moved.slices][None, None], size=size, mode="bilinear", align_corners=False)
            patch = patch.flatten() - patch.mean()
            scores.append(_templates() @ (patch / patch.norm().clamp(min=1e-6)))
    return ALPHABET[int(torch.stack(scores).amax(dim=0).argmax())]


def pupil_offset(frame: Tensor, eye: tuple[float, float], radius: float) -> float:
    """How far to the right of an eye's middle its dark part lies, in radii of the eye: -1 to 1.

    eye: (column, row) of its centre; radius: with its outline, pixels. The outline is left out.
    """
    columns = torch.arange(frame.shape[2]) + 0.5 - eye[0]
    rows = torch.arange(frame.shape[1]) + 0.5 - eye[1]
    inside = (columns[None].square() + rows[:, None].square()).sqrt() < 0.75 * radius
    dark = (0.6 - frame.mean(dim=0)).clamp(min=0) * inside
    total = float(dark.sum())
    return float((dark * columns[None]).sum()) / total / radius if total > 1e-3 else 0.0


def look(offset: float) -> str:
    """ "left", "right" or "ahead"."""
    return "ahead" if abs(offset) < LOOK else "right" if offset > 0 else "left"


def eye_shift(frame: Tensor, truth: Tensor, eye: tuple[float, float], radius: float, reach: int = 4) -> float | None:
    """Distance in pixels between an eye's place in a frame and in the true one: where the true eye fits best.

    None if it is too near the border to be looked for.
    """
    side = round(radius) + 1
    column, row = round(eye[0]), round(eye[1])
    box = Box(row - side, column - side, row + side, column + side)
    room = Box(box.top - reach, box.left - reach, box.bottom + reach, box.right + reach)
    if room.clip(*frame.shape[1:]) != room:
        return None
    wanted = truth[(slice(None), *box.slices)]
    wanted = wanted - wanted.mean()
    around = frame[(slice(None), *room.slices)][None]
    fit = F.conv2d(around, wanted[None])[0, 0]
    mean = F.avg_pool2d(around.mean(dim=1, keepdim=True), 2 * side, stride=1)
    power = F.avg_pool2d(around.square().mean(dim=1, keepdim=True), 2 * side, stride=1) - mean.square()
    best = int((fit / power[0, 0].clamp(min=1e-6).sqrt()).argmax())
    down, across = best // fit.shape[1] - reach, best % fit.shape[1] - reach
    return (down**2 + across**2) ** 0.5
