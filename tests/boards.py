"""Storyboards for tests and for bench/inputs.py.

Their media are those of the fixture `folder` in tests/storyboard/conftest.py.
"""

import json
import random
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
            {"start": 0.0, "description": "The fox walks.", "camera": "slow pan", "characters": ["Fox", "Owl"]},
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


def random_storyboard(seed: int) -> dict:
    """A storyboard's JSON object with moments in seconds and in frames, whole and broken, and odd texts."""
    draw = random.Random(seed)
    fps = draw.choice([8, 12, 12.0, 23.976, 24, 29.97, 30.0])
    num_frames = draw.randint(40, 200)
    text = "".join(draw.choices('aZ 9."\\/\n\t<&é漢🙂\u2028\u200d', k=draw.randint(0, 20)))
    places = sorted(draw.sample(range(num_frames - 13), 6))

    def moment(seconds: str, frame: str, place: int) -> dict:
        if draw.random() < 0.5:
            return {frame: draw.choice([place, float(place)])}
        return {seconds: draw.choice([place / fps, round(place / fps, 3), float(int(place / fps))])}

    value = {
        "title": text,
        "description": "a" + text,
        "fps": fps,
        "num_frames": num_frames,
        "shots": [{"camera": text}, *({"start_frame": place + 1, "characters": [text]} for place in places[:2])],
        "keyframes": [{"image": "a.png", **moment("time", "frame", place)} for place in places[2:5]],
        "clips": [{"video": "c.mp4", "trim": draw.choice([[0, 0.2], [0.0, 0.1]]), "frame": num_frames - 9}],
        "size": draw.choice([None, [112, 64], [112.0, 64.0]]),
    }
    if draw.random() < 0.3:
        value["shots"] = [{}, {**moment("start", "start_frame", num_frames - 10)}]
    return {key: item for key, item in value.items() if item is not None}


def rewritten(value: object, whole: type) -> object:
    """The object with every whole number as an int, as JavaScript writes it, or as a float, as other languages do."""
    if isinstance(value, dict):
        return {key: rewritten(item, whole) for key, item in value.items()}
    if isinstance(value, list):
        return [rewritten(item, whole) for item in value]
    return whole(value) if isinstance(value, int | float) and value == int(value) else value
