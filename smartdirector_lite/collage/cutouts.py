"""Cut-outs: shapes that are filled with pictures, letters, and figures of the toy world that walk and wave.

A texture is RGBA, (4, S, S) in [0, 1], whose colours are multiplied by its opacity already. A figure's is one for each
frame.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..media.size import Size
from ..toyworld.canvas import Canvas
from ..toyworld.figures import paint_character
from ..toyworld.glyphs import ALPHABET, CELL_HEIGHT, glyph_texture
from ..toyworld.scene import ACTIONS, BODIES, COLOURS, HEADGEAR, NAMES, Character, Role
from ..toyworld.tracks import ShotTracks, track_character
from .pictures import Picture, coordinates, distance_to_curve, sample_colour, sample_picture, wander

SIDE = Size(128, 128)  # of a texture
FIGURES, LETTERS = 0.15, 0.12  # shares of the cut-outs; the others are shapes
INK = torch.tensor([0.08, 0.07, 0.10])
FIGURE_VIEW, FIGURE_MIDDLE = 2.0, 0.68  # height of a figure's texture, and its middle over the ground, in world units
COLOUR_NAMES = {**COLOURS, "black": (0.1, 0.1, 0.1), "grey": (0.5, 0.5, 0.5), "brown": (0.5, 0.33, 0.2)}


@dataclass(frozen=True)
class Cutout:
    """Something that lies on a collage.

    Attributes:
        name: what captions call it.
        texture: (1, 4, S, S), or (T, 4, S, S) where it changes with the frames.
    """

    name: str
    texture: Tensor


def sample_cutout(rng: np.random.Generator, num_frames: int, fps: float, brought: Picture | None) -> Cutout:
    """Draw a cut-out: often a shape, sometimes a figure or a letter.

    Args:
        num_frames, fps: of the shot that it is in; a figure moves in them.
        brought: see `sample_picture`.
    """
    kind = rng.random()
    if kind < FIGURES:
        return sample_figure(rng, num_frames, fps)
    if kind < FIGURES + LETTERS:
        letter = ALPHABET[rng.integers(len(ALPHABET))]
        return _filled(rng, f"letter {letter}", _letter(letter), brought, plain=0.8)
    name = str(rng.choice(list(SHAPES)))
    return _filled(rng, name, SHAPES[name](rng), brought, plain=0.45)


def _filled(
    rng: np.random.Generator, name: str, distance: Tensor, brought: Picture | None, plain: float
) -> Cutout:
    """Fill a shape, with a plain colour and details or with a picture, and perhaps draw its outline.

    Args:
        distance: (S, S), the pixels' distance from the shape, negative inside.
        plain: how often the filling is a plain colour.
    """
    pixel = 2 / SIDE.height
    if rng.random() < plain:
        colour = sample_colour(rng)
        inside = colour.view(3, 1, 1).expand(3, *SIDE[::-1])
        for _ in range(int(rng.integers(0, 4))):  # spots, lines and eyes, which move with the shape
            mark = SHAPES[str(rng.choice(list(SHAPES)))](rng, rng.uniform(0.08, 0.3), rng.uniform(-0.5, 0.5, 2))
            covered = (0.5 - mark / pixel).clamp(0, 1)
            inside = inside + covered * (sample_colour(rng).view(3, 1, 1) - inside)
        name = f"{_colour_name(colour)} {name}"
    else:
        inside = sample_picture(rng, SIDE, brought)
    if rng.random() < 0.5:
        thickness = rng.uniform(0.02, 0.08)
        line = (0.5 - (distance.abs() - thickness / 2) / pixel).clamp(0, 1)
        inside = inside + line * (INK.view(3, 1, 1) - inside)
    opacity = (0.5 - distance / pixel).clamp(0, 1)
    return Cutout(name, torch.cat([inside * opacity, opacity[None]])[None])


def _colour_name(colour: Tensor) -> str:
    """The nearest colour that has a name. colour: (3,)."""
    return min(COLOUR_NAMES, key=lambda name: float((colour - torch.tensor(COLOUR_NAMES[name])).norm()))


def sample_figure(rng: np.random.Generator, num_frames: int, fps: float) -> Cutout:
    """Draw a figure of the toy world that moves on the spot, in each frame of a shot."""
    colour, body, headgear = (str(rng.choice(sorted(names))) for names in (COLOURS, BODIES, HEADGEAR))
    action = str(rng.choice(ACTIONS))
    pace = {"walks right": 0.7, "walks left": -0.7}.get(action, 0.0)
    seconds = (torch.arange(num_frames) - (num_frames - 1) / 2) / fps
    track = track_character(Role(0, action, 0.0, pace, rng.random()), seconds)
    middle, view = torch.full((num_frames,), FIGURE_MIDDLE), torch.full((num_frames,), FIGURE_VIEW)
    painted = []
    for paper in (0.0, 1.0):  # what shines through on white and not on black is not the figure's
        canvas = Canvas(ShotTracks(torch.arange(num_frames), track.x, middle, view, {}, None), SIDE)
        canvas.image += paper
        paint_character(canvas, Character(colour, body, headgear, 1.0), track)
        painted.append(canvas.image)
    on_black, on_white = painted
    opacity = (1 - (on_white - on_black).mean(dim=1, keepdim=True)).clamp(0, 1)
    return Cutout(f"figure {NAMES[colour]}", torch.cat([on_black.clamp(0, 1), opacity], dim=1))


# Shapes: each function gives the distance (S, S) of the pixels from a shape of about `radius` around `middle`, (2,).


def _polar(radius: float, middle: tuple[float, float] | np.ndarray) -> tuple[Tensor, Tensor]:
    """Distance and angle of the pixels around a point, with the distance in units of `radius`."""
    x, y = coordinates(SIDE)
    x, y = x - middle[0], y - middle[1]
    return torch.hypot(x, y) / radius, torch.atan2(y, x.expand_as(y + x))


def _disc(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    r, angle = _polar(radius, middle)
    stretch, turn = rng.uniform(0, 0.5) * (rng.random() < 0.5), rng.uniform(0, np.pi)
    return (r - (1 - stretch * (angle - turn).sin().square())) * radius


def _ring(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    r, _ = _polar(radius, middle)
    thickness = rng.uniform(0.08, 0.25)
    return ((r - 1 + thickness).abs() - thickness) * radius


def _blob(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    r, angle = _polar(radius, middle)
    outline = sum(rng.normal(0, 0.16 / k) * (k * angle + rng.uniform(0, 2 * np.pi)).cos() for k in range(1, 6))
    return (r - (0.75 + outline).clamp(0.15, 1)) * radius


def _star(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    r, angle = _polar(radius, middle)
    points, depth = int(rng.integers(4, 9)), rng.uniform(0.25, 0.6)
    wave = ((angle + rng.uniform(0, np.pi)) * points / (2 * np.pi)) % 1
    return (r - (1 - depth * (1 - (2 * wave - 1).abs()))) * radius


def _polygon(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    r, angle = _polar(radius, middle)
    corners = int(rng.integers(3, 7))
    sector = 2 * np.pi / corners
    inside = (angle + rng.uniform(0, np.pi)) % sector - sector / 2
    return (r * inside.cos() - np.cos(sector / 2)) * radius


def _bar(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    r, angle = _polar(radius, middle)
    angle, half = angle + rng.uniform(0, np.pi), rng.uniform(0.1, 0.5)
    return torch.maximum((r * angle.cos()).abs() - 0.85, (r * angle.sin()).abs() - half) * radius


def _line(rng: np.random.Generator, radius: float = 0.9, middle=(0.0, 0.0)) -> Tensor:
    x, y = coordinates(SIDE)
    angle = rng.uniform(0, 2 * np.pi)
    end = 0.8 * radius * np.array([np.cos(angle), np.sin(angle)])
    curve = wander(rng, -end, end, 10) * torch.tensor([radius, radius]) + torch.tensor(middle, dtype=torch.float32)
    return distance_to_curve(x, y, curve) - radius * rng.uniform(0.04, 0.15)


SHAPES = {
    "disc": _disc,
    "ring": _ring,
    "blob": _blob,
    "star": _star,
    "polygon": _polygon,
    "bar": _bar,
    "line": _line,
}


def _letter(letter: str) -> Tensor:
    """The distance (S, S) of the pixels from a letter's strokes."""
    glyph = glyph_texture(letter)
    sides = (SIDE.height, round(SIDE.height * glyph.shape[1] / glyph.shape[0]))
    fine = F.interpolate(glyph[None, None], sides, mode="bilinear", align_corners=False)[0]
    margin = SIDE.width - fine.shape[2]
    return F.pad(fine, (margin // 2, margin - margin // 2), mode="replicate")[0] * 2 / CELL_HEIGHT
