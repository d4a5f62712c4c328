"""Storyboards: JSON in and out, the frames it means, the caption, pacing, and one clear line for what is wrong."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smartdirector_lite.media import MediaError, write_video
from smartdirector_lite.storyboard import PACING, Clip, Keyframe, Shot, Storyboard, StoryboardError
from smartdirector_lite.storyboard.pacing import move_frames, preset_targets
from smartdirector_lite.timeline import Condition

RED, BLUE = Image.new("RGB", (32, 16), "red"), Image.new("RGB", (16, 16), "blue")


@pytest.fixture(scope="module")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images and a clip of 24 frames at 24 fps, of rising grey."""
    home = tmp_path_factory.mktemp("media")
    RED.save(home / "a.png")
    BLUE.save(home / "b.png")
    grey = (np.arange(24) * 8 + 20).astype(np.uint8)[:, None, None, None]
    write_video(home / "c.mp4", np.broadcast_to(grey, (24, 32, 32, 3)), fps=24)
    return home


@pytest.fixture
def folder(media_folder: Path, tmp_path: Path) -> Path:
    """A fresh folder with those media; an image lies outside it."""
    RED.save(tmp_path / "outside.png")
    return Path(shutil.copytree(media_folder, tmp_path / "story"))


def story(**changes: object) -> dict:
    """A valid storyboard of 48 frames as a JSON object, with some keys changed, or left out where None."""
    value = {
        "title": "Two hills",
        "description": "A fox crosses two hills",
        "fps": 12,
        "duration": 4.0,
        "size": [32, 16],
        "shots": [
            {"start": 0, "description": "The fox walks.", "camera": "slow pan", "characters": ["Fox", "Owl"]},
            {"start": 2.0, "description": "The owl looks up"},
        ],
        "keyframes": [{"time": 0.0, "image": "a.png"}, {"frame": 24, "image": "b.png"}],
        "clips": [{"time": 3.0, "video": "c.mp4", "trim": [0.0, 0.5]}],
        "negative": "text",
        **changes,
    }
    return {key: item for key, item in value.items() if item is not None}


def write(folder: Path, value: object) -> Path:
    (folder / "story.json").write_text(json.dumps(value), encoding="utf-8")
    return folder / "story.json"


def test_load_gives_frames_plan_and_caption(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    assert (board.num_frames, board.cuts, board.size) == (48, (24,), (32, 16))
    assert board.conditions == (Condition(0), Condition(24), Condition(36, 6))  # 12 frames at 24 fps are 6 at 12
    assert [(c.start, c.num_anchors) for c in board.plan(4).chunks] == [(0, 1), (24, 1), (36, 3), (42, 0)]
    assert board.caption() == (
        "A fox crosses two hills. Shot 1 (0.0-2.0 s): The fox walks. Camera: slow pan. Characters: Fox, Owl. "
        "Shot 2 (2.0-4.0 s): The owl looks up."
    )


def test_load_conditions(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    (f0, red), (f1, blue), (f2, clip) = board.load_conditions((16, 16))
    assert (f0, f1, f2) == (0, 24, 36)
    assert red.shape == blue.shape == (1, 16, 16, 3) and clip.shape == (6, 16, 16, 3)
    assert red[0, 8, 8].tolist() == [255, 0, 0] and blue[0, 8, 8].tolist() == [0, 0, 255]
    assert np.allclose(clip.mean((1, 2, 3)), 20 + 16 * np.arange(6), atol=2)
    assert board.load_conditions()[0][1].shape == (1, 16, 32, 3)
    with pytest.raises(StoryboardError, match="needs a size"):
        Storyboard.load(write(folder, story(size=None))).load_conditions()


def test_crops_says_what_does_not_have_the_shape(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    cut = "its middle was cut out, in the shape of"
    assert board.crops((32, 16)) == [f"keyframes[1] is 16 x 16: {cut} 32 x 16", f"clips[0] is 32 x 32: {cut} 32 x 16"]
    assert board.crops((64, 32)) == [f"keyframes[1] is 16 x 16: {cut} 64 x 32", f"clips[0] is 32 x 32: {cut} 64 x 32"]
    assert board.crops((48, 48)) == [f"keyframes[0] is 32 x 16: {cut} 48 x 48"]
    picture, video = Image.new("RGB", (300, 200)), np.zeros((3, 20, 30, 3), np.uint8)
    memory = Storyboard(num_frames=9, keyframes=[Keyframe(picture, frame=0)], clips=[Clip(video, frame=2)])
    assert memory.crops((30, 20)) == memory.crops((301, 200)) == memory.crops((302, 200)) == []  # under a hundredth
    assert memory.crops((304, 200))[0] == f"keyframes[0] is 300 x 200: {cut} 304 x 200"
    assert Storyboard("a", num_frames=2).crops((32, 16)) == []


def test_size_is_width_and_height_before_any_cropping(folder: Path) -> None:
    assert Keyframe("a.png", frame=0).size("k", folder) == Keyframe(RED, frame=0).size("k", None) == (32, 16)
    assert Clip("c.mp4", frame=0).size("c", folder) == (32, 32)
    assert Clip(np.zeros((2, 6, 4, 3), np.uint8), frame=0).size("c", None) == (4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    RED.save(folder / "turned.jpg", exif=exif)
    assert Keyframe("turned.jpg", frame=0).size("k", folder) == (16, 32)
    with pytest.raises(StoryboardError, match=r"k.image '../outside.png' leaves the storyboard's folder"):
        Keyframe("../outside.png", frame=0).size("k", folder)


def test_round_trip_through_save(folder: Path, tmp_path: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    board.save(folder / "again.json")
    assert json.loads((folder / "again.json").read_text()) == story()
    assert Storyboard.load(folder / "again.json") == board
    (tmp_path / "other").mkdir()
    board.save(tmp_path / "other" / "far.json")  # the media come along
    there = Storyboard.load(tmp_path / "other" / "far.json")
    assert [k.image for k in there.keyframes] == ["far_keyframe0.png", "far_keyframe1.png"]
    assert there.conditions == board.conditions
    assert all(
        np.array_equal(a[1], b[1]) for a, b in zip(there.load_conditions(), board.load_conditions(), strict=True)
    )


def test_media_in_memory(tmp_path: Path) -> None:
    video = np.full((10, 32, 32, 3), 90, np.uint8)
    board = Storyboard(num_frames=30, keyframes=[Keyframe(RED, frame=3)], clips=[Clip(video, frame=13, trim=(2, 7))])
    assert board.conditions == (Condition(3), Condition(13, 5))
    assert [frames.shape for _, frames in board.load_conditions((8, 8))] == [(1, 8, 8, 3), (5, 8, 8, 3)]
    with pytest.raises(StoryboardError, match=r"keyframes\[0\].image is in memory; save"):
        board.to_dict()
    board.save(tmp_path / "m.json")
    assert {p.name for p in tmp_path.iterdir()} == {"m.json", "m_keyframe0.png", "m_clip0.mp4"}
    saved = Storyboard.load(tmp_path / "m.json")
    assert saved.conditions == board.conditions
    for (_, one), (_, two) in zip(saved.load_conditions((32, 32)), board.load_conditions((32, 32)), strict=True):
        assert np.abs(one.astype(int) - two).max() <= 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duraton": 4}, r"has an unknown key 'duraton'; did you mean 'duration'\?"),
        ({"zzz": 4}, "has an unknown key 'zzz'; known are title, description"),
        ({"num_frames": 48}, "has both duration and num_frames; give one"),
        ({"duration": None}, r"needs duration \(seconds\) or num_frames"),
        ({"duration": 0}, "duration 0 s at 12 fps is 0 frames; 1 to 1441 can be made"),
        ({"duration": 61}, "duration must be from 0 to 60, got 61"),
        ({"duration": 1e400}, "duration must be from 0 to 60, got inf|Infinity is not a number"),
        ({"duration": True}, r"duration must be a number, got True \(bool\)"),
        ({"duration": "4"}, "duration must be a number, got '4'"),
        ({"duration": None, "num_frames": 1442}, "num_frames must be from 1 to 1441, got 1442"),
        ({"duration": None, "num_frames": 48.0}, "num_frames must be an int, got 48.0"),
        ({"fps": 0}, "fps must be from 1 to 120, got 0"),
        ({"fps": 10**400}, "fps must be from 1 to 120"),
        ({"size": [32]}, r"size must be \[width, height\]"),
        ({"size": [32, 0]}, "size: height must be from 1 to 4096, got 0"),
        ({"title": 3}, r"title must be a text, got 3 \(int\)"),
        ({"description": "x" * 10_001}, "description has 10001 characters"),
        ({"title": "\ud800"}, "title holds a character that is not text"),
        ({"shots": {}}, r"shots must be a list \[...\], got dict"),
        ({"shots": ["x"]}, r"shots\[0\] must be an object"),
        ({"shots": [{"start": 3}]}, r"shots\[0\].start must be 0, got 3"),
        ({"shots": [{}, {"description": "b"}]}, r"shots\[1\] needs 'start'"),
        ({"shots": [{}, {"start": 24}, {"start": 2.0}]}, r"shots\[2\].start is frame 24, not after shots\[1\] \(24\)"),
        ({"shots": [{}, {"start": 48}]}, r"shots\[1\].start must be from 0 to 47, got 48"),
        ({"shots": [{"characters": "Fox"}]}, r"shots\[0\].characters must be a list"),
        ({"shots": [{"characters": [1]}]}, r"shots\[0\].characters\[0\] must be a text"),
        ({"shots": [{}, {"start": 39}]}, r"cut at frame 39 lies inside clips\[0\] \(frames 36 to 41\); split the clip"),
        ({"keyframes": [{"image": "a.png"}]}, r"keyframes\[0\] has neither time \(seconds\) nor frame; give one"),
        ({"keyframes": [{"image": "a.png", "time": 1, "frame": 12}]}, r"keyframes\[0\] has both time and frame"),
        ({"keyframes": [{"time": 1}]}, r"keyframes\[0\] needs 'image'"),
        (
            {"keyframes": [{"image": "a.png", "tme": 1}]},
            r"keyframes\[0\] has an unknown key 'tme'; did you mean 'time'",
        ),
        ({"keyframes": [{"image": "a.png", "frame": 48}]}, r"keyframes\[0\].frame must be from 0 to 47, got 48"),
        ({"keyframes": [{"image": "a.png", "frame": 1.0}]}, r"keyframes\[0\].frame must be an int, got 1.0"),
        ({"keyframes": [{"image": "a.png", "time": -1}]}, r"keyframes\[0\].time must be from 0 to 60, got -1"),
        ({"keyframes": [{"image": "a.png", "time": 4}]}, r"time 4 s is frame 48, past the end; the last frame is 47"),
        ({"keyframes": [{"image": "no.png", "frame": 1}]}, r"keyframes\[0\].image 'no.png': no such file"),
        ({"keyframes": [{"image": "", "frame": 1}]}, r"keyframes\[0\].image is empty"),
        ({"keyframes": [{"image": 5, "frame": 1}]}, r"keyframes\[0\].image must be a path or a PIL image, got int"),
        ({"keyframes": [{"image": "c.mp4", "frame": 1}]}, r"keyframes\[0\]: .*c.mp4: not an image that can be read"),
        ({"keyframes": [{"image": "../outside.png", "frame": 1}]}, r"'../outside.png' leaves the storyboard's folder"),
        ({"keyframes": [{"image": "/etc/hostname", "frame": 1}]}, "leaves the storyboard's folder"),
        ({"keyframes": [{"image": "link.png", "frame": 1}]}, r"'link.png'(:| leaves the storyboard's) "),
        ({"keyframes": [{"image": "a\0.png", "frame": 1}]}, "is not a usable file name"),
        ({"keyframes": [{"image": "x" * 9999, "frame": 1}]}, r"keyframes\[0\].image has 9999 characters, at most 1000"),
        (
            {"keyframes": [{"image": "a.png", "frame": 5}] * 2},
            r"keyframes\[0\] and keyframes\[1\] both stand at frame 5",
        ),
        ({"keyframes": [{"image": "a.png", "frame": 38}]}, r"clips\[0\] \(frames 36 to 41\) overlaps keyframes\[0\]"),
        (
            {"clips": [{"frame": 40, "video": "c.mp4"}]},
            r"clips\[0\] covers frames 40 to 51, but the video ends at frame",
        ),
        ({"clips": [{"frame": 1, "video": "c.mp4", "trim": [0, 25]}]}, r"clips\[0\]: .*ends after 24 frames .*stop=25"),
        (
            {"clips": [{"frame": 1, "video": "c.mp4", "trim": [0, 0.5]}]},
            r"clips\[0\].trim mixes frames \(int\) and seco",
        ),
        ({"clips": [{"frame": 1, "video": "c.mp4", "trim": [5, 5]}]}, r"clips\[0\].trim must end after it starts"),
        ({"clips": [{"frame": 1, "video": "c.mp4", "trim": 5}]}, r"clips\[0\].trim must be \[start, stop\], got 5"),
        ({"clips": [{"frame": 1, "video": "a.png"}]}, r"clips\[0\]: .*a.png: damaged, cut short or not a video"),
        ({"clips": [{"frame": 1, "video": "cut.mp4"}]}, r"clips\[0\]: .*cut.mp4: .*cut short"),
        (
            {k: None for k in ("shots", "keyframes", "clips", "description")},
            "the storyboard is empty; give a description",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, changes: dict, message: str) -> None:
    with contextlib.suppress(OSError):  # Windows may not allow links
        os.symlink(folder.parent / "outside.png", folder / "link.png")
    (folder / "cut.mp4").write_bytes((folder / "c.mp4").read_bytes()[:-200])
    with pytest.raises(StoryboardError, match=message) as caught:
        Storyboard.load(write(folder, story(**changes)))
    assert "\n" not in str(caught.value) and "story.json: " in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"{'a': 1}", r"not JSON: .* \(line 1, column 2\)"),
        (b"[1]", r"must be an object \{...\}, got list"),
        (b"\xff\xfe{}", r"not UTF-8 text \(byte 0\)"),
        (b'{"fps": 1, "fps": 2}', "the key 'fps' appears twice"),
        (b'{"fps": NaN}', "NaN is not a number"),
        (b'{"fps": ' + b"9" * 5000 + b"}", "digits"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * 1_000_001, "more than 1000000 bytes"),
    ],
)
def test_what_is_not_a_json_storyboard(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "s.json").write_bytes(data)
    with pytest.raises(StoryboardError, match=message) as caught:
        Storyboard.load(tmp_path / "s.json")
    assert "s.json: " in str(caught.value)


def test_other_entrances(tmp_path: Path) -> None:
    with pytest.raises(StoryboardError, match="can't be read"):
        Storyboard.load(tmp_path / "missing.json")
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"num_frames": 5, "description": "a"}')
    assert Storyboard.load(tmp_path / "bom.json").num_frames == 5
    with pytest.raises(StoryboardError, match=r"keyframes\[0\] must be a Keyframe, got dict"):
        Storyboard(num_frames=5, keyframes=[{"frame": 1}])
    with pytest.raises(StoryboardError, match=r"clips\[0\].video must be a path or a uint8 array .* got float64"):
        Storyboard(num_frames=5, clips=[Clip(np.zeros((2, 4, 4, 3)), frame=0)])
    with pytest.raises(StoryboardError, match=r"clips\[0\]: frames 0 to 9 are asked for, and the array holds 2"):
        Storyboard(num_frames=5, clips=[Clip(np.zeros((2, 4, 4, 3), np.uint8), frame=0, trim=(0, 9))])
    with pytest.raises(StoryboardError, match="is 48 frames, but num_frames is 49; give only one"):
        Storyboard("a", duration=4.0, num_frames=49)
    assert issubclass(StoryboardError, ValueError) and issubclass(MediaError, ValueError)


def board_of(keyframes: list[int], cuts: list[int] = (), num_frames: int = 61) -> Storyboard:
    shots = [Shot(start) for start in [0, *cuts]]
    return Storyboard(num_frames=num_frames, shots=shots, keyframes=[Keyframe(RED, frame=f) for f in keyframes])


def frames_of(board: Storyboard) -> list[int]:
    return [condition.frame_index for condition in board.conditions]


def test_pacing_presets() -> None:
    board = board_of([0, 10, 40, 60])
    assert frames_of(board.retime("documentary")) == [0, 20, 40, 60]
    assert frames_of(board.retime("suspense")) == [0, 35, 49, 60]  # 60 sqrt(u)
    assert frames_of(board.retime("action")) == [0, 7, 27, 60]  # 60 u^2
    assert frames_of(board.retime("action").retime("documentary")) == [0, 20, 40, 60]
    assert [k.image for k in board.retime("action").keyframes] == [RED] * 4
    assert frames_of(board_of([40, 10, 60, 0]).retime("documentary")) == [40, 20, 60, 0]  # the caller's order stays


def test_cuts_move_along() -> None:
    board = board_of([0, 10, 40, 60], cuts=[10, 25])
    slow = board.retime("documentary")
    assert slow.cuts == (20, 30)  # 10 is a keyframe's, 25 lies half-way from 10 to 40
    assert slow.retime([0, 0.5, 3.0, 60]).cuts == (6, 21)


def test_retime_to_given_times() -> None:
    board = board_of([0, 10, 40])
    assert frames_of(board.retime([5, 1.0, 60])) == [5, 12, 60]
    for times, message in [
        ([0, 10], "retime needs 3 times, one a keyframe or clip, got 2"),
        ([0, 10, 10], "times must keep the keyframes' order and differ"),
        ([0, 40, 10], "times must keep the keyframes' order"),
        ([0, 10, 61], r"times\[2\] must be from 0 to 60, got 61"),
        ([0, 10, 5.1], r"times\[2\] 5.1 s is frame 61, past the end"),
        ("thriller", "pacing must be one of documentary, suspense, action, got 'thriller'"),
    ]:
        with pytest.raises(StoryboardError, match=message):
            board.retime(times)
    with pytest.raises(StoryboardError, match="there are 2; add keyframes or give the new times"):
        board_of([0, 10]).retime("action")
    with pytest.raises(StoryboardError, match="no room"):
        board_of([0, 10, 40], cuts=[20, 30]).retime([0, 10, 12])
    with pytest.raises(StoryboardError, match="no room at the start"):
        board_of([10, 20], cuts=[5]).retime([1, 20])
    with pytest.raises(StoryboardError, match="no room at the start"):
        board_of([10, 20], cuts=[10]).retime([0, 20])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_presets_keep_order_ends_and_gaps_for_any_storyboard(data: st.DataObject) -> None:
    lengths, frame = {}, data.draw(st.integers(0, 4))
    for gap, length in data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), min_size=3, max_size=7)):
        lengths[frame + gap] = length
        frame += gap + length
    num_frames = frame + data.draw(st.integers(0, 9))
    inside = {f for start, length in lengths.items() for f in range(start + 1, start + length)}
    free = [f for f in range(1, num_frames) if f not in inside]
    cuts = sorted(data.draw(st.lists(st.sampled_from(free), unique=True, max_size=5)) if free else [])
    starts, preset = sorted(lengths), data.draw(st.sampled_from(list(PACING)))
    targets = dict(zip(starts, preset_targets(starts, preset), strict=True))
    moved = move_frames(num_frames, lengths, cuts, targets, (starts[0], starts[-1]))
    assert (moved[starts[0]], moved[starts[-1]]) == (starts[0], starts[-1])
    old = sorted(moved)
    assert old == sorted({*lengths, *cuts})
    for one, two in zip(old, [*old[1:], None], strict=True):
        assert moved[one] + lengths.get(one, 1) <= (num_frames if two is None else moved[two])
    assert all(moved[cut] >= 1 for cut in cuts)
    moved_freely = move_frames(10 * num_frames, lengths, (), {f: 10.0 * f for f in starts}, starts)
    assert moved_freely == {f: 10 * f for f in starts}
