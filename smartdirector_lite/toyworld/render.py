"""Draws a scene with signed distance functions, at any size, on CPU or GPU.

Everything is in world units, so that frames of 112x64 and 448x256 show the same scene. Such frames are true LR / HR
pairs, because fine detail (stripes, flowers, letters) exists in the larger one only.
"""

import math

import torch
from torch import Tensor

from ..media.size import Size
from .canvas import Canvas, circle, ellipse, per_frame, rounded_box
from .figures import paint_character, paint_prop, paint_sign
from .scene import Scene, SceneShot, Setting
from .tracks import ShotTracks, select_frames, track_shot

FRAMES_AT_ONCE = 8  # on a CPU: small groups stay in its cache, and shapes touch small regions in them


def render(
    scene: Scene,
    size: Size,
    crop: tuple[int, int, int, int] | None = None,
    frames: slice | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw frames of a scene.

    Args:
        size: the size of the whole frame.
        crop: (top, left, rows, columns) of the part of the frame to draw; None for the whole frame.
        frames: which frames, in ascending order; None for all.

    Returns:
        (T, 3, H, W) in [0, 1], float32, on `device`.

    Raises:
        ValueError: an empty size, a crop that leaves the frame, and frames that select none or run backwards.
    """
    wanted = range(scene.num_frames)[slice(None) if frames is None else frames]
    if not wanted or wanted.step < 0:
        raise ValueError(f"frames = {frames} selects {list(wanted)} of {scene.num_frames}: give one or more, ascending")
    width, height = size
    top, left, rows, columns = crop or (0, 0, height, width)
    if min(rows, columns) < 1 or min(top, left) < 0 or top + rows > height or left + columns > width:
        raise ValueError(f"crop = {crop} of a frame of {Size(*size)}: give (top, left, rows, columns) inside it")
    at_once = FRAMES_AT_ONCE if torch.device(device).type == "cpu" else scene.num_frames
    images = []
    for shot in scene.shots:
        index = [f - shot.start for f in range(shot.start, shot.stop) if f in wanted]
        if index:
            tracks = track_shot(scene, shot, device)
            for group in torch.tensor(index, device=device).split(at_once):
                images.append(_render_group(scene, shot, select_frames(tracks, group), size, crop))
    return torch.cat(images)


def _render_group(
    scene: Scene, shot: SceneShot, tracks: ShotTracks, size: Size, crop: tuple[int, int, int, int] | None
) -> Tensor:
    """Draw the frames of `tracks`, which belong to `shot`, from the back to the front."""
    canvas = Canvas(tracks, size, crop)
    _paint_backdrop(canvas, scene)
    if scene.sign:
        paint_sign(canvas, scene)
    for index, track in sorted(tracks.characters.items()):
        paint_character(canvas, scene.characters[index], track)
    if shot.prop is not None and tracks.prop is not None:
        paint_prop(canvas, shot.prop, tracks.prop)
    return canvas.image.clamp_(0, 1)


def _paint_backdrop(canvas: Canvas, scene: Scene) -> None:
    """Paint sky, sun or moon, clouds, hills, ground and trees. Far layers follow the camera (parallax)."""
    everywhere, setting, camera_x = canvas.everywhere, scene.setting, canvas.tracks.camera_x
    low, top = torch.tensor([setting.sky_low, setting.sky_top], device=canvas.image.device).view(2, 1, 3, 1, 1)
    rise = ((everywhere.y - 0.3) / 2.2).clamp(0, 1)[:, None]
    canvas.image += low + rise * (top - low)
    light_x, light_y = camera_x + scene.light_x * 1.6, 1.55
    if (glow := canvas.region(light_x, light_y, 0.7, 0.7)) is not None:
        halo = (1 - circle(glow, light_x, light_y, 0.0) / 0.7).clamp(0, 1).square() * 0.35
        canvas.blend(glow, halo, setting.light)
        canvas.paint(glow, circle(glow, light_x, light_y, 0.24), setting.light)
    for x, y, size in scene.clouds:
        drift = 0.85 * camera_x + x + 0.004 * canvas.tracks.frames
        if not setting.stars and (w := canvas.region(drift, y, 2.4 * size, size)) is not None:
            puff = circle(w, drift - 0.2 * size, y + 0.25 * size, 0.6 * size)
            cloud = torch.minimum(ellipse(w, drift, y, 1.9 * size, 0.42 * size), puff)
            canvas.paint(w, cloud, (1.0, 1.0, 1.0), 0.75)
    if setting.stars:
        for k in range(9):
            x, y = 0.9 * camera_x + 3.9 * math.sin(7.1 * k + scene.hills[0]), 1.3 + 0.8 * math.sin(3.7 * k) ** 2
            if (w := canvas.region(x, y, 0.05, 0.05)) is not None:
                canvas.paint(w, circle(w, x, y, 0.022), (1.0, 1.0, 0.9), 0.9)
    far, near = (0.7, 0.78, setting.hill_far, scene.hills[:2]), (0.4, 0.52, setting.hill_near, scene.hills[2:])
    for depth, base, colour, (a, b) in (far, near):
        x = everywhere.x - depth * per_frame(camera_x)
        ridge = base + 0.20 * (1.3 * x + a).sin() + 0.10 * (2.9 * x + b).sin()
        canvas.paint(everywhere, (everywhere.y - ridge) * 0.9, colour)
    canvas.paint(everywhere, everywhere.y - 0.22, setting.ground)
    _paint_ground(canvas, scene)
    for x, size, pine in scene.trees:
        _paint_tree(canvas, setting, x, size, bool(pine))


def _paint_ground(canvas: Canvas, scene: Scene) -> None:
    """Paint soft patches of grass, and small flowers that only a large frame shows."""
    w = canvas.region(canvas.tracks.camera_x, -1.0, 99.0, 1.22)
    if w is None:
        return
    depth = (0.22 - w.y).clamp(0, 1)
    patches = (2.3 * w.x + scene.hills[0]).sin() * (5.0 * w.y + 1.1 * w.x).cos()
    patches = patches + 0.5 * (5.2 * w.x + scene.hills[1]).sin()
    shade = tuple(0.45 * c for c in scene.setting.ground)
    canvas.blend(w, 0.16 * patches.clamp(0, 1) * (depth * 6).clamp(0, 1), shade)
    for k in range(6):
        x, y = -2.6 + 1.05 * k + 0.4 * math.sin(5.0 * k + scene.hills[2]), 0.05 - 0.28 * ((k * 0.618) % 1)
        if (flower := canvas.region(x, y, 0.08, 0.08)) is not None:
            canvas.paint(flower, circle(flower, x, y, 0.045), scene.setting.light, 0.9)
            canvas.paint(flower, circle(flower, x, y, 0.018), (0.85, 0.35, 0.25))


def _paint_tree(canvas: Canvas, setting: Setting, x: float, size: float, pine: bool) -> None:
    w = canvas.region(x, 0.2 + 0.6 * size, 0.45 * size, 0.75 * size)
    if w is None:
        return
    canvas.paint(w, rounded_box(w, x, 0.12 + 0.2 * size, 0.05 * size, 0.25 * size, 0.02), (0.38, 0.27, 0.20))
    shade = tuple(0.8 * c for c in setting.foliage)
    if pine:
        for k, (y, half) in enumerate(((0.55, 0.30), (0.80, 0.22))):
            leaf = rounded_box(w, x, 0.12 + y * size, half * size, 0.26 * size, 0.02)
            slope = 0.55 * ((w.y - 0.12 - (y - 0.26) * size) * half / 0.3).clamp(min=0)
            canvas.paint(w, leaf + slope, setting.foliage if k else shade)
    else:
        canvas.paint(w, circle(w, x, 0.12 + 0.72 * size, 0.33 * size), shade)
        canvas.paint(w, circle(w, x - 0.05 * size, 0.12 + 0.78 * size, 0.25 * size), setting.foliage)
