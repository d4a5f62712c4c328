"""What is seen of a decoded frame: upright sRGB pixels that are square, as players show them."""

import os
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from .colour import is_wide, to_srgb
from .images import to_image
from .size import Size

UNSTATED = (2, 3)  # FFmpeg's numbers of colour spaces that are unspecified or reserved
# The default conversion is fast, but it darkens by a level or two and misplaces chroma (mean error 3.5; this one: 0.5).
CONVERSION = Interpolation.BICUBIC.value | Interpolation.FULL_CHR_H_INT.value | Interpolation.ACCURATE_RND.value


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame, not yet converted to RGB."""

    coded: av.VideoFrame
    ratio: Fraction = Fraction(1)  # the width of its pixels for a height of 1, which PyAV's frames do not tell

    @property
    def size(self) -> Size:
        """The size with square pixels, before the frame is turned upright."""
        return square(self.coded.width, self.coded.height, self.ratio)

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right change places before the frame is turned, as in pictures that people take of
        themselves.
        """
        if "DISPLAYMATRIX" not in self.coded.side_data:
            return False
        a, b, _, c, d = np.frombuffer(bytes(self.coded.side_data["DISPLAYMATRIX"]), np.int32)[:5].astype(int)
        return bool(a * d < b * c)

    @property
    def turns(self) -> int:
        """By how many quarters the frame is turned counterclockwise, after it was mirrored."""
        return round(self.coded.rotation / 90) + 2 * self.is_mirrored  # FFmpeg tells the turn of the mirrored axis


def square(width: int, height: int, ratio: Fraction) -> Size:
    """The size of a frame when its pixels are made square. One side grows, so that no detail is lost."""
    return Size(round(width * max(1, ratio)), round(height / min(1, ratio)))


def frame_pixels(frame: DecodedFrame, size: Size | None = None) -> NDArray:
    """The upright sRGB pixels (H, W, 3) of a decoded frame, uint8, square as players show them. Transparency is white.

    Args:
        size: what the frame is shrunk to by averaging, and cropped to around its middle; None for its own size.
    """
    turns, (width, height), across = frame.turns, frame.size, -1 if frame.is_mirrored else 1
    if size is None:
        return np.ascontiguousarray(np.rot90(_rgb(frame.coded, width, height, CONVERSION)[:, ::across], turns))
    columns, rows = size[::-1] if turns % 2 else size
    scale = max(columns / width, rows / height)
    width, height = round(width * scale), round(height * scale)
    left, top = (width - columns) // 2, (height - rows) // 2
    pixels = _rgb(frame.coded, width, height, Interpolation.AREA.value)[top : top + rows, left : left + columns]
    return np.ascontiguousarray(np.rot90(pixels[:, ::across], turns))


def converted(frame: av.VideoFrame, **changes: object) -> av.VideoFrame:
    """Convert a frame's size, format or colours; `changes` are those of `VideoFrame.reformat`.

    PyAV's own method sets up a conversion anew for each frame, which takes several times as long as converting a small
    one. Here the conversion is kept for the next frame.
    """
    return _converter(os.getpid(), threading.get_ident(), **changes).reformat(frame, **changes)


@lru_cache(maxsize=16)
def _converter(process: int, thread: int, **changes: object) -> VideoReformatter:
    """The conversion of one thread: two must not share one, and threads of its own do not outlive a fork."""
    return VideoReformatter()


def _rgb(frame: av.VideoFrame, width: int, height: int, interpolation: int) -> NDArray:
    """The sRGB pixels (height, width, 3) of a frame as it is coded, uint8."""
    wide = is_wide(frame.color_trc, frame.color_primaries)
    has_alpha = any(component.is_alpha for component in frame.format.components)
    # Players take what is not stated for BT.709 where it is larger than DVDs were, and else for BT.601 (as mpv does).
    guess = Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
    pixels = converted(
        frame,
        width=width,
        height=height,
        format="rgb48le" if wide else "rgba" if has_alpha else "rgb24",
        src_colorspace=guess if frame.colorspace in UNSTATED else None,
        interpolation=interpolation,
    ).to_ndarray()
    if wide:
        return to_srgb(pixels, frame.color_trc, frame.color_primaries)
    if has_alpha:
        return np.asarray(to_image(Image.fromarray(pixels)))
    return pixels
