"""Storyboards: JSON in and out, the frames that it means, the caption, and one clear line for what is wrong."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from boards import RED, story, write

from smartdirector_lite.media import MediaError
from smartdirector_lite.storyboard import Clip, Keyframe, Storyboard, StoryboardError, Take
from smartdirector_lite.timeline import Condition


def test_load_gives_frames_plan_and_caption(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    assert (board.num_frames, board.cuts, board.size) == (48, (24,), (32, 16))
    assert board.conditions == (Condition(0), Condition(24), Condition(36, 6))  # 12 frames at 24 fps are 6 at 12
    assert [(c.start, c.num_anchors) for c in board.plan(4).chunks] == [(0, 1), (24, 1), (36, 3), (42, 0)]
    assert board.caption() == (
        "A fox crosses two hills. Shot 1 (0.0-2.0 s): The fox walks. Camera: slow pan. Characters: Fox, Owl. "
        "Shot 2 (2.0-4.0 s): The owl looks up."
    )


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
    one, two = (Take.of(made, (32, 16), 4).frames for made in (there, board))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_media_in_memory(tmp_path: Path) -> None:
    video = np.full((10, 32, 32, 3), 90, np.uint8)
    board = Storyboard(
        num_frames=30, keyframes=[Keyframe(RED, frame=3)], clips=[Clip(video, frame=13, trim_frames=(2, 7))]
    )
    assert board.conditions == (Condition(3), Condition(13, 5))
    assert [frames.shape for frames in Take.of(board, (8, 8), 4).frames] == [(1, 8, 8, 3), (5, 8, 8, 3)]
    with pytest.raises(StoryboardError, match=r"keyframes\[0\].image is in memory; save"):
        board.to_dict()
    board.save(tmp_path / "m.json")
    assert {p.name for p in tmp_path.iterdir()} == {"m.json", "m_keyframe0.png", "m_clip0.mp4"}
    saved = Storyboard.load(tmp_path / "m.json")
    assert saved.conditions == board.conditions
    for one, two in zip(*(Take.of(made, (32, 32), 4).frames for made in (saved, board)), strict=True):
        assert np.abs(one.astype(int) - two).max() <= 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duraton": 4}, r"has an unknown key 'duraton'; did you mean 'duration'\?"),
        ({"zzz": 4}, "has an unknown key 'zzz'; known are description, shots"),
        ({"int": 4}, "has an unknown key 'int'; known are"),
        ({"folder": "/"}, "the storyboard has an unknown key 'folder'; known are"),
        ({"self": 4}, "the storyboard has an unknown key 'self'"),
        ({"__dataclass_self__": 4}, "the storyboard has an unknown key '__dataclass_self__'"),
        ({"shots": [{"self": 4}]}, r"shots\[0\] has an unknown key 'self'"),
        ({"num_frames": 48}, "has both duration and num_frames; give one"),
        ({"duration": None}, r"needs duration \(seconds\) or num_frames"),
        ({"duration": 0}, "duration 0 s at 12 fps is 0 frames; 1 to 1441 can be made"),
        ({"duration": 61}, "duration must be at most 60, got 61"),
        ({"duration": 1e400}, "Infinity is not a number"),
        ({"duration": True}, "duration must be a number, got True"),
        ({"duration": "4"}, "duration must be a number, got '4'"),
        ({"duration": None, "num_frames": 1442}, "num_frames must be at most 1441, got 1442"),
        ({"duration": None, "num_frames": 48.5}, "num_frames must be a whole number, got 48.5"),
        ({"fps": 0}, "fps must be at least 1, got 0"),
        ({"fps": 10**400}, "fps must be at most 120, got 1000"),
        ({"size": [32]}, r"size\[1\] is missing"),
        ({"size": [32, 0]}, r"size\[1\] must be at least 1, got 0"),
        ({"title": 3}, "title must be a text, got 3"),
        ({"description": "x" * 10_001}, "description must have at most 10000 characters, got 'xxx"),
        ({"title": "\ud800"}, "title must be a text without broken characters, got"),
        ({"title": "a\0b"}, "title: holds a NUL character; remove it"),
        ({"shots": [{"camera": "\0"}]}, r"shots\[0\].camera: holds a NUL character"),
        ({"\ud800": 4}, r"has an unknown key '\\ud800'"),
        ({"shots": [{"\ud800": 4}]}, r"shots\[0\] must be a text without broken characters, got '\\ud800'"),
        ({"size": [1, 2, 3]}, r"size must have 2 entries, got \[1, 2, 3\]"),
        ({"size": []}, r"size\[0\] is missing"),
        ({"shots": {}}, r"shots must be a list \[...\], got {}"),
        ({"shots": ["x"]}, r"shots\[0\] must be an object"),
        ({"shots": [{"start": 3}]}, r"shots\[0\].start must be 0, got 3"),
        ({"shots": [{}, {"description": "b"}]}, r"shots\[1\].start is frame 0, not after shots\[0\]"),
        (
            {"shots": [{}, {"start_frame": 24}, {"start": 2}]},
            r"shots\[2\].start is frame 24, not after shots\[1\] \(24\)",
        ),
        (
            {"shots": [{}, {"start": 1, "start_frame": 12}]},
            r"shots\[1\]: start \(seconds\) and start_frame are both there",
        ),
        (
            {"shots": [{}, {"start": 48}]},
            r"start must be from 0 to 3.917 s \(frame 47\), got 48; start_frame takes frames",
        ),
        ({"shots": [{}, {"start_frame": 48}]}, r"shots\[1\].start_frame must be from 0 to 47, or .*, got 48"),
        ({"shots": [{"characters": "Fox"}]}, r"shots\[0\].characters must be a list"),
        ({"shots": [{"characters": [1]}]}, r"shots\[0\].characters\[0\] must be a text"),
        (
            {"shots": [{}, {"start_frame": 39}]},
            r"cut at frame 39 lies inside clips\[0\] \(frames 36 to 41\); split the clip",
        ),
        ({"keyframes": [{"image": "a.png"}]}, r"keyframes\[0\]: neither time \(seconds\) nor frame is there; give one"),
        (
            {"keyframes": [{"image": "a.png", "time": 1, "frame": 12}]},
            r"keyframes\[0\]: time \(seconds\) and frame are both there; give",
        ),
        ({"keyframes": [{"time": 1}]}, r"keyframes\[0\].image is missing"),
        (
            {"keyframes": [{"image": "a.png", "tme": 1}]},
            r"keyframes\[0\] has an unknown key 'tme'; did you mean 'time'",
        ),
        (
            {"keyframes": [{"image": "a.png", "frame": 48}]},
            r"keyframes\[0\].frame must be from 0 to 47, or negative .*, got 48",
        ),
        ({"keyframes": [{"image": "a.png", "frame": -49}]}, r"keyframes\[0\].frame must be .*, got -49"),
        ({"keyframes": [{"image": "a.png", "frame": 1.5}]}, r"keyframes\[0\].frame must be a whole number, got 1.5"),
        ({"keyframes": [{"image": "a.png", "time": -1}]}, r"keyframes\[0\].time must be at least 0, got -1"),
        ({"keyframes": [{"image": "a.png", "time": 4}]}, r"time must be from 0 to 3.917 s \(frame 47\), got 4"),
        ({"keyframes": [{"image": "no.png", "frame": 1}]}, r"keyframes\[0\]: .*no.png: no such file"),
        ({"keyframes": [{"image": "", "frame": 1}]}, r"keyframes\[0\].image must have at least 1 character, got ''"),
        (
            {"keyframes": [{"image": 5, "frame": 1}]},
            r"keyframes\[0\].image must be a text or .* Path or .* Image, got 5",
        ),
        ({"keyframes": [{"image": "c.mp4", "frame": 1}]}, r"keyframes\[0\]: .*c.mp4: is a video; place it as a clip"),
        ({"keyframes": [{"image": "../outside.png", "frame": 1}]}, r"'../outside.png' leaves the storyboard's folder"),
        ({"keyframes": [{"image": "/etc/hostname", "frame": 1}]}, "leaves the storyboard's folder"),
        ({"keyframes": [{"image": "link.png", "frame": 1}]}, r"'link.png'(:| leaves the storyboard's) "),
        ({"keyframes": [{"image": "a\0.png", "frame": 1}]}, "is not a usable file name"),
        ({"keyframes": [{"image": "x" * 9999, "frame": 1}]}, r"keyframes\[0\].image must have at most 1000 char"),
        (
            {"keyframes": [{"image": "a.png", "frame": 5}] * 2},
            r"keyframes\[0\] and keyframes\[1\] both stand at frame 5",
        ),
        ({"keyframes": [{"image": "a.png", "frame": 38}]}, r"clips\[0\] \(frames 36 to 41\) overlaps keyframes\[0\]"),
        (
            {"clips": [{"frame": 40, "video": "c.mp4"}]},
            r"clips\[0\] covers frames 40 to 51, but the video ends at frame",
        ),
        ({"clips": [{"frame": 1, "video": "c.mp4", "trim_frames": [0, 25]}]}, r"clips\[0\]: .*ends after 24 frames"),
        (
            {"clips": [{"frame": 1, "video": "c.mp4", "trim": [0, 0.5], "trim_frames": [0, 9]}]},
            r"clips\[0\]: trim \(seconds\) and trim_frames are both there; give one of them",
        ),
        ({"clips": [{"frame": 1, "video": "c.mp4", "trim": [5, 5]}]}, r"clips\[0\]: trim must end after it starts"),
        ({"clips": [{"frame": 1, "video": "c.mp4", "trim": 5}]}, r"clips\[0\].trim must be a list \[...\], got 5"),
        ({"clips": [{"frame": 1, "video": "a.png"}]}, r"clips\[0\]: .*a.png: is a picture; place it as a keyframe"),
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
        (b"{'a': 1}", "not JSON: .*: line 1 column 2"),
        (b"[1]", r"must be an object \{...\}, got list"),
        (b'{"title": "\xff"}', r"not text in UTF-8 \(invalid start byte at byte 11\); save it as UTF-8"),
        (b'{"fps": 1, "fps": 2}', "the key 'fps' appears twice; keep one"),
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
    with pytest.raises(StoryboardError, match=r"missing\.json: no such file"):
        Storyboard.load(tmp_path / "missing.json")
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"num_frames": 5, "description": "a"}')
    assert Storyboard.load(tmp_path / "bom.json").num_frames == 5
    with pytest.raises(StoryboardError, match=r"keyframes\[0\].image is missing"):
        Storyboard(num_frames=5, keyframes=[{"frame": 1}])
    with pytest.raises(StoryboardError, match=r"clips\[0\] must be an object .* or an instance of Clip, got Keyframe"):
        Storyboard(num_frames=5, clips=[Keyframe(RED, frame=1)])
    for wrong, message in [
        ({"frame": True}, "frame must be a whole number, got True"),
        ({"time": "1"}, "time must be a number, got '1'"),
    ]:
        with pytest.raises(StoryboardError, match=f"^{message}"):
            Keyframe(RED, **wrong)
    with pytest.raises(StoryboardError, match=r"^video must be a uint8 array .* got float64"):
        Storyboard(num_frames=5, clips=[Clip(np.zeros((2, 4, 4, 3)), frame=0)])
    with pytest.raises(StoryboardError, match=r"clips\[0\]: frames 0 to 9 are asked for, and the array holds 2"):
        Storyboard(num_frames=5, clips=[Clip(np.zeros((2, 4, 4, 3), np.uint8), frame=0, trim_frames=(0, 9))])
    with pytest.raises(
        StoryboardError, match="the storyboard has an unknown key 'decription'; did you mean 'description'"
    ):
        Storyboard(decription="a", num_frames=5)
    with pytest.raises(StoryboardError, match="is 48 frames, but num_frames is 49; give only one"):
        Storyboard("a", duration=4.0, num_frames=49)
    assert issubclass(StoryboardError, ValueError) and issubclass(MediaError, ValueError)
