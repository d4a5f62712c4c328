"""Images and videos, in and out, with Pillow and PyAV only.

Frames are uint8 RGB arrays, (H, W, 3) or (T, H, W, 3), in [0, 255]; sizes are (width, height) as in Pillow. What is
read may be hostile: sizes are looked at before pixels are decoded, the formats are a fixed list, and a damaged file is
an error, never a shorter video. What is written appears under its name only when it is whole.
"""

from .files import MediaError, PathLike, atomic_path, write_json
from .images import IMAGE_FORMATS, MAX_IMAGE_PIXELS, cover_crop, crop_note, read_image, to_image, write_image
from .sheets import contact_sheet, strip
from .videos import (
    MAX_FRAME_PIXELS,
    MAX_VIDEO_FRAMES,
    MAX_VIDEO_PIXELS,
    VIDEO_FORMATS,
    VideoInfo,
    count_frames,
    decoded_frames,
    frame_pixels,
    iter_video,
    probe_video,
    read_video,
    write_video,
)

__all__ = [
    "IMAGE_FORMATS",
    "MAX_FRAME_PIXELS",
    "MAX_IMAGE_PIXELS",
    "MAX_VIDEO_FRAMES",
    "MAX_VIDEO_PIXELS",
    "VIDEO_FORMATS",
    "MediaError",
    "PathLike",
    "VideoInfo",
    "atomic_path",
    "contact_sheet",
    "count_frames",
    "cover_crop",
    "crop_note",
    "decoded_frames",
    "frame_pixels",
    "iter_video",
    "probe_video",
    "read_image",
    "read_video",
    "strip",
    "to_image",
    "write_image",
    "write_json",
    "write_video",
]
