"""The files of a storyboard: saved without harm to any other, and read as other programs and systems write them."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from boards import BLUE, RED, random_storyboard, rewritten, story, write
from PIL import Image

from smartdirector_lite.storyboard import Clip, Keyframe, Shot, Storyboard, StoryboardError
from smartdirector_lite.timeline import Condition

GREEN = Image.new("RGB", (16, 16), "lime")


def colours(board: Storyboard) -> list[tuple[int, ...]]:
    """The colours of the pictures, in the order of the keyframes."""
    given = [board.source("image", keyframe.image) for keyframe in board.keyframes]
    images = [one if isinstance(one, Image.Image) else Image.open(one) for one in given]
    return [image.convert("RGB").getpixel((1, 1)) for image in images]


def keyframes(*images: Image.Image) -> list[Keyframe]:
    return [Keyframe(image, frame=4 * i) for i, image in enumerate(images)]


def test_saving_again_with_a_new_picture_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    Storyboard(num_frames=9, keyframes=keyframes(RED, GREEN)).save(path)
    loaded = Storyboard.load(path)
    later = [Keyframe(k.image, frame=k.frame + 4) for k in loaded.keyframes]
    more = Storyboard(num_frames=9, keyframes=[Keyframe(BLUE, frame=0), *later], folder=tmp_path)
    more.save(path)
    assert colours(Storyboard.load(path)) == [(0, 0, 255), (255, 0, 0), (0, 255, 0)]
    files = {file.name for file in tmp_path.iterdir()}
    more.save(path)
    assert {file.name for file in tmp_path.iterdir()} == files  # the same pictures need no new files


def test_saving_writes_over_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "s_keyframe0.png").write_text("my notes")
    (tmp_path / "s_keyframe1.png").mkdir()
    board = Storyboard(num_frames=9, keyframes=keyframes(RED, GREEN, RED))
    board.save(tmp_path / "s.json")
    assert (tmp_path / "s_keyframe0.png").read_text() == "my notes"
    saved = Storyboard.load(tmp_path / "s.json")
    assert [k.image for k in saved.keyframes] == ["s_keyframe2.png", "s_keyframe3.png", "s_keyframe2.png"]
    clip = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    other = Storyboard(num_frames=9, clips=[Clip(clip, frame=0), Clip(clip[::-1], frame=4)], keyframes=[])
    other.save(tmp_path / "s.json")
    assert [one.video for one in Storyboard.load(tmp_path / "s.json").clips] == ["s_clip0.mp4", "s_clip1.mp4"]
    assert not list(tmp_path.glob("tmp*"))
    with pytest.raises(StoryboardError, match=r"the folder .*no does not exist; make it first"):
        board.save(tmp_path / "no" / "s.json")


@pytest.mark.parametrize("name", ["picture.png", "link.png"])
def test_a_storyboard_is_not_saved_over_its_own_picture(tmp_path: Path, name: str) -> None:
    RED.save(tmp_path / "picture.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "picture.png")
    board = Storyboard(num_frames=9, keyframes=[Keyframe("picture.png", frame=0)], folder=tmp_path)
    with pytest.raises(ValueError, match=r"picture.png"):
        board.save(tmp_path / name)
    assert Image.open(tmp_path / "picture.png").size == RED.size


def test_files_name_all_that_a_storyboard_is_made_from(folder: Path) -> None:
    board = Storyboard.load(write(folder, story()))
    assert board.files == tuple(folder / name for name in ("story.json", "a.png", "b.png", "c.mp4"))
    assert board.retime("documentary").files == board.files
    assert Storyboard("a", num_frames=2).files == Storyboard(num_frames=2, keyframes=keyframes(RED)).files == ()


def test_paths_from_other_systems(folder: Path) -> None:
    (folder / "frames").mkdir()
    accents = "h\u00e9ros.png"
    RED.save(folder / "frames" / "red.png")
    GREEN.save(folder / "frames" / unicodedata.normalize("NFD", accents))
    BLUE.save(folder / "blue.png")
    entries = ["frames\\red.png", "frames/" + accents, ".\\frames\\..\\blue.png", "frames/./red.png"]
    shown = [{"frame": 3 * i, "image": image} for i, image in enumerate(entries)]
    board = Storyboard.load(write(folder, story(keyframes=shown)))
    assert colours(board) == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0)]
    for name, message in [
        ("..\\outside.png", r"leaves the storyboard's folder; put the file in it"),
        ("frames\\..\\..\\outside.png", "leaves the storyboard's folder"),
        ("Frames_RED.png", r"keyframes\[0\]: .*no such file"),
        ("frames\\RED.PNG", r"keyframes\[0\].image 'frames.*RED.PNG': no such file; is it 'red.png'\?"),
        ("blu.png", r"no such file; is it 'blue.png'\?"),
    ]:
        with pytest.raises(StoryboardError, match=message):
            Storyboard.load(write(folder, story(keyframes=[{"frame": 0, "image": name}])))


def test_json_in_other_encodings_and_what_can_not_be_opened(tmp_path: Path) -> None:
    text = '{"num_frames": 5, "description": "caf\u00e9"}'
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / "s.json").write_bytes(text.encode(encoding))
        assert Storyboard.load(tmp_path / "s.json").description == "caf\u00e9"
    for path, message in [
        (tmp_path, "is a folder; give a file"),
        (tmp_path / "no.json", "no.json: no such file"),
        ("a\0b.json", "no such file"),
        ("x" * 5000, r"can't be read \(File name too long\)|no such file"),
    ]:
        with pytest.raises(StoryboardError, match=message) as caught:
            Storyboard.load(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 1200


def test_storyboards_with_clips_in_memory_can_be_compared() -> None:
    video = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)

    def board(clip: object, **placed: object) -> Storyboard:
        return Storyboard(num_frames=9, clips=[Clip(clip, **(placed or {"frame": 0}))])

    assert board(video) == board(video.copy())
    assert board(video) != board(video[:3]) and board(video) != board(255 - video)
    assert board(video) != board(video, frame=1) and board(video) != board(video, frame=0, trim_frames=(0, 3))
    assert Clip(video, frame=0) != Clip("a.mp4", frame=0) and Clip("a.mp4", frame=0) == Clip("a.mp4", frame=0.0)
    assert Storyboard(num_frames=9, keyframes=keyframes(RED)) != Storyboard(num_frames=9, keyframes=keyframes(BLUE))


def test_numbers_of_every_kind_are_taken_and_kept_as_pythons(folder: Path) -> None:
    for number in (int, float, np.int64, np.int16, np.float32, np.float64):
        board = Storyboard(
            fps=number(12),
            num_frames=number(48),
            size=(number(32), number(16)),
            shots=[Shot(), Shot(start=number(2)), Shot(start_frame=number(30))],
            keyframes=[Keyframe("a.png", time=number(0)), Keyframe("b.png", frame=number(-1))],
            clips=[
                Clip("c.mp4", time=number(1), trim=(number(0), number(1))),
                Clip("c.mp4", frame=number(30), trim_frames=(number(0), number(12))),
            ],
            folder=folder,
        )
        assert board.conditions == (Condition(0), Condition(47), Condition(12, 12), Condition(30, 6))
        assert board.cuts == (24, 30)
        json.dumps(board.to_dict())
    assert Storyboard("a", num_frames=2, size=np.array([32, 16])).size == (32, 16)
    assert Storyboard("a", duration=np.float32(2.5)).num_frames == 30
    assert len({type(key.time) for key in (Keyframe(RED, time=1), Keyframe(RED, time=np.uint8(1)))}) == 1


def test_a_thousand_storyboards_survive_the_json_of_other_languages(folder: Path) -> None:
    same = 0
    for seed in range(1000):
        try:
            board = Storyboard.from_dict(random_storyboard(seed), folder)
        except StoryboardError:  # two of its moments are the same
            continue
        for whole in (int, float):
            text = json.dumps(rewritten(board.to_dict(), whole))
            again = Storyboard.from_dict(json.loads(text), folder)
            assert again == board and again.conditions == board.conditions and again.cuts == board.cuts
            assert again.caption() == board.caption()
        same += 1
    assert same > 500


def test_a_storyboard_stays_with_its_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program may go to another folder, where files of the same names lie."""
    write(folder, story())
    other = tmp_path / "other"
    other.mkdir()
    GREEN.save(other / "a.png")
    monkeypatch.chdir(folder)
    board = Storyboard.load("story.json")
    monkeypatch.chdir(other)
    assert board.files[:2] == (folder / "story.json", folder / "a.png")
    assert colours(board)[0] == (255, 0, 0)


def test_null_is_what_is_absent(folder: Path) -> None:
    """Many programs write null for each value that they have none of."""
    nothing = {"num_frames": None, "size": None, "negative": None, "title": None}
    shots = [{**shot, "start_frame": None, "camera": None} for shot in story()["shots"]]
    value = {**story(**{key: None for key in nothing}), **nothing, "shots": shots}
    (folder / "null.json").write_text(json.dumps(value))
    board = Storyboard.load(folder / "null.json")
    assert (board.num_frames, board.cuts, board.size, board.shots[0].camera) == (48, (24,), None, "")


def test_what_is_saved_from_memory_leaves_nothing_else_and_follows_links(tmp_path: Path) -> None:
    board = Storyboard(num_frames=4, clips=[Clip(np.zeros((4, 15, 15, 3), np.uint8), frame=0)])
    with pytest.raises(ValueError, match=r"^a clip in memory: H\.264 needs an even width and height, got 15 x 15"):
        board.save(tmp_path / "s.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("real.json")
    Storyboard("a hill", num_frames=4).save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink() and Storyboard.load(tmp_path / "real.json").description == "a hill"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff", "is no text; give the JSON file of a storyboard"),
        (b'{"fps": 12,}', "not JSON: .*; JSON has no comments, no single quotes and no comma after the last entry"),
        (b'{"fps": 12} // mine', "not JSON: .*; JSON has no comments"),
    ],
)
def test_what_is_no_storyboard_is_told_with_a_remedy(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "s.json").write_bytes(data)
    with pytest.raises(StoryboardError, match=message):
        Storyboard.load(tmp_path / "s.json")


def test_addresses_are_no_files(folder: Path) -> None:
    for image in ("https://example.org/a.png", "file:///tmp/a.png"):
        with pytest.raises(StoryboardError, match=r"is an address; download the file into the storyboard's folder"):
            Storyboard.load(write(folder, story(keyframes=[{"frame": 0, "image": image}])))


def test_retime_takes_times_or_frames() -> None:
    board = Storyboard(num_frames=9, keyframes=keyframes(RED, GREEN, BLUE))
    for pacing in ("action", [0, 0.3, 0.5]):
        with pytest.raises(StoryboardError, match="pacing and frames are both given; give one of them"):
            board.retime(pacing, frames=[0, 4, 8])
