"""Pictures to make collages of: noise, patches, patterns, doodles, frames of the toy world, and whatever is brought.

Every kind is a function of a random generator and a size, which gives (3, H, W) in [0, 1].
"""

import colorsys
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..media.size import Size
from ..toyworld import HELD_OUT_SEED, render, sample_scene

Picture = Callable[[np.random.Generator, Size], Tensor]  # draws a picture (3, H, W) in [0, 1]
TOY_FRAMES = 25  # the length of the toy scene of which a picture shows one frame


def sample_colour(rng: np.random.Generator) -> Tensor:
    """Draw a colour, (3,) in [0, 1]: any hue, more often light than dark."""
    return torch.tensor(colorsys.hsv_to_rgb(rng.random(), rng.random(), rng.beta(2.5, 1.3)), dtype=torch.float32)


def sample_noise(rng: np.random.Generator, size: Size, slope: float) -> Tensor:
    """Draw smooth noise, (H, W), of mean 0 and standard deviation 1.

    Args:
        slope: how fast the amplitude falls with the frequency; photographs have about 1, clouds 1.5 or more.
    """
    spectrum = np.fft.rfft2(rng.standard_normal((size.height, size.width)))
    rows, columns = np.fft.fftfreq(size.height)[:, None], np.fft.rfftfreq(size.width)[None]
    frequency = np.hypot(rows * size.height, columns * size.height)  # in waves over the picture's height
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum * frequency**-slope, s=(size.height, size.width))
    return torch.from_numpy((noise / noise.std()).astype(np.float32))


def coordinates(size: Size, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return x (1, W) and y (H, 1) of the pixels' middles: y runs up from -1 to 1, x as far as the shape allows."""
    x = (2 * torch.arange(size.width, device=device) + 1 - size.width) / size.height
    y = (size.height - 2 * torch.arange(size.height, device=device) - 1) / size.height
    return x[None], y[:, None]


def _mixed(share: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Mix two colours, (3,) each or pictures, as far as `share`, (H, W) in [0, 1], says."""
    first, second = (c.view(3, 1, 1) if c.ndim == 1 else c for c in (first, second))
    return first + share * (second - first)


def gradient(rng: np.random.Generator, size: Size) -> Tensor:
    """Two colours that pass into each other, along a line or around a point."""
    x, y = coordinates(size)
    angle, where = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    if rng.random() < 0.6:
        share = 0.5 + 0.4 * (x * np.cos(angle) + y * np.sin(angle) + where)
    else:
        share = ((x - np.cos(angle)).square() + (y - np.sin(angle)).square()).sqrt() * rng.uniform(0.3, 0.8)
    return _mixed(share.clamp(0, 1), sample_colour(rng), sample_colour(rng))


def clouds(rng: np.random.Generator, size: Size) -> Tensor:
    """Smooth noise in colours that go together, from soft as clouds to rough as bark."""
    slope = rng.uniform(0.9, 2.0)
    shared, own = sample_noise(rng, size, slope), sample_noise(rng, size, slope)
    light = (0.5 + rng.uniform(0.15, 0.3) * shared).clamp(0, 1)
    picture = _mixed(light, sample_colour(rng) * rng.uniform(0, 0.6), sample_colour(rng))
    return _mixed((0.3 * own).clamp(0, 1), picture, sample_colour(rng)).clamp(0, 1)


def marble(rng: np.random.Generator, size: Size) -> Tensor:
    """Veins: waves that noise has bent."""
    x, y = coordinates(size)
    angle, waves = rng.uniform(0, 2 * np.pi), rng.uniform(2, 9)
    bent = waves * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0.5, 3) * sample_noise(rng, size, 1.7)
    return _mixed(0.5 + 0.5 * bent.sin(), sample_colour(rng), sample_colour(rng))


def patches(rng: np.random.Generator, size: Size) -> Tensor:
    """Flat colours side by side, as in a drawing, half of the time with dark outlines."""
    count = int(rng.integers(3, 7))
    height = sample_noise(rng, size, rng.uniform(1.6, 2.4)) * rng.uniform(0.8, 1.6) + count / 2
    colours = torch.stack([sample_colour(rng) for _ in range(count)])
    picture = colours[height.clamp(0, count - 1e-3).long()].permute(2, 0, 1)
    if rng.random() < 0.5:
        slope = torch.hypot(*torch.gradient(height)).clamp(min=1e-3)
        edge = (height - height.round()).abs() / slope  # pixels from the next border
        inside = (height.round() >= 1) & (height.round() < count)
        thickness = size.height / rng.uniform(60, 150)
        picture = _mixed((0.5 + thickness - edge).clamp(0, 1) * inside, picture, sample_colour(rng) * 0.2)
    return picture


def pattern(rng: np.random.Generator, size: Size) -> Tensor:
    """Stripes, checks or dots, turned, and bent a little."""
    x, y = coordinates(size)
    angle, waves = rng.uniform(0, 2 * np.pi), rng.uniform(5, 18)
    bend = rng.choice([0, 0.15]) * sample_noise(rng, size, 2.2)
    along = waves * (x * np.cos(angle) + y * np.sin(angle) + bend)
    across = waves * (y * np.cos(angle) - x * np.sin(angle) + bend)
    wave = (along.sin(), along.sin() * across.sin(), along.sin() + across.sin() - 0.8)[rng.integers(3)]
    share = (0.5 + wave * size.height / (2 * waves)).clamp(0, 1)
    return _mixed(share, sample_colour(rng), sample_colour(rng))


def leaves(rng: np.random.Generator, size: Size) -> Tensor:
    """Discs and boxes of all sizes that cover each other ("dead leaves"): edges are as frequent as in photographs."""
    x, y = coordinates(size)
    picture = sample_colour(rng).view(3, 1, 1).expand(3, size.height, size.width).clone()
    for radius in sorted(0.06 / rng.uniform(0.08, 1, size=70) ** 1.2, reverse=True):
        dx, dy = x - rng.uniform(-2, 2), y - rng.uniform(-1.1, 1.1)
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.4, 1)
        along, across = dx * np.cos(angle) + dy * np.sin(angle), (dy * np.cos(angle) - dx * np.sin(angle)) / stretch
        disc = rng.random() < 0.6
        reach = torch.hypot(along, across) if disc else torch.maximum(along.abs(), across.abs())
        covered = (0.5 + (radius - reach) * size.height / 2).clamp(0, 1)
        shade = sample_colour(rng).view(3, 1, 1) * (1 + rng.uniform(-0.5, 0.5) * along / radius)
        picture = _mixed(covered, picture, shade.clamp(0, 1))
    return picture


def doodle(rng: np.random.Generator, size: Size) -> Tensor:
    """Thin curves of a pen on paper."""
    x, y = coordinates(size)
    light = rng.random() < 0.8
    paper = sample_colour(rng)
    picture = (0.75 + 0.25 * paper if light else 0.3 * paper).view(3, 1, 1).expand(3, size.height, size.width)
    for _ in range(int(rng.integers(4, 12))):
        start, stop = rng.uniform((-1.8, -1), (1.8, 1), (2, 2))
        distance = distance_to_curve(x, y, wander(rng, start, stop))
        covered = (0.5 + (rng.uniform(0.01, 0.03) - distance) * size.height / 2).clamp(0, 1)
        ink = sample_colour(rng)
        picture = _mixed(covered, picture, 0.5 * ink if light else 0.5 + 0.5 * ink)
    return picture


def wander(rng: np.random.Generator, start: np.ndarray, stop: np.ndarray, points: int = 16) -> Tensor:
    """Draw a smooth curve from `start` to `stop`, (2,) each: the corners (points, 2) of a polyline."""
    share = np.linspace(0, 1, points)[:, None]
    waves = sum(rng.normal(0, 0.35 / k, 2) * np.sin(np.pi * k * share) for k in (1, 2, 3))
    return torch.from_numpy(start + share * (stop - start) + waves).float()


def distance_to_curve(x: Tensor, y: Tensor, points: Tensor) -> Tensor:
    """Return the distance (H, W) of the pixels from a polyline. x: (1, W), y: (H, 1), points: (n, 2)."""
    nearest = torch.full((y.shape[0], x.shape[1]), torch.inf)
    for (x0, y0), (x1, y1) in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        dx, dy = x1 - x0, y1 - y0
        along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
        nearest = torch.minimum(nearest, (x - x0 - along * dx).square() + (y - y0 - along * dy).square())
    return nearest.sqrt()


def toy_frame(rng: np.random.Generator, size: Size) -> Tensor:
    """A frame of a scene of the toy world that may be trained on."""
    scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), TOY_FRAMES)
    frame = int(rng.integers(TOY_FRAMES))
    return render(scene, size, frames=slice(frame, frame + 1))[0]


KINDS: tuple[Picture, ...] = (gradient, clouds, marble, patches, pattern, leaves, doodle, toy_frame)


def sample_picture(rng: np.random.Generator, size: Size, brought: Picture | None, share: float = 0.5) -> Tensor:
    """Draw a picture of a random kind, (3, H, W) in [0, 1].

    Args:
        brought: draws pictures from elsewhere, such as frames of a film; None for none.
        share: how often a picture is a brought one.
    """
    if brought is not None and rng.random() < share:
        return brought(rng, size)
    return KINDS[rng.integers(len(KINDS))](rng, size)
