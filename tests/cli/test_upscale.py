"""The options of `smartdirector upscale`."""

import inspect

import pytest

from smartdirector_lite.cli import upscale
from smartdirector_lite.cli.upscale import parse_keyframes
from smartdirector_lite.sr.upscale import TILE


def test_parse_keyframes():
    assert parse_keyframes(["12=a.png", "0=b=c.png", "007=d.png"]) == {12: "a.png", 0: "b=c.png", 7: "d.png"}
    assert parse_keyframes(["-1=a.png", "0=b.png"]) == {-1: "a.png", 0: "b.png"}
    for text in ("a.png", "=a.png", "3=", "--1=a.png", "1.5=a.png", "9" * 5000 + "=a.png", "٣=a.png", "x=a.png", ""):
        with pytest.raises(ValueError, match="write FRAME=IMAGE, such as 12=hilltop"):
            parse_keyframes([text])
    with pytest.raises(ValueError, match=r"keyframe '07=b.png': there is another one for frame 7; give one each"):
        parse_keyframes(["7=a.png", "07=b.png"])


def test_the_command_works_in_tiles_as_upscale_video_does():
    assert inspect.signature(upscale.upscale).parameters["tile"].default == TILE
