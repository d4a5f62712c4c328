"""Keyframes and clips as a pipeline takes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..media import cover_crop, to_image
from ..timeline import Condition

RANGE_TOLERANCE = 0.01  # how far a tensor's values may leave [-1, 1]: resampling overshoots a little


@dataclass(frozen=True, eq=False)
class VideoCondition:
    """A keyframe (`image`) or a clip (`video`) that stands at `frame_index` of the generated video (paper: keyframe).

    image: a PIL image, a uint8 array (H, W, 3), or a float tensor (3, H, W) in [-1, 1]. video: a list of such images, a
    uint8 array (T, H, W, 3), or a float tensor (3, T, H, W) in [-1, 1]. Give exactly one of the two. Images and arrays
    of another size are scaled to cover the frame and cropped in the middle; tensors must have the frame's size.
    ValueError for anything else.
    """

    image: PIL.Image.Image | np.ndarray | Tensor | None = None
    frame_index: int = 0
    video: Sequence[PIL.Image.Image] | np.ndarray | Tensor | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.video is None):
            raise ValueError("VideoCondition: give an image (a keyframe) or a video (a clip), and not both")
        if isinstance(self.video, Tensor) and self.video.ndim != 4:
            raise ValueError(f"VideoCondition: video has shape {tuple(self.video.shape)}; give (3, T, H, W)")
        if self.video is not None and not isinstance(self.video, list | tuple | np.ndarray | Tensor):
            kind = type(self.video).__name__
            raise ValueError(f"VideoCondition: video is a {kind}; give a list of images, an array or a tensor")
        if self.video is not None and len(self.frames) == 0:
            raise ValueError("VideoCondition: video has no frames; give one or more")
        self.placement()

    @property
    def frames(self) -> list:
        """The condition's frames, one or more, as they were given."""
        if self.image is not None:
            return [self.image]
        if isinstance(self.video, Tensor):
            return list(self.video.unbind(1))
        return list(self.video)

    def placement(self) -> Condition:
        """Where it stands and how long it is, for `ChunkPlan.build`."""
        return Condition(self.frame_index, len(self.frames))

    def to_tensor(self, height: int, width: int) -> Tensor:
        """(1, 3, T, height, width) in [-1, 1], float32. ValueError for a tensor of another size or range."""
        return torch.stack([_frame_tensor(frame, height, width) for frame in self.frames], dim=1)[None]


def _frame_tensor(frame: PIL.Image.Image | np.ndarray | Tensor, height: int, width: int) -> Tensor:
    if isinstance(frame, Tensor):
        if frame.shape != (3, height, width):
            shape = tuple(frame.shape)
            raise ValueError(f"VideoCondition: a tensor frame has shape {shape}; it must be (3, {height}, {width})")
        low, high = frame.min().item(), frame.max().item()
        if not (low >= -1 - RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):  # true for NaN too
            raise ValueError(f"VideoCondition: a tensor frame holds {low:g} to {high:g}; scale it to [-1, 1]")
        return frame.float()
    if not isinstance(frame, PIL.Image.Image | np.ndarray):
        kind = type(frame).__name__
        raise ValueError(f"VideoCondition: a frame is a {kind}; give a PIL image, a uint8 array or a tensor")
    pixels = np.array(cover_crop(to_image(frame), (width, height)))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1
