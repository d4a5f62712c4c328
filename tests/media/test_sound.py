"""The sound that goes with a written video: copied where an mp4 can hold it, and always in step with the picture."""

from pathlib import Path

import av
import numpy as np
import pytest
from films import FLASH, FPS, packets, picture, sound_codec, sound_of, write_film

from smartdirector_lite.media import MediaError, read_video, write_video

COPIED = {"aac.mp4": "aac", "aac.mkv": "aac", "aac.ts": "aac", "mp3.mp4": "libmp3lame", "opus.mkv": "libopus"}
CODED = {"pcm.mov": "pcm_s16le", "pcm.avi": "pcm_s16le", "vorbis.mkv": "vorbis", "flac.mkv": "flac"}


def film(folder: Path, name: str, **options) -> Path:
    encoder = (COPIED | CODED)[name]
    layout = "stereo" if encoder == "vorbis" else "mono"
    codec = "mpeg4" if name.endswith(".avi") else "libx264"
    options = {"num_frames": FPS, "codec": codec, "layout": layout, "seconds": 1.5, **options}
    return write_film(folder / name, sound=encoder, **options)


def with_sound_of(source: Path) -> Path:
    """A video of the same twelve frames, and the sound of `source`."""
    out = source.with_name("out.mp4")
    write_video(out, np.stack([picture(i, (24, 16)) for i in range(FPS)]), FPS, sound=source)
    return out


@pytest.mark.parametrize("name", COPIED)
def test_what_an_mp4_can_hold_is_copied_packet_for_packet(tmp_path, name):
    source = film(tmp_path, name)
    out, wanted = packets(with_sound_of(source)), packets(source)
    if name == "aac.ts":  # each packet has a header of 7 bytes there
        wanted = [packet[7:] for packet in wanted]
    assert len(out) > 20 and out == wanted


@pytest.mark.parametrize("name", COPIED | CODED)
def test_the_sound_stays_in_step_and_whole(tmp_path, name):
    source = film(tmp_path, name)
    out = with_sound_of(source)
    begin, lasts = sound_of(out)
    assert begin == pytest.approx(FLASH / FPS, abs=0.005)
    assert begin == pytest.approx(sound_of(source)[0], abs=0.005)
    assert lasts == pytest.approx(1.0, abs=0.1)  # longer than the picture
    assert (read_video(out)[FLASH, -1, -1] > 200).all()  # the white frame


@pytest.mark.parametrize("name", CODED)
def test_what_an_mp4_can_not_hold_is_coded_anew(tmp_path, name):
    out = with_sound_of(film(tmp_path, name))
    assert sound_codec(out) == ("aac", 48_000, 2 if name == "vorbis.mkv" else 1)


@pytest.mark.parametrize("name", ["aac.mp4", "pcm.mov", "flac.mkv", "opus.mkv"])
@pytest.mark.parametrize(("start", "sound_start"), [(0.75, 0.0), (0.0, 0.25), (0.5, 0.75)])
def test_sound_and_picture_that_begin_apart_stay_so(tmp_path, name, start, sound_start):
    source = film(tmp_path, name, start=start, sound_start=sound_start, seconds=2.0)
    begin, lasts = sound_of(with_sound_of(source))
    assert begin == pytest.approx(FLASH / FPS, abs=0.005)
    assert lasts == pytest.approx(sound_start + 2.0 - start - FLASH / FPS, abs=0.1)


@pytest.mark.parametrize(("rate", "layout", "wanted"), [(22_255, "stereo", (48_000, 2)), (44_100, "5.1", (44_100, 6))])
def test_any_rate_and_number_of_channels_can_be_coded(tmp_path, rate, layout, wanted):
    source = film(tmp_path, "pcm.mov", rate=rate, layout=layout)
    out = with_sound_of(source)
    assert sound_codec(out) == ("aac", *wanted)
    assert sound_of(out) == pytest.approx((0.5, 1.0), abs=0.1)


def test_a_file_of_sound_alone_will_do(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 9000, np.int16), format="s16", layout="mono")
        frame.rate = 8000
        file.mux(stream.encode(frame))
    assert sound_of(with_sound_of(tmp_path / "a.wav")) == pytest.approx((0.0, 1.0), abs=0.15)


def refused(folder: Path, source: Path, message: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(MediaError, match=rf"{source.name}: {message}") as caught:
        with_sound_of(source)
    assert "\n" not in str(caught.value) and sorted(folder.iterdir()) == before


def test_sound_that_is_not_there_is_named(tmp_path):
    refused(tmp_path, write_film(tmp_path / "silent.mp4"), "holds no sound")
    refused(tmp_path, tmp_path / "missing.mp4", "no such file")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n")
    refused(tmp_path, tmp_path / "list.mp4", "damaged, or not a file with sound")


def test_damaged_sound_leaves_no_file(tmp_path):
    source = film(tmp_path, "flac.mkv")
    data, coded = source.read_bytes(), packets(source)
    for packet in coded[len(coded) // 2 :]:
        data = data.replace(packet, bytes(len(packet)))
    source.write_bytes(data)
    refused(tmp_path, source, "its sound can't be read")
