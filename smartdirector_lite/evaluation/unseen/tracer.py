"""A small ray tracer: bodies on a ground, sun with soft shadows, ambient occlusion, reflections, sky and haze.

Rays walk along signed distances, each body on its own, so that only the rays near it are followed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...media.size import Size
from .noise import fractal_noise
from .solids import Colour3, Paint, Shape, length

FAR = 60.0
Pose = Callable[[float], tuple[Tensor, Tensor]]  # a time -> rotation (3, 3) and place (3,)


@dataclass(frozen=True)
class Body:
    """A solid thing.

    Attributes:
        shape: its signed distances.
        reach: the radius of a ball about its origin that holds it.
        paint: its surface.
        pose: where it is at a time.
    """

    shape: Shape
    reach: float
    paint: Paint
    pose: Pose


@dataclass(frozen=True)
class Sky:
    """The light around.

    Attributes:
        sun: where the sun is, a direction.
        light: the colour of the sun.
        zenith, horizon: colours.
        clouds: how much of the sky they cover, from 0 to 1.
        haze: how much of the view is lost for each unit of distance.
        soft: how wide shadows' edges are.
    """

    sun: Colour3
    light: Colour3 = (2.6, 2.3, 1.9)
    zenith: Colour3 = (0.18, 0.36, 0.75)
    horizon: Colour3 = (0.70, 0.80, 0.92)
    clouds: float = 0.0
    haze: float = 0.008
    soft: float = 0.12

    @property
    def direction(self) -> Tensor:
        return F.normalize(torch.tensor(self.sun), dim=0)

    def colours(self, rays: Tensor, time: float) -> Tensor:
        """Linear colours (N, 3) in directions (N, 3)."""
        up = rays[:, 1:2].clamp(0, 1)
        seen = torch.lerp(torch.tensor(self.horizon), torch.tensor(self.zenith), up**0.55)
        near = (rays @ self.direction).clamp(min=0)[:, None]
        light = torch.tensor(self.light)
        seen = seen + light * (0.10 * near**8 + 0.5 * near**300)
        if self.clouds:
            spots = rays[:, ::2] / (up + 0.12) * 1.6 + torch.tensor([0.12, 0.05]) * time
            cover = ((fractal_noise(spots, 5, 0.02 / (up[:, 0] + 0.05)) - 0.68 + 0.4 * self.clouds) * 5).clamp(0, 1)
            cover = (cover * (up[:, 0] * 6).clamp(0, 1))[:, None]
            seen = torch.lerp(seen, 0.30 * light + 0.25 * torch.tensor(self.horizon), 0.85 * cover)
        return seen


@dataclass(frozen=True)
class Eye:
    """A camera at a moment.

    Attributes:
        place, target: where it is, and what it looks at.
        angle: its vertical field of view, in degrees.
    """

    place: Colour3
    target: Colour3
    angle: float = 38.0

    def rays(self, size: Size) -> tuple[Tensor, Tensor]:
        """Its place (3,) and the directions (H W, 3) of all pixels."""
        place = torch.tensor(self.place, dtype=torch.float32)
        ahead = F.normalize(torch.tensor(self.target, dtype=torch.float32) - place, dim=0)
        right = F.normalize(torch.linalg.cross(ahead, torch.tensor([0.0, 1.0, 0.0])), dim=0)
        up = torch.linalg.cross(right, ahead)
        half = math.tan(math.radians(self.angle) / 2)
        y = (1 - (torch.arange(size.height) + 0.5) * 2 / size.height) * half
        x = ((torch.arange(size.width) + 0.5) * 2 / size.width - 1) * half * size.width / size.height
        rays = ahead + y.view(-1, 1, 1) * up + x.view(1, -1, 1) * right
        return place, F.normalize(rays.reshape(-1, 3), dim=1)

    def pixel(self, size: Size) -> float:
        """How wide a pixel is in a distance of 1."""
        return 2 * math.tan(math.radians(self.angle) / 2) / size.height


@dataclass(frozen=True)
class Arrangement:
    """Everything but the camera.

    Attributes:
        bodies: the things.
        ground: the paint of the plane y = 0.
        sky: the light.
        wall: the paint of a wall in the background, or None.
        depth: the wall is the plane z = -depth.
    """

    bodies: tuple[Body, ...]
    ground: Paint
    sky: Sky
    wall: Paint | None = None
    depth: float = 4.0


@dataclass(frozen=True)
class Moment:
    """An arrangement at a time: the bodies with their poses. What is done with rays is done here."""

    arrangement: Arrangement
    time: float
    poses: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    def of(cls, arrangement: Arrangement, time: float) -> "Moment":
        poses = (body.pose(time) for body in arrangement.bodies)
        return cls(arrangement, time, tuple((turn.float(), place.float()) for turn, place in poses))

    def hit(self, start: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        """How far rays (N, 3) from `start` (N, 3) go, (N,), and what they hit, (N,).

        What is hit is the body of that number; the next two numbers are the ground and the wall; -1 is the sky.
        """
        count = len(self.arrangement.bodies)
        down = -start[:, 1] / rays[:, 1].clamp(max=-1e-6)
        on_ground = (rays[:, 1] < -1e-4) & (down < FAR) & (down > 0)
        distance = torch.where(on_ground, down, torch.full_like(down, FAR))
        what = torch.where(on_ground, count, -1)
        if self.arrangement.wall is not None:
            back = (-self.arrangement.depth - start[:, 2]) / rays[:, 2].clamp(max=-1e-6)
            on_wall = (rays[:, 2] < -1e-4) & (back > 0) & (back < distance)
            distance, what = torch.where(on_wall, back, distance), torch.where(on_wall, count + 1, what)
        for number, (body, (turn, place)) in enumerate(zip(self.arrangement.bodies, self.poses, strict=True)):
            own = start - place
            middle = -dot(own, rays)
            inside = body.reach**2 - (dot(own, own) - middle.square())
            index = ((inside > 0) & (middle > -body.reach)).nonzero()[:, 0]
            if not len(index):
                continue
            own, ahead, middle = own[index] @ turn, rays[index] @ turn, middle[index]
            room = inside[index].sqrt()
            t = (middle - room).clamp(min=0.0)
            gap, moves = torch.ones(len(index)), torch.arange(len(index))
            for _ in range(6):  # rays that have arrived, or have passed, are followed no longer
                own_moves, ahead_moves = own[moves], ahead[moves]
                for _ in range(5):
                    gap[moves] = body.shape(own_moves + t[moves, None] * ahead_moves)
                    t[moves] += gap[moves]
                moves = moves[(gap[moves].abs() > 0.004) & (t[moves] < (middle + room)[moves])]
            found = (gap.abs() < 0.01) & (t < middle + room) & (t < distance[index]) & (t > 0)
            distance[index[found]], what[index[found]] = t[found], number
        return distance, what

    def shade(self, points: Tensor, normals: Tensor) -> Tensor:
        """How much of the sun reaches points (N, 3): (N,) in [0, 1]."""
        sky = self.arrangement.sky
        sun, lit = sky.direction, torch.ones(len(points))
        start = points + 0.02 * normals
        for body, (turn, place) in zip(self.arrangement.bodies, self.poses, strict=True):
            own = start - place
            middle = -(own @ sun)
            aside = length(own + middle[:, None] * sun)
            near = (middle > -body.reach) & (aside < body.reach + sky.soft * middle.clamp(min=0) + 0.02)
            index = near.nonzero()[:, 0]
            if not len(index):
                continue
            own, ahead, middle = own[index] @ turn, sun @ turn, middle[index]
            t = (middle - 1.3 * body.reach).clamp(min=0.02)
            least = torch.ones(len(index))
            for _ in range(18):
                gap = body.shape(own + t[:, None] * ahead)
                least = torch.minimum(least, 0.5 + 0.5 * gap / (sky.soft * t + 0.005))
                t = t + gap.clamp(min=0.04, max=0.4)
            least = least.clamp(0, 1)
            lit[index] = torch.minimum(lit[index], least * least * (3 - 2 * least))
        return lit

    def openness(self, points: Tensor, normals: Tensor) -> Tensor:
        """How little bodies and ground hide the sky from points (N, 3): (N,) in [0, 1]."""
        hidden = torch.zeros(len(points))
        for step in (0.08, 0.2, 0.45):
            there = points + step * normals
            hidden = hidden + (1 - there[:, 1].clamp(min=0) / step).clamp(0, 1) * 0.25
            for body, (turn, place) in zip(self.arrangement.bodies, self.poses, strict=True):
                away = length(there - place)
                index = (away < body.reach + step).nonzero()[:, 0]
                if len(index):
                    gap = body.shape((there[index] - place) @ turn)
                    hidden[index] += (1 - gap / step).clamp(0, 1) * 0.3
        return (1 - hidden).clamp(0.08, 1)

    def surface(self, points: Tensor, rays: Tensor, what: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colours (N, 3), normals (N, 3), and gloss with mirror (N, 2) of what rays hit. width: of pixels there."""
        colours, normals = torch.zeros_like(points), torch.zeros_like(points)
        shine = torch.zeros(len(points), 2)
        count = len(self.arrangement.bodies)
        slant = width / (-rays[:, 1]).clamp(0.05, 1)
        for number, paint, normal in (
            (count, self.arrangement.ground, (0.0, 1.0, 0.0)),
            (count + 1, self.arrangement.wall, (0.0, 0.0, 1.0)),
        ):
            index = (what == number).nonzero()[:, 0]
            if len(index):
                colours[index] = paint.colours(points[index], slant[index] if number == count else width[index])
                normals[index] = torch.tensor(normal)
                shine[index] = torch.tensor([paint.gloss, paint.mirror])
        for number, (body, (turn, place)) in enumerate(zip(self.arrangement.bodies, self.poses, strict=True)):
            index = (what == number).nonzero()[:, 0]
            if not len(index):
                continue
            own = (points[index] - place) @ turn
            corners = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]) * 0.015
            slope = sum(corner * body.shape(own + corner)[:, None] for corner in corners)
            normals[index] = F.normalize(slope, dim=1) @ turn.T
            colours[index] = body.paint.colours(own, width[index])
            shine[index] = torch.tensor([body.paint.gloss, body.paint.mirror])
        return colours, normals, shine

    def light(self, start: Tensor, rays: Tensor, pixel: float, bounces: int = 1) -> Tensor:
        """Linear colours (N, 3) that rays (N, 3) from `start` (N, 3) see."""
        sky = self.arrangement.sky
        distance, what = self.hit(start, rays)
        seen = sky.colours(rays, self.time)
        index = (what >= 0).nonzero()[:, 0]
        rays, distance = rays[index], distance[index]
        points = start[index] + distance[:, None] * rays
        base, normals, shine = self.surface(points, rays, what[index], distance * pixel)
        facing = (normals @ sky.direction).clamp(min=0)
        sun = facing * (self.shade(points, normals) if bounces else 1)
        around = self.openness(points, normals) if bounces else torch.full_like(sun, 0.8)
        up = 0.5 + 0.5 * normals[:, 1:2]
        ground = 0.35 * torch.tensor(self.arrangement.ground.first)
        ambient = torch.lerp(ground, 0.75 * torch.tensor(sky.horizon) + 0.25 * torch.tensor(sky.zenith), up)
        lit = base * (torch.tensor(sky.light) * sun[:, None] + 0.75 * ambient * around[:, None])
        across = dot(rays, normals)
        back = rays - 2 * across[:, None] * normals
        spark = (back @ sky.direction).clamp(min=0) ** 60 * shine[:, 0] * (sun > 0) * sun.clamp(max=1)
        lit = lit + 0.9 * torch.tensor(sky.light) * spark[:, None]
        if bounces:
            edge = (1 + across).clamp(0, 1) ** 4
            part = (shine[:, 1] + (0.5 * (shine[:, 1] > 0) + 0.08 * shine[:, 0]) * edge).clamp(0, 0.95)
            sees = (part > 0.03).nonzero()[:, 0]
            if len(sees):
                other = self.light(points[sees] + 0.02 * normals[sees], back[sees], pixel, bounces - 1)
                lit[sees] = torch.lerp(lit[sees], other, part[sees, None])
        clear = torch.exp(-sky.haze * distance)[:, None]
        seen[index] = torch.lerp(torch.tensor(sky.horizon).expand_as(lit), lit, clear)
        return seen


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products (N,) of vectors (N, 3)."""
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def developed(light: Tensor) -> Tensor:
    """Linear light -> what a photograph shows of it, in [0, 1]: bright parts are compressed (Narkowicz 2015)."""
    light = light.clamp(min=0) * 0.5
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return film.clamp(0, 1) ** (1 / 2.2)


def oversampled(size: Size) -> int:
    """How many times as large frames of a size are rendered: 3 times at most."""
    return min(3, max(1, -(-128 // size.height)))


def photograph(light: Callable[[Tensor, Tensor, float], Tensor], eye: Eye, size: Size) -> Tensor:
    """Take a picture: (3, H, W) in [0, 1].

    Args:
        light: linear colours (N, 3) that rays (N, 3) from places (N, 3) see, where a pixel is as wide as the last
            argument in a distance of 1.
    """
    large = size.times(oversampled(size))
    place, rays = eye.rays(large)
    seen = light(place.expand_as(rays), rays, eye.pixel(large))
    picture = developed(seen).T.reshape(1, 3, large.height, large.width)
    return F.avg_pool2d(picture, oversampled(size))[0]
