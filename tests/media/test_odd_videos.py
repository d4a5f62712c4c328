"""Videos as people bring them: what headers claim or do not state, odd frames and times, and what is refused."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from films import FPS, browser_recording, copied, cut_in_open_gop, write_film
from PIL import Image

from smartdirector_lite.media import (
    MediaError,
    Size,
    count_frames,
    decoded_frames,
    frame_pixels,
    probe_video,
    read_video,
    write_video,
)


def times_of(path: Path) -> list[float]:
    """When each frame begins, and the end. The other ways of measuring must agree."""
    shown = [(time, lasts) for time, lasts, _ in decoded_frames(path)]
    info = probe_video(path)
    assert len(shown) == info.num_frames == count_frames(path)
    assert info.duration == pytest.approx(sum(shown[-1]), abs=1e-6)
    return [*(time for time, _ in shown), sum(shown[-1])]


def refused(path: Path, message: str) -> None:
    for function in (probe_video, read_video, count_frames):
        with pytest.raises(MediaError) as caught:
            function(path)
        assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)


# ---------------------------------------------------------------- rates and durations


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_browsers_recording_states_neither_duration_nor_rate(tmp_path, codec):
    path = browser_recording(tmp_path / "a.webm", num_frames=60, fps=30, codec=codec)
    with av.open(str(path)) as file:
        assert file.duration is None and file.streams.video[0].average_rate == 1000
    assert times_of(path) == pytest.approx(np.arange(61) / 30, abs=0.0015)
    assert probe_video(path).fps == 30
    assert len(read_video(path, fps=10)) == count_frames(path, fps=10) == 20


def test_a_long_recording_is_as_long_as_it_is(tmp_path):
    assert probe_video(browser_recording(tmp_path / "a.webm", 100, fps=2)).duration == pytest.approx(50)
    assert probe_video(browser_recording(tmp_path / "one.webm", 1)).num_frames == 1


@pytest.mark.parametrize(("box", "place"), [(b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)])
@pytest.mark.parametrize("claim", [0, 1, 2**31])
def test_a_headers_duration_is_not_believed(tmp_path, box, place, claim):
    path = write_film(tmp_path / "a.mp4", num_frames=24)
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, data.index(box) + 4 + place, claim)
    path.write_bytes(data)
    assert times_of(path) == pytest.approx(np.arange(25) / FPS) and probe_video(path).fps == FPS


@pytest.mark.parametrize("claim", [0.0, 1.0, -5.0, float("nan")])
def test_nor_is_that_of_matroska(tmp_path, claim):
    path = write_film(tmp_path / "a.mkv", num_frames=24)
    data = path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # the element Duration, of eight bytes
    path.write_bytes(data[:place] + struct.pack(">d", claim) + data[place + 8 :])
    assert times_of(path) == pytest.approx(np.arange(25) / FPS, abs=0.001)
    path.write_bytes(data[:place] + struct.pack(">d", 60_000) + data[place + 8 :])
    refused(path, "cut short at 2.00 of 60.00 s")


@pytest.mark.parametrize("fps", [120, 240, 24000 / 1001])
def test_slow_motion_and_odd_rates_are_kept(tmp_path, fps):
    path = write_film(tmp_path / "a.mp4", num_frames=30, fps=fps)
    assert probe_video(path).fps == pytest.approx(fps, rel=1e-9)
    assert times_of(path) == pytest.approx(np.arange(31) / fps, abs=1e-4)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_screen_recording_has_frames_of_any_length(tmp_path, name):
    times = [0.0, 0.1, 0.101, 0.5, 2.0, 2.033, 3.0]
    path = write_film(tmp_path / name, times=times)
    assert times_of(path)[:-1] == pytest.approx(times, abs=0.001)
    assert probe_video(path).fps == pytest.approx(7 / (3 + 1 / FPS), rel=0.01)  # frames in a second, on average


def test_a_frame_that_would_last_no_time_is_not_shown(tmp_path):
    path = write_film(tmp_path / "a.mkv", times=[0.0, 0.1, 0.1002, 0.2], options={"bf": "0"})  # in whole milliseconds
    assert times_of(path)[:-1] == pytest.approx([0.0, 0.1, 0.2])


def test_a_clock_that_jumps_back_goes_on(tmp_path):
    part = write_film(tmp_path / "part.mpg", num_frames=25, codec="mpeg2video", fps=25)
    (tmp_path / "joined.mpg").write_bytes(part.read_bytes() * 2)
    assert times_of(tmp_path / "joined.mpg") == pytest.approx(np.arange(51) / 25, abs=1e-4)


@pytest.mark.parametrize("delays", [[110] * 12, [20, 30, 110, 70, 500, 100], [0] * 5])
def test_a_gifs_delays_are_whole_hundredths(tmp_path, delays):
    images = [Image.new("RGB", (16, 16), (10 * index, 0, 0)) for index in range(len(delays))]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=delays, loop=0)
    wanted = np.cumsum([0, *(delay or 100 for delay in delays)]) / 1000  # browsers take 0.1 s for no delay
    assert times_of(tmp_path / "a.gif") == pytest.approx(wanted)
    assert probe_video(tmp_path / "a.gif").fps == pytest.approx(len(delays) / wanted[-1])


def test_ffmpegs_gif_of_nine_frames_a_second(tmp_path):
    path = write_film(tmp_path / "a.gif", num_frames=20, codec="gif", pix_fmt="rgb8", fps=100 / 11)
    assert probe_video(path).fps == pytest.approx(100 / 11) and times_of(path) == pytest.approx(np.arange(21) * 0.11)


# ---------------------------------------------------------------- frames that are not where they are expected


def gaps(path: Path, ticks: list[int]) -> Path:
    """An AVI of ten frames a second, with empty chunks in place of frames that are not among the ticks."""
    return write_film(path, times=[tick / 10 for tick in ticks], codec="mpeg4", fps=10, tick=Fraction(1, 10))


def test_an_empty_chunk_shows_the_frame_before_it_again(tmp_path):
    path = gaps(tmp_path / "a.avi", [0, 1, 2, 5, 6, 9])
    with av.open(str(path)) as file:
        assert file.streams.video[0].frames == 10
    assert times_of(path) == pytest.approx([0, 0.1, 0.2, 0.5, 0.6, 0.9, 1.0])
    assert probe_video(path).fps == 10
    levels = read_video(path, fps=10)[:, 0, 0, 0]
    assert len(levels) == 10 and levels[2] == levels[3] and levels[8] == levels[7]


def test_a_cut_avi_is_refused_with_and_without_empty_chunks(tmp_path):
    for index, ticks in enumerate((list(range(30)), [*range(10), *range(15, 30)])):
        path = gaps(tmp_path / f"{index}.avi", ticks)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 7 // 10])
        with pytest.raises(MediaError, match="cut short"):
            count_frames(path)


def test_an_avi_with_sound_or_with_frames_out_of_order_is_whole(tmp_path):
    path = write_film(tmp_path / "sound.avi", num_frames=24, codec="mpeg4", sound="libmp3lame", seconds=2.0)
    assert len(times_of(path)) == 25
    for codec in ("mpeg4", "libx264"):
        path = write_film(tmp_path / f"{codec}.avi", num_frames=24, codec=codec, options={"bf": "2"})
        assert times_of(path) == pytest.approx(np.arange(25) / FPS)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_cut_in_an_open_gop_loses_only_what_can_not_be_decoded(tmp_path, name):
    path = cut_in_open_gop(tmp_path / name)
    with av.open(str(path)) as file:
        wanted = [(frame_pixels_of(frame), frame.time) for frame in file.decode(video=0)]
    times, frames = times_of(path), read_video(path)
    assert len(frames) == len(wanted) > 90
    assert times[:-1] == pytest.approx([time - wanted[0][1] for _, time in wanted], abs=1e-4)
    assert all(np.array_equal(one, other) for one, (other, _) in zip(frames, wanted, strict=True))
    assert probe_video(path).fps == 25


def frame_pixels_of(frame: av.VideoFrame) -> np.ndarray:
    from smartdirector_lite.media.pixels import DecodedFrame

    return frame_pixels(DecodedFrame(frame))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damage_is_still_found_in_such_a_cut(tmp_path, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"FFmpeg has no {codec} here")
    path = cut_in_open_gop(tmp_path / "a.mp4", codec, more=":log-level=none" if codec == "libx265" else "")
    assert count_frames(path) > 90
    with av.open(str(path)) as file:
        place = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size][60]
    data = path.read_bytes()
    path.write_bytes(data[: place[0] + 12] + b"\xff" * 20 + data[place[0] + 32 :])
    with pytest.raises(MediaError, match="damaged"):
        read_video(path)
    path.write_bytes(data[: len(data) // 2])  # the header is at the end
    refused(path, "damaged, cut short")


@pytest.mark.parametrize("ending", ["frag_keyframe+empty_moov", "dash+frag_every_frame+empty_moov+default_base_moof"])
def test_a_fragmented_mp4(tmp_path, ending):
    path = write_film(tmp_path / "a.mp4", num_frames=30, container={"movflags": ending})
    assert times_of(path) == pytest.approx(np.arange(31) / FPS, abs=1e-4) and probe_video(path).fps == FPS


@pytest.mark.parametrize("name", ["a.mpg", "a.vob", "a.m2ts", "a.3gp", "a.m4v", "old.mov"])
def test_other_containers_of_known_kinds(tmp_path, name):
    codec = {"a.mpg": "mpeg2video", "a.vob": "mpeg2video", "old.mov": "mjpeg"}.get(name, "libx264")
    options = {"pix_fmt": "yuvj420p"} if codec == "mjpeg" else {}
    path = write_film(tmp_path / name, num_frames=30, fps=25, codec=codec, size=(64, 48), **options)
    assert times_of(path) == pytest.approx(np.arange(31) / 25, abs=1e-4)


@pytest.mark.parametrize("size", [(63, 47), (1, 1)])
def test_sides_may_be_odd(tmp_path, size):
    path = write_film(tmp_path / "a.mkv", size=size, pix_fmt="yuv444p")
    assert read_video(path).shape == (6, *size[::-1], 3) and probe_video(path).size == size


# ---------------------------------------------------------------- which stream, and of what shape


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mark", [Disposition.attached_pic, 0])
def test_a_cover_picture_is_not_the_film(tmp_path, name, first, mark):
    film = write_film(tmp_path / "film.mp4", num_frames=12)
    cover = write_film(tmp_path / "cover.mov", num_frames=1, codec="mjpeg", pix_fmt="yuvj420p", size=(32, 32))
    streams = [(cover, "video"), (film, "video")][:: 1 if first else -1]
    marks = {0 if first else 1: int(mark), 1 if first else 0: int(Disposition.default)}
    path = copied(tmp_path / name, *streams, disposition=marks)
    assert len(times_of(path)) == 13 and probe_video(path).size == (24, 16)


def test_of_two_films_the_default_one_is_read(tmp_path):
    films = [write_film(tmp_path / f"{side}.mp4", size=(side, side)) for side in (32, 64)]
    for index in (0, 1):
        path = copied(tmp_path / f"{index}.mkv", *((film, "video") for film in films), disposition={index: 1})
        assert probe_video(path).size == [(32, 32), (64, 64)][index] == read_video(path).shape[2:0:-1]


def test_sound_alone_is_no_video(tmp_path):
    film = write_film(tmp_path / "film.mp4", sound="aac")
    refused(copied(tmp_path / "a.m4a", (film, "audio")), "holds no video")
    cover = write_film(tmp_path / "cover.mov", num_frames=1, codec="mjpeg", pix_fmt="yuvj420p")
    marks = {0: int(Disposition.attached_pic)}
    refused(copied(tmp_path / "b.mp4", (cover, "video"), (film, "audio"), disposition=marks), "holds no video, only a")


CARPHONE = Fraction(128, 117)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.mov", "a.ts", "a.mpg"])
@pytest.mark.parametrize(("ratio", "size"), [(CARPHONE, (193, 144)), (Fraction(3, 4), (176, 192))])
def test_pixels_are_square(tmp_path, name, ratio, size):
    codec = {".avi": "mpeg4", ".mov": "prores_ks", ".mpg": "mpeg2video"}.get(Path(name).suffix, "libx264")
    if name == "a.mpg":  # MPEG-2 states the shape of the screen, out of a short list
        ratio = Fraction(4, 3) * Fraction(144, 176) if ratio > 1 else Fraction(1)
        size = (round(176 * ratio), 144)
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    path = write_film(tmp_path / name, size=(176, 144), codec=codec, pix_fmt=pix_fmt, ratio=ratio, fps=25)
    frames = read_video(path)
    assert probe_video(path).size == size == frames.shape[2:0:-1]
    assert (frames[:, 10, size[0] // 4 - 4] > frames[:, 10, size[0] // 4 + 4]).any()  # the corner grew with the rest
    red = (frames[0, 4, :, 0].astype(int) - frames[0, 4, :, 1] > 100).sum()
    assert red == pytest.approx(size[0] / 4, abs=2)


def test_a_ratio_is_that_of_the_frame_before_it_is_turned(tmp_path):
    path = write_film(tmp_path / "a.mp4", size=(64, 48), ratio=Fraction(4, 3), rotation=90)
    assert probe_video(path).size == (48, 85) and read_video(path).shape == (6, 85, 48, 3)
    cropped = [frame_pixels(frame, Size(32, 32)) for _, _, frame in decoded_frames(path)]
    assert np.stack(cropped).shape == (6, 32, 32, 3)
    assert cropped[0][-1, 5, 0] > 150 > 100 > cropped[0][-1, 5, 1]  # the red corner, at the bottom left now
    assert np.abs(cropped[3].astype(int) - read_video(path, Size(32, 32))[3]).mean() < 6


def test_a_ratio_that_no_camera_makes_is_refused(tmp_path):
    refused(write_film(tmp_path / "a.avi", size=(64, 48), codec="mpeg4", ratio=Fraction(20)), "states pixels of 20:1")
    assert probe_video(write_film(tmp_path / "b.avi", codec="mpeg4", ratio=Fraction(4))).size == (96, 16)


def test_a_size_that_changes_is_taken_where_a_size_is_given(tmp_path):
    joined = tmp_path / "joined.webm"  # as a call is recorded whose line becomes better
    with av.open(str(joined), "w") as target:
        for part, side in enumerate((64, 96)):
            film = write_film(tmp_path / f"{side}.webm", codec="libvpx", size=(side, 48))
            with av.open(str(film)) as source:
                if not part:
                    out = target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.stream, packet.pts, packet.dts = out, packet.pts + part * 500, packet.dts + part * 500
                        target.mux(packet)
    assert read_video(joined, Size(32, 32)).shape == (12, 32, 32, 3)
    with pytest.raises(MediaError, match="frame size changes from 64x48 to 96x48; give a size"):
        read_video(joined)


# ---------------------------------------------------------------- what is refused


def test_what_is_refused_says_why(tmp_path):
    film = write_film(tmp_path / "film.mp4")
    key = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7e61c373e219033c21091fa607bf3b8"}
    key["encryption_scheme"] = "cenc-aes-ctr"
    refused(write_film(tmp_path / "locked.mp4", container=key), "is encrypted")
    unknown = tmp_path / "unknown.mp4"
    unknown.write_bytes(film.read_bytes().replace(b"avc1", b"xyz1"))
    refused(unknown, "its video has a codec that FFmpeg does not know")
    refused(write_film(tmp_path / "a.flv", codec="flv"), "is Flash video (FLV); convert it to MP4")
    refused(write_film(tmp_path / "a.wmv", codec="wmv2"), "is Windows Media (WMV, ASF); convert it to MP4")
    refused(write_film(tmp_path / "a.ogv", codec="libvpx"), "is Ogg (OGV)")
    refused(write_film(tmp_path / "a.nut"), "not a video of a kind that is read (MP4, ")
    images = [Image.new("RGB", (16, 16), (40 * index, 0, 0)) for index in range(3)]
    for name in ("a.webp", "a.png"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=100)
        refused(tmp_path / name, "is an animated picture (WebP, APNG); save it as GIF or MP4")
    images[0].save(tmp_path / "a.jpg")
    refused(tmp_path / "a.jpg", "is a picture; place it as a keyframe")
    images[0].save(tmp_path / "a.avif")
    refused(tmp_path / "a.avif", "is a picture; place it as a keyframe")
    with av.open(str(tmp_path / "none.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        file.start_encoding()
    with pytest.raises(MediaError, match=r"none.mp4: (holds no|damaged)"):
        probe_video(tmp_path / "none.mp4")


def test_what_is_no_file_is_not_opened(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    refused(tmp_path / "folder.mp4", "is a folder")
    os.mkfifo(tmp_path / "pipe.mp4")  # a reader would wait for ever
    refused(tmp_path / "pipe.mp4", "is no plain file")
    refused(Path("/dev/zero"), "is no plain file")


# ---------------------------------------------------------------- found by trying odd files


def test_a_mirrored_film_is_mirrored_and_not_turned(tmp_path):
    """Some phones write pictures of oneself so. The first row of the display matrix is negative."""
    path = write_film(tmp_path / "a.mp4", num_frames=2, rotation=180)
    data = path.read_bytes()
    half_turn = struct.pack(">9i", -65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30)
    assert data.count(half_turn[:4] + bytes(12) + half_turn[16:20]) == 1
    place = data.index(half_turn[:4] + bytes(12) + half_turn[16:20])
    mirrored = data[: place + 16] + struct.pack(">i", 65536) + data[place + 20 :]
    plain = read_video(write_film(tmp_path / "plain.mp4", num_frames=2))
    assert np.array_equal(read_video(path), plain[:, ::-1, ::-1])
    path.write_bytes(mirrored)
    assert np.array_equal(read_video(path), plain[:, :, ::-1]) and probe_video(path).rotation == 0


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
@pytest.mark.parametrize("keep", [0.5, 0.75, 0.9])
def test_a_film_with_sound_that_is_cut_short(tmp_path, name, keep):
    options = {"codec": "libvpx-vp9", "sound": "libopus"} if name.endswith("webm") else {"sound": "aac"}
    path = write_film(tmp_path / name, num_frames=48, seconds=4.0, **options)
    assert len(read_video(path)) == count_frames(path) == 48
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(MediaError, match=r"cut short|damaged"):
        count_frames(path)


def test_a_fragmented_film_that_begins_late_is_whole(tmp_path):
    path = tmp_path / "a.mp4"
    flags = "dash+frag_keyframe+empty_moov+default_base_moof"
    with av.open(str(path), "w", options={"movflags": flags}) as file:
        stream = file.add_stream("libx264", rate=10, options={"g": "5"})
        stream.width, stream.height = 32, 32
        for level in range(20):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 10 * level, np.uint8))))
        file.mux(stream.encode(None))
    assert len(read_video(path)) == count_frames(path) == 20


@pytest.mark.parametrize("name", ["t:1.mp4", "concat:x.mp4", "file:x.mp4", "100%d.mp4", "-x.mp4"])
def test_names_that_look_like_addresses(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "plain.mp4", num_frames=4, sound="aac").rename(tmp_path / name)
    write_video(name.replace(".mp4", "2.mp4"), read_video(name), 12, sound=name)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (32.5, 32)}, "the width of size must be a whole number, got 32.5"),
        ({"size": "32x32"}, r"size must be \(width, height\), got '32x32'"),
        ({"size": (0, 32)}, "the width of size must be at least 1, got 0"),
        ({"fps": "5"}, "fps must be a number from 0.001 to 1000, got '5'"),
        ({"fps": True}, "fps must be a number from 0.001 to 1000, got True"),
    ],
)
def test_what_is_asked_for_is_checked(tmp_path, options, message):
    path = write_film(tmp_path / "a.mp4", num_frames=2)
    with pytest.raises(MediaError, match=message):
        read_video(path, **options)
    assert read_video(path, size=np.array([8, 8])).shape == (2, 8, 8, 3)
