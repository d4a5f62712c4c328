"""Frames of the two sizes that Director-SR goes between: LR (low resolution), as given, and HR, twice as large."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..gen.conditions import Frame, VideoCondition, frame_size
from ..media.size import Size

FACTOR = 2  # how much larger HR is than LR, in width and height


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
    resized = F.interpolate(flat, sides, mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(-1, 1).transpose(0, 1)[None]


def to_bytes(frames: Tensor) -> np.ndarray:
    """(1, 3, T, H, W) in [-1, 1] -> uint8 (T, H, W, 3)."""
    pixels = ((frames[0].float() + 1) * 127.5).round().clamp(0, 255).to("cpu", torch.uint8)
    return pixels.permute(1, 2, 3, 0).numpy()
