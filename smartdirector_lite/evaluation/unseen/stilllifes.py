"""Still lifes in three dimensions: fruit, vases, balls and boxes on tables and lawns.

The camera moves, and so do some of the things.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ...media.size import Size
from .clips import ALL_FRAMES, FPS, UnseenClip
from .solids import Colour3, Paint, ball, box, cylinder, ring, rod, turned
from .tracer import Arrangement, Body, Eye, Moment, Pose, Sky, photograph

HUES: dict[str, Colour3] = {
    "red": (0.62, 0.06, 0.04),
    "orange": (0.80, 0.27, 0.03),
    "yellow": (0.80, 0.58, 0.06),
    "green": (0.12, 0.34, 0.07),
    "blue": (0.05, 0.17, 0.50),
    "violet": (0.26, 0.10, 0.42),
    "white": (0.80, 0.78, 0.74),
    "black": (0.03, 0.03, 0.04),
    "rose": (0.76, 0.30, 0.34),
    "turquoise": (0.05, 0.42, 0.40),
}
PALE = (0.85, 0.82, 0.74)
WOOD = Paint("wood", (0.42, 0.22, 0.10), (0.20, 0.09, 0.035), 1.6, 0.25, 0.04)
DAY = Sky((0.5, 0.75, 0.45), clouds=0.6)
EVENING = Sky((-0.75, 0.28, 0.25), (3.0, 1.7, 0.8), (0.16, 0.24, 0.50), (0.95, 0.62, 0.42), 0.7, 0.015, 0.08)
ROOM = Sky((-0.5, 0.8, 0.6), (2.2, 2.1, 1.9), (0.75, 0.75, 0.75), (0.62, 0.60, 0.57), 0.0, 0.0, 0.28)
STUDIO = Sky((0.3, 0.85, 0.5), (2.4, 2.4, 2.4), (0.20, 0.22, 0.26), (0.72, 0.74, 0.78), 0.0, 0.02, 0.22)
WALL = Paint("plain", (0.52, 0.50, 0.44), (0.30, 0.36, 0.42), 0.7, 0.0)
SETTINGS: tuple[tuple[str, Paint, Sky, Paint | None], ...] = (
    ("on a wooden table", WOOD, ROOM, WALL),
    ("on a lawn", Paint("speckled", (0.05, 0.16, 0.02), (0.16, 0.30, 0.05), 5, 0.0), DAY, None),
    ("on a tiled floor", Paint("checks", (0.10, 0.10, 0.12), (0.72, 0.70, 0.66), 1.4, 0.3, 0.10), STUDIO, None),
    ("on the sand in the evening", Paint("speckled", (0.50, 0.34, 0.18), (0.66, 0.48, 0.29), 3, 0.0), EVENING, None),
    ("on a marble top", Paint("marble", (0.76, 0.75, 0.73), (0.22, 0.23, 0.26), 0.9, 0.5, 0.10), ROOM, WALL),
    ("in a studio", Paint("plain", (0.58, 0.60, 0.64), (0.52, 0.54, 0.60), 0.5, 0.1, 0.05), STUDIO, None),
    ("on a checked cloth", Paint("checks", (0.66, 0.08, 0.07), (0.80, 0.78, 0.74), 2.2, 0.0), DAY, None),
    ("in front of a brick-red wall", WOOD, ROOM, Paint("swirl", (0.40, 0.12, 0.07), (0.30, 0.09, 0.06), 1.2, 0.0)),
)


def turn_about(axis: Tensor, angle: float) -> Tensor:
    """The rotation (3, 3) about an axis (3,) by an angle."""
    x, y, z = (axis / axis.norm()).tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return torch.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


Y = torch.tensor([0.0, 1.0, 0.0])


def resting(x: float, y: float, z: float, angle: float = 0.0) -> Pose:
    return lambda time: (turn_about(Y, angle), torch.tensor([x, y, z]))


def spinning(x: float, y: float, z: float, speed: float) -> Pose:
    """It turns about its upright axis. speed: in radians a second."""
    return lambda time: (turn_about(Y, speed * time), torch.tensor([x, y, z]))


def rolling(x: float, z: float, radius: float, heading: float, speed: float) -> Pose:
    """It rolls over the ground, and turns as far as it goes."""
    ahead = torch.tensor([math.cos(heading), 0.0, math.sin(heading)])
    axis = torch.linalg.cross(Y, ahead)

    def pose(time: float) -> tuple[Tensor, Tensor]:
        gone = speed * (time - 0.08 * time * time)
        return turn_about(axis, gone / radius), torch.tensor([x, radius, z]) + gone * ahead

    return pose


def bouncing(x: float, z: float, radius: float, height: float, speed: float) -> Pose:
    """It jumps up and down while it drifts to the side and turns."""

    def pose(time: float) -> tuple[Tensor, Tensor]:
        part = (time / 1.3 + 0.2) % 1
        up = radius + height * 4 * part * (1 - part)
        return turn_about(torch.tensor([0.3, 0.2, -1.0]), speed * 3 * time), torch.tensor([x + speed * time, up, z])

    return pose


def swinging(x: float, y: float, z: float, down: float) -> Pose:
    """It hangs `down` below a point, and swings."""

    def pose(time: float) -> tuple[Tensor, Tensor]:
        turn = turn_about(torch.tensor([0.0, 0.0, 1.0]), 0.38 * math.sin(2 * math.pi * time / 2.3 + 0.6))
        return turn, torch.tensor([x, y, z]) + turn @ torch.tensor([0.0, -down, 0.0])

    return pose


def rocking(x: float, y: float, z: float, angle: float) -> Pose:
    """It rocks to both sides."""

    def pose(time: float) -> tuple[Tensor, Tensor]:
        tilt = angle * math.sin(2 * math.pi * time / 1.9)
        return turn_about(torch.tensor([0.0, 0.0, 1.0]), tilt), torch.tensor([x - 0.5 * tilt * y, y, z])

    return pose


class Arranger:
    """Puts things on a ground, each on a free spot, and remembers what they are.

    Args:
        rng: decides what and where.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.bodies, self.names = rng, [], []
        self._taken: list[tuple[float, float, float]] = []

    def spot(self, radius: float, middle: bool = False) -> tuple[float, float]:
        """A place for something as wide as `radius`, away from the others."""
        for _ in range(200):
            spread = 0.3 if middle else 1.0
            x, z = spread * self.rng.uniform(-1.9, 1.9), spread * self.rng.uniform(-1.3, 0.9)
            if all(math.hypot(x - a, z - b) > radius + r + 0.06 for a, b, r in self._taken):
                break
        self._taken.append((x, z, radius))
        return x, z

    def hue(self) -> tuple[str, Colour3]:
        name = list(HUES)[self.rng.integers(len(HUES))]
        return name, HUES[name]

    def paint(self, first: Colour3, kinds: tuple[str, ...]) -> Paint:
        kind = kinds[self.rng.integers(len(kinds))]
        second = PALE if sum(first) < 1.2 else (0.10, 0.14, 0.30)
        if kind == "plain":
            second = tuple(0.6 * level for level in first)
        shiny = self.rng.random() < 0.35
        return Paint(kind, first, second, self.rng.uniform(2.0, 4.0), 0.6, 0.18 if shiny else 0.0)

    def turned_body(self, profile: str, low: float, high: float) -> None:
        """A vase, a fruit and the like, which stands or turns."""
        height = self.rng.uniform(low, high)
        kinds = {"apple": ("plain",), "pear": ("plain",), "egg": ("speckled", "plain", "stripes")}
        name, colour = self.hue()
        if profile in ("apple", "pear"):
            name = ("red", "green", "yellow")[self.rng.integers(3)]
            colour = HUES[name]
        paint = self.paint(colour, kinds.get(profile, ("plain", "stripes", "swirl", "marble", "melon")))
        wide = {"bowl": 1.0, "apple": 0.55}.get(profile, 0.45) * height
        reach = {"bowl": 1.15, "apple": 0.75, "cup": 0.75}.get(profile, 0.63)
        x, z = self.spot(wide)
        pose = resting(x, height / 2, z, self.rng.uniform(0, 6))
        if self.rng.random() < 0.35:
            pose = spinning(x, height / 2, z, self.rng.choice([-0.7, 0.7]))
        self.bodies.append(Body(turned(profile, height), reach * height, paint, pose))
        self.names.append(f"a {name} {profile}")

    def box_pile(self) -> None:
        """Books or boxes on each other."""
        x, z = self.spot(0.6)
        low = 0.0
        for _ in range(self.rng.integers(1, 4)):
            _, colour = self.hue()
            half = self.rng.uniform(0.07, 0.2)
            wide, deep = self.rng.uniform(0.32, 0.5), self.rng.uniform(0.25, 0.4)
            paint = self.paint(colour, ("plain", "wood", "stripes"))
            pose = resting(x, low + half, z, self.rng.uniform(-0.5, 0.5))
            self.bodies.append(Body(box(wide, half, deep), math.hypot(wide, half, deep), paint, pose))
            low += 2 * half
        self.names.append("boxes")

    def round_body(self) -> None:
        """A can or a ring that lies."""
        name, colour = self.hue()
        paint = self.paint(colour, ("plain", "stripes", "checks", "speckled"))
        if self.rng.random() < 0.5:
            radius, half = self.rng.uniform(0.2, 0.3), self.rng.uniform(0.25, 0.4)
            x, z = self.spot(radius)
            self.bodies.append(Body(cylinder(radius, half), math.hypot(radius, half), paint, resting(x, half, z)))
            self.names.append(f"a {name} can")
        else:
            radius = self.rng.uniform(0.3, 0.4)
            x, z = self.spot(radius + 0.1)
            self.bodies.append(Body(ring(radius, 0.11), radius + 0.12, paint, resting(x, 0.11, z)))
            self.names.append(f"a {name} ring")

    def mover(self, kind: str) -> None:
        """Something that moves as a whole: what it does is its kind, a name in MOVES."""
        name, colour = self.hue()
        radius = self.rng.uniform(0.26, 0.4)
        paint = self.paint(colour, ("stripes", "dots", "swirl", "checks", "melon"))
        x, z = self.spot(radius, middle=True)
        side = self.rng.choice([-1.0, 1.0])
        if kind == "rolls":
            pose = rolling(x - 0.6 * side, z + 0.5, radius, (0 if side > 0 else math.pi) + 0.2 * side, 0.5)
        elif kind == "bounces":
            pose = bouncing(x - 0.3 * side, z, radius, 0.7, 0.25 * side)
        elif kind == "swings":
            pose = swinging(x, 2.6, z, 1.7)
            thread = Paint("plain", (0.1, 0.1, 0.1), (0.1, 0.1, 0.1), gloss=0)
            hung = swinging(x, 2.6, z, 0.0)
            self.bodies.append(Body(rod(1.7, 0.02), 1.75, thread, hung))
        elif kind == "rocks":
            pose = rocking(x, radius, z, 0.45 * side)
        else:
            pose = spinning(x, radius, z, 1.1 * side)
        self.bodies.append(Body(ball(radius), radius + 0.01, paint, pose))
        self.names.append(f"a {name} ball that {kind}")


MOVES = ("rolls", "bounces", "swings", "turns", "rocks")


def camera_path(rng: np.random.Generator) -> tuple[str, Callable[[float], Eye]]:
    """A slow move of the camera: its name, and the camera at a time."""
    kind = ("orbits", "comes closer", "rises", "moves aside")[rng.integers(4)]
    angle, height, away = rng.uniform(-0.4, 0.4), rng.uniform(0.9, 1.7), rng.uniform(3.5, 4.2)
    side, lens = rng.choice([-1.0, 1.0]), rng.uniform(32, 40)

    def eye(time: float) -> Eye:
        turn, up, far, aside = angle, height, away, 0.0
        if kind == "orbits":
            turn = angle + side * 0.13 * (time - 1.5)
        elif kind == "comes closer":
            far = away - 0.32 * time
        elif kind == "rises":
            up = height - 0.4 + 0.3 * time
        else:
            aside = side * 0.28 * (time - 1.5)
        place = (far * math.sin(turn) + aside, up, far * math.cos(turn))
        return Eye(place, (aside, 0.45, -0.1), float(lens))

    return kind, eye


def still_life(index: int) -> tuple[str, Arrangement, Callable[[float], Eye]]:
    """Arrange still life number `index`: its caption, its arrangement, and its camera at a time."""
    rng = np.random.default_rng([index, 5])
    where, ground, sky, wall = SETTINGS[index % len(SETTINGS)]
    things = Arranger(rng)
    things.mover(MOVES[index % len(MOVES)])
    profiles = ["vase", "bottle", "apple", "pear", "bowl", "cup", "goblet", "pawn", "egg", "top"]
    heights = {"vase": (0.9, 1.4), "bottle": (1.0, 1.4), "bowl": (0.35, 0.5), "goblet": (0.8, 1.1), "pawn": (0.8, 1.2)}
    for profile in rng.permutation(profiles)[:4]:
        things.turned_body(str(profile), *heights.get(str(profile), (0.45, 0.65)))
    if rng.random() < 0.7:
        things.box_pile()
    things.round_body()
    if rng.random() < 0.6:
        things.mover(MOVES[(index + 2) % len(MOVES)])
    kind, eye = camera_path(rng)
    told = f"A photograph of {', '.join(things.names[:3])} and other things {where}. The camera {kind}."
    return told.replace(" a orange", " an orange"), Arrangement(tuple(things.bodies), ground, sky, wall), eye


def film_still_life(index: int, size: Size, frames: Sequence[int] = ALL_FRAMES) -> UnseenClip:
    """Photograph frames of still life number `index` in a size, FPS frames a second."""
    told, arrangement, eye = still_life(index)
    times = [frame / FPS for frame in frames]
    pictures = [photograph(Moment.of(arrangement, time).light, eye(time), size) for time in times]
    return UnseenClip(told, torch.stack(pictures))
