"""What stands in front of the backdrop: the sign, the characters and the props.

`place_figure` says where every part of a character is. The painter and `truth.py` both use it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Canvas, Region, circle, ellipse, per_frame, rounded_box, segment
from .glyphs import CELL_HEIGHT, CELL_WIDTH, text_texture
from .scene import BODIES, COLOURS, HEADGEAR, Character, Prop, Scene
from .tracks import BALL_RADIUS, CharacterTrack, PropTrack

SIGN_WORLD_HEIGHT = 0.62
INK = (0.10, 0.09, 0.14)
WHITE = (1.0, 1.0, 1.0)
OUTLINE = 0.03  # of the body; this and the next lines are multiples of a character's size
FOOT, FOOT_OUTLINE = (0.14, 0.07), 0.03  # half axes
HAND, HAND_OUTLINE = 0.085, 0.03
HORN_OUTLINE, BALL_OUTLINE = 0.028, 0.025
EYE, EYE_OUTLINE = 0.135, 0.025
BALLOON, STRING = (0.25, 0.30), 0.7  # half axes; from the middle to the end of the string; in world units

Point = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Figure:
    """The parts of a character over T frames. Every tensor is (T,), in world units.

    Attributes:
        size: the character's size.
        x, y: the middle of the body.
        a, b: half width and half height of the body, squash included.
        feet, hands, eyes: the middles of the left and the right one, as seen in the picture.
        horns: foot and tip of each ear, antenna or horn.
    """

    size: float
    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor
    feet: tuple[Point, Point]
    hands: tuple[Point, Point]
    horns: tuple[tuple[Point, Point], ...]
    eyes: tuple[Point, Point]


def place_figure(character: Character, track: CharacterTrack) -> Figure:
    """Compute where the parts of a character are."""
    half_width, half_height, _, _ = BODIES[character.body]
    foot, tip, length, _, _ = HEADGEAR[character.headgear]
    size, squash, turned = character.size, track.squash, track.facing.abs()
    a, b = half_width * size * (1 + 0.7 * squash), half_height * size * (1 - squash)
    x, y = track.x, track.y + 0.12 * size + b
    feet, hands, horns = [], [], []
    for side, phase in ((-1, 0.0), (1, math.pi)):
        swing = 0.16 * size * (track.step + phase).sin() * turned
        lift = 0.07 * size * (track.step + phase).cos().clamp(min=0) * (track.facing != 0)
        feet.append((x + side * 0.42 * a * (1 - 0.4 * turned) + swing, y - b - 0.04 * size + lift))
        raised = 0.85 * b * track.wave + 0.1 * track.wave if side > 0 else 0.0
        hands.append((x + side * (a + 0.05 * size) - 0.5 * swing, y - 0.25 * b + raised))
        if side > 0 or foot:  # a single one stands in the middle
            bottom = (x + side * foot * 0.7 * a, y + 0.80 * b)
            horns.append((bottom, (x + side * tip * 0.7 * a, y + b + length * size)))
    middle, height = x + 0.30 * a * track.facing, y + 0.32 * b
    eyes = tuple((middle + side * 0.165 * size, height) for side in (-1, 1))
    return Figure(size, x, y, a, b, tuple(feet), tuple(hands), tuple(horns), eyes)


def eye_centres(track: CharacterTrack, character: Character) -> tuple[Point, Point, float]:
    """Return the middles (x, y), (T,) each, of both eyes, and an eye's radius with its outline; in world units."""
    left, right = place_figure(character, track).eyes
    return left, right, (EYE + EYE_OUTLINE) * character.size


def paint_character(canvas: Canvas, character: Character, track: CharacterTrack) -> None:
    """Paint shadow, limbs, headgear, body and face, from the back to the front."""
    half_width, half_height, radius, taper = BODIES[character.body]
    figure = place_figure(character, track)
    x, y, a, b, size = figure.x, figure.y, figure.a, figure.b, figure.size
    shadow = canvas.region(x, 0.0, 1.2 * half_width * size, 0.1)
    if shadow is not None:
        shade = ellipse(shadow, x, 0.0, half_width * size * 0.95, 0.07)
        canvas.paint(shadow, shade, (0.05, 0.06, 0.12), 0.32 - 0.25 * track.y)
    w = canvas.region(x, y + 0.12 * size, (half_width + 0.25) * size, (half_height + 0.45) * size)
    if w is None:
        return
    colour = COLOURS[character.colour]
    _paint_limbs(canvas, w, figure, character.headgear, tuple(0.62 * c for c in colour))
    body = rounded_box(w, x, y, a, b, radius * size * (1 - track.squash.abs()), taper)
    canvas.paint(w, body - OUTLINE * size, INK)
    light = (0.90 + 0.16 * ((w.y - per_frame(y)) / per_frame(b)).clamp(-1, 1)).expand(-1, -1, w.x.shape[2])
    canvas.paint(w, body, torch.tensor(colour, device=w.x.device).view(1, 3, 1, 1) * light[:, None])
    wave_length = 0.09 * size
    stripes = 0.5 + 0.5 * (2 * math.pi / wave_length * (w.x - per_frame(x))).sin()
    fade = (1.6 - 4 * w.pixel / wave_length).clamp(0, 0.5)  # a small frame is too coarse for stripes
    belly = (0.5 - ellipse(w, x, y - 0.55 * b, 0.62 * a, 0.36 * b) / w.pixel).clamp(0, 1)
    canvas.blend(w, belly * (0.45 - fade * stripes), tuple(0.5 + 0.5 * c for c in colour))
    _paint_face(canvas, w, figure, track.facing)


def _paint_limbs(canvas: Canvas, w: Region, figure: Figure, headgear: str, colour: tuple) -> None:
    """Paint feet, hands and headgear, which are behind the body."""
    size = figure.size
    _, _, _, thickness, ball = HEADGEAR[headgear]
    for x, y in figure.feet:
        canvas.paint(w, ellipse(w, x, y, (FOOT[0] + FOOT_OUTLINE) * size, (FOOT[1] + FOOT_OUTLINE) * size), INK)
        canvas.paint(w, ellipse(w, x, y, FOOT[0] * size, FOOT[1] * size), colour)
    for x, y in figure.hands:
        canvas.paint(w, circle(w, x, y, (HAND + HAND_OUTLINE) * size), INK)
        canvas.paint(w, circle(w, x, y, HAND * size), colour)
    for (x0, y0), (x1, y1) in figure.horns:
        canvas.paint(w, segment(w, x0, y0, x1, y1, (thickness + HORN_OUTLINE) * size), INK)
        canvas.paint(w, segment(w, x0, y0, x1, y1, thickness * size), colour)
        if ball:
            canvas.paint(w, circle(w, x1, y1, (ball + BALL_OUTLINE) * size), INK)
            canvas.paint(w, circle(w, x1, y1, ball * size), (1.0, 0.92, 0.55))


def _paint_face(canvas: Canvas, w: Region, figure: Figure, facing: Tensor) -> None:
    """Paint eyes that look where the character goes, cheeks and a mouth."""
    size = figure.size
    middle, height = (figure.eyes[0][0] + figure.eyes[1][0]) / 2, figure.eyes[0][1]
    for side, (x, y) in zip((-1, 1), figure.eyes):
        canvas.paint(w, circle(w, x, y, (EYE + EYE_OUTLINE) * size), INK)
        canvas.paint(w, circle(w, x, y, EYE * size), WHITE)
        pupil = x + 0.055 * size * facing
        canvas.paint(w, circle(w, pupil, y, 0.072 * size), INK)
        canvas.paint(w, circle(w, pupil + 0.022 * size, y + 0.028 * size, 0.022 * size), WHITE)
        cheek = circle(w, middle + side * 0.30 * size, y - 0.2 * size, 0.055 * size)
        canvas.paint(w, cheek, (1.0, 0.55, 0.55), 0.5)
    dx = w.x - per_frame(middle)
    curve = per_frame(height) - 0.22 * size + 2.2 * dx.square() / size
    canvas.paint(w, torch.maximum((w.y - curve).abs() - 0.024 * size, dx.abs() - 0.11 * size), INK)


def paint_prop(canvas: Canvas, prop: Prop, track: PropTrack) -> None:
    """Paint a ball with a stripe that turns as it rolls, or a balloon on a string."""
    colour, x = COLOURS[prop.colour], track.x
    if prop.kind == "ball":
        y = track.y + BALL_RADIUS
        w = canvas.region(x, y, 0.25, 0.25)
        if w is not None:
            dx, dy = 0.09 * track.turn.cos(), 0.09 * track.turn.sin()
            canvas.paint(w, circle(w, x, y, BALL_RADIUS), INK)
            canvas.paint(w, circle(w, x, y, BALL_RADIUS - 0.025), colour)
            canvas.paint(w, segment(w, x - dx, y - dy, x + dx, y + dy, 0.05), WHITE)
        return
    w = canvas.region(x, track.y - 0.2, 0.3, 0.55)
    if w is not None:
        canvas.paint(w, segment(w, x, track.y - STRING, x, track.y - 0.25, 0.014), INK)
        canvas.paint(w, ellipse(w, x, track.y, *BALLOON), INK)
        canvas.paint(w, ellipse(w, x, track.y, BALLOON[0] - 0.025, BALLOON[1] - 0.025), colour)
        canvas.paint(w, circle(w, x - 0.08, track.y + 0.1, 0.055), WHITE, 0.8)


def sign_box(scene: Scene) -> tuple[float, float, float, float]:
    """Return middle x and y, half width and half height of the sign's lettering, in world units.

    All letters are equally wide.
    """
    half_width = SIGN_WORLD_HEIGHT / 2 * CELL_WIDTH * len(scene.sign) / CELL_HEIGHT
    return scene.sign_x, 0.98, half_width, SIGN_WORLD_HEIGHT / 2


def paint_sign(canvas: Canvas, scene: Scene) -> None:
    """Paint the sign: its post, its board and its letters."""
    x, y, a, b = sign_box(scene)
    w = canvas.region(x, y - 0.45, a + 0.1, b + 0.55)
    if w is None:
        return
    canvas.paint(w, rounded_box(w, x, 0.45, 0.045, 0.42, 0.02), (0.42, 0.30, 0.22))
    canvas.paint(w, rounded_box(w, x, y, a + 0.07, b + 0.04, 0.07), INK)
    canvas.paint(w, rounded_box(w, x, y, a + 0.035, b + 0.005, 0.05), (0.98, 0.93, 0.78))
    texture = text_texture(scene.sign).to(w.x.device)
    u, v = torch.broadcast_tensors((w.x - x) / a, (y - w.y) / b)
    grid = torch.stack((u, v), dim=-1).clamp(-2, 2)
    look_up = F.grid_sample(texture.expand(len(u), 1, -1, -1), grid, padding_mode="border", align_corners=False)[:, 0]
    inside = (u.abs() <= 1) & (v.abs() <= 1)
    canvas.paint(w, torch.where(inside, look_up * SIGN_WORLD_HEIGHT / CELL_HEIGHT, 1.0), INK)
