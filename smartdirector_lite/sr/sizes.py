"""Frames of the two sizes that Director-SR goes between: LR, as given, and HR, twice as large."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional as F

from ..gen.conditions import VideoCondition

FACTOR = 2  # that the model was trained for
MAX_SCALE = 8


@dataclass(frozen=True)
class Sizes:
    """(height, width), in pixels. given: of the small video. padded: the next that the model takes. out: asked for."""

    given: tuple[int, int]
    padded: tuple[int, int]
    out: tuple[int, int]

    @classmethod
    def of(cls, given: tuple[int, int], scale: float, multiples: Sequence[int]) -> "Sizes":
        """multiples: what LR's sides must be multiples of. ValueError for a scale out of range."""
        check_scale(scale)
        padded = tuple(-(-side // multiple) * multiple for side, multiple in zip(given, multiples, strict=True))
        return cls(given, padded, tuple(round(scale * side) for side in given))

    @property
    def native(self) -> tuple[int, int]:
        """Of `given` at twice the size: what is left of the decoded frame without the padding."""
        return FACTOR * self.given[0], FACTOR * self.given[1]


def check_scale(scale: float) -> None:
    """ValueError unless it is a number from 1 to MAX_SCALE."""
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 1 <= scale <= MAX_SCALE:
        raise ValueError(f"scale must be a number from 1 to {MAX_SCALE}, got {scale!r}")


def upsample_latents(latents: Tensor) -> Tensor:
    """(B, C, F, h, w) -> (B, C, F, 2h, 2w), bilinear in space (paper: LR latents are spatially upsampled)."""
    return F.interpolate(latents, scale_factor=(1, FACTOR, FACTOR), mode="trilinear", align_corners=False)


def frame_size(frame: PIL.Image.Image | np.ndarray | Tensor) -> tuple[int, int]:
    """(height, width) of a frame as VideoCondition takes one. ValueError for anything else."""
    if not isinstance(frame, PIL.Image.Image | np.ndarray | Tensor):
        kind = type(frame).__name__
        raise ValueError(f"video: a frame is a {kind}; give PIL images, uint8 arrays or a tensor")
    if isinstance(frame, Tensor):
        return tuple(frame.shape[-2:])
    return frame.shape[:2] if isinstance(frame, np.ndarray) else (frame.height, frame.width)


def small_frame(frame: PIL.Image.Image | np.ndarray | Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, 1, H, W) in [-1, 1]. ValueError for a frame of another size."""
    if frame_size(frame) != tuple(size):
        raise ValueError(f"video: a frame is {frame_size(frame)}, the first {tuple(size)} (height, width)")
    return VideoCondition(image=frame).to_tensor(*size)


def large_condition(condition: VideoCondition, sizes: Sizes) -> Tensor:
    """A condition in HR, (1, 3, L, H, W) in [-1, 1], padded as the video is."""
    return pad(condition.to_tensor(*sizes.native), tuple(FACTOR * side for side in sizes.padded))


def pad(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, T, H, W) -> `size`, by repeating the last row and column."""
    down, across = size[0] - frames.shape[-2], size[1] - frames.shape[-1]
    return F.pad(frames, (0, across, 0, down, 0, 0), mode="replicate") if down or across else frames


def to_bytes(frames: Tensor) -> np.ndarray:
    """(1, 3, T, H, W) in [-1, 1] -> uint8 (T, H, W, 3)."""
    pixels = ((frames[0].float() + 1) * 127.5).round().clamp(0, 255).to("cpu", torch.uint8)
    return pixels.permute(1, 2, 3, 0).numpy()


def resize(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, T, H, W) in [-1, 1] -> another size, bicubic, smoothed where it shrinks."""
    flat = frames[0].transpose(0, 1).float()
    flat = F.interpolate(flat, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
    return flat.transpose(0, 1)[None]
