"""Keyframes and clips as a pipeline takes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..media import cover_crop, to_image
from ..media.size import Size
from ..timeline import Condition
from ..vae.causal import check_shape

RANGE_TOLERANCE = 0.01  # how far a tensor's values may leave [-1, 1], since resampling overshoots a little

Frame = PIL.Image.Image | np.ndarray | Tensor


@dataclass(frozen=True, eq=False)
class VideoCondition:
    """A keyframe or a clip that stands at `frame_index` of the generated video (paper, section 3: keyframe).

    Give exactly one of `image` and `video`. Images and arrays of another size are scaled to cover the frame and cropped
    in the middle. Tensors must have the frame's size.

    Attributes:
        image: a PIL image, a uint8 array (H, W, 3), or a float tensor (3, H, W) in [-1, 1].
        frame_index: the first frame that the condition shows, from 0; -1 is the video's last frame, as in a list.
        video: a list of such images, a uint8 array (T, H, W, 3), or a float tensor (3, T, H, W) in [-1, 1].

    Raises:
        ValueError: for anything else.
    """

    image: Frame | None = None
    frame_index: int = 0
    video: Sequence[PIL.Image.Image] | np.ndarray | Tensor | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.video is None):
            raise ValueError("VideoCondition: give an image (a keyframe) or a video (a clip), and not both")
        if isinstance(self.video, Tensor | np.ndarray) and self.video.ndim != 4:
            axes = "(3, T, H, W)" if isinstance(self.video, Tensor) else "(T, H, W, 3)"
            raise ValueError(f"VideoCondition: video has shape {tuple(self.video.shape)}; give {axes}")
        if self.video is not None and not isinstance(self.video, list | tuple | np.ndarray | Tensor):
            kind = type(self.video).__name__
            raise ValueError(f"VideoCondition: video is a {kind}; give a list of images, an array or a tensor")
        if self.video is not None and len(self.frames) == 0:
            raise ValueError("VideoCondition: video has no frames; give one or more")
        object.__setattr__(self, "frame_index", self.placement().frame_index)

    @property
    def frames(self) -> list[Frame]:
        """The condition's frames, one or more, as they were given."""
        if self.image is not None:
            return [self.image]
        return list(self.video.unbind(1) if isinstance(self.video, Tensor) else self.video)

    def placement(self) -> Condition:
        """Return where the condition stands and how long it is, for `ChunkPlan.build`."""
        return Condition(self.frame_index, len(self.frames))

    def to_tensor(self, size: Size) -> Tensor:
        """Return the frames as float32 (1, 3, T, H, W) in [-1, 1]. ValueError for a tensor of another size or range."""
        return torch.stack([frame_tensor(frame, size) for frame in self.frames], dim=1)[None]


def frame_size(frame: Frame) -> Size:
    """Return the size of a frame of a video as VideoCondition takes one, upright. ValueError for anything else."""
    if isinstance(frame, Tensor):
        check_shape("video: a tensor frame", frame, 3, "H", "W")
        return Size(frame.shape[-1], frame.shape[-2])
    if not isinstance(frame, np.ndarray | PIL.Image.Image):
        raise ValueError(f"video: a frame is a {type(frame).__name__}; give a PIL image, a uint8 array or a tensor")
    return Size(*to_image(frame).size)


def frame_tensor(frame: Frame, size: Size) -> Tensor:
    """Return a frame as float32 (3, H, W) in [-1, 1], cover-cropped to `size`.

    Raises:
        ValueError: for a tensor of another size or range, and for what is no frame.
    """
    if isinstance(frame, Tensor):
        check_shape("a tensor frame", frame, 3, size.height, size.width)
        low, high = frame.min().item(), frame.max().item()
        if not (low >= -1 - RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):  # true for NaN too
            raise ValueError(f"a tensor frame holds {low:g} to {high:g}; scale it to [-1, 1]")
        return frame.float()
    pixels = np.array(cover_crop(to_image(frame), size))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1
