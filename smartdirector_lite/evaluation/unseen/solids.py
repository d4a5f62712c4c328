"""Bodies of a still life: shapes as signed distances, and what they are painted with.

A shape is a function from places (N, 3), in the body's own coordinates, to signed distances (N,). y points up.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .noise import fractal_noise
from .sketch import curve

Shape = Callable[[Tensor], Tensor]
Colour3 = tuple[float, float, float]

# Outlines (radius, height) of turned bodies, from the axis at the bottom to the axis at the top; each is 1 high.
PROFILES = {
    "vase": (
        (0, 0),
        (0.18, 0),
        (0.3, 0.25),
        (0.32, 0.45),
        (0.2, 0.7),
        (0.11, 0.84),
        (0.16, 1.0),
        (0.1, 0.98),
        (0, 0.9),
    ),
    "bottle": ((0, 0), (0.2, 0), (0.21, 0.1), (0.21, 0.5), (0.18, 0.62), (0.07, 0.75), (0.06, 0.95), (0.08, 1), (0, 1)),
    "apple": ((0, 0.1), (0.2, 0), (0.45, 0.25), (0.54, 0.62), (0.4, 0.93), (0.2, 1.0), (0, 0.86)),
    "pear": ((0, 0.03), (0.18, 0), (0.36, 0.2), (0.36, 0.42), (0.22, 0.68), (0.15, 0.86), (0.08, 0.97), (0, 0.97)),
    "bowl": ((0, 0), (0.4, 0), (0.46, 0.1), (0.8, 0.5), (1.0, 0.97), (0.94, 1), (0.7, 0.5), (0.4, 0.22), (0, 0.16)),
    "cup": ((0, 0), (0.3, 0), (0.4, 0.1), (0.44, 0.5), (0.46, 1), (0.41, 1), (0.38, 0.5), (0.33, 0.15), (0, 0.12)),
    "goblet": (
        (0, 0),
        (0.26, 0.01),
        (0.07, 0.08),
        (0.04, 0.4),
        (0.2, 0.55),
        (0.28, 0.8),
        (0.24, 1),
        (0.2, 0.8),
        (0, 0.6),
    ),
    "pawn": ((0, 0), (0.3, 0), (0.32, 0.1), (0.2, 0.2), (0.1, 0.55), (0.2, 0.62), (0.12, 0.68), (0.22, 0.84), (0, 1)),
    "egg": ((0, 0), (0.2, 0.06), (0.36, 0.32), (0.34, 0.62), (0.2, 0.9), (0, 1)),
    "top": ((0, 0), (0.06, 0.08), (0.4, 0.45), (0.42, 0.55), (0.2, 0.66), (0.07, 0.72), (0.06, 0.95), (0, 1)),
}
CELLS = 80  # of the table of a turned body's distances, along each side


def length(p: Tensor) -> Tensor:
    """Lengths (N,) of vectors (N, k); for short ones much faster than `Tensor.norm`."""
    return functools.reduce(torch.add, [side.square() for side in p.unbind(1)]).sqrt()


def longest(p: Tensor) -> Tensor:
    """The largest entry of vectors (N, k); for short ones much faster than `Tensor.amax`."""
    return functools.reduce(torch.maximum, p.unbind(1))


def ball(radius: float) -> Shape:
    return lambda p: length(p) - radius


def box(x: float, y: float, z: float, rounding: float = 0.03) -> Shape:
    """A box with rounded edges. x, y, z: half its sides."""
    half = torch.tensor([x, y, z]) - rounding

    def distance(p: Tensor) -> Tensor:
        away = p.abs() - half
        return length(away.clamp(min=0)) + longest(away).clamp(max=0) - rounding

    return distance


def cylinder(radius: float, half: float, rounding: float = 0.02) -> Shape:
    """A cylinder that stands; `half` is half its height."""

    def distance(p: Tensor) -> Tensor:
        across = length(p[:, ::2]) - radius + rounding
        away = torch.stack([across, p[:, 1].abs() - half + rounding], dim=1)
        return length(away.clamp(min=0)) + longest(away).clamp(max=0) - rounding

    return distance


def ring(radius: float, thick: float) -> Shape:
    """A ring that lies flat."""
    return lambda p: ((length(p[:, ::2]) - radius).square() + p[:, 1].square()).sqrt() - thick


def rod(down: float, thick: float) -> Shape:
    """A rod that hangs down from its origin."""

    def distance(p: Tensor) -> Tensor:
        along = p[:, 1] - p[:, 1].clamp(-down, 0)
        return (p[:, 0].square() + along.square() + p[:, 2].square()).sqrt() - thick

    return distance


def turned(profile: str, height: float) -> Shape:
    """A body that is round about the y axis, with its centre half-way up. profile: a name in PROFILES."""
    table = _distances(profile)

    def distance(p: Tensor) -> Tensor:
        radius, y = length(p[:, ::2]) / height, p[:, 1] / height + 0.5
        spot = torch.stack([radius / 1.3 * 2 - 1, (y + 0.2) / 1.4 * 2 - 1], dim=1)
        found = F.grid_sample(table, spot.view(1, -1, 1, 2), align_corners=True, padding_mode="border").view(-1)
        outside = longest((spot.abs() - 1).clamp(min=0)) * 0.6
        return (found + outside) * height * 0.9

    return distance


@functools.cache
def _distances(profile: str) -> Tensor:
    """Signed distances from a turned outline, (1, 1, CELLS, CELLS): the radius to 1.3 across, -0.2 to 1.2 down."""
    outline = curve(PROFILES[profile], closed=False, smooth=True)
    outline = np.concatenate([outline, -np.conj(outline[::-1])])  # the other side of the axis
    radius, height = np.meshgrid(np.linspace(0, 1.3, CELLS), np.linspace(-0.2, 1.2, CELLS))
    spots = (radius + 1j * height).reshape(-1, 1)
    start, along = outline[None], (np.roll(outline, -1) - outline)[None]
    along = np.where(np.abs(along) < 1e-9, 1e-9, along)
    part = np.clip(((spots - start) / along).real, 0, 1)
    nearest = np.abs(spots - start - part * along).min(axis=1)
    turns = np.angle((np.roll(outline, -1)[None] - spots) / (start - spots + 1e-12)).sum(axis=1)
    signed = np.where(np.abs(turns) > np.pi, -nearest, nearest)
    return torch.from_numpy(signed.reshape(1, 1, CELLS, CELLS)).float()


@dataclass(frozen=True)
class Paint:
    """What the surface of a body is like.

    Attributes:
        kind: a name in `KINDS_OF_PAINT`.
        first, second: linear colours.
        scale: how many bumps or stripes there are for each unit.
        gloss: how strong the shine of the sun is, from 0 to 1.
        mirror: how much of the surroundings it reflects when it is looked at from the front.
    """

    kind: str
    first: Colour3
    second: Colour3
    scale: float = 3.0
    gloss: float = 0.3
    mirror: float = 0.0

    def colours(self, p: Tensor, footprint: Tensor | float = 0.0) -> Tensor:
        """Linear colours (N, 3) at places (N, 3) on a surface. footprint: how wide a pixel is there."""
        mixed = KINDS_OF_PAINT[self.kind](p * self.scale, torch.as_tensor(footprint) * self.scale)[:, None]
        return torch.lerp(
            torch.tensor(self.first).expand(len(p), 3), torch.tensor(self.second).expand(len(p), 3), mixed
        )


def _plain(p: Tensor, footprint: Tensor) -> Tensor:
    return (fractal_noise(p, 3, footprint) - 0.35).clamp(0, 0.3)


def _stripes(p: Tensor, footprint: Tensor) -> Tensor:
    wave = torch.sin(p[:, 1] * 6.28 + 0.4 * fractal_noise(p, 2))
    return (0.5 + wave * (3.0 / (1 + 8 * footprint))).clamp(0, 1)


def _checks(p: Tensor, footprint: Tensor) -> Tensor:
    """Squares, whose edges are as soft as a pixel is wide."""
    sharp = 1 / (footprint + 0.02)
    waves = ((torch.sin(p[:, side] * 3.14159) * sharp * 0.5).clamp(-1, 1) for side in (0, 2))
    far = (1.2 - footprint).clamp(0, 1)
    return 0.5 + 0.5 * next(waves) * next(waves) * far


def _dots(p: Tensor, footprint: Tensor) -> Tensor:
    away = length(p - p.round())
    return ((0.33 - away) * 12).clamp(0, 1)


def _wood(p: Tensor, footprint: Tensor) -> Tensor:
    """Rings of a trunk that lies along x, with fibres."""
    bent = (
        p * torch.tensor([0.25, 1.0, 1.0]) + 0.5 * fractal_noise(p * torch.tensor([0.3, 1, 1]), 3, footprint)[:, None]
    )
    rings = length(bent[:, 1:] + torch.tensor([0.35, 0.2])) * 2.2
    band = (rings - rings.floor()) * (1 - footprint * 2).clamp(0, 1)
    fibres = fractal_noise(p * torch.tensor([0.8, 9, 9]), 3, footprint * 9)
    return (0.65 * band + 0.7 * (fibres - 0.35)).clamp(0, 1)


def _marble(p: Tensor, footprint: Tensor) -> Tensor:
    veins = torch.sin(p @ torch.tensor([1.6, 1.1, 2.1]) + 6 * fractal_noise(p * 0.9, 4, footprint))
    return (1 - veins.abs()).clamp(0, 1) ** 2.5 * (1.2 - footprint).clamp(0, 1)


def _speckled(p: Tensor, footprint: Tensor) -> Tensor:
    return ((fractal_noise(p * 3, 3, footprint * 3) - 0.5) * 4 + 0.4).clamp(0, 1)


def _swirl(p: Tensor, footprint: Tensor) -> Tensor:
    return ((fractal_noise(p + 2 * fractal_noise(p, 2)[:, None], 4, footprint) - 0.5) * 5 + 0.5).clamp(0, 1)


def _melon(p: Tensor, footprint: Tensor) -> Tensor:
    around = torch.atan2(p[:, 0], p[:, 2])
    return (0.5 + 2.5 * torch.sin(8 * around + 1.2 * fractal_noise(p * 2, 2))).clamp(0, 1)


KINDS_OF_PAINT = {
    "plain": _plain,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "wood": _wood,
    "marble": _marble,
    "speckled": _speckled,
    "swirl": _swirl,
    "melon": _melon,
}
