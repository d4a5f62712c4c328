"""Draws the frames of a collage, at any size, on CPU or GPU."""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..media.size import Size
from .motion import CameraMove
from .pictures import coordinates
from .scene import Collage, CollageShot, Layer, Light

FRAMES_AT_ONCE = 80  # of a shot; those of a longer one would fill the memory
FINER = 2  # each pixel is the mean of so many squared
SMALLEST = 8  # side of a texture that is not halved again
SHADOW_OFFSET, SHADOW_HALVINGS = (0.06, -0.06), 3  # in units of half the frame's height; a shadow is so much coarser


def render_collage(
    collage: Collage, size: Size, frames: slice | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """Draw frames of a collage.

    Args:
        size: of the frames.
        frames: which frames, in ascending order; None for all.

    Returns:
        (T, 3, H, W) in [0, 1], float32, on `device`.

    Raises:
        ValueError: frames that select none or run backwards.
    """
    wanted = range(collage.num_frames)[slice(None) if frames is None else frames]
    if not wanted or wanted.step < 0:
        chosen = f"{list(wanted)} of {collage.num_frames}"
        raise ValueError(f"frames = {frames} selects {chosen}: give one or more, ascending")
    drawn = []
    for shot in collage.shots:
        index = torch.tensor([f - shot.start for f in range(shot.start, shot.stop) if f in wanted], device=device)
        for group in index.split(FRAMES_AT_ONCE):
            drawn.append(_render_group(shot, group, collage.fps, Size(*size)))
    return torch.cat(drawn)


def _render_group(shot: CollageShot, index: Tensor, fps: float, size: Size) -> Tensor:
    """Draw some frames of one shot, (n, 3, H, W) in [0, 1]. index: (n,) int64, counted from the shot's start."""
    seconds = (index - (shot.stop - shot.start - 1) / 2) / fps
    fine = size.times(FINER)
    image = torch.zeros(len(index), 3, fine.height, fine.width, device=index.device)
    for layer in shot.layers:
        texture = layer.texture.to(index.device)
        texture = texture[index] if len(texture) > 1 else texture
        _paint(image, replace(layer, texture=texture), shot.camera, seconds)
    return (F.avg_pool2d(image, FINER) * _shine(shot.light, size, seconds)).clamp_(0, 1)


def _paint(image: Tensor, layer: Layer, camera: CameraMove, seconds: Tensor) -> None:
    """Lay a layer over an image (T, 3, H, W), in place. seconds: (T,), the frames' times."""

    def place(seconds: Tensor) -> Tensor:
        return camera.matrix(seconds, layer.depth) @ layer.matrix(seconds)

    # In all frames the texture is as fine as half-way through the shot: a frame does not hang on its neighbours.
    texture, halvings = _halved(layer.texture, place(torch.zeros_like(seconds[:1])), image.shape[2])
    placed = place(seconds)
    if layer.shadow:
        (dx, dy), dark = SHADOW_OFFSET, texture[:, 3:]
        for _ in range(max(0, SHADOW_HALVINGS - halvings)):
            dark = F.avg_pool2d(dark, 2)
        moved = placed.clone()
        moved[:, 0, 2] += dx
        moved[:, 1, 2] += dy
        where, opacity = _sample(image, layer, dark, moved, seconds)
        image[where] *= 1 - layer.shadow * opacity
    where, painted = _sample(image, layer, texture, placed, seconds)
    image[where] *= 1 - painted[:, 3:]
    image[where] += painted[:, :3]


def _halved(texture: Tensor, placed: Tensor, height: int) -> tuple[Tensor, int]:
    """Halve a texture until it is about as fine as a frame of this height. Returns it, and how often it was halved.

    Args:
        placed: (1, 3, 3), the map from the texture's coordinates to the frame.
    """
    scale = placed[:, :2, :2].det().abs().sqrt()
    texels = texture.shape[2] / (float(scale) * height)  # for each pixel
    most = int(math.log2(texture.shape[2] / SMALLEST))
    count = min(most, max(0, round(math.log2(max(texels, 1e-3)))))
    for _ in range(count):
        texture = F.avg_pool2d(texture, 2)
    return texture, count


def _sample(
    image: Tensor, layer: Layer, texture: Tensor, placed: Tensor, seconds: Tensor
) -> tuple[tuple[slice, ...], Tensor]:
    """Look a texture up where it touches the frames.

    Args:
        image: (T, 3, H, W), whose frames they are.
        texture: (1 or T, C, h, w).
        placed: (T, 3, 3), the maps from the texture's coordinates to the frame.

    Returns:
        The part of the image that the texture touches, and what it shows there, (T, C, rows, columns).
    """
    num_frames, _, height, width = image.shape
    ratio = texture.shape[3] / texture.shape[2]
    rows, columns = slice(0, height), slice(0, width)
    if not layer.endless:  # a disc that holds the texture, in all frames together
        reach = placed[:, :2, :2].det().abs().sqrt() * math.hypot(1, ratio) * (1 + layer.bend.height)
        x, y = placed[:, 0, 2], placed[:, 1, 2]
        columns = _pixels((x - reach).min() * height + width, (x + reach).max() * height + width, width)
        rows = _pixels(height - (y + reach).max() * height, height - (y - reach).min() * height, height)
    x, y = coordinates(Size(width, height), image.device)
    back = torch.linalg.inv(placed)[:, :2, :, None, None]  # (T, 2, 3, 1, 1)
    local = back[:, :, 0] * x[:, columns] + back[:, :, 1] * y[rows] + back[:, :, 2]
    if layer.bend.height:
        local = _bent(local, layer, seconds)
    grid = torch.stack([local[:, 0] / ratio, -local[:, 1]], dim=-1)
    padding = "reflection" if layer.endless else "zeros"
    texture = texture.expand(num_frames, -1, -1, -1)
    shown = F.grid_sample(texture, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return (slice(None), slice(None), rows, columns), shown


def _pixels(first: Tensor, last: Tensor, count: int) -> slice:
    """The pixels between two places, in half pixels, of `count` that there are."""
    start = min(count, max(0, math.floor(float(first) / 2)))
    return slice(start, max(start, min(count, math.ceil(float(last) / 2) + 1)))


def _bent(local: Tensor, layer: Layer, seconds: Tensor) -> Tensor:
    """Move coordinates (T, 2, h, w) along x and y by a wave that runs through them."""
    (along_x, along_y), beats = layer.bend.waves, layer.bend.beats * seconds.view(-1, 1, 1)
    phase = 2 * math.pi * (along_x * local[:, 0] + along_y * local[:, 1] + beats)
    return local + layer.bend.height * torch.stack([phase.cos(), phase.sin()], dim=1)


def _shine(light: Light, size: Size, seconds: Tensor) -> Tensor:
    """Return what the light multiplies the frames by, (T, 3, 1 or H, 1 or W)."""
    gain = torch.stack([curve.at(seconds) for curve in light.channels], dim=1).exp()[:, :, None, None]
    if not light.spot:
        return gain
    x, y = coordinates(size, seconds.device)
    dx, dy = x - light.x.at(seconds).view(-1, 1, 1), y - light.y.at(seconds).view(-1, 1, 1)
    return gain * (1 + light.spot * (-(dx.square() + dy.square()) / 0.5).exp()[:, None])
