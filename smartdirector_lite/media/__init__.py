"""Images, videos and sound, in and out, with Pillow and PyAV only.

Frames are uint8 RGB arrays, (H, W, 3) or (T, H, W, 3), in [0, 255]. Sizes are (width, height), as in Pillow. A file
that is read may be hostile: its size is looked at before pixels are decoded, the formats are a fixed list, and a
damaged file is an error, never a shorter video. A file that is written appears under its name only when it is whole.
"""

from .files import MediaError, PathLike, atomic_path, write_json
from .frames import decoded_frames
from .images import check_image, cover_crop, crop_note, read_image, to_image, write_image
from .pixels import frame_pixels
from .sheets import contact_sheet
from .size import Size
from .videos import VideoInfo, count_frames, probe_video, read_video, read_video_at
from .writing import write_video
