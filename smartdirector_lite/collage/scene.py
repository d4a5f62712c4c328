"""Collages: what lies on them and how it moves, drawn from seeds.

Optical flow networks learn motion from such pictures and then know it in films (FlyingChairs, arXiv 1504.06852;
AutoFlow, arXiv 2104.14544). What a model can learn from collages is to find what two keyframes show, whatever it is,
and to carry it from one to the other. So the pictures are of every kind, and the motion is true: things move, turn,
grow, bend and cover each other, the camera pans and zooms past near and far layers, and the light changes.

A `Collage` has no size in pixels. `render.py` draws its frames.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..media.size import Size
from .cutouts import Cutout, sample_cutout
from .motion import STILL, CameraMove, Curve, Pose, sample_camera, sample_curve
from .pictures import Picture, sample_picture

BACKGROUND = Size(448, 256)  # of a background's texture
EXTENT = (1.0, 1.7)  # how much larger than the frame a background is; outside it goes on mirrored
HALF_WIDTH = 1.75  # of the frame that collages are composed for, in units of half its height
MOST_CUTOUTS = 5  # of a shot
LIMB_OFF = 0.7  # how far from the middle of a cut-out its limb is, in units of the cut-out's half height
MIN_FRAMES_CUT = 24  # a shorter collage has one shot


@dataclass(frozen=True)
class Bend:
    """A wave that runs through a texture, as through a flag or water.

    Attributes:
        height: how far it bends, in units of half the texture's height.
        waves: how many there are along x and y.
        beats: how many pass in a second.
    """

    height: float = 0.0
    waves: tuple[float, float] = (0.0, 0.0)
    beats: float = 0.0


@dataclass(frozen=True)
class Layer:
    """A background or a cut-out of a shot.

    Attributes:
        name: what captions call it.
        texture: (1 or T, 4, h, w), RGBA in [0, 1], colours multiplied by opacity. It reaches from -1 to 1 in y.
        pose: where it is, in the world, or on its parent.
        depth: see `CameraMove.matrix`.
        endless: whether it goes on mirrored outside of its texture.
        bend: how it bends.
        parent: the pose of what it is fixed to.
        shadow: how dark its shadow is, from 0 to 1.
    """

    name: str
    texture: Tensor
    pose: Pose
    depth: float = 1.0
    endless: bool = False
    bend: Bend = Bend()
    parent: Pose | None = None
    shadow: float = 0.0

    def matrix(self, seconds: Tensor) -> Tensor:
        """Return the maps (T, 3, 3) from the texture's coordinates to the world."""
        own = self.pose.matrix(seconds)
        return own if self.parent is None else self.parent.matrix(seconds) @ own


@dataclass(frozen=True)
class Light:
    """How the light changes: each channel is multiplied by the exponential of its curve.

    Attributes:
        channels: of red, green and blue.
        spot: how much brighter it is around the middle of a spot, whose place is (x, y).
    """

    channels: tuple[Curve, Curve, Curve] = (STILL, STILL, STILL)
    spot: float = 0.0
    x: Curve = STILL
    y: Curve = STILL


@dataclass(frozen=True)
class CollageShot:
    """A shot: frames [start, stop) of the collage, its layers from the back to the front."""

    start: int
    stop: int
    layers: tuple[Layer, ...]
    camera: CameraMove
    light: Light

    @property
    def description(self) -> str:
        """What the shot shows, in a sentence."""
        _, *cutouts = (layer for layer in self.layers if layer.parent is None)
        counts = Counter(_moving_name(layer) for layer in cutouts)
        things = [name if count == 1 else f"{count} times {name}" for name, count in counts.items()]
        return f"A collage: {', '.join(things)}." if things else "A picture."


def _moving_name(layer: Layer) -> str:
    """What a cut-out is and where it goes."""
    x, y = layer.pose.x.speed, layer.pose.y.speed
    if max(abs(x), abs(y)) < 0.05:
        return layer.name
    sides = ("right" if x > 0 else "left") if abs(x) > abs(y) else ("up" if y > 0 else "down")
    return f"{layer.name} moves {sides}"


@dataclass(frozen=True)
class Collage:
    """One or more shots.

    Attributes:
        shots: in order, without gaps.
        fps: frames a second.
    """

    shots: tuple[CollageShot, ...]
    fps: float

    @property
    def num_frames(self) -> int:
        return self.shots[-1].stop

    @property
    def cuts(self) -> tuple[int, ...]:
        """The frames where later shots begin."""
        return tuple(shot.start for shot in self.shots[1:])


def sample_collage(seed: int, num_frames: int, fps: float = 12.0, brought: Picture | None = None) -> Collage:
    """Draw a collage from a seed. The same arguments always give the same collage.

    Args:
        num_frames: its length.
        fps: frames a second.
        brought: draws pictures from elsewhere, such as frames of a film, which become backgrounds and fillings.
    """
    rng = np.random.default_rng((seed, num_frames))
    num_shots = int(rng.choice((1, 1, 1, 2, 3))) if num_frames >= MIN_FRAMES_CUT else 1
    share = num_frames / num_shots
    cuts = [round(share * (k + rng.uniform(-0.25, 0.25))) for k in range(1, num_shots)]
    shots: list[CollageShot] = []
    for start, stop in zip((0, *cuts), (*cuts, num_frames), strict=True):
        again = shots[-1] if shots and rng.random() < 0.5 else None
        shots.append(_sample_shot(rng, start, stop, fps, brought, again))
    return Collage(tuple(shots), fps)


def _sample_shot(
    rng: np.random.Generator, start: int, stop: int, fps: float, brought: Picture | None, again: CollageShot | None
) -> CollageShot:
    """Draw a shot.

    Args:
        again: the shot before, whose things appear again in other places; None for new ones.
    """
    seconds = (stop - start) / fps
    if again is not None:
        background, *things = (layer for layer in again.layers if layer.parent is None and len(layer.texture) == 1)
        cutouts = [Cutout(layer.name, layer.texture) for layer in things]
    else:
        picture = sample_picture(rng, BACKGROUND, brought)
        background = Layer("", torch.cat([picture, torch.ones_like(picture[:1])])[None], Pose(), endless=True)
        count = int(rng.integers(MOST_CUTOUTS + 1)) if rng.random() < 0.9 else 0
        cutouts = [sample_cutout(rng, stop - start, fps, brought) for _ in range(count)]
    extent = float(np.log(rng.uniform(*EXTENT)))
    still = rng.random() < 0.7
    pose = Pose(
        Curve(rng.uniform(-0.4, 0.4)) if still else sample_curve(rng, 0.5, seconds),
        Curve(rng.uniform(-0.2, 0.2)) if still else sample_curve(rng, 0.3, seconds),
        Curve(rng.normal(0, 0.1)),
        Curve(extent),
    )
    bend = _sample_bend(rng, 0.04) if rng.random() < 0.25 else Bend()
    layers = [replace(background, pose=pose, bend=bend, depth=rng.uniform(0.3, 1))]
    for cutout in cutouts:
        layers += _sample_layers(rng, cutout, stop - start, fps, brought)
    return CollageShot(start, stop, tuple(layers), sample_camera(rng, seconds), _sample_light(rng, seconds))


def _sample_layers(
    rng: np.random.Generator, cutout: Cutout, num_frames: int, fps: float, brought: Picture | None
) -> list[Layer]:
    """Place a cut-out and, on some, a limb that moves with it."""
    seconds = num_frames / fps
    moves = rng.random() < 0.75
    reach = float(np.exp(rng.uniform(np.log(0.15), np.log(1.6)))) if moves else 0.0
    x, y = rng.uniform(-0.8 * HALF_WIDTH, 0.8 * HALF_WIDTH), rng.uniform(-0.8, 0.8)
    upright = len(cutout.texture) > 1 or rng.random() < 0.4  # figures stay on their feet
    turn = Curve(rng.normal(0, 0.1)) if upright else sample_curve(rng, 1.2 * moves, seconds, rng.uniform(-np.pi, np.pi))
    size = float(np.exp(rng.uniform(np.log(0.18), np.log(0.75))))
    pose = Pose(
        sample_curve(rng, reach, seconds, x),
        sample_curve(rng, 0.6 * reach, seconds, y),
        turn,
        sample_curve(rng, 0.3 * moves * (rng.random() < 0.5), seconds, float(np.log(size))),
    )
    bend = _sample_bend(rng, 0.12) if rng.random() < 0.25 else Bend()
    depth, shadow = rng.uniform(0.6, 1.4), rng.uniform(0.2, 0.5) * (rng.random() < 0.3)
    layers = [Layer(cutout.name, cutout.texture, pose, depth, bend=bend, shadow=shadow)]
    if rng.random() < 0.35:
        layers.insert(int(rng.integers(2)), _sample_limb(rng, pose, depth, num_frames, fps, brought))
    return layers


def _sample_limb(
    rng: np.random.Generator, parent: Pose, depth: float, num_frames: int, fps: float, brought: Picture | None
) -> Layer:
    """Draw a cut-out that is fixed to another one, and swings as a wing does or turns as a wheel does."""
    cutout = sample_cutout(rng, num_frames, fps, brought)
    angle = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.3:
        turn = Curve(angle, rng.uniform(-4, 4))
    else:
        turn = Curve(angle, swing=rng.uniform(0.2, 0.9), beats=rng.uniform(0.3, 1.5), phase=rng.random())
    x, y = LIMB_OFF * np.cos(angle), LIMB_OFF * np.sin(angle)
    pose = Pose(Curve(x), Curve(y), turn, Curve(float(np.log(rng.uniform(0.25, 0.6)))))
    return Layer(cutout.name, cutout.texture, pose, depth, parent=parent)


def _sample_bend(rng: np.random.Generator, height: float) -> Bend:
    """Draw a wave of at most this height."""
    return Bend(height * rng.uniform(0.3, 1), tuple(rng.uniform(-1.5, 1.5, 2)), rng.uniform(0.2, 1.2))


def _sample_light(rng: np.random.Generator, seconds: float) -> Light:
    """Draw a light that stays as it is, most of the time."""
    if rng.random() < 0.7:
        return Light()
    common, tint = rng.normal(0, 0.35), rng.normal(0, 0.12, 3)
    channels = tuple(Curve(speed=float(common + own) / max(1.0, seconds)) for own in tint)
    spot = rng.uniform(0.2, 0.7) * (rng.random() < 0.5)
    return Light(channels, spot, sample_curve(rng, 1.2, seconds), sample_curve(rng, 0.6, seconds))
