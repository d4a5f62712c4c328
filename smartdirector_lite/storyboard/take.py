"""A take: a storyboard resolved for one size and one VAE, with every picture and clip decoded once."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..media import MediaError, Size, cover_crop, crop_note, read_image, read_video_at, to_image
from ..timeline import ChunkPlan
from .complaints import StoryboardError
from .parts import Clip, Keyframe
from .schema import Storyboard


@dataclass(frozen=True, eq=False)
class Take:
    """What the stages need of a storyboard.

    Attributes:
        plan: the chunks of the video, and the conditions in the order of `frames` and `large`.
        fps: frames a second.
        size: (width, height) of the draft in pixels.
        caption: the structured caption.
        negative: a description of what to avoid.
        frames: for each condition its frames at `size`, (L, H, W, 3) uint8 RGB.
        large: the same at `factor` times the size, for the second stage; empty without a factor.
        notes: a sentence for each condition whose shape is not that of the final video.
    """

    plan: ChunkPlan
    fps: float
    size: Size
    caption: str
    negative: str
    frames: tuple[NDArray, ...]
    large: tuple[NDArray, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, storyboard: Storyboard, size: Size, stride: int, factor: int | None = None) -> Self:
        """Resolve a storyboard.

        Args:
            size: (width, height) of the draft in pixels.
            stride: frames per latent of the VAE.
            factor: how many times as wide and high the second stage makes the video; None without a second stage.

        Raises:
            StoryboardError: a picture or a clip is damaged, or is not what it was when the storyboard was made.
        """
        size = Size(*size)
        sizes = [size] if factor is None else [size, size.times(factor)]
        plan, notes, cropped = storyboard.plan(stride), [], []
        for condition, (name, item) in zip(plan.conditions, storyboard.given, strict=True):
            try:
                given, at_sizes = _decode(storyboard, name, item, sizes)
            except MediaError as error:
                raise StoryboardError(f"{name}: {error}") from error
            wanted, found = condition.num_frames, len(at_sizes[0])
            if found != wanted:
                raise StoryboardError(
                    f"{name} had {wanted} frames when the storyboard was made, and now {found} can be decoded; write "
                    "the file anew, then load the storyboard again"
                )
            notes.append(crop_note(name, given, sizes[-1]))
            cropped.append(at_sizes)
        frames = tuple(at_sizes[0] for at_sizes in cropped)
        large = () if factor is None else tuple(at_sizes[1] for at_sizes in cropped)
        notes = tuple(note for note in notes if note)
        return cls(plan, storyboard.fps, size, storyboard.caption(), storyboard.negative, frames, large, notes)


def _decode(storyboard: Storyboard, name: str, item: Keyframe | Clip, sizes: list[Size]) -> tuple[Size, list[NDArray]]:
    """The size of a picture or clip before cropping, and its frames (L, H, W, 3) at each of the `sizes`."""
    if isinstance(item, Keyframe):
        image = storyboard.source(f"{name}.image", item.image)
        images = [to_image(image) if isinstance(image, Image.Image) else read_image(image)]
    elif isinstance(item.video, np.ndarray):
        images = [Image.fromarray(frame) for frame in item.cut(storyboard.fps)]
    else:
        path = storyboard.source(f"{name}.video", item.video)
        return read_video_at(path, sizes, storyboard.fps, frames=item.trim_frames, seconds=item.trim)
    arrays = [np.stack([np.asarray(cover_crop(image, size)) for image in images]) for size in sizes]
    return Size(*images[0].size), arrays
