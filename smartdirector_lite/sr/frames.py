"""Frames of the two sizes that Director-SR goes between: LR (low resolution), as given, and HR, twice as large."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..gen.conditions import Frame, VideoCondition, frame_size
from ..media.size import Size

FACTOR = 2  # how much larger HR is than LR, in width and height
MAX_SCALE = 8


@dataclass(frozen=True)
class Sizes:
    """The sizes that a video goes through.

    Attributes:
        given: the size of the small video.
        padded: the next larger size that the model takes.
        out: the size that was asked for.
    """

    given: Size
    padded: Size
    out: Size

    @classmethod
    def of(cls, given: Size, scale: float, multiple: Size) -> "Sizes":
        """Work the sizes out.

        Args:
            scale: of width and height, from 1 to MAX_SCALE; ValueError for another.
            multiple: what the sides of the padded size must be multiples of.
        """
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 1 <= scale <= MAX_SCALE:
            raise ValueError(f"scale must be a number from 1 to {MAX_SCALE}, got {scale!r}")
        padded = Size(*(-(-side // step) * step for side, step in zip(given, multiple, strict=True)))
        return cls(given, padded, Size(*(round(scale * side) for side in given)))

    @property
    def native(self) -> Size:
        """HR without the padding."""
        return self.given.times(FACTOR)


def upsample_latents(latents: Tensor) -> Tensor:
    """(B, C, F, h, w) -> (B, C, F, 2h, 2w), bilinear in space (paper: LR latents are spatially upsampled)."""
    return F.interpolate(latents, scale_factor=(1, FACTOR, FACTOR), mode="trilinear", align_corners=False)


def small_frame(frame: Frame, size: Size) -> Tensor:
    """A frame as (1, 3, 1, H, W) in [-1, 1]. ValueError for one of another size."""
    if frame_size(frame) != size:
        raise ValueError(f"video: a frame is {frame_size(frame)}, the first {size} (width x height)")
    return VideoCondition(image=frame).to_tensor(size)


def pad(frames: Tensor, size: Size) -> Tensor:
    """(1, 3, T, H, W) -> `size`, by repeating the last row and column."""
    down, across = size.height - frames.shape[-2], size.width - frames.shape[-1]
    return F.pad(frames, (0, across, 0, down, 0, 0), mode="replicate") if down or across else frames


def resize(frames: Tensor, size: Size) -> Tensor:
    """(1, 3, T, H, W) in [-1, 1] -> another size; bicubic, smoothed where it shrinks."""
    flat = frames[0].transpose(0, 1).float()
    sides = (size.height, size.width)
    flat = F.interpolate(flat, size=sides, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
    return flat.transpose(0, 1)[None]


def to_bytes(frames: Tensor) -> np.ndarray:
    """(1, 3, T, H, W) in [-1, 1] -> uint8 (T, H, W, 3)."""
    pixels = ((frames[0].float() + 1) * 127.5).round().clamp(0, 255).to("cpu", torch.uint8)
    return pixels.permute(1, 2, 3, 0).numpy()
