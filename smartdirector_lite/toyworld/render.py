"""Draws a scene with signed distance functions, at any size, on CPU or GPU.

Everything is in world units, so that 112 x 64 and 448 x 256 show the same scene: true LR / HR pairs, where the fine
detail (stripes, freckles, flowers, letters) exists only in the larger one.
"""

import math
from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Canvas, Window, circle, ellipse, pad, rounded_box, segment
from .glyphs import CELL_HEIGHT, CELL_WIDTH, text_texture
from .scene import BODIES, COLOURS, HEADGEAR, Character, Scene
from .tracks import CharacterTrack, PropTrack, ShotTracks, track_shot

FRAMES_AT_ONCE = 8  # on CPU, small groups stay in the cache and make tight windows
SIGN_WORLD_HEIGHT = 0.62
INK = (0.10, 0.09, 0.14)


def render(
    scene: Scene, height: int, width: int, crop: tuple[int, int, int, int] | None = None, frames: slice = slice(None),
    device: torch.device | str = "cpu",
) -> Tensor:  # fmt: skip
    """Render frames of a scene.

    height, width: the frame's size in pixels. crop: (top, left, rows, columns) to draw only that part of the frame.
    frames: which frames. Returns (T, 3, H, W) in [0, 1], float32, on `device`.
    """
    wanted = set(range(*frames.indices(scene.num_frames)))
    size = FRAMES_AT_ONCE if torch.device(device).type == "cpu" else scene.num_frames
    images = []
    for shot in scene.shots:
        keep = [f - shot.start for f in range(shot.start, shot.stop) if f in wanted]
        if not keep:
            continue
        tracks = track_shot(scene, shot, device)
        for group in torch.tensor(keep, device=device).split(size):
            images.append(_render_group(scene, select_frames(tracks, group), height, width, crop))
    if not images:
        raise ValueError(f"frames {frames} selects none of the scene's {scene.num_frames} frames")
    return torch.cat(images)


def select_frames(tracks, index: Tensor):
    """The same tracks for some of their frames only; nested tracks included."""
    values = {f.name: getattr(tracks, f.name) for f in fields(tracks)}
    for name, value in values.items():
        if isinstance(value, Tensor):
            values[name] = value[index]
        elif isinstance(value, dict):
            values[name] = {key: select_frames(track, index) for key, track in value.items()}
        elif value is not None:
            values[name] = select_frames(value, index)
    return replace(tracks, **values)


def _render_group(scene: Scene, tracks: ShotTracks, height: int, width: int, crop) -> Tensor:
    canvas = Canvas(tracks, height, width, crop)
    _paint_backdrop(canvas, scene)
    if scene.sign:
        _paint_sign(canvas, scene)
    for index, track in sorted(tracks.characters.items()):
        _paint_character(canvas, scene.characters[index], track)
    if tracks.prop is not None:
        prop = next(shot.prop for shot in scene.shots if shot.start <= int(tracks.frames[0]) < shot.stop)
        _paint_prop(canvas, prop.kind, COLOURS[prop.colour], tracks.prop)
    return canvas.image.clamp_(0, 1)


def _paint_backdrop(canvas: Canvas, scene: Scene) -> None:
    """Sky, sun or moon, clouds, two ranges of hills, ground, trees; far layers follow the camera (parallax)."""
    everywhere, setting, tracks = canvas.everywhere, scene.setting, canvas.tracks
    tensor = lambda colour: torch.tensor(colour, device=canvas.image.device).view(1, 3, 1, 1)  # noqa: E731
    rise = ((everywhere.y - 0.3) / 2.2).clamp(0, 1)[:, None]
    canvas.image += tensor(setting.sky_low) + rise * (tensor(setting.sky_top) - tensor(setting.sky_low))
    camera_x = tracks.camera_x
    light_x, light_y = camera_x + scene.light_x * 1.6, 1.55
    if (glow := canvas.window(light_x, light_y, 0.7, 0.7)) is not None:
        halo = (1 - circle(glow, light_x, light_y, 0.0) / 0.7).clamp(0, 1).square() * 0.35
        canvas.blend(glow, halo, setting.light)
        canvas.paint(glow, circle(glow, light_x, light_y, 0.24), setting.light)
    for x, y, size in scene.clouds:
        drift = 0.85 * camera_x + x + 0.004 * tracks.frames
        if not setting.stars and (w := canvas.window(drift, y, 2.4 * size, size)) is not None:
            puffs = torch.minimum(ellipse(w, drift, y, 1.9 * size, 0.42 * size), circle(w, drift - 0.2 * size, y + 0.25 * size, 0.6 * size))
            canvas.paint(w, puffs, (1.0, 1.0, 1.0), 0.75)
    if setting.stars:
        for k in range(9):
            x, y = 0.9 * camera_x + 3.9 * math.sin(7.1 * k + scene.hills[0]), 1.3 + 0.8 * math.sin(3.7 * k) ** 2
            if (w := canvas.window(x, y, 0.05, 0.05)) is not None:
                canvas.paint(w, circle(w, x, y, 0.022), (1.0, 1.0, 0.9), 0.9)
    p0, p1, p2, p3 = scene.hills
    for depth, base, colour, (a, b) in ((0.7, 0.78, setting.hill_far, (p0, p1)), (0.4, 0.52, setting.hill_near, (p2, p3))):
        x = everywhere.x - depth * pad(camera_x)
        ridge = base + 0.20 * (1.3 * x + a).sin() + 0.10 * (2.9 * x + b).sin()
        canvas.paint(everywhere, (everywhere.y - ridge) * 0.9, colour)
    canvas.paint(everywhere, everywhere.y - 0.22, setting.ground)
    _paint_ground(canvas, scene)
    for x, size, pine in scene.trees:
        _paint_tree(canvas, setting, x, size, bool(pine))


def _paint_ground(canvas: Canvas, scene: Scene) -> None:
    """Soft patches that move with the world, and small flowers that only a large frame shows."""
    w = canvas.window(canvas.tracks.camera_x, -1.0, 99.0, 1.22)
    if w is None:
        return
    depth = (0.22 - w.y).clamp(0, 1)
    patches = (2.3 * w.x + scene.hills[0]).sin() * (5.0 * w.y + 1.1 * w.x).cos() + 0.5 * (5.2 * w.x + scene.hills[1]).sin()
    canvas.blend(w, 0.16 * patches.clamp(0, 1) * (depth * 6).clamp(0, 1), tuple(0.45 * c for c in scene.setting.ground))
    for k in range(6):
        x, y = -2.6 + 1.05 * k + 0.4 * math.sin(5.0 * k + scene.hills[2]), 0.05 - 0.28 * ((k * 0.618) % 1)
        if (flower := canvas.window(x, y, 0.08, 0.08)) is not None:
            canvas.paint(flower, circle(flower, x, y, 0.045), scene.setting.light, 0.9)
            canvas.paint(flower, circle(flower, x, y, 0.018), (0.85, 0.35, 0.25))


def _paint_tree(canvas: Canvas, setting, x: float, size: float, pine: bool) -> None:
    w = canvas.window(x, 0.2 + 0.6 * size, 0.45 * size, 0.75 * size)
    if w is None:
        return
    canvas.paint(w, rounded_box(w, x, 0.12 + 0.2 * size, 0.05 * size, 0.25 * size, 0.02), (0.38, 0.27, 0.20))
    shade = tuple(0.8 * c for c in setting.foliage)
    if pine:
        for k, (y, half) in enumerate(((0.55, 0.30), (0.80, 0.22))):
            leaf = rounded_box(w, x, 0.12 + y * size, half * size, 0.26 * size, 0.02, taper=0.0) + 0.55 * (
                (w.y - 0.12 - (y - 0.26) * size) * half / 0.3
            ).clamp(min=0)
            canvas.paint(w, leaf, setting.foliage if k else shade)
    else:
        canvas.paint(w, circle(w, x, 0.12 + 0.72 * size, 0.33 * size), shade)
        canvas.paint(w, circle(w, x - 0.05 * size, 0.12 + 0.78 * size, 0.25 * size), setting.foliage)


def sign_box(scene: Scene) -> tuple[float, float, float, float]:
    """Centre x, centre y, half width and half height of the sign's board, world units."""
    half_width = SIGN_WORLD_HEIGHT / 2 * CELL_WIDTH * len(scene.sign) / CELL_HEIGHT
    return scene.sign_x, 0.98, half_width, SIGN_WORLD_HEIGHT / 2


def _paint_sign(canvas: Canvas, scene: Scene) -> None:
    x, y, a, b = sign_box(scene)
    w = canvas.window(x, y - 0.45, a + 0.1, b + 0.55)
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


def _paint_prop(canvas: Canvas, kind: str, colour: tuple, track: PropTrack) -> None:
    if kind == "ball":
        w = canvas.window(track.x, track.y + 0.2, 0.25, 0.25)
        if w is not None:
            canvas.paint(w, circle(w, track.x, track.y + 0.2, 0.2), INK)
            canvas.paint(w, circle(w, track.x, track.y + 0.2, 0.175), colour)
            dx, dy = 0.09 * track.turn.cos(), 0.09 * track.turn.sin()
            canvas.paint(w, segment(w, track.x - dx, track.y + 0.2 - dy, track.x + dx, track.y + 0.2 + dy, 0.05), (1.0, 1.0, 1.0))
        return
    w = canvas.window(track.x, track.y - 0.2, 0.3, 0.55)
    if w is not None:
        canvas.paint(w, segment(w, track.x, track.y - 0.7, track.x, track.y - 0.25, 0.014), INK)
        canvas.paint(w, ellipse(w, track.x, track.y, 0.25, 0.30), INK)
        canvas.paint(w, ellipse(w, track.x, track.y, 0.225, 0.275), colour)
        canvas.paint(w, circle(w, track.x - 0.08, track.y + 0.1, 0.055), (1.0, 1.0, 1.0), 0.8)


def _paint_character(canvas: Canvas, character: Character, track: CharacterTrack) -> None:
    half_width, half_height, radius, taper = BODIES[character.body]
    size, squash = character.size, track.squash
    a, b = half_width * size * (1 + 0.7 * squash), half_height * size * (1 - squash)
    x, y = track.x, track.y + 0.12 * size + b
    shadow = canvas.window(x, 0.0, 1.2 * half_width * size, 0.1)
    if shadow is not None:
        canvas.paint(shadow, ellipse(shadow, x, 0.0, half_width * size * 0.95, 0.07), (0.05, 0.06, 0.12), 0.32 - 0.25 * track.y)
    w = canvas.window(x, y + 0.12 * size, (half_width + 0.25) * size, (half_height + 0.45) * size)
    if w is None:
        return
    colour = COLOURS[character.colour]
    dark = tuple(0.62 * c for c in colour)
    _paint_limbs(canvas, w, character, track, (x, y, a, b), dark)
    body = rounded_box(w, x, y, a, b, radius * size * (1 - squash.abs()), taper)
    canvas.paint(w, body - 0.03 * size, INK)
    light = (0.90 + 0.16 * ((w.y - pad(y)) / pad(b)).clamp(-1, 1)).expand(-1, -1, w.x.shape[2])
    shaded = torch.tensor(colour, device=w.x.device).view(1, 3, 1, 1) * light[:, None]
    canvas.paint(w, body, shaded)
    wave_length = 0.09 * size
    stripes = 0.5 + 0.5 * (2 * math.pi / wave_length * (w.x - pad(x))).sin()
    fade = (1.6 - 4 * w.pixel / wave_length).clamp(0, 0.5)  # too fine for a small frame
    belly = (0.5 - ellipse(w, x, y - 0.55 * b, 0.62 * a, 0.36 * b) / w.pixel).clamp(0, 1)
    canvas.blend(w, belly * (0.45 - fade * stripes), tuple(0.5 + 0.5 * c for c in colour))
    _paint_face(canvas, w, track, (x, y, a, b), size)


def _paint_limbs(canvas: Canvas, w: Window, character: Character, track: CharacterTrack, body, dark) -> None:
    """Feet, hands and headgear, behind the body."""
    x, y, a, b = body
    size = character.size
    for side, phase in ((-1, 0.0), (1, math.pi)):
        swing = 0.16 * size * (track.step + phase).sin() * track.facing.abs()
        lift = 0.07 * size * (track.step + phase).cos().clamp(min=0) * (track.facing != 0)
        foot_x, foot_y = x + side * 0.42 * a * (1 - 0.4 * track.facing.abs()) + swing, y - b - 0.04 * size + lift
        canvas.paint(w, ellipse(w, foot_x, foot_y, 0.17 * size, 0.10 * size), INK)
        canvas.paint(w, ellipse(w, foot_x, foot_y, 0.14 * size, 0.07 * size), dark)
        hand_x = x + side * (a + 0.05 * size) - 0.5 * swing
        hand_y = y - 0.25 * b + (0.85 * b * track.wave + 0.1 * track.wave if side > 0 else 0.0)
        canvas.paint(w, circle(w, hand_x, hand_y, 0.115 * size), INK)
        canvas.paint(w, circle(w, hand_x, hand_y, 0.085 * size), dark)
        foot, tip, length, thickness, ball = HEADGEAR[character.headgear]
        if side < 0 and foot == 0:
            continue
        x0, x1 = x + side * foot * 0.7 * a, x + side * tip * 0.7 * a
        y0, y1 = y + 0.80 * b, y + b + length * size
        canvas.paint(w, segment(w, x0, y0, x1, y1, thickness * size + 0.028 * size), INK)
        canvas.paint(w, segment(w, x0, y0, x1, y1, thickness * size), dark)
        if ball:
            canvas.paint(w, circle(w, x1, y1, ball * size + 0.025 * size), INK)
            canvas.paint(w, circle(w, x1, y1, ball * size), (1.0, 0.92, 0.55))


def eye_centres(track: CharacterTrack, character: Character) -> tuple[Tensor, Tensor, float]:
    """Half-way point between the eyes (x, y), each (T,), and the eyes' radius, world units."""
    half_width, half_height, _, _ = BODIES[character.body]
    size = character.size
    b = half_height * size * (1 - track.squash)
    return track.x + 0.30 * half_width * size * track.facing, track.y + 0.12 * size + 1.32 * b, 0.145 * size


def _paint_face(canvas: Canvas, w: Window, track: CharacterTrack, body, size: float) -> None:
    x, y, a, b = body
    middle, height = x + 0.30 * a * track.facing, y + 0.32 * b
    for side in (-1, 1):
        eye_x = middle + side * 0.165 * size
        canvas.paint(w, circle(w, eye_x, height, 0.16 * size), INK)
        canvas.paint(w, circle(w, eye_x, height, 0.135 * size), (1.0, 1.0, 1.0))
        pupil_x = eye_x + 0.055 * size * track.facing
        canvas.paint(w, circle(w, pupil_x, height, 0.072 * size), INK)
        canvas.paint(w, circle(w, pupil_x + 0.022 * size, height + 0.028 * size, 0.022 * size), (1.0, 1.0, 1.0))
        canvas.paint(w, circle(w, middle + side * 0.30 * size, height - 0.2 * size, 0.055 * size), (1.0, 0.55, 0.55), 0.5)
    dx = w.x - pad(middle)
    curve = pad(height) - 0.22 * size + 2.2 * dx.square() / size
    mouth = torch.maximum((w.y - curve).abs() - 0.024 * size, dx.abs() - 0.11 * size)
    canvas.paint(w, mouth, INK)
