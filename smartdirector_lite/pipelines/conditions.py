"""Keyframes and clips as a pipeline takes them."""

from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..media.images import cover_crop
from ..timeline import Condition


@dataclass(frozen=True)
class VideoCondition:
    """A keyframe (`image`) or a clip (`video`) that stands at `frame_index` of the generated video (paper: keyframe).

    image: a PIL image, or a float tensor (3, H, W) in [-1, 1]. video: a list of PIL images, a uint8 array (T, H, W, 3), or a
    float tensor (3, T, H, W) in [-1, 1]. Give exactly one of the two. PIL images and arrays of another size are scaled to
    cover the frame and cropped in the middle; tensors must have the frame's size.
    """

    image: "PIL.Image.Image | Tensor | None" = None
    frame_index: int = 0
    video: "list[PIL.Image.Image] | np.ndarray | Tensor | None" = None

    def __post_init__(self):
        if (self.image is None) == (self.video is None):
            raise ValueError("VideoCondition: give an image (a keyframe) or a video (a clip), and not both")
        if self.video is not None and len(self.frames) == 0:
            raise ValueError("VideoCondition: video has no frames; give one or more")

    @property
    def frames(self) -> list:
        """The condition's frames, one or more, as they were given."""
        if self.image is not None:
            return [self.image]
        if isinstance(self.video, Tensor):
            return list(self.video.unbind(1))
        return list(self.video)

    def placement(self) -> Condition:
        return Condition(self.frame_index, len(self.frames))

    def to_tensor(self, height: int, width: int) -> Tensor:
        """(1, 3, T, height, width) in [-1, 1], float32. ValueError for a frame that is no image, or a tensor of another size."""
        return torch.stack([_frame_tensor(frame, height, width) for frame in self.frames], dim=1)[None]


def _frame_tensor(frame, height: int, width: int) -> Tensor:
    if isinstance(frame, Tensor):
        if frame.shape != (3, height, width):
            raise ValueError(f"VideoCondition: a tensor frame has shape {tuple(frame.shape)}; it must be (3, {height}, {width})")
        return frame.float()
    if isinstance(frame, np.ndarray):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"VideoCondition: an array frame is {frame.dtype} {frame.shape}; give uint8 (H, W, 3)")
        frame = PIL.Image.fromarray(frame)
    if not isinstance(frame, PIL.Image.Image):
        raise ValueError(f"VideoCondition: a frame is a {type(frame).__name__}; give a PIL image, a uint8 array or a tensor")
    pixels = np.asarray(cover_crop(frame.convert("RGB"), (width, height)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1
