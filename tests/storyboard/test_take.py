"""Takes: a storyboard for one size and stride, with every picture and clip decoded exactly once."""

from pathlib import Path

import av
import numpy as np
import pytest
from boards import RED, story, write
from decodes import count_decodes
from films import write_film
from PIL import Image

from smartdirector_lite.media import Size, read_image, read_video, write_video
from smartdirector_lite.storyboard import Clip, Keyframe, Storyboard, StoryboardError, Take


def test_a_take_holds_what_the_stages_need(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    take = Take.of(board, (16, 16), 4)
    assert (take.plan, take.fps, take.size) == (board.plan(4), 12, Size(16, 16))
    assert (take.caption, take.negative, take.large) == (board.caption(), "text", ())
    red, blue, clip = take.frames
    assert red.shape == blue.shape == (1, 16, 16, 3) and clip.shape == (6, 16, 16, 3)
    assert red[0, 8, 8].tolist() == [255, 0, 0] and blue[0, 8, 8].tolist() == [0, 0, 255]
    assert np.allclose(clip.mean((1, 2, 3)), 20 + 16 * np.arange(6), atol=2)


def test_both_sizes_are_what_each_would_be_alone(folder: Path) -> None:
    take = Take.of(Storyboard.load(write(folder, story())), (24, 16), 4, factor=3)
    for frames, size in ((take.frames, Size(24, 16)), (take.large, Size(72, 48))):
        for image, name in zip(frames[:2], ("a.png", "b.png"), strict=True):
            assert np.array_equal(image[0], np.asarray(read_image(folder / name, size)))
        assert np.array_equal(frames[2], read_video(folder / "c.mp4", size, 12, seconds=(0, 0.5)))
    video = np.random.default_rng(0).integers(0, 256, (9, 30, 40, 3), dtype=np.uint8)
    write_video(folder / "noise.mp4", video, 12)
    shown = read_video(folder / "noise.mp4")
    clips = [Clip(folder / "noise.mp4", frame=0, trim_frames=(2, 7)), Clip(shown, frame=5, trim_frames=(2, 7))]
    take = Take.of(Storyboard(num_frames=10, clips=clips), (8, 8), 4, factor=2)
    assert np.array_equal(*take.frames) and np.array_equal(*take.large)
    assert take.frames[0].shape == (5, 8, 8, 3) and take.large[0].shape == (5, 16, 16, 3)


def test_nothing_is_decoded_before_the_take_and_each_file_once_in_it(folder: Path, monkeypatch) -> None:
    seen = count_decodes(monkeypatch)
    slow = Storyboard.load(write(folder, story())).retime("suspense").retime(frames=[0, 20, 36])
    assert [condition.frame_index for condition in slow.conditions] == [0, 20, 36]
    assert slow.plan(4).conditions == slow.conditions and slow.caption() and slow.to_dict()
    assert seen.pictures == seen.videos == []
    for factor in (None, 2):
        seen.clear()
        Take.of(slow, (32, 16), 4, factor)
        assert (seen.pictures, seen.videos) == (["a.png", "b.png"], ["c.mp4"])


def test_a_clip_whose_packets_do_not_tell_its_frames_is_decoded_to_count_them(tmp_path: Path, monkeypatch) -> None:
    write_film(tmp_path / "c.avi", num_frames=9, codec="mpeg4")
    seen = count_decodes(monkeypatch)
    keyframes = [Keyframe(RED, frame=frame) for frame in (0, 14)]
    board = Storyboard(num_frames=30, keyframes=keyframes, clips=[Clip(tmp_path / "c.avi", frame=4)])
    assert board.conditions[2].num_frames == 9 and seen.videos == ["c.avi"]
    Take.of(board.retime("suspense"), (32, 16), 4, factor=2)
    assert seen.videos == ["c.avi", "c.avi"] and seen.pictures == []  # none for retime, one for the take


def test_a_retimed_storyboard_is_the_one_that_would_be_made_anew(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    moved = board.retime(frames=[0, 20, 40])
    entries = [{"frame": 0, "image": "a.png"}, {"frame": 20, "image": "b.png"}]
    shots = [story()["shots"][0], {"start_frame": 20, "description": "The owl looks up"}]
    clips = [{**story()["clips"][0], "time": None, "frame": 40}]
    anew = Storyboard.load(write(folder, story(keyframes=entries, shots=shots, clips=clips)))
    assert moved == anew and moved.conditions == anew.conditions and moved.cuts == anew.cuts == (20,)
    assert board.cuts == (24,)  # the old one stays


def test_notes_say_what_does_not_have_the_shape(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    cut = "its middle was cut out, in the shape of"
    assert Take.of(board, (32, 16), 4).notes == (
        f"keyframes[1] is 16 x 16: {cut} 32 x 16",
        f"clips[0] is 32 x 32: {cut} 32 x 16",
    )
    assert Take.of(board, (24, 24), 4, factor=2).notes == (f"keyframes[0] is 32 x 16: {cut} 48 x 48",)
    picture, video = Image.new("RGB", (300, 200)), np.zeros((3, 20, 30, 3), np.uint8)
    memory = Storyboard(num_frames=9, keyframes=[Keyframe(picture, frame=0)], clips=[Clip(video, frame=2)])
    for size in ((30, 20), (301, 200), (302, 200)):  # under a hundredth
        assert Take.of(memory, size, 4).notes == ()
    assert Take.of(memory, (304, 200), 4).notes[0] == f"keyframes[0] is 300 x 200: {cut} 304 x 200"
    empty = Take.of(Storyboard("a", num_frames=2), (32, 16), 4, factor=2)
    assert empty.notes == empty.frames == empty.large == ()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    RED.save(folder / "turned.jpg", exif=exif)
    turned = Storyboard(num_frames=1, keyframes=[Keyframe(folder / "turned.jpg", frame=0)])
    assert Take.of(turned, (32, 16), 4).notes == (f"keyframes[0] is 16 x 32: {cut} 32 x 16",)


def damaged(path: Path) -> None:
    """Write a video of noise and overwrite the end of its first coded frame. Headers and packets stay whole."""
    write_video(path, np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8), 24)
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
        stop = first.pos + first.size
        start = stop - 500
    data = path.read_bytes()
    path.write_bytes(data[:start] + bytes(stop - start) + data[stop:])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a.png", lambda path: path.write_bytes(path.read_bytes()[:60]), r"^keyframes\[0\]: .*a.png: damaged image"),
        ("a.png", Path.unlink, r"^keyframes\[0\]: .*a.png: no such file"),
        ("c.mp4", damaged, r"^clips\[0\]: .*c.mp4: (damaged, cut short|frame 0 is damaged)"),
        (
            "c.mp4",
            lambda path: write_video(path, np.zeros((24, 32, 32, 3), np.uint8), 12),
            r"^clips\[0\] had 6 frames when the storyboard was made, and now 12 can be decoded; write the file anew",
        ),
        ("c.mp4", lambda path: write_video(path, np.zeros((4, 32, 32, 3), np.uint8), 24), "ends after 4 frames"),
    ],
)
def test_a_file_that_is_not_what_it_was_stops_the_take(folder: Path, name: str, change, message: str) -> None:
    clip = {"frame": 40, "video": "c.mp4", "trim_frames": [0, 12]}
    board = Storyboard.load(write(folder, story(clips=[clip])))
    change(folder / name)
    with pytest.raises(StoryboardError, match=message) as caught:
        Take.of(board, (16, 16), 4)
    assert "\n" not in str(caught.value)


def test_damage_behind_a_whole_header_shows_in_the_take(folder: Path) -> None:
    damaged(folder / "c.mp4")
    image = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(image[: len(image) // 2])
    board = Storyboard.load(write(folder, story()))
    with pytest.raises(StoryboardError, match=r"keyframes\[1\]: .*b.png: damaged image"):
        Take.of(board, (16, 16), 4)
    board = Storyboard.load(write(folder, story(keyframes=None)))
    with pytest.raises(StoryboardError, match=r"clips\[0\]: .*c.mp4: .*damaged"):
        Take.of(board, (16, 16), 4)
