"""How things move: smooth curves of time, and the affine maps that they make.

Places are in units of half the frame's height: y runs up from -1 to 1, x to the right, and (0, 0) is the middle. Time
is in seconds and 0 half-way through a shot. A map is a matrix (T, 3, 3) for columns (x, y, 1), one for each frame.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Curve:
    """A number that changes smoothly with time.

    Attributes:
        start: its value half-way through the shot.
        speed: per second.
        gain: of the speed, per second.
        swing, beats, phase: height of the oscillation that is added, how many there are in a second, where it begins.
    """

    start: float = 0.0
    speed: float = 0.0
    gain: float = 0.0
    swing: float = 0.0
    beats: float = 0.0
    phase: float = 0.0

    def at(self, seconds: Tensor) -> Tensor:
        """Return the values at these times, (T,)."""
        oscillation = (2 * torch.pi * (self.beats * seconds + self.phase)).sin()
        return self.start + self.speed * seconds + self.gain / 2 * seconds.square() + self.swing * oscillation


STILL = Curve()


@dataclass(frozen=True)
class Pose:
    """Where something is.

    Attributes:
        x, y: its middle.
        angle: in radians, anticlockwise.
        zoom: natural logarithm of its size.
    """

    x: Curve = STILL
    y: Curve = STILL
    angle: Curve = STILL
    zoom: Curve = STILL

    def matrix(self, seconds: Tensor) -> Tensor:
        """Return the maps from its own coordinates to those that it is in."""
        x, y = self.x.at(seconds), self.y.at(seconds)
        angle, scale = self.angle.at(seconds), self.zoom.at(seconds).exp()
        cosine, sine = scale * angle.cos(), scale * angle.sin()
        return _rows((cosine, -sine, x), (sine, cosine, y))


@dataclass(frozen=True)
class CameraMove:
    """What the camera does, with its middle at (x, y).

    Attributes:
        name: what captions call it.
        x, y, roll, zoom: its curves. A positive zoom enlarges.
        dolly: whether near things grow faster than far ones, as they do when a camera moves and does not zoom.
    """

    name: str = "static"
    x: Curve = STILL
    y: Curve = STILL
    roll: Curve = STILL
    zoom: Curve = STILL
    dolly: bool = False

    def matrix(self, seconds: Tensor, depth: float) -> Tensor:
        """Return the maps from the world to the frame.

        Args:
            depth: how far things follow the camera: 1 for near ones, which pass by at its speed, 0 for the horizon.
        """
        x, y, roll = depth * self.x.at(seconds), depth * self.y.at(seconds), self.roll.at(seconds)
        scale = ((depth if self.dolly else 1.0) * self.zoom.at(seconds)).exp()
        cosine, sine = scale * roll.cos(), scale * roll.sin()
        return _rows((cosine, -sine, sine * y - cosine * x), (sine, cosine, -sine * x - cosine * y))


def _rows(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> Tensor:
    """Stack the rows of matrices (T, 3, 3) whose last row is (0, 0, 1)."""
    zero = torch.zeros_like(first[0])
    rows = [*first, *second, zero, zero, zero + 1]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def sample_curve(rng: np.random.Generator, reach: float, seconds: float, start: float = 0.0) -> Curve:
    """Draw a curve that is even, gains or loses speed, or swings.

    Args:
        reach: about how far it goes in a second, and at most in the whole shot.
        seconds: the shot's length.
    """
    speed = rng.choice((-1, 1)) * reach * rng.uniform(0.2, 1) / max(1.0, seconds)
    kind = rng.random()
    if kind < 0.5:
        return Curve(start, speed)
    if kind < 0.7:
        return Curve(start, speed, gain=rng.uniform(-2, 2) * speed / max(1.0, seconds))
    beats = rng.uniform(0.2, 0.9)
    return Curve(start, speed * (rng.random() < 0.4), 0.0, reach * rng.uniform(0.1, 0.35), beats, rng.random())


def sample_camera(rng: np.random.Generator, seconds: float) -> CameraMove:
    """Draw a camera: often one that stands, else a pan, a zoom, a dolly or a hand that turns and shakes a little.

    Args:
        seconds: the shot's length.
    """
    kind = rng.random()
    if kind < 0.35:
        return CameraMove()
    speed = rng.uniform(0.15, 0.7) / max(1.0, 0.5 * seconds)
    if kind < 0.6:
        name = str(rng.choice(("pan right", "pan left", "pan up", "pan down")))
        along = Curve(speed=speed if name in ("pan right", "pan up") else -speed)
        across = Curve(speed=speed * rng.uniform(-0.2, 0.2))
        x, y = (across, along) if name in ("pan up", "pan down") else (along, across)
        return CameraMove(name, x, y)
    if kind < 0.85:
        name = str(rng.choice(("zoom in", "zoom out")))
        zoom = Curve(speed=0.6 * speed * (1 if name == "zoom in" else -1))
        return CameraMove(name, zoom=zoom, dolly=rng.random() < 0.5)
    shake, turn = [sample_curve(rng, 0.15, seconds) for _ in range(2)], sample_curve(rng, 0.2, seconds)
    return CameraMove("handheld", *shake, turn, sample_curve(rng, 0.2, seconds))
