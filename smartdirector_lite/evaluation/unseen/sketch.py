"""A pen, a few colours and paper: how drawings are drawn.

Places are pairs (x, y) in the sketch's own units: the picture is 1 high, its centre is (0, 0), and y points down. So a
drawing is the same at any size. Inside, places are complex numbers, which a turn or a change of size multiplies.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ...media.size import Size

Place = tuple[float, float]
Colour = str | tuple[int, int, int]

COLOURS = {
    "red": (222, 72, 60),
    "orange": (240, 148, 62),
    "yellow": (247, 208, 86),
    "green": (118, 178, 92),
    "turquoise": (92, 188, 182),
    "blue": (88, 138, 206),
    "purple": (150, 112, 188),
    "pink": (240, 152, 172),
    "brown": (164, 118, 82),
    "white": (252, 250, 244),
    "grey": (176, 176, 174),
    "black": (58, 54, 58),
}
CHOSEN = tuple(COLOURS)[:8]  # what the seed gives to things that may have any colour
PAPERS = ((254, 254, 252), (253, 251, 244), (250, 243, 226), (240, 246, 250), (222, 200, 168))
INKS = ((34, 32, 40), (62, 42, 34), (30, 42, 92), (40, 40, 40))
HATCHINGS = (None, "lines", "cross")
STEPS = 6  # points of a curve between two given ones


def curve(points: Sequence[Place], closed: bool, smooth: bool) -> NDArray[np.complex128]:
    """Connect points, by a Catmull-Rom spline if `smooth` and else by straight lines: STEPS points for each."""
    own = np.array([complex(*point) for point in points])
    if closed:
        before, after = np.roll(own, 1), np.roll(own, -1)
        first, second, third, fourth = before, own, after, np.roll(own, -2)
    else:
        longer = np.array([2 * own[0] - own[1], *own, 2 * own[-1] - own[-2]])
        first, second, third, fourth = longer[:-3], longer[1:-2], longer[2:-1], longer[3:]
    u = np.arange(STEPS)[:, None] / STEPS
    if smooth:
        line = second + 0.5 * u * (third - first + u * (2 * first - 5 * second + 4 * third - fourth))
        line = line + 0.5 * u**3 * (3 * (second - third) + fourth - first)
    else:
        line = second + (third - second) * u
    line = line.T.reshape(-1)
    return line if closed else np.append(line, own[-1])


class Sketch:
    """Draws the frames of one drawing. Each frame makes the same strokes in the same order.

    A stroke trembles alike in every frame, as a figure does that is cut out of paper and moved.

    Args:
        size: of the frames.
        seed: decides pen, paper and colours.

    Attributes:
        colours: names of colours in the order in which things take them.
        luck: numbers in [0, 1) that things take.
        half: half the width of the picture.
    """

    def __init__(self, size: Size, seed: int) -> None:
        rng = np.random.default_rng([seed, 77])
        self.size, self.half = size, size.width / size.height / 2
        self._over = 4 if size.height < 200 else 2  # frames are drawn so much larger, and shrunk
        self._unit = size.height * self._over
        self.colours = [str(name) for name in rng.permutation(CHOSEN)]
        self.luck = rng.random(48)
        self._ink = INKS[rng.integers(len(INKS))]
        self._width = rng.uniform(0.010, 0.018)
        self._tremble = rng.uniform(0.002, 0.006)
        self._shift = 0.008 * np.exp(2j * np.pi * rng.random()) * (rng.random() < 0.4)  # colours beside their outlines
        self.hatching = HATCHINGS[rng.integers(len(HATCHINGS))]
        self._paper = self._make_paper(rng)
        self._waves = rng.normal(size=(400, 6)) + 1j * rng.normal(size=(400, 6))
        self._maps: list[Callable] = []
        self._strokes = 0

    def frame(self, draw: Callable[["Sketch", float], None], time: float) -> Tensor:
        """Draw one frame: (3, H, W) in [0, 1].

        Args:
            draw: makes the strokes of a time.
            time: in seconds.
        """
        self._picture = self._paper.copy()
        self._pen = ImageDraw.Draw(self._picture)
        self._strokes = 0
        draw(self, time)
        return torch.from_numpy(np.array(self._picture.reduce(self._over))).permute(2, 0, 1).float() / 255

    @contextlib.contextmanager
    def placed(self, x: float, y: float, scale: float = 1, turn: float = 0, mirror: bool = False) -> Iterator[None]:
        """Move what is drawn inside: mirrored left to right, then turned clockwise (radians), scaled, and moved."""
        factor, offset = scale * np.exp(1j * turn), complex(x, y)
        self._maps.append(lambda z: factor * (-np.conj(z) if mirror else z) + offset)
        yield
        self._maps.pop()

    def shape(
        self,
        points: Sequence[Place],
        fill: Colour | None = None,
        *,
        closed: bool = True,
        smooth: bool = True,
        width: float = 1,
        hatch: bool = False,
        ink: Colour | None = None,
    ) -> None:
        """Draw an outline with the pen, and what is inside it.

        Args:
            points: that the outline passes.
            fill: the colour inside; None leaves what is there.
            closed: whether the last point is connected to the first one.
            smooth: whether the outline is curved.
            width: of the line, in pens; 0 for none.
            hatch: whether strokes of the pen darken the inside, where this drawing has any.
            ink: the colour of the line; None for the pen's own.
        """
        line = curve(points, closed, smooth)
        for change in reversed(self._maps):
            line = change(line)
        line = line + self._tremor(len(line))
        if fill is not None:
            self._pen.polygon(self._pixels(line + self._shift), fill=COLOURS.get(fill, fill))
        if hatch and self.hatching:
            self._hatch(line)
        if width:
            line = np.append(line, line[:2]) if closed else line
            thick = max(1, round(width * self._width * self._unit))
            colour = self._ink if ink is None else COLOURS.get(ink, ink)
            self._pen.line(self._pixels(line), fill=colour, width=thick, joint="curve")

    def fill(self, colour: Colour) -> None:
        """Cover the paper with a colour."""
        self._pen.rectangle((0, 0, *self._picture.size), fill=COLOURS.get(colour, colour))

    def line(self, points: Sequence[Place], width: float = 1, ink: Colour | None = None, smooth: bool = True) -> None:
        """Draw an open line."""
        self.shape(points, closed=False, width=width, ink=ink, smooth=smooth)

    def circle(self, x: float, y: float, radius: float, fill: Colour | None = None, squeeze: float = 1, **of) -> None:
        """Draw a circle, or an ellipse that is `squeeze` times as high as wide. of: what `shape` takes."""
        angles = np.arange(10) * 2 * np.pi / 10
        points = [(x + radius * np.cos(a), y + radius * squeeze * np.sin(a)) for a in angles]
        self.shape(points, fill, **of)

    def _pixels(self, line: NDArray[np.complex128]) -> list[Place]:
        spots = (line + complex(self.half, 0.5)) * self._unit
        return list(zip(spots.real.tolist(), spots.imag.tolist(), strict=True))

    def _tremor(self, count: int) -> NDArray[np.complex128]:
        """How far the points of the next stroke are from where they should be: a few slow waves along it."""
        own = self._waves[self._strokes % len(self._waves)]
        self._strokes += 1
        phase = 2 * np.pi * np.arange(count)[:, None] / count * np.arange(1, len(own) + 1)
        return self._tremble * (np.cos(phase) * own.real + 1j * np.sin(phase) * own.imag).mean(axis=1)

    def _hatch(self, line: NDArray[np.complex128]) -> None:
        """Draw parallel strokes inside a line. They move and turn with it."""
        inside, strokes = (Image.new("L", self._picture.size) for _ in range(2))
        ImageDraw.Draw(inside).polygon(self._pixels(line), fill=150)
        centre, reach = line.mean(), np.abs(line - line.mean()).max()
        along = line[len(line) // 2] - line[0]
        pen = ImageDraw.Draw(strokes)
        for angle in (0.7, -0.8)[: 1 + (self.hatching == "cross")]:
            direction = along / (abs(along) + 1e-9) * np.exp(1j * angle)
            for offset in np.arange(-reach, reach, 0.042):
                middle = centre + offset * 1j * direction
                ends = np.array([middle - reach * direction, middle + reach * direction])
                pen.line(self._pixels(ends), fill=255, width=max(1, round(0.5 * self._width * self._unit)))
        empty = Image.new("L", strokes.size)
        self._picture.paste(self._ink, mask=Image.composite(inside, empty, strokes))

    def _make_paper(self, rng: np.random.Generator) -> Image.Image:
        """Paper with fibres, and on some sheets the lines or squares of a school book."""
        size = (self.size.width * self._over, self.size.height * self._over)
        tone = PAPERS[rng.integers(len(PAPERS))]
        grain = Image.fromarray(rng.integers(0, 256, (48, 84), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        paper = Image.new("RGB", size, tone)
        paper.paste(tuple(int(level * 0.97) for level in tone), mask=grain)
        kind, pen = rng.integers(4), ImageDraw.Draw(paper)
        pale = tuple((level + other) // 2 for level, other in zip(tone, (150, 180, 230), strict=True))
        thick = max(1, round(0.006 * self._unit))
        if kind <= 1:
            for y in np.arange(-0.44, 0.5, 0.11):
                pen.line(self._pixels(np.array([-9 + 1j * y, 9 + 1j * y])), fill=pale, width=thick)
        if kind == 1:
            for x in np.arange(-2.2, 2.2, 0.11):
                pen.line(self._pixels(np.array([x - 1j, x + 1j])), fill=pale, width=thick)
        return paper
