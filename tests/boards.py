"""Storyboards for tests, whose media are those of the fixture `folder` in tests/storyboard/conftest.py."""

import json
from pathlib import Path

from PIL import Image

RED, BLUE = Image.new("RGB", (32, 16), "red"), Image.new("RGB", (16, 16), "blue")


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
