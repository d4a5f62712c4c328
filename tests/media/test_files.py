"""Nothing that is written takes the place of what was read."""

import os
from pathlib import Path

import numpy as np
import pytest

from smartdirector_lite.media.files import MediaError, check_outputs
from smartdirector_lite.media.result import DirectorResult
from smartdirector_lite.report import Report
from smartdirector_lite.timeline import ChunkPlan


@pytest.fixture
def clip(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "clip.mp4").write_bytes(b"kept")
    (tmp_path / "soft.mp4").symlink_to("clip.mp4")
    os.link("clip.mp4", "hard.mp4")
    (tmp_path / "way").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize(
    "output", ["clip.mp4", "soft.mp4", "hard.mp4", "way/clip.mp4", "folder/../clip.mp4", "./clip.mp4", "CLIP.mp4"]
)
def test_an_output_that_is_an_input_is_refused_whatever_its_name(clip, output):
    for given in (clip, "clip.mp4"):
        with pytest.raises(MediaError) as caught:
            check_outputs(["other.mp4", output], ["not there.png", given])
        assert str(caught.value) == f"{output}: {given}, an input, would be written over; give the output another name"
    check_outputs(["other.mp4", "clip2.mp4", "folder/clip.mp4"], [clip])


@pytest.mark.parametrize("other", ["new.mp4", "./new.mp4", "NEW.mp4", "way/new.mp4"])
def test_two_outputs_are_two_files(clip, other):
    with pytest.raises(MediaError, match=r"^.*: new.mp4, another output, would be written over; give the output "):
        check_outputs(["new.mp4", "other.mp4", other])
    with pytest.raises(MediaError, match="another output"):
        check_outputs(["soft.mp4", "hard.mp4"])


@pytest.mark.parametrize("given", ["k.mp4", "k.sheet.png", "k.report.json"])
def test_a_result_is_not_saved_over_what_it_was_made_from(clip, given):
    Path(given).write_bytes(b"kept")
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    result = DirectorResult(frames, frames, 12, ChunkPlan.build(2), Report((), ()), inputs=(Path(given).resolve(),))
    before = sorted(Path().iterdir())
    with pytest.raises(MediaError, match=f"^{given}: .*, an input, would be written over"):
        result.save("k.mp4")
    assert Path(given).read_bytes() == b"kept" and sorted(Path().iterdir()) == before
    assert [path.name for path in result.save("l.mp4")] == ["l.mp4", "l.sheet.png", "l.report.json"]
