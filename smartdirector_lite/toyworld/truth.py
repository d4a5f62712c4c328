"""What is where in the pixels of a rendered scene: the truth that benches measure against.

Pixel coordinates are continuous. Column c of a frame covers [c, c + 1), and row 0 is the top one. Boxes are made of
whole pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..media.size import Size
from .figures import (
    BALL_OUTLINE,
    BALLOON,
    FOOT,
    FOOT_OUTLINE,
    HAND,
    HAND_OUTLINE,
    HORN_OUTLINE,
    OUTLINE,
    STRING,
    Figure,
    eye_centres,
    place_figure,
    sign_box,
)
from .scene import BODIES, COLOURS, HEADGEAR, Character, Prop, Scene
from .tracks import BALL_RADIUS, CharacterTrack, PropTrack, ShotTracks, track_shot

Extent = tuple[Tensor, Tensor, Tensor, Tensor]  # left, right, bottom, top; each (T,), world units


class Box(NamedTuple):
    """Rows [top, bottom) and columns [left, right) of a frame, in pixels."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index into the last two axes of frames (..., H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def clip(self, size: Size) -> "Box | None":
        """Return the part inside a frame of this size, or None."""
        width, height = size
        box = Box(max(0, self.top), max(0, self.left), min(height, self.bottom), min(width, self.right))
        return box if box.top < box.bottom and box.left < box.right else None

    def overlaps(self, other: "Box") -> bool:
        """Tell whether the boxes have a pixel in common."""
        down = self.top < other.bottom and other.top < self.bottom
        return down and self.left < other.right and other.left < self.right


@dataclass(frozen=True)
class CharacterTruth:
    """A character in one frame.

    Attributes:
        index: its index in `scene.characters`.
        name: its name.
        colour: rgb in [0, 1] of its body, which the lighting changes by up to a quarter.
        box: the whole figure without its shadow, clipped to the frame; None outside the frame.
        body: the body with its outline, likewise.
        eyes: the middles (column, row) of the left and the right eye, in or outside the frame.
        eye_radius: in pixels.
        direction: sign of its horizontal speed over the ground, -1 to the left.
        screen_speed: columns a frame that its body moves on the screen; 0 for a character that the camera follows.
    """

    index: int
    name: str
    colour: tuple[float, float, float]
    box: Box | None
    body: Box | None
    eyes: tuple[tuple[float, float], tuple[float, float]]
    eye_radius: float
    direction: int
    screen_speed: float


@dataclass(frozen=True)
class LetterTruth:
    """A letter of the sign in one frame.

    Attributes:
        letter: the letter.
        box: the letter with its margin, clipped to the frame; None outside the frame.
        whole: whether the frame leaves the box whole.
        clear: whether, besides, no box of a character or a prop touches it.
    """

    letter: str
    box: Box | None
    whole: bool
    clear: bool


@dataclass(frozen=True)
class FrameTruth:
    """What one frame shows.

    Attributes:
        frame: its number in the scene.
        shot: the index of its shot.
        is_cut: whether the frame before it belongs to another shot.
        camera: one of `CAMERAS`.
        characters: those of the shot, in the frame or not.
        prop: box of the shot's ball or balloon; None where the frame shows none.
        letters: of the sign, from the left.
    """

    frame: int
    shot: int
    is_cut: bool
    camera: str
    characters: tuple[CharacterTruth, ...]
    prop: Box | None
    letters: tuple[LetterTruth, ...]


def scene_truth(scene: Scene, size: Size) -> list[FrameTruth]:
    """Compute the truth of every frame of a scene that is rendered at this size."""
    return [truth for shot in range(len(scene.shots)) for truth in _shot_truth(scene, shot, size)]


@dataclass(frozen=True)
class Screen:
    """How T frames of one shot show the world at a size."""

    tracks: ShotTracks
    size: Size

    @property
    def pixels_per_unit(self) -> Tensor:
        """Pixels that a world unit takes, (T,)."""
        return self.size.height / self.tracks.view

    def to_pixels(self, x: Tensor | float, y: Tensor | float) -> tuple[Tensor, Tensor]:
        """Convert world coordinates, numbers or (T,), to columns and rows, (T,) each."""
        across, up = x - self.tracks.camera_x, y - self.tracks.camera_y
        width, height = self.size
        return width / 2 + self.pixels_per_unit * across, height / 2 - self.pixels_per_unit * up

    def boxes(self, extent: Extent) -> list[Box]:
        """Return the pixels that an extent touches in each frame, in or outside the frame."""
        left, right, bottom, top = extent
        first, high = self.to_pixels(left, top)
        last, low = self.to_pixels(right, bottom)
        edges = torch.stack([high.floor(), first.floor(), low.ceil(), last.ceil()], dim=1).int()
        return [Box(*edge) for edge in edges.tolist()]

    def clipped(self, extent: Extent) -> list[Box | None]:
        """Return the pixels that an extent touches within each frame."""
        return [box.clip(self.size) for box in self.boxes(extent)]


def _shot_truth(scene: Scene, index: int, size: Size) -> list[FrameTruth]:
    shot, tracks = scene.shots[index], track_shot(scene, scene.shots[index])
    screen = Screen(tracks, size)
    characters = [
        _character_truth(scene.characters[k], k, track, screen) for k, track in sorted(tracks.characters.items())
    ]
    props = [None] * len(tracks.frames)
    if shot.prop is not None and tracks.prop is not None:
        props = screen.clipped(_prop_extent(shot.prop, tracks.prop))
    letters = _letter_boxes(scene, screen)
    truths = []
    for i, frame in enumerate(tracks.frames.tolist()):
        cast = tuple(character[i] for character in characters)
        covers = [box for box in (*(character.box for character in cast), props[i]) if box is not None]
        signs = []
        for letter, boxes in letters:
            box = boxes[i].clip(size)
            whole = box == boxes[i]
            clear = whole and not any(box.overlaps(cover) for cover in covers)
            signs.append(LetterTruth(letter, box, whole, clear))
        is_cut = i == 0 and index > 0
        truths.append(FrameTruth(frame, index, is_cut, shot.camera, cast, props[i], tuple(signs)))
    return truths


def _character_truth(character: Character, index: int, track: CharacterTrack, screen: Screen) -> list[CharacterTruth]:
    """The truth of one character in each frame."""
    figure = place_figure(character, track)
    body = _body_extent(figure, character, track)
    boxes, bodies = screen.clipped(_union([body, *_limb_extents(figure, character)])), screen.clipped(body)
    columns, _ = screen.to_pixels(figure.x, figure.y)
    speeds = columns.diff().tolist()
    speeds.append(speeds[-1] if speeds else 0.0)
    direction = int((track.x[-1] - track.x[0]).sign())
    left, right, radius = eye_centres(track, character)
    eyes = [torch.stack(screen.to_pixels(*eye), dim=1).tolist() for eye in (left, right)]
    radii = (radius * screen.pixels_per_unit).tolist()
    return [
        CharacterTruth(
            index=index,
            name=character.name,
            colour=COLOURS[character.colour],
            box=boxes[i],
            body=bodies[i],
            eyes=(tuple(eyes[0][i]), tuple(eyes[1][i])),
            eye_radius=radii[i],
            direction=direction,
            screen_speed=speeds[i],
        )
        for i in range(len(columns))
    ]


def _body_extent(figure: Figure, character: Character, track: CharacterTrack) -> Extent:
    """The extent of the body with its outline.

    A tapered body bulges below its middle. How far it does is found by sampling its sides.
    """
    _, _, radius, taper = BODIES[character.body]
    a, b = figure.a[:, None], figure.b[:, None]
    corner = radius * figure.size * (1 - track.squash.abs())[:, None]
    level = torch.linspace(-1, 1, 101)  # from the bottom to the top
    in_corner = (level.abs() * b - b + corner).clamp(min=0)
    side = a - corner + (corner.square() - in_corner.square()).clamp(min=0).sqrt()
    half_width = (side / (1 + taper * level)).amax(dim=1) + OUTLINE * figure.size
    half_height = figure.b + OUTLINE * figure.size
    return figure.x - half_width, figure.x + half_width, figure.y - half_height, figure.y + half_height


def _limb_extents(figure: Figure, character: Character) -> list[Extent]:
    """The extents of the feet, the hands and the tips of the headgear."""
    _, _, _, thickness, ball = HEADGEAR[character.headgear]
    tip = max(thickness + HORN_OUTLINE, ball + BALL_OUTLINE if ball else 0.0)
    hand = HAND + HAND_OUTLINE
    foot = [value + FOOT_OUTLINE for value in FOOT]
    parts = [(point, *foot) for point in figure.feet]
    parts += [(point, hand, hand) for point in figure.hands] + [(point, tip, tip) for _, point in figure.horns]
    size = figure.size
    return [(x - a * size, x + a * size, y - b * size, y + b * size) for (x, y), a, b in parts]


def _prop_extent(prop: Prop, track: PropTrack) -> Extent:
    if prop.kind == "ball":
        return track.x - BALL_RADIUS, track.x + BALL_RADIUS, track.y, track.y + 2 * BALL_RADIUS
    a, b = BALLOON
    return track.x - a, track.x + a, track.y - STRING, track.y + b


def _union(extents: list[Extent]) -> Extent:
    left, right, bottom, top = (torch.stack(values) for values in zip(*extents))
    return left.amin(dim=0), right.amax(dim=0), bottom.amin(dim=0), top.amax(dim=0)


def _letter_boxes(scene: Scene, screen: Screen) -> list[tuple[str, list[Box]]]:
    """Each letter of the sign with its box in each frame, in or outside the frame."""
    if not scene.sign:
        return []
    x, y, a, b = sign_box(scene)
    pitch, still = 2 * a / len(scene.sign), torch.zeros_like(screen.tracks.view)
    sides = [(x - a + k * pitch, x - a + (k + 1) * pitch, y - b, y + b) for k in range(len(scene.sign))]
    return [(letter, screen.boxes(tuple(still + value for value in side))) for letter, side in zip(scene.sign, sides)]
