"""A video file through the second stage: its frames, their times, its sound, and what is said of a wrong one."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import browser_recording, copied, packets, picture, sound_codec, sound_of, write_film
from PIL import Image

from smartdirector_lite.cli import app as cli
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.media import decoded_frames, probe_video, read_image, read_video
from smartdirector_lite.sr.pipeline import DirectorSRPipeline, SROptions
from smartdirector_lite.sr.upscale import TILE, upscale_video


@pytest.fixture(scope="module")
def sr(two_stage_folder):
    return load_director(two_stage_folder, device="cpu").sr


def upscaled(sr, film: Path, progress: bool = False, **options) -> tuple[Path, list[str]]:
    """Enlarge a film in one step; options: `keyframes`, `scale`, and those of SROptions."""
    out, asked = film.with_name("large.mp4"), {"steps": 1, "tile": TILE, **options}
    how = {name: asked.pop(name) for name in ("keyframes", "scale") if name in asked}
    count, notes = upscale_video(sr, film, out, options=SROptions(**asked), progress=progress, **how)
    assert count == len(read_video(film)) == len(read_video(out))
    return out, notes


def likeness(shown: np.ndarray, expected: np.ndarray) -> float:
    """Correlation of the brightness; what H.264 loses of a random VAE's noise leaves more than 0.95 here."""
    grey = np.array([0.299, 0.587, 0.114])
    return float(np.corrcoef((shown @ grey).ravel(), (expected @ grey).ravel())[0, 1])


@pytest.fixture
def seen(monkeypatch) -> dict:
    """What reaches the pipeline: a random VAE's output hardly shows what was put in."""
    given, original = {"frames": []}, DirectorSRPipeline.stream

    def look(self, frames, num_frames, size, conditions, *rest, **options):
        given["conditions"] = conditions
        kept = (given["frames"].append(frame) or frame for frame in frames)
        return original(self, kept, num_frames, size, conditions, *rest, **options)

    monkeypatch.setattr(DirectorSRPipeline, "stream", look)
    return given


def refused(capsys, message: str, *arguments: object) -> None:
    folder = Path(arguments[0]).parent
    before = sorted(folder.iterdir())
    assert cli.main(["upscale", *map(str, arguments), "--out", str(folder / "out.mp4")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("smartdirector: ") and message in err, err
    assert sorted(folder.iterdir()) == before


# ---------------------------------------------------------------- frames and times


def test_frames_are_those_of_the_pipeline_at_the_times_of_the_file(sr, seen, tmp_path):
    times = [0.0, 0.05, 0.2, 0.6, 0.65, 1.5]
    film = write_film(tmp_path / "uneven.mkv", times=times)
    out, notes = upscaled(sr, film)
    assert np.array_equal(seen["frames"], read_video(film)) and notes == []
    expected, result = sr(read_video(film), num_inference_steps=1).frames[0], read_video(out)
    assert result.shape == expected.shape == (6, 32, 48, 3)
    nearest = [max(range(6), key=lambda j: likeness(result[i], expected[j])) for i in range(6)]
    assert nearest == list(range(6)) and likeness(result, expected) > 0.95
    shown = list(decoded_frames(out))
    assert [time for time, _, _ in shown] == pytest.approx(times, abs=0.001)
    assert sum(shown[-1][:2]) == pytest.approx(1.5 + 1 / 12, abs=0.002)


@pytest.mark.parametrize("fps", [12, 24000 / 1001])
def test_the_frame_rate_is_kept(sr, tmp_path, fps):
    out, _ = upscaled(sr, write_film(tmp_path / "film.mp4", fps=fps))
    assert probe_video(out).fps == pytest.approx(fps, rel=1e-6)
    assert [time for time, _, _ in decoded_frames(out)] == pytest.approx(np.arange(6) / fps, abs=1e-4)


def test_a_video_of_one_frame(sr, tmp_path):
    out, _ = upscaled(sr, write_film(tmp_path / "film.mp4", num_frames=1))
    ((time, lasts, _),) = decoded_frames(out)
    assert (time, lasts) == (0, pytest.approx(1 / 12, abs=1e-3)) and read_video(out).shape == (1, 32, 48, 3)


@pytest.mark.parametrize(("rotation", "corner"), [(90, (-1, 0)), (180, (-1, -1)), (270, (0, -1))])
def test_a_turned_video_comes_out_upright(sr, seen, tmp_path, rotation, corner):
    film = write_film(tmp_path / "film.mp4", rotation=rotation)
    out, _ = upscaled(sr, film)
    for frame in seen["frames"]:  # the red corner, stored at the top left, turned counterclockwise
        assert frame[corner][0] > 150 > 100 > frame[corner][1]
        assert np.ptp(frame[-1 - corner[0], -1 - corner[1]].astype(int)) < 20
    assert probe_video(film).rotation != 0 == probe_video(out).rotation
    assert read_video(out).shape == ((6, 32, 48, 3) if rotation == 180 else (6, 48, 32, 3))
    assert likeness(read_video(out), sr(read_video(film), num_inference_steps=1).frames[0]) > 0.95


@pytest.mark.parametrize(
    ("size", "scale", "wanted"), [((25, 17), 2.0, (50, 34)), ((25, 17), 1.0, (24, 16)), ((26, 18), 1.5, (38, 26))]
)
def test_odd_sides_lose_no_more_than_a_row_and_a_column(sr, tmp_path, size, scale, wanted):
    film = write_film(tmp_path / "film.mp4", size=size, pix_fmt="yuv444p", num_frames=2)
    out, _ = upscaled(sr, film, scale=scale)
    expected = sr(read_video(film), scale=scale, num_inference_steps=1).frames[0]
    assert read_video(out).shape == (2, *wanted[::-1], 3)
    assert likeness(read_video(out), expected[:, : wanted[1], : wanted[0]]) > 0.95


def test_a_frame_that_is_no_larger_than_a_tile_is_done_as_a_whole(sr, tmp_path):
    film, options = write_film(tmp_path / "film.mp4", size=(32, 32), num_frames=2), {"scale": 2.0}
    whole, fits, tiled = (read_video(upscaled(sr, film, tile=tile, **options)[0]) for tile in (None, 64, 32))
    assert np.array_equal(whole, fits) and not np.array_equal(whole, tiled)


# ---------------------------------------------------------------- sound


def test_the_sound_comes_along(sr, tmp_path):
    film = write_film(tmp_path / "film.mp4", sound="aac")
    out, _ = upscaled(sr, film)
    assert packets(out) == packets(film) and sound_of(out) == pytest.approx(sound_of(film), abs=0.005)
    film = write_film(tmp_path / "film.mov", sound="pcm_s16le", start=0.25)
    out, _ = upscaled(sr, film)
    assert sound_codec(out)[0] == "aac" and sound_of(out)[0] == pytest.approx(0.5, abs=0.005)
    assert not probe_video(upscaled(sr, write_film(tmp_path / "silent.mp4"))[0]).has_audio


def test_every_track_is_kept_and_what_is_left_out_is_said(sr, tmp_path):
    film = write_film(tmp_path / "one.mp4", sound="aac")
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    streams = [(film, "video"), (film, "audio"), (film, "audio"), (tmp_path / "a.srt", "subtitles")]
    tags = {1: {"language": "ger"}, 2: {"language": "fre"}}
    out, notes = upscaled(sr, copied(tmp_path / "film.mkv", *streams, tags=tags))
    assert notes == ["film.mkv: left out: 1 subtitle track"]
    with av.open(str(out)) as file:
        assert [stream.language for stream in file.streams.audio] == ["ger", "fre"]


# ---------------------------------------------------------------- films as people bring them


def test_pixels_that_are_not_square_come_out_square(sr, seen, tmp_path):
    film = write_film(tmp_path / "film.mp4", size=(64, 48), ratio=Fraction(4, 3), num_frames=2)
    out, _ = upscaled(sr, film)
    assert seen["frames"][0].shape == (48, 85, 3) and probe_video(out).size == (170, 96)  # 16:9
    with av.open(str(out)) as file:
        assert file.streams.video[0].sample_aspect_ratio in (None, 1)


def test_a_browsers_recording_and_an_avi_with_gaps_keep_their_times(sr, tmp_path):
    for film in (
        browser_recording(tmp_path / "film.webm", 6, 10),
        write_film(tmp_path / "film.avi", codec="mpeg4", fps=10, times=[0, 0.1, 0.4, 0.5, 0.8], tick=Fraction(1, 10)),
    ):
        times = [time for time, _, _ in decoded_frames(film)]
        out, _ = upscaled(sr, film)
        assert [time for time, _, _ in decoded_frames(out)] == pytest.approx(times, abs=0.0015)
        assert probe_video(out).duration == pytest.approx(probe_video(film).duration, abs=0.0015)


def test_a_gif_of_nine_frames_a_second_stays_one(sr, tmp_path):
    film = write_film(tmp_path / "film.gif", codec="gif", pix_fmt="rgb8", fps=100 / 11)
    assert probe_video(upscaled(sr, film)[0]).fps == pytest.approx(100 / 11)


def test_a_video_is_not_written_over_itself(sr, tmp_path):
    film = write_film(tmp_path / "film.mp4")
    before = film.read_bytes()
    (tmp_path / "link.mp4").symlink_to(film)
    for out in (film, tmp_path / "link.mp4"):
        with pytest.raises(ValueError, match="would be written over"):
            upscale_video(sr, film, out)
    assert film.read_bytes() == before


def test_a_keyframe_may_be_counted_from_the_end(sr, seen, tmp_path):
    Image.fromarray(picture(5, (48, 32))).save(tmp_path / "a.png")
    upscaled(sr, write_film(tmp_path / "film.mp4"), keyframes={-1: tmp_path / "a.png", 2.0: tmp_path / "a.png"})
    assert [condition.frame_index for condition in seen["conditions"]] == [2, 5]
    with pytest.raises(ValueError, match=r"keyframe .*a\.png: its frame must be from 0 to 5.* got -7"):
        upscaled(sr, tmp_path / "film.mp4", keyframes={-7: tmp_path / "a.png"})


# ---------------------------------------------------------------- keyframes and the command


def test_keyframes_take_their_places_and_a_crop_is_said(two_stage_folder, sr, seen, tmp_path, capsys):
    film, out = write_film(tmp_path / "film.mp4"), tmp_path / "out.mp4"
    Image.fromarray(picture(2, (48, 32))).resize((96, 64)).save(tmp_path / "a.png")
    Image.fromarray(picture(3, (40, 40))).save(tmp_path / "b.png")
    given = [f"--keyframe={frame}={tmp_path / name}" for frame, name in ((4, "b.png"), (0, "a.png"))]
    assert cli.main(["upscale", str(film), "-o", str(out), *given, "--model", str(two_stage_folder)]) == 0
    printed, bar = capsys.readouterr()
    first, *notes = printed.splitlines()
    assert first.startswith(f"{out}: 6 frames in ") and first.endswith(" s each")
    assert notes == ["b.png is 40 x 40: its middle was cut out, in the shape of 24 x 16"]
    assert "Director-SR" in bar and "6/6" in bar
    for condition, (frame, name) in zip(seen["conditions"], [(0, "a.png"), (4, "b.png")], strict=True):
        assert condition.frame_index == frame and condition.image == read_image(tmp_path / name)
        # what the VAE makes of the picture alone, wherever it stands
        alone = sr(read_video(film)[:1], [VideoCondition(image=condition.image)], num_inference_steps=1).frames[0, 0]
        assert likeness(read_video(out)[frame], alone) > 0.95 > likeness(read_video(out)[frame + 1], alone)


def test_the_bar_is_left_out_where_asked(sr, tmp_path, capsys):
    upscaled(sr, write_film(tmp_path / "film.mp4", num_frames=1), progress=False)
    assert capsys.readouterr() == ("", "")


def test_options_are_the_models_unless_given(two_stage_folder, tmp_path, monkeypatch):
    from smartdirector_lite.sr import upscale

    seen = []
    film = write_film(tmp_path / "film.mp4")
    monkeypatch.setattr(upscale, "upscale_video", lambda *args: seen.append(args[-2:]) or (1, []))
    for more in (
        [],
        ["--steps", "3", "--scale", "1.5", "--tile", "0", "--no-restore"],
    ):
        given = [str(film), "-o", str(tmp_path / "out.mp4"), "--model", str(two_stage_folder), *more]
        assert cli.main(["upscale", *given]) == 0
    assert seen == [(2.0, SROptions(2, tile=256)), (1.5, SROptions(3, restore=False))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keyframe", "a.png"], "keyframe 'a.png': write FRAME=IMAGE"),
        (["--keyframe", "1=a.png", "--keyframe", "1=b.png"], "there is another one for frame 1"),
        (["--keyframe", "6=a.png"], "keyframe a.png: its frame must be from 0 to 5, or negative"),
        (["--keyframe", "1=film.mp4"], "film.mp4: is a video"),
        (["--keyframe", "1=missing.png"], "missing.png: no such file"),
        (["--scale", "nan"], "scale must be a number from 1 to 8, got nan"),
        (["--scale", "inf"], "scale must be a number from 1 to 8, got inf"),
        (["--scale", "0.5"], "scale must be a number from 1 to 8, got 0.5"),
        (["--steps", "0"], "num_inference_steps must be from 1 to 1000, got 0"),
        (["--tile", "16"], "tile must be at least 32"),
        (["--tile", "-1"], "tile must be at least 32"),
        (["--out", "out.avi"], "out.avi: videos are written as .mp4; end the name so"),
        (["--model", "nowhere"], "model 'nowhere': there is no such folder"),
    ],
)
def test_wrong_options_are_one_line_and_leave_no_file(
    two_stage_folder, tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    film = write_film(tmp_path / "film.mp4")
    Image.new("RGB", (48, 32)).save(tmp_path / "a.png")
    model = [] if "--model" in options else ["--model", two_stage_folder]
    if "--out" in options:  # the helper's own comes later
        assert cli.main(["upscale", "film.mp4", *options]) == 2
        assert message in capsys.readouterr().err
    else:
        refused(capsys, message, film, *options, *model)


def test_a_model_without_a_second_stage_is_refused(wan_folder, tmp_path, capsys):
    film = write_film(tmp_path / "film.mp4")
    refused(capsys, f"model {wan_folder} has no second stage (director-sr)", film, "--model", wan_folder)


@pytest.mark.parametrize("damage", ["cut short", "overwritten"])
def test_a_video_that_is_damaged_half_way_leaves_no_file(two_stage_folder, tmp_path, capsys, damage):
    film = write_film(tmp_path / "film.mp4", num_frames=48, sound="aac")
    with av.open(str(film)) as file:
        middle = sorted(packet.pos for packet in file.demux(video=0) if packet.size)[24]
    data = film.read_bytes()
    film.write_bytes(data[:middle] if damage == "cut short" else data[:middle] + b"\xff" * 8 + data[middle + 8 :])
    refused(capsys, "film.mp4: ", film, "--model", two_stage_folder)
    shutil.copy(__file__, film)
    refused(capsys, "film.mp4: damaged, cut short or not a video", film, "--model", two_stage_folder)
    refused(capsys, "none.mp4: no such file", tmp_path / "none.mp4", "--model", two_stage_folder)


def test_whoever_watches_hears_of_every_frame_and_may_end_the_work(sr, tmp_path):
    film, out, told = write_film(tmp_path / "film.mp4"), tmp_path / "large.mp4", []

    def watch(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 10:
            raise KeyError("enough")

    upscale_video(sr, film, out, options=SROptions(1), progress=False, watch=watch)
    assert told == [(done, 6) for done in range(7)]
    out.unlink()
    with pytest.raises(KeyError, match="enough"):
        upscale_video(sr, film, out, options=SROptions(1), progress=False, watch=watch)
    assert len(told) == 10 and list(tmp_path.iterdir()) == [film]
