"""Reads what a video of the toy world shows, so that it can be compared with the scene's truth.

It reads the letters on signs and the direction in which eyes look. Frames are (3, H, W) in [0, 1]. Boxes and eyes are
those of `toyworld.scene_truth` at the frame's size, in pixels.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ..media.size import Size
from ..toyworld import Box
from ..toyworld.glyphs import ALPHABET, glyph_texture

EDGE = 0.6  # grid units over which a template's ink fades, as the ink of a letter some ten pixels high does
SLACK = (-1, 0, 1)  # pixels by which a letter may be off, down and across
LOOK = 0.12  # radii of the eye; a pupil that lies further from the middle looks to that side


@cache
def _templates() -> Tensor:
    """The brightness of each letter, (letters, rows * columns), with mean 0 and norm 1."""
    ink = torch.stack([torch.sigmoid(glyph_texture(letter) * 4 / EDGE) for letter in ALPHABET]).flatten(1)
    ink = ink - ink.mean(dim=1, keepdim=True)
    return ink / ink.norm(dim=1, keepdim=True)


def read_letter(frame: Tensor, box: Box) -> str:
    """Find the letter in a box: the one whose glyph in the toy world correlates best with the pixels.

    Args:
        frame: (3, H, W).
        box: the letter's box. The letter may lie up to a pixel off.
    """
    grey = frame.mean(dim=0)
    size = Size(grey.shape[1], grey.shape[0])
    grid = glyph_texture(ALPHABET[0]).shape
    scores = []
    for down in SLACK:
        for across in SLACK:
            moved = Box(box.top + down, box.left + across, box.bottom + down, box.right + across).clip(size)
            patch = F.interpolate(grey[moved.slices][None, None], size=grid, mode="bilinear", align_corners=False)
            patch = patch.flatten() - patch.mean()
            scores.append(_templates() @ (patch / patch.norm().clamp(min=1e-6)))
    return ALPHABET[int(torch.stack(scores).amax(dim=0).argmax())]


def pupil_offset(frame: Tensor, eye: tuple[float, float], radius: float) -> float:
    """How far to the right of an eye's middle the eye's dark part lies.

    Args:
        frame: (3, H, W).
        eye: (column, row) of the eye's centre.
        radius: the eye's radius in pixels, with its outline. The outline itself is left out.

    Returns:
        -1 to 1, in radii of the eye; 0 for an eye without a dark part.
    """
    columns = torch.arange(frame.shape[2]) + 0.5 - eye[0]
    rows = torch.arange(frame.shape[1]) + 0.5 - eye[1]
    inside = (columns[None].square() + rows[:, None].square()).sqrt() < 0.75 * radius
    dark = (0.6 - frame.mean(dim=0)).clamp(min=0) * inside
    total = float(dark.sum())
    return float((dark * columns[None]).sum()) / total / radius if total > 1e-3 else 0.0


def look(offset: float) -> str:
    """Name the direction in which a pupil at this `pupil_offset` looks: "left", "right" or "ahead"."""
    if abs(offset) < LOOK:
        return "ahead"
    return "right" if offset > 0 else "left"


def eye_shift(frame: Tensor, truth: Tensor, eye: tuple[float, float], radius: float, reach: int = 4) -> float | None:
    """How far an eye in a frame lies from its place in the true frame.

    The true eye is moved over the frame, and the place where it correlates best is taken for the frame's eye.

    Args:
        frame, truth: (3, H, W).
        eye: (column, row) of the true eye's centre.
        radius: the eye's radius in pixels, with its outline.
        reach: the longest shift that is looked for, down and across, in pixels.

    Returns:
        The distance in pixels, or None for an eye too near the border to be looked for.
    """
    side = round(radius) + 1
    column, row = round(eye[0]), round(eye[1])
    box = Box(row - side, column - side, row + side, column + side)
    room = Box(box.top - reach, box.left - reach, box.bottom + reach, box.right + reach)
    if room.clip(Size(frame.shape[2], frame.shape[1])) != room:
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
