"""course/notebook.py: what it shows carries an alternative text, and shows without a kernel."""

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite.course import notebook
from smartdirector_lite.course.figures.base import new_figure

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


def test_a_video_plays_and_has_a_strip_below_it(shown):
    notebook.show_video(FRAMES, 12, alt="a video")
    assert 'aria-label="a video"' in shown[0] and "data:video/mp4" in shown[0]
    assert len(shown) == 2 and shown[1].startswith("<img alt=")


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
