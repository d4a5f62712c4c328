"""The sound that goes with a written video: copied where an mp4 can hold it, and always in step with the picture."""

from pathlib import Path

import av
import numpy as np
import pytest
from films import FLASH, FPS, copied, cut_in_open_gop, packets, picture, sound_codec, sound_of, write_film

from smartdirector_lite.media import MediaError, decoded_frames, frame_pixels, probe_video, read_video, write_video
from smartdirector_lite.media.sound import left_out

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


def tracks(path: Path) -> list[tuple]:
    """Of each sound track the language, the title, whether it is the default, and its samples."""
    with av.open(str(path)) as file:
        found = [
            (s.language, s.metadata.get("title") or s.metadata.get("name"), bool(s.disposition & 1))
            for s in file.streams.audio
        ]
    for index, one in enumerate(found):
        with av.open(str(path)) as file:
            found[index] = (*one, sum(frame.samples for frame in file.decode(audio=index)) / 48_000)
    return found


@pytest.mark.parametrize("name", ["three.mkv", "three.mp4"])
def test_every_track_goes_along_with_its_name(tmp_path, name):
    sounds = [film(tmp_path, one) for one in ("aac.mkv", "opus.mkv", "mp3.mp4")]
    tags = {1: {"language": "ger", "title": "Deutsch"}, 2: {"language": "fre", "title": "Pour les sourds"}}
    streams = [(sounds[0], "video"), *((sound, "audio") for sound in sounds)]
    marks = {"tags": tags, "disposition": {2: 1}, "title": {"title": "Mein Film", "artist": "Anna"}}
    source = copied(tmp_path / name, *streams, **marks)
    out = with_sound_of(source)
    languages, titles, default, lasts = zip(*tracks(out), strict=True)
    assert languages[:2] == ("ger", "fre") and titles == ("Deutsch", "Pour les sourds", None)
    assert default == tuple(one[2] for one in tracks(source)) and lasts == pytest.approx([1.5] * 3, abs=0.06)
    with av.open(str(out)) as file:
        assert (file.metadata["title"], file.metadata["artist"]) == ("Mein Film", "Anna")
    assert left_out(source) is None


def test_what_is_left_out_is_said(tmp_path):
    subtitles = tmp_path / "a.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    source = film(tmp_path, "aac.mkv")
    streams = [(source, "video"), (source, "audio"), (subtitles, "subtitles"), (source, "video")]
    mixed = copied(tmp_path / "mixed.mkv", *streams)
    assert left_out(mixed) == "left out: 1 video track, 1 subtitle track"
    data = mixed.read_bytes()
    mixed.write_bytes(data.replace(b"A_AAC", b"A_XYZ"))
    assert left_out(mixed) == "left out: 1 video track, 1 unknown sound track, 1 subtitle track"
    with pytest.raises(MediaError, match=r"mixed.mkv: holds no sound of a known codec"):
        with_sound_of(mixed)


@pytest.mark.parametrize("name", ["aac.mp4", "pcm.mov", "opus.mkv", "aac.ts"])
def test_sound_before_the_picture_is_kept(tmp_path, name):
    out = with_sound_of(film(tmp_path, name, start=0.5))
    with av.open(str(out)) as file:
        assert next(file.decode(video=0)).time == pytest.approx(0.5, abs=1 / FPS)  # whole frames
    with av.open(str(out)) as file:
        sounds = [(frame.time, frame.samples) for frame in file.decode(audio=0)]
    assert sounds[0][0] == pytest.approx(0, abs=1 / FPS) and sum(n for _, n in sounds) / 48_000 == pytest.approx(
        1.5, abs=0.1
    )
    assert sound_of(out)[0] == pytest.approx(FLASH / FPS, abs=0.005)
    assert len(read_video(out)) == FPS == probe_video(out).num_frames and probe_video(out).fps == FPS


@pytest.mark.parametrize("offset", [0, 1])
def test_a_film_whose_first_frames_can_not_be_decoded_stays_in_step(tmp_path, offset):
    """It was cut without coding it anew. The sound begins with what is shown first, not with the first packet."""
    sound = write_film(tmp_path / "sound.mkv", sound="aac", seconds=6.0)
    source = copied(
        tmp_path / "film.mkv", (cut_in_open_gop(tmp_path / "cut.ts", offset=offset), "video"), (sound, "audio")
    )
    shown = list(decoded_frames(source))
    with av.open(str(source)) as file:
        packet = min(packet.pts * packet.time_base for packet in file.demux(video=0) if packet.size)
    with av.open(str(source)) as file:
        first = next(file.decode(video=0)).time
    assert first - packet > (0.4 if offset else 0.1)
    write_video(tmp_path / "out.mp4", (frame_pixels(frame) for _, _, frame in shown), 25, sound=source)
    with av.open(str(tmp_path / "out.mp4")) as file:
        picture_at = next(file.decode(video=0)).time
    with av.open(str(tmp_path / "out.mp4")) as file:
        end = max(frame.time + frame.samples / 48_000 for frame in file.decode(audio=0))
    assert end - picture_at == pytest.approx(6.0 - first, abs=0.03)


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


@pytest.mark.parametrize("name", ["old.mov", "old.mp4"])
def test_titles_that_are_not_in_utf8_do_no_harm(tmp_path: Path, name: str) -> None:
    """Old programs wrote Latin-1. PyAV refuses such a file unless it is told not to."""
    source = write_film(tmp_path / name, num_frames=4, sound="aac")
    with av.open(str(source)) as old, av.open(str(tmp_path / f"titled-{name}"), "w") as file:
        file.metadata["title"] = "CAFe"
        streams = {stream.index: file.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                file.mux(packet)
    data = (tmp_path / f"titled-{name}").read_bytes()
    assert b"CAFe" in data
    source.write_bytes(data.replace(b"CAFe", b"CAF\xe9"))
    assert probe_video(source).num_frames == len(read_video(source)) == 4
    assert sound_codec(with_sound_of(source)) == ("aac", 48_000, 1)
