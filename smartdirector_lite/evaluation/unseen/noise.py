"""Smooth noise for textures, clouds and mountains, read from small tables that repeat."""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

PERIOD = 32  # cells after which the tables repeat


@functools.cache
def _table(dimensions: int) -> Tensor:
    """Random numbers in [0, 1], (1, 1, ...), each side one cell longer than PERIOD for the cells at the end."""
    shape = [PERIOD] * dimensions
    values = torch.rand(shape, generator=torch.Generator().manual_seed(dimensions))
    for side in range(dimensions):
        values = torch.cat([values, values.narrow(side, 0, 1)], dim=side)
    return values[None, None]


def smooth_noise(places: Tensor) -> Tensor:
    """Noise with one bump for each unit. places: (N, 2) or (N, 3). Returns (N,) in [0, 1]."""
    cell = places.floor()
    part = places - cell
    places = (cell.remainder(PERIOD) + part * part * (3 - 2 * part)) / PERIOD * 2 - 1
    dimensions = places.shape[1]
    grid = places.flip(1).view(1, -1, *([1] * (dimensions - 1)), dimensions)
    return F.grid_sample(_table(dimensions), grid, align_corners=True).view(-1)


def fractal_noise(places: Tensor, octaves: int, footprint: Tensor | float = 0.0, ridged: bool = False) -> Tensor:
    """Noise with details, each half as wide and half as strong as the one before: (N,), about 0.5 on average.

    Args:
        places: (N, 2) or (N, 3).
        octaves: how many sizes of details.
        footprint: how wide a pixel is there, (N,) or one number; finer details are left out.
        ridged: whether it has sharp ridges, as mountains have.
    """
    total, weight, finest = torch.zeros(len(places)), 0.5, torch.as_tensor(footprint)
    for octave in range(octaves):
        own = smooth_noise(places * 2**octave + 7.3 * octave)
        if ridged:
            own = 1 - (2 * own - 1).abs()
        seen = (1.5 - 2 * finest * 2**octave).clamp(0, 1)
        total = total + weight * (0.5 + (own - 0.5) * seen)
        weight /= 2
    return total / (1 - 2.0**-octaves)
