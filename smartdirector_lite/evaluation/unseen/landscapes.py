"""Landscapes in three dimensions: mountains, dunes, islands and hills under sun, clouds and fog, seen from the air."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...media.size import Size
from .clips import ALL_FRAMES, FPS, UnseenClip
from .noise import fractal_noise
from .solids import Colour3
from .tracer import Eye, Sky, dot, photograph

WIDTH = 40.0  # of the land, whose middle is the origin
CELLS = 400  # of the map, along each side


def mountains(p: Tensor) -> Tensor:
    return 4.6 * fractal_noise(p * 0.13, 6, ridged=True) ** 2.4 * (
        0.3 + fractal_noise(p * 0.09 + 3, 2)
    ) + 0.3 * fractal_noise(p, 4)


def dunes(p: Tensor) -> Tensor:
    bent = p @ torch.tensor([[0.5, 0.16], [-0.35, 0.2]]) + 0.9 * fractal_noise(p * 0.2, 2)[:, None]
    wave = (bent[:, 0] - bent[:, 0].floor()).clamp(0.01, 0.99)
    crest = torch.where(wave < 0.7, wave / 0.7, (1 - wave) / 0.3)
    return 1.9 * crest**1.4 * (0.5 + fractal_noise(p * 0.15 + 5, 2)) + 0.02 * fractal_noise(p * 3, 2)


def hills(p: Tensor) -> Tensor:
    return 2.6 * fractal_noise(p * 0.2, 4) ** 1.5 + 0.1 * fractal_noise(p * 2, 3)


def islands(p: Tensor) -> Tensor:
    return 4.2 * (fractal_noise(p * 0.22 + 9, 6) - 0.36).clamp(min=-0.1) * (0.5 + fractal_noise(p * 0.3, 2))


def canyon(p: Tensor) -> Tensor:
    base = 5.0 * fractal_noise(p * 0.14 + 4, 5)
    part = base * 1.5 - (base * 1.5).floor()
    return ((base * 1.5).floor() + (part * 2.2 - 0.6).clamp(0, 1)) / 1.5 - 1.0 + 0.08 * fractal_noise(p * 3, 2)


def craters(p: Tensor) -> Tensor:
    total = 0.5 * fractal_noise(p * 0.3, 5)
    for scale, deep in ((0.22, 0.8), (0.5, 0.4), (1.1, 0.16)):
        cell = (p * scale).floor()
        middle = cell + 0.5 + 0.25 * torch.sin(cell * torch.tensor([12.9, 78.2]) + cell.flip(1) * 37.7)
        away = (p * scale - middle).norm(dim=1) / 0.38
        total = total + deep * torch.where(away < 1, away**2 - 0.8, 0.2 * torch.exp(-4 * (away - 1)))
    return total + 0.6


@dataclass(frozen=True)
class Country:
    """A kind of landscape.

    Attributes:
        told: what the caption says.
        shape: the heights of places (N, 2).
        low, high, steep: linear colours of flat land below and above, and of slopes.
        snow: the height from which flat land is `high`.
        water: the height of the water; None without.
        sky: the light.
        eye: how high above the ground the camera flies.
    """

    told: str
    shape: Callable[[Tensor], Tensor]
    low: Colour3
    high: Colour3
    steep: Colour3
    snow: float
    water: float | None
    sky: Sky
    eye: float = 1.6


DAY = Sky((-0.6, 0.5, -0.35), (2.9, 2.6, 2.2), clouds=0.7, haze=0.018)
LOW = Sky((-0.8, 0.30, -0.1), (3.1, 2.4, 1.6), (0.16, 0.32, 0.66), (0.80, 0.74, 0.66), 0.3, 0.015)
EVENING = Sky((0.65, 0.22, -0.6), (3.2, 1.7, 0.7), (0.20, 0.26, 0.5), (0.98, 0.60, 0.36), 0.7, 0.028)
MIST = Sky((0.5, 0.45, -0.3), (1.7, 1.7, 1.8), (0.50, 0.58, 0.68), (0.74, 0.78, 0.82), 0.3, 0.07)
SPACE = Sky((-0.7, 0.35, 0.1), (3.4, 3.3, 3.1), (0.004, 0.004, 0.008), (0.03, 0.03, 0.04), 0.0, 0.0)
COUNTRIES = (
    Country(
        "snowy mountains above a lake",
        mountains,
        (0.10, 0.17, 0.05),
        (0.86, 0.89, 0.95),
        (0.20, 0.17, 0.15),
        1.7,
        0.85,
        DAY,
        2.0,
    ),
    Country(
        "sand dunes in a desert", dunes, (0.62, 0.40, 0.20), (0.70, 0.48, 0.26), (0.58, 0.36, 0.18), 1.0, None, LOW, 1.6
    ),
    Country(
        "green hills with woods", hills, (0.10, 0.24, 0.04), (0.24, 0.34, 0.08), (0.04, 0.10, 0.03), 1.2, None, DAY
    ),
    Country(
        "islands in the sea at sunset",
        islands,
        (0.50, 0.38, 0.22),
        (0.10, 0.20, 0.05),
        (0.24, 0.19, 0.15),
        0.5,
        0.36,
        EVENING,
        1.3,
    ),
    Country("a red canyon", canyon, (0.55, 0.25, 0.12), (0.60, 0.34, 0.18), (0.42, 0.15, 0.07), 1.2, None, DAY, 2.0),
    Country(
        "a valley in winter mist",
        mountains,
        (0.70, 0.74, 0.78),
        (0.88, 0.90, 0.93),
        (0.10, 0.10, 0.11),
        1.2,
        None,
        MIST,
    ),
    Country("a rocky coast", islands, (0.22, 0.26, 0.10), (0.30, 0.34, 0.14), (0.26, 0.24, 0.22), 0.8, 0.42, DAY, 1.3),
    Country(
        "craters of the moon",
        craters,
        (0.30, 0.29, 0.28),
        (0.36, 0.35, 0.34),
        (0.26, 0.25, 0.24),
        1.0,
        None,
        SPACE,
        1.5,
    ),
)


@dataclass(frozen=True)
class Land:
    """A country's map: heights, slopes and the share of the sun that comes through.

    Attributes:
        country: what it is a map of.
        table: (1, 4, CELLS, CELLS): the height, its slopes along x and z, and the light.
    """

    country: Country
    table: Tensor

    @classmethod
    def survey(cls, country: Country, offset: float) -> "Land":
        """Make the map. offset: which part of the country it shows."""
        side = torch.linspace(-WIDTH / 2, WIDTH / 2, CELLS)
        z, x = torch.meshgrid(side, side, indexing="ij")
        spots = torch.stack([x.reshape(-1), z.reshape(-1)], dim=1)
        heights = country.shape(spots + offset).view(CELLS, CELLS)
        cell = WIDTH / (CELLS - 1)
        along_z, along_x = torch.gradient(heights, spacing=cell)
        table = torch.stack([heights, along_x, along_z, torch.ones_like(heights)])[None]
        sun = country.sky.direction
        lit = torch.ones(CELLS * CELLS)
        for step in range(1, 40):
            t = 0.06 * step**1.3
            there = spots + t * sun[::2]
            clear = heights.view(-1) + t * sun[1] - cls(country, table).heights(there)
            lit = torch.minimum(lit, (0.6 + 4 * clear / t).clamp(0, 1))
        table[0, 3] = lit.view(CELLS, CELLS)
        return cls(country, table)

    def at(self, places: Tensor) -> Tensor:
        """The map's four values (N, 4) at places (N, 2)."""
        return self._look_up(self.table, places)

    def heights(self, places: Tensor) -> Tensor:
        """The heights (N,) at places (N, 2) alone, which costs less."""
        return self._look_up(self.table[:, :1], places)[:, 0]

    @staticmethod
    def _look_up(table: Tensor, places: Tensor) -> Tensor:
        grid = (places * (2 / WIDTH)).view(1, -1, 1, 2)
        return F.grid_sample(table, grid, align_corners=True, padding_mode="reflection")[0, :, :, 0].T

    def hit(self, start: Tensor, rays: Tensor, steps: int) -> Tensor:
        """How far rays (N, 3) from `start` (N, 3) go until they meet the land: (N,), infinite for the sky's."""
        t = torch.full((len(rays),), 0.05)
        before, far = t.clone(), torch.full((len(rays),), math.inf)
        moves = torch.arange(len(rays))
        for _ in range(steps):
            p = start[moves] + t[moves, None] * rays[moves]
            gap = p[:, 1] - self.heights(p[:, ::2])
            under = gap < 0
            far[moves[under]] = t[moves[under]]
            go_on = ~under & (t[moves] < 30) & ((p[:, 1] < 7) | (rays[moves, 1] < 0))
            moves, gap = moves[go_on], gap[go_on]
            before[moves] = t[moves]
            t[moves] += (0.55 * gap).clamp(min=0.012) + 0.006 * t[moves]
        index = far.isfinite().nonzero()[:, 0]
        low, high = before[index], far[index]
        for _ in range(5):  # the land lies between the last two steps
            middle = (low + high) / 2
            p = start[index] + middle[:, None] * rays[index]
            under = p[:, 1] < self.heights(p[:, ::2])
            low, high = torch.where(under, low, middle), torch.where(under, middle, high)
        far[index] = high
        return far

    def ground(self, points: Tensor, width: Tensor) -> Tensor:
        """Linear colours (N, 3) of the land at points (N, 3), in its light. width: of pixels there."""
        country, sky = self.country, self.country.sky
        _, along_x, along_z, lit = self.at(points[:, ::2]).unbind(1)
        rough = fractal_noise(points * 2.5, 5, width * 2.5) - 0.5
        slope = torch.stack([-along_x - 0.7 * rough, torch.ones_like(rough), -along_z + 0.7 * rough], dim=1)
        normals = F.normalize(slope, dim=1)
        high = ((points[:, 1] - country.snow + 1.2 * rough) * 3).clamp(0, 1)[:, None]
        flat = torch.lerp(
            torch.tensor(country.low).expand_as(points), torch.tensor(country.high).expand_as(points), high
        )
        steep = ((0.80 - normals[:, 1] + 0.5 * rough) * 6).clamp(0, 1)[:, None]
        base = torch.lerp(flat, torch.tensor(country.steep).expand_as(points), steep) * (1 + 0.7 * rough[:, None])
        sun = (normals @ sky.direction).clamp(min=0) * lit
        around = 0.05 + 0.3 * torch.tensor(sky.zenith) + 0.3 * torch.tensor(sky.horizon)
        return base * (torch.tensor(sky.light) * sun[:, None] + around * (0.5 + 0.5 * normals[:, 1:2]))

    def view(self, start: Tensor, rays: Tensor, pixel: float, time: float, steps: int = 64) -> Tensor:
        """Linear colours (N, 3) that rays (N, 3) from `start` (N, 3) see."""
        sky, water = self.country.sky, self.country.water
        distance = self.hit(start, rays, steps)
        seen = sky.colours(rays, time)
        if water is not None:
            down = (water - start[:, 1]) / rays[:, 1].clamp(max=-1e-5)
            wet = (rays[:, 1] < 0) & (down > 0) & (down < distance) & (down < 60)
            index = wet.nonzero()[:, 0]
            if len(index):
                points = start[index] + down[index, None] * rays[index]
                seen[index] = self.faded(
                    self.lake(points, rays[index], down[index], pixel, time), rays[index], down[index]
                )
            distance = torch.where(wet, math.inf, distance)
        index = distance.isfinite().nonzero()[:, 0]
        near = distance[index]
        points = start[index] + near[:, None] * rays[index]
        seen[index] = self.faded(self.ground(points, near * pixel), rays[index], near)
        return seen

    def lake(self, points: Tensor, rays: Tensor, distance: Tensor, pixel: float, time: float) -> Tensor:
        """Water that mirrors land and sky in its waves."""
        moved = points[:, ::2] * torch.tensor([1.5, 2.5])
        waves = [
            fractal_noise(moved + shift + torch.tensor([0.35, 0.25]) * time * turn, 4, distance * pixel * 6) - 0.5
            for shift, turn in ((0.0, 1.0), (17.3, -1.0))
        ]
        normals = F.normalize(torch.stack([0.12 * waves[0], torch.ones_like(distance), 0.12 * waves[1]], dim=1), dim=1)
        across = dot(rays, normals)
        back = rays - 2 * across[:, None] * normals
        back = F.normalize(torch.cat([back[:, :1], back[:, 1:2].abs().clamp(min=0.01), back[:, 2:]], dim=1), dim=1)
        far = self.hit(points, back, 22)
        mirrored = self.country.sky.colours(back, time)
        index = far.isfinite().nonzero()[:, 0]
        mirrored[index] = self.ground(
            points[index] + far[index, None] * back[index], 4 * (far + distance)[index] * pixel
        )
        part = 0.10 + 0.85 * (1 + across).clamp(0, 1)[:, None] ** 3
        deep = torch.tensor([0.015, 0.07, 0.09]) * (0.5 + sum(self.country.sky.light) / 9)
        return torch.lerp(deep.expand_as(mirrored), mirrored, part)

    def faded(self, colours: Tensor, rays: Tensor, distance: Tensor) -> Tensor:
        """What is left of colours (N, 3) behind the haze."""
        sky = self.country.sky
        towards = (rays @ sky.direction).clamp(min=0)[:, None] ** 6
        veil = torch.tensor(sky.horizon) + 0.12 * torch.tensor(sky.light) * towards
        return torch.lerp(veil, colours, torch.exp(-sky.haze * distance)[:, None])


def flight(index: int) -> tuple[str, Land, Callable[[float], Eye]]:
    """Plan landscape number `index`: its caption, its land, and the camera at a time."""
    rng = np.random.default_rng([index, 9])
    country = COUNTRIES[index % len(COUNTRIES)]
    land = Land.survey(country, float(rng.uniform(0, 400)))
    heading, side = float(rng.uniform(-0.5, 0.5)), float(rng.choice([-1.0, 1.0]))
    kind = ("flies forward", "flies to the side", "rises", "turns")[(index + index // 4) % 4]
    x, z = float(rng.uniform(-4, 4)), float(rng.uniform(6, 9))
    ahead = torch.tensor([math.sin(heading), -math.cos(heading)])
    path = torch.tensor([x, z]) + torch.linspace(-0.5, 5, 40)[:, None] * ahead
    ground = float(land.heights(path).max())
    height = max(ground, country.water or 0.0) + country.eye * float(rng.uniform(0.5, 0.8))

    def eye(time: float) -> Eye:
        turn, forward, aside, up = heading, 0.06 * time, 0.0, 0.0
        if kind == "flies forward":
            forward = 0.75 * time
        elif kind == "flies to the side":
            aside = side * 0.6 * (time - 1.5)
        elif kind == "rises":
            up = 0.45 * time
        else:
            turn = heading + side * 0.09 * (time - 1.5)
        place_x = x + forward * math.sin(heading) + aside * math.cos(heading)
        place_z = z - forward * math.cos(heading) + aside * math.sin(heading)
        target = (place_x + 4 * math.sin(turn), height + up - 0.75, place_z - 4 * math.cos(turn))
        return Eye((place_x, height + up, place_z), target, 46.0)

    return f"A photograph of {country.told}. The camera {kind}.", land, eye


def film_landscape(index: int, size: Size, frames: Sequence[int] = ALL_FRAMES) -> UnseenClip:
    """Photograph frames of landscape number `index` in a size, FPS frames a second."""
    told, land, eye = flight(index)
    times = [frame / FPS for frame in frames]
    pictures = [photograph(functools.partial(land.view, time=time), eye(time), size) for time in times]
    return UnseenClip(told, torch.stack(pictures))
