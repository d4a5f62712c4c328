"""Frames are counted from packets, and the count is what decoding gives."""

from pathlib import Path

import av
import numpy as np
import pytest
from decodes import count_decodes
from films import cut_in_open_gop, picture, write_film
from PIL import Image

from smartdirector_lite.media import MediaError, count_frames, decoded_frames, read_video, write_video

TIMES = [0.0, 0.05, 0.2, 0.6, 0.65, 1.5]
KINDS = {  # name of the file: how it is made, with write_film unless said otherwise
    "even.mp4": {"num_frames": 30},
    "even.mov": {"num_frames": 30},
    "even.mkv": {"num_frames": 30},
    "uneven.mp4": {"num_frames": 6, "times": TIMES},
    "uneven.mkv": {"num_frames": 5, "times": TIMES[:5]},
    "late.mp4": {"num_frames": 30, "start": 0.75, "sound": "aac"},
    "late.mkv": {"num_frames": 30, "start": 0.75, "sound": "aac"},
    "turned.mp4": {"num_frames": 6, "rotation": 90},
    "hevc.mp4": {"num_frames": 30, "codec": "libx265", "size": (64, 64)},
    "vp9.webm": {"num_frames": 30, "codec": "libvpx-vp9"},
    "vp8.webm": {"num_frames": 30, "codec": "libvpx"},
    "av1.mkv": {"num_frames": 30, "codec": "libsvtav1", "size": (64, 64)},
    "written.mp4": None,
    "animated.gif": None,
}
DECODED = {  # packets do not tell the frames of these
    "even.ts": {"num_frames": 30},
    "even.avi": {"num_frames": 30},
    "old.avi": {"num_frames": 30, "codec": "mpeg4"},
    "motion.mov": {"num_frames": 6, "codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "interlaced.mp4": {"num_frames": 30, "size": (64, 64), "options": {"x264-params": "tff=1"}},
    "begins late.mp4": None,
    "leading.mkv": None,
}


def make(folder: Path, name: str) -> Path:
    path, options = folder / name, (KINDS | DECODED)[name]
    if options is not None:
        codec = options.get("codec", "libx264")
        if codec not in av.codecs_available:
            pytest.skip(f"FFmpeg has no {codec} here")
        return write_film(path, **options)
    if name == "written.mp4":
        write_video(path, np.stack([picture(i, (24, 16)) for i in range(6)]), 12, times=TIMES)
    elif name == "animated.gif":
        images = [Image.new("L", (16, 16), level) for level in (0, 100, 200)]
        images[0].save(path, save_all=True, append_images=images[1:], duration=[100, 300, 600])
    else:
        codec = "libx264" if path.suffix == ".mp4" else "libx265"
        if codec not in av.codecs_available:
            pytest.skip(f"FFmpeg has no {codec} here")
        # "begins late" begins at a packet that is not a key, "leading" at a key before which later packets are shown.
        cut_in_open_gop(path, codec, offset=9 if path.suffix == ".mp4" else 0)
    return path


def outcome(function, *arguments, **options) -> int | str:
    """How many frames there are, or the error."""
    try:
        result = function(*arguments, **options)
    except MediaError as error:
        return str(error)
    return result if isinstance(result, int) else len(result)


@pytest.mark.parametrize("name", [*KINDS, *DECODED])
def test_the_count_is_what_decoding_gives(tmp_path: Path, name: str) -> None:
    path = make(tmp_path, name)
    shown = [(time, lasts) for time, lasts, _ in decoded_frames(path)]
    assert count_frames(path) == len(shown) > 2
    end = sum(shown[-1])
    parts = [{"frames": (start, stop)} for start in (0, 1, 2.0) for stop in (None, 2, 3.0, len(shown) + 1)]
    parts += [{"seconds": (start, stop)} for start in (0, end / 2) for stop in (None, end * 0.7, end, end + 0.2)]
    for index, part in enumerate(parts):
        options = {**part, "fps": 10.5 if index % 2 else None}
        assert outcome(count_frames, path, **options) == outcome(read_video, path, **options), options


@pytest.mark.parametrize("name", [*KINDS, *DECODED])
def test_only_a_file_whose_packets_do_not_tell_is_decoded(tmp_path: Path, name: str, monkeypatch) -> None:
    path = make(tmp_path, name)
    seen = count_decodes(monkeypatch)
    count_frames(path)
    assert seen.videos == ([name] if name in DECODED else [])


def test_the_rest_of_a_long_film_is_not_read(tmp_path: Path) -> None:
    """A film that is cut short far behind the last frame that is asked for can be counted, as it can be read."""
    path = write_film(tmp_path / "long.mp4", num_frames=300)
    with av.open(str(path)) as film:
        positions = sorted(packet.pos for packet in film.demux(video=0) if packet.size)
    path.write_bytes(path.read_bytes()[: positions[200]])
    assert count_frames(path, frames=(2, 10)) == len(read_video(path, frames=(2, 10))) == 8
    with pytest.raises(MediaError, match="cut short"):
        count_frames(path)
