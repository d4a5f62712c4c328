"""A canvas of frames and the signed distance functions that paint on it.

Distances are in world units, negative inside. A shape's coverage is `0.5 - distance / pixel`, clamped to [0, 1]: one
pixel of anti-aliasing at every resolution. Coordinates are kept as a row and a column vector and only meet in the
distance, and a shape is painted only into the rectangle that it can touch. All of it is done pixel by pixel, so a crop,
or some of the frames, come out exactly as they would in the whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..media.size import Size
from .tracks import ShotTracks


def per_frame(value: Tensor | float) -> Tensor | float:
    """Let a per-frame value (T,) broadcast over rows and columns."""
    return value.view(-1, 1, 1) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class Window:
    """A rectangle of the canvas: `x: (T, 1, w)`, `y: (T, h, 1)` in world units, `pixel: (T, 1, 1)`."""

    x: Tensor
    y: Tensor
    pixel: Tensor
    rows: slice
    columns: slice


class Canvas:
    """T frames of one shot, painted in place: `image: (T, 3, rows, columns)` in [0, 1].

    size: of the whole frame, in pixels. crop: (top, left, rows, columns) of the part to paint, or None.
    """

    def __init__(self, tracks: ShotTracks, size: Size, crop: tuple[int, int, int, int] | None = None):
        width, height = size
        top, left, rows, columns = crop or (0, 0, height, width)
        self.tracks = tracks
        device = tracks.view.device
        pixel = per_frame(tracks.view) / height
        up = height / 2 - top - 0.5 - torch.arange(rows, device=device)  # pixels from the middle of the frame
        across = left + 0.5 - width / 2 + torch.arange(columns, device=device)
        y = per_frame(tracks.camera_y) + pixel * up.view(1, -1, 1)
        x = per_frame(tracks.camera_x) + pixel * across.view(1, 1, -1)
        self.everywhere = Window(x, y, pixel, slice(0, rows), slice(0, columns))
        self.image = torch.zeros(len(tracks.view), 3, rows, columns, device=device)

    def window(self, x: Tensor | float, y: Tensor | float, half_width: float, half_height: float) -> Window | None:
        """The part of the canvas that a shape around (x, y) of this size can touch in any frame, or None."""
        w = self.everywhere
        near_x = ((w.x - per_frame(x)).abs() < half_width + 2 * w.pixel).any(dim=0)[0].nonzero()
        near_y = ((w.y - per_frame(y)).abs() < half_height + 2 * w.pixel).any(dim=0)[:, 0].nonzero()
        if not len(near_x) or not len(near_y):
            return None
        columns = slice(int(near_x[0]), int(near_x[-1]) + 1)
        rows = slice(int(near_y[0]), int(near_y[-1]) + 1)
        return Window(w.x[:, :, columns], w.y[:, rows], w.pixel, rows, columns)

    def paint(self, window: Window, distance: Tensor, colour: Tensor | tuple, opacity: Tensor | float = 1.0) -> None:
        """Lay a colour, (3,) or (T, 3, h, w), over the shape with this distance, (T, h, w). opacity: or (T,)."""
        self.blend(window, (0.5 - distance / window.pixel).clamp_(0, 1) * per_frame(opacity), colour)

    def blend(self, window: Window, coverage: Tensor, colour: Tensor | tuple) -> None:
        """Lay a colour, (3,) or (T, 3, h, w), over the window, as far as `coverage`, (T, h, w) in [0, 1], says."""
        if not isinstance(colour, Tensor) or colour.ndim == 1:
            colour = torch.as_tensor(colour, device=coverage.device, dtype=coverage.dtype).view(1, 3, 1, 1)
        region = self.image[:, :, window.rows, window.columns]
        region += coverage[:, None] * (colour - region)


# Distances (T, h, w) from a window's pixels. Places and sizes are floats, or (T,) where they change with the frames.


def circle(w: Window, x, y, radius) -> Tensor:
    """Around (x, y)."""
    return ((w.x - per_frame(x)).square() + (w.y - per_frame(y)).square()).sqrt() - per_frame(radius)


def ellipse(w: Window, x, y, a, b) -> Tensor:
    """Distance to an ellipse with half axes a, b, to first order: exact on its outline, where it counts."""
    a, b = per_frame(a), per_frame(b)
    dx, dy = (w.x - per_frame(x)) / a, (w.y - per_frame(y)) / b
    value = (dx.square() + dy.square()).sqrt().clamp(min=1e-4)  # the very centre would come out as 0, the outline
    slope = ((dx / a).square() + (dy / b).square()).sqrt()
    return value * (value - 1) / slope.clamp(min=1e-6)


def rounded_box(w: Window, x, y, a, b, radius, taper: float = 0.0) -> Tensor:
    """Box with half sizes a, b and a corner radius; `taper` > 0 narrows it towards the top."""
    a, b, radius = per_frame(a), per_frame(b), per_frame(radius)
    dx, dy = w.x - per_frame(x), w.y - per_frame(y)
    if taper:
        dx = dx * (1 + taper * (dy / b).clamp(-1, 1))
    qx, qy = dx.abs() - a + radius, dy.abs() - b + radius
    outside = (qx.clamp(min=0).square() + qy.clamp(min=0).square()).sqrt()
    return outside + torch.maximum(qx, qy).clamp(max=0) - radius


def segment(w: Window, x0, y0, x1, y1, radius) -> Tensor:
    """Capsule from (x0, y0) to (x1, y1)."""
    px, py = w.x - per_frame(x0), w.y - per_frame(y0)
    dx, dy = per_frame(x1 - x0), per_frame(y1 - y0)
    along = ((px * dx + py * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
    return ((px - along * dx).square() + (py - along * dy).square()).sqrt() - per_frame(radius)
