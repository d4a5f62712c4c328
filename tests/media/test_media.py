"""Images and videos: what is written comes back, and one clear line says what is damaged or hostile."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from smartdirector_lite import media
from smartdirector_lite.media import MediaError


def moving_frames(num_frames: int = 24, width: int = 64, height: int = 48) -> np.ndarray:
    """Frame t has its own grey level, 8 t + 20, and a fixed coloured corner."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[:] = (8 * np.arange(num_frames) + 20).astype(np.uint8)[:, None, None, None]
    frames[:, : height // 2, : width // 2] = (200, 60, 40)
    return frames


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers of these frames in moving_frames, read from their grey."""
    return [round((float(frame[-8:, -8:].mean()) - 20) / 8) for frame in frames]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    media.write_video(path, moving_frames(), fps=12)
    return path


def test_video_round_trip_is_faithful_in_colour_and_number(video: Path) -> None:
    frames = media.read_video(video)
    error = frames.astype(int) - moving_frames()
    assert frames.dtype == np.uint8 and frames.shape == (24, 48, 64, 3)
    assert numbers(frames) == list(range(24))
    assert np.abs(error).mean() < 1.0 and np.abs(error.mean((0, 1, 2))).max() < 0.5  # no colour cast, no darkening
    assert media.probe_video(video) == media.VideoInfo(media.Size(64, 48), 12.0, 24, 2.0, 0, False)


def test_write_video_takes_an_iterator_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    media.write_video(tmp_path / "b.mp4", iter(moving_frames(5)), fps=23.976)
    assert [p.name for p in tmp_path.iterdir()] == ["b.mp4"]
    assert numbers(media.read_video(tmp_path / "b.mp4")) == [0, 1, 2, 3, 4]
    assert media.probe_video(tmp_path / "b.mp4").fps == pytest.approx(23.976, abs=1e-4)


def test_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "b.mp4"
    path.write_bytes(b"old")

    def frames():
        yield from moving_frames(3)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        media.write_video(path, frames(), fps=12)
    assert [p.name for p in tmp_path.iterdir()] == ["b.mp4"] and path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        (moving_frames(2, 63, 48), 12, "even width and height, got 63 x 48"),
        (moving_frames(0), 12, "no frames"),
        (moving_frames(2).astype(np.float32), 12, r"frame 0 must be a uint8 array .* got float32"),
        ([moving_frames(1)[0], moving_frames(1, 32, 48)[0]], 12, "frame 1 has shape"),
        (moving_frames(2), 0, "fps must be a number from 0.001 to 1000"),
        (moving_frames(2), float("nan"), "fps must be a number from 0.001 to 1000"),
    ],
)
def test_write_video_errors(tmp_path: Path, frames: object, fps: float, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        media.write_video(tmp_path / "c.mp4", frames, fps)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [[], [1.9]])
def test_frames_keep_the_times_they_are_given(tmp_path: Path, end: list[float]) -> None:
    times = [0.0, 0.05, 0.2, 0.6, 0.65, 1.5]
    media.write_video(tmp_path / "t.mp4", moving_frames(6), fps=12, times=times + end)
    shown = list(media.decoded_frames(tmp_path / "t.mp4"))
    assert [time for time, _, _ in shown] == pytest.approx(times, abs=1e-4)
    wanted = np.diff([*times, *(end or [1.5 + 1 / 12])])
    assert [lasts for _, lasts, _ in shown] == pytest.approx(wanted, abs=1e-4)
    assert media.probe_video(tmp_path / "t.mp4").duration == pytest.approx(sum(wanted), abs=1e-4)
    assert numbers([media.frame_pixels(frame) for _, _, frame in shown]) == list(range(6))


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    """x264 with its usual options fails this test within a few files, where smooth shapes move."""
    from smartdirector_lite.media.size import Size
    from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene

    frames = (render(sample_scene(HELD_OUT_SEED + 1, 12), Size(112, 64)) * 255).byte().permute(0, 2, 3, 1).numpy()
    for index in range(8):
        media.write_video(tmp_path / f"{index}.mp4", frames, fps=12)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_times_that_are_even_but_for_rounding_give_the_frame_rate(tmp_path: Path) -> None:
    fps = 24000 / 1001
    times = [round(i / fps, 3) for i in range(24)]  # as Matroska rounds them
    media.write_video(tmp_path / "t.mp4", moving_frames(), fps, times=times)
    assert media.probe_video(tmp_path / "t.mp4").fps == pytest.approx(fps, rel=1e-9)
    media.write_video(tmp_path / "one.mp4", moving_frames(1), fps, times=[0.0, 0.7])
    ((time, lasts, _),) = media.decoded_frames(tmp_path / "one.mp4")
    assert (time, lasts) == (0, pytest.approx(0.7, abs=1e-4))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"frames": (3, 7)}, [3, 4, 5, 6]),
        ({"frames": (np.int64(3), np.float32(7))}, [3, 4, 5, 6]),
        ({"frames": [3.0, 7.0]}, [3, 4, 5, 6]),
        ({"seconds": (0.5, 1.0)}, [6, 7, 8, 9, 10, 11]),
        ({"seconds": (np.float32(0.5), 1)}, [6, 7, 8, 9, 10, 11]),
        ({"seconds": (1, None)}, list(range(12, 24))),
        ({"frames": (22, None)}, [22, 23]),
        ({"frames": (23, 24)}, [23]),
        ({"seconds": (23 / 12, 2)}, [23]),
        ({"fps": 6}, list(range(0, 24, 2))),
        ({"fps": 4, "frames": (1, 13)}, [1, 4, 7, 10]),
        ({"fps": 24, "frames": (0, 3)}, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_read_video_picks_exactly_the_frames_asked_for(video: Path, arguments: dict, expected: list[int]) -> None:
    assert numbers(media.read_video(video, **arguments)) == expected
    assert media.count_frames(video, **arguments) == len(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": (0, 25)}, "ends after 24 frames .*, before frames 25"),
        ({"seconds": (0, 2.2)}, "ends after 24 frames"),
        ({"frames": (24, None)}, "no frame from frames 24 on"),
        ({"seconds": (1, 1)}, "no frame in seconds 1"),
        ({"frames": (-1, None)}, "the start of frames must be at least 0, got -1"),
        ({"frames": (0, 3.5)}, "the stop of frames must be a whole number, got 3.5"),
        ({"seconds": (float("nan"), None)}, "the start of seconds must be a number of at least 0, got nan"),
        ({"seconds": ("0", None)}, "the start of seconds must be a number of at least 0, got '0'"),
        ({"seconds": 3}, r"seconds must be \(start, stop\), got 3"),
        ({"frames": (0, 1), "seconds": (0, 1)}, "frames and seconds are both given"),
        ({"fps": 0}, "fps must be a number from 0.001 to 1000"),
    ],
)
def test_read_video_errors(video: Path, arguments: dict, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        media.read_video(video, **arguments)


def test_read_video_limits(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media.videos, "MAX_VIDEO_FRAMES", 10)
    assert len(media.read_video(video, frames=(0, 10))) == 10
    with pytest.raises(MediaError, match="more than 10 frames"):
        media.read_video(video)
    with pytest.raises(MediaError, match="more than 10 frames at 900 fps"):
        media.read_video(video, fps=900, frames=(0, 3))
    monkeypatch.setattr(media.videos, "MAX_VIDEO_PIXELS", 3 * 64 * 48)
    with pytest.raises(MediaError, match="more than 9216 pixels"):
        media.read_video(video, frames=(0, 4))
    monkeypatch.setattr(media.demux, "MAX_FRAME_PIXELS", 1000)
    with pytest.raises(MediaError, match="frames of 64 x 48"):
        media.probe_video(video)


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_video_is_never_a_shorter_one(tmp_path: Path, video: Path, keep: float, suffix: str) -> None:
    whole = video
    if suffix == ".mkv":
        whole = tmp_path / "whole.mkv"
        with av.open(str(video)) as source, av.open(str(whole), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        assert media.count_frames(whole) == 24
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: int(len(data) * keep)])
    if suffix == ".mkv" and keep == 0.999:
        return  # only the index at the end is lost, every frame is there
    with pytest.raises(MediaError, match=r"cut short|damaged|holds no"):
        media.read_video(cut)


def test_the_last_packet_of_a_transport_stream_is_not_whole(tmp_path: Path) -> None:
    """The packet is there, but no frame comes of it. The times of such a stream do not begin at 0."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3), np.uint8)  # many packets of 188 bytes a frame
    with av.open(str(tmp_path / "whole.ts"), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height = 128, 96
        container.mux([packet for one in noise for packet in stream.encode(av.VideoFrame.from_ndarray(one))])
        container.mux(stream.encode(None))
    data = (tmp_path / "whole.ts").read_bytes()
    assert len(media.read_video(tmp_path / "whole.ts")) == 20
    (tmp_path / "cut.ts").write_bytes(data[: int(len(data) * 0.7)])
    with pytest.raises(MediaError, match=r"cut\.ts: cut short at"):
        media.read_video(tmp_path / "cut.ts")


def test_a_video_cut_exactly_between_two_frames(tmp_path: Path, video: Path) -> None:
    with av.open(str(video)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[: max(positions)])
    with pytest.raises(MediaError, match="cut short"):
        media.read_video(tmp_path / "cut.mp4")


def test_an_animated_gif_with_uneven_frames(tmp_path: Path) -> None:
    images = [Image.new("RGB", (16, 16), (level, level, level)) for level in (0, 100, 200)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 300, 600])
    frames = media.read_video(tmp_path / "a.gif", fps=10)
    assert frames[:, 0, 0, 0].tolist() == [0, 100, 100, *[200] * 7]  # the nearest of 0, 0.1 and 0.4 s, up to 1 s


def test_what_is_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n")
    Image.new("RGB", (8, 8)).save(tmp_path / "image.mp4", "PNG")
    reasons = {"text": "damaged, cut short or not a video", "list": "damaged, cut short or not a video"}
    for name, reason in (reasons | {"empty": "is empty", "image": "is a picture; place it as a keyframe"}).items():
        with pytest.raises(MediaError, match=f"{name}.mp4: {reason}"):
            media.probe_video(tmp_path / f"{name}.mp4")
    for name in ("missing.mp4", "bad\0name.mp4", "x" * 5000):
        with pytest.raises(MediaError, match=r"no such file|can't be read \(File name too long"):
            media.read_video(tmp_path / name)


def test_a_rotated_video_is_read_upright(tmp_path: Path) -> None:
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    frames[:, :16, :32] = (255, 0, 0)  # top left as stored
    with av.open(str(tmp_path / "r.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(90)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    info = media.probe_video(tmp_path / "r.mp4")
    assert (info.size, info.rotation) == ((32, 64), 90)
    shown = media.read_video(tmp_path / "r.mp4")
    assert shown.shape == (3, 64, 32, 3)
    assert shown[0, 60, 4, 0] > 200 and shown[0, 4, 4, 0] < 50  # turned counterclockwise: now at the bottom left
    assert media.read_video(tmp_path / "r.mp4", size=(16, 16)).shape == (3, 16, 16, 3)


def test_write_image_and_json_are_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"image.xyz: unknown image format"):
        media.write_image(tmp_path / "image.xyz", Image.new("RGB", (2, 2)))
    with pytest.raises(ValueError, match="JSON compliant"):
        media.write_json(tmp_path / "a.json", {"x": float("nan")})
    with pytest.raises(MediaError, match="does not exist; make it first"):
        media.write_json(tmp_path / "no" / "a.json", {})
    assert list(tmp_path.iterdir()) == []
    media.write_json(tmp_path / "a.json", {"é": [1, 2.5]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "é": [\n    1,\n    2.5\n  ]\n}\n'


def test_contact_sheet_lays_frames_out_unscaled_with_borders_outside_them() -> None:
    frames = moving_frames(5)
    sheet = np.asarray(media.contact_sheet(frames, 3, borders=[None, "#ff0000", None, None, None]))
    assert sheet.shape == (2 * 56, 3 * 72, 3)
    for i, frame in enumerate(frames):
        y, x = i // 3 * 56 + 4, i % 3 * 72 + 4
        assert np.array_equal(sheet[y : y + 48, x : x + 64], frame)
    assert sheet[0, 72].tolist() == [255, 0, 0] and sheet[0, 0].tolist() == [255, 255, 255]
    labelled = np.asarray(media.contact_sheet(frames, 3, labels=list("abcde")))
    assert labelled.shape[0] > sheet.shape[0] and (labelled[56:70, :64] < 100).any()
    with pytest.raises(ValueError, match="labels must be one for each of the 5 frames, got 1"):
        media.contact_sheet(frames, 3, labels=["a"])
    with pytest.raises(ValueError, match="at least one frame"):
        media.contact_sheet([], 3)
