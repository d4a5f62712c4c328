"""A canvas of frames, and the signed distance functions that paint on it.

A distance is in world units and negative inside a shape. A shape's coverage is `0.5 - distance / pixel`, clamped to
[0, 1], which gives one pixel of anti-aliasing at every size. Coordinates are kept as a row and a column vector, which
meet in the distance alone, and a shape is painted only into the rectangle that it can touch. Every pixel is computed
for itself. So a crop, or some of the frames, come out exactly as they would in the whole.

Axes: T frames; h, w rows and columns of a region.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..media.size import Size
from .tracks import ShotTracks


def per_frame(value: Tensor | float) -> Tensor | float:
    """Let a value for each frame, (T,), broadcast over rows and columns. A number stays as it is."""
    return value.view(-1, 1, 1) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class Region:
    """A rectangle of the canvas.

    Attributes:
        x: (T, 1, w), world coordinates of the pixels' middles.
        y: (T, h, 1), the same.
        pixel: (T, 1, 1), the size of a pixel in world units.
        rows, columns: where the rectangle lies in the canvas.
    """

    x: Tensor
    y: Tensor
    pixel: Tensor
    rows: slice
    columns: slice


class Canvas:
    """The frames of one shot, painted in place.

    Attributes:
        image: (T, 3, rows, columns) in [0, 1].
        tracks: where everything is in these frames.
        everywhere: the region that covers the canvas.
    """

    def __init__(self, tracks: ShotTracks, size: Size, crop: tuple[int, int, int, int] | None = None):
        """Make a black canvas.

        Args:
            size: the size of the whole frame.
            crop: (top, left, rows, columns) of the part to paint; None for the whole frame.
        """
        width, height = size
        top, left, rows, columns = crop or (0, 0, height, width)
        self.tracks = tracks
        device = tracks.view.device
        pixel = per_frame(tracks.view) / height
        up = height / 2 - top - 0.5 - torch.arange(rows, device=device)  # pixels from the middle of the frame
        across = left + 0.5 - width / 2 + torch.arange(columns, device=device)
        y = per_frame(tracks.camera_y) + pixel * up.view(1, -1, 1)
        x = per_frame(tracks.camera_x) + pixel * across.view(1, 1, -1)
        self.everywhere = Region(x, y, pixel, slice(0, rows), slice(0, columns))
        self.image = torch.zeros(len(tracks.view), 3, rows, columns, device=device)

    def region(self, x: Tensor | float, y: Tensor | float, half_width: float, half_height: float) -> Region | None:
        """Find the region that a shape around (x, y), in world units, can touch in any frame; None if none."""
        w = self.everywhere
        near_x = ((w.x - per_frame(x)).abs() < half_width + 2 * w.pixel).any(dim=0)[0].nonzero()
        near_y = ((w.y - per_frame(y)).abs() < half_height + 2 * w.pixel).any(dim=0)[:, 0].nonzero()
        if not len(near_x) or not len(near_y):
            return None
        columns = slice(int(near_x[0]), int(near_x[-1]) + 1)
        rows = slice(int(near_y[0]), int(near_y[-1]) + 1)
        return Region(w.x[:, :, columns], w.y[:, rows], w.pixel, rows, columns)

    def paint(self, region: Region, distance: Tensor, colour: Tensor | tuple, opacity: Tensor | float = 1.0) -> None:
        """Paint a shape.

        Args:
            distance: (T, h, w), the shape's.
            colour: (3,) or (T, 3, h, w), in [0, 1].
            opacity: a number or (T,), in [0, 1].
        """
        self.blend(region, (0.5 - distance / region.pixel).clamp_(0, 1) * per_frame(opacity), colour)

    def blend(self, region: Region, coverage: Tensor, colour: Tensor | tuple) -> None:
        """Mix a colour, (3,) or (T, 3, h, w), into a region, as far as `coverage`, (T, h, w) in [0, 1], says."""
        if not isinstance(colour, Tensor) or colour.ndim == 1:
            colour = torch.as_tensor(colour, device=coverage.device, dtype=coverage.dtype).view(1, 3, 1, 1)
        part = self.image[:, :, region.rows, region.columns]
        part += coverage[:, None] * (colour - part)


# Each of these functions gives the distance (T, h, w) of a region's pixels from a shape. Places and sizes are in world
# units: numbers, or (T,) where they change with the frames.


def circle(w: Region, x, y, radius) -> Tensor:
    """Distance from a circle around (x, y)."""
    return ((w.x - per_frame(x)).square() + (w.y - per_frame(y)).square()).sqrt() - per_frame(radius)


def ellipse(w: Region, x, y, a, b) -> Tensor:
    """Distance from an ellipse with half axes a, b, to first order. It is exact on the outline, where it counts."""
    a, b = per_frame(a), per_frame(b)
    dx, dy = (w.x - per_frame(x)) / a, (w.y - per_frame(y)) / b
    value = (dx.square() + dy.square()).sqrt().clamp(min=1e-4)  # 0 at the very centre would mean the outline
    slope = ((dx / a).square() + (dy / b).square()).sqrt()
    return value * (value - 1) / slope.clamp(min=1e-6)


def rounded_box(w: Region, x, y, a, b, radius, taper: float = 0.0) -> Tensor:
    """Distance from a box with half sizes a, b and a corner radius. A `taper` over 0 narrows it towards the top."""
    a, b, radius = per_frame(a), per_frame(b), per_frame(radius)
    dx, dy = w.x - per_frame(x), w.y - per_frame(y)
    if taper:
        dx = dx * (1 + taper * (dy / b).clamp(-1, 1))
    qx, qy = dx.abs() - a + radius, dy.abs() - b + radius
    outside = (qx.clamp(min=0).square() + qy.clamp(min=0).square()).sqrt()
    return outside + torch.maximum(qx, qy).clamp(max=0) - radius


def segment(w: Region, x0, y0, x1, y1, radius) -> Tensor:
    """Distance from a line from (x0, y0) to (x1, y1) that is as thick as twice the radius."""
    px, py = w.x - per_frame(x0), w.y - per_frame(y0)
    dx, dy = per_frame(x1 - x0), per_frame(y1 - y0)
    along = ((px * dx + py * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
    return ((px - along * dx).square() + (py - along * dy).square()).sqrt() - per_frame(radius)
