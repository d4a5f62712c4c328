"""course/notebook.py: what it shows carries an alternative text, and shows without a kernel."""

import base64
import re

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite.course import notebook
from smartdirector_lite.course.figures.base import new_figure
from smartdirector_lite.media import read_video

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), np.uint8)


@pytest.fixture
def shown(monkeypatch):
    """What the functions display, as HTML."""
    found = []
    monkeypatch.setattr(notebook, "display", lambda it, raw: found.append(it["text/html"]))
    return found


def test_pictures_carry_their_text(shown):
    notebook.show_figure(new_figure()[0], alt='a "plan" & more')
    notebook.show_image(FRAMES[0], alt="one frame", scale=2)
    notebook.show_strip(list(FRAMES), alt="some frames")
    assert len(shown) == 3 and all(tag.startswith("<img alt=") for tag in shown)
    assert 'alt="a &quot;plan&quot; &amp; more"' in shown[0] and 'width="96"' in shown[1]


def test_a_strip_shows_its_ends_and_every_keyframe(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "show_image", lambda picture, alt: shown.append(np.asarray(picture)))
    notebook.show_strip(list(FRAMES), alt="some frames", count=2, keyframes=[5])
    (sheet,) = shown
    assert sheet.shape[1] == 3 * 56  # frames 0, 5 and 8, with 4 pixels around each
    for place, frame in enumerate((0, 5, 8)):
        assert np.array_equal(sheet[4:36, 56 * place + 4 : 56 * place + 52], FRAMES[frame])
    assert sheet[0, 56].tolist() == [0xE8, 0xA3, 0x3D] and sheet[0, 0].tolist() == [255, 255, 255]


def test_a_video_plays_by_itself_and_has_a_strip_below_it(shown):
    notebook.show_video(FRAMES, 12, alt='a "video"', label="mine")
    for attribute in ("autoplay loop muted playsinline controls", 'width="144"', 'poster="data:image/png'):
        assert attribute in shown[0]
    assert 'aria-label="a &quot;video&quot;"' in shown[0] and "<figcaption>mine<" in shown[0]
    assert len(shown) == 2 and shown[1].startswith("<img alt=")
    notebook.show_video(FRAMES, 12, "a video", poster=False)
    assert "poster" not in shown[2]


def test_the_data_in_a_player_are_the_frames(shown, tmp_path):
    flat = np.full((5, 32, 48, 3), (200, 40, 40), np.uint8)
    notebook.show_video(flat, 12, alt="one colour")
    path = tmp_path / "video.mp4"
    path.write_bytes(base64.b64decode(re.search(r"video/mp4;base64,([^\"]+)", shown[0])[1]))
    video = read_video(path)
    assert video.shape == (5, 64, 96, 3) and np.abs(video.astype(int) - flat[0, 0, 0]).max() < 8


def test_videos_stand_side_by_side_and_play_together(shown):
    notebook.show_videos({"naive": FRAMES, "ours": FRAMES[::-1]}, 12, alt="two videos", count=3)
    players, strip = shown
    assert players.count("<video ") == 2 and players.count("<script>") == 1 and "flex-wrap:wrap" in players
    assert 'aria-label="naive: two videos"' in players and strip.startswith("<img alt=")
    with pytest.raises(ValueError, match="differ in shape"):
        notebook.show_videos({"a": FRAMES, "b": FRAMES[1:]}, 12, alt="two videos")


def test_a_table_escapes_scrolls_and_has_a_plain_twin(monkeypatch):
    found = []
    monkeypatch.setattr(notebook, "display", lambda it, raw: found.append(it))
    notebook.show_table([["a <b>", 1.5, "12 dB"], ["c", 10, "-"]], ["what", "how many", "how well"])
    (it,) = found
    assert "a &lt;b&gt;" in it["text/html"] and "overflow-x:auto" in it["text/html"]
    assert it["text/html"].count("text-align:right") == 6 and it["text/html"].count('<th scope="col"') == 3
    assert it["text/plain"].splitlines() == [
        "what   how many  how well",
        "a <b>  1.5       12 dB",
        "c      10        -",
    ]
    with pytest.raises(ValueError, match="2 cells, and the header has 3"):
        notebook.show_table([["a", "b"]], ["x", "y", "z"])


def test_an_empty_text_is_refused(shown):
    with pytest.raises(ValueError, match="alt is empty"):
        notebook.show_image(FRAMES[0], alt=" ")


@pytest.mark.parametrize(("width", "kind"), [(48, b"\x89PNG"), (1000, b"RIFF")])
def test_small_pictures_are_exact_and_wide_ones_reduced(width, kind):
    data = notebook.picture_bytes(Image.new("RGB", (width, 100)))
    assert data.startswith(kind)
    assert f'width="{width}"' in notebook.img_tag(data, "a picture", width)


def test_pick_takes_the_full_value_unless_the_fast_mode_is_on(monkeypatch):
    for fast, value in ((False, 8), (True, 2)):
        monkeypatch.setattr(notebook, "FAST", fast)
        assert notebook.pick(8, 2) == value
