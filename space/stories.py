"""The timeline's storyboard (a JSON object) on its way into the library, and back."""

import re

import numpy as np
from PIL import Image

import limits
import visitors
from smartdirector_lite.media import MediaError
from smartdirector_lite.storyboard import Storyboard, StoryboardError, parse_json
from smartdirector_lite.timeline import ChunkPlan, check_int

MAX_JSON = 200_000  # characters of a storyboard that is pasted or sent
NUMBERS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
PARTS = {"keyframes": "picture", "clips": "clip", "shots": "shot"}
FIELD = re.compile(rf"\b({'|'.join(PARTS)})\[(\d+)\](?:\.(\w+))?")
STAND_IN = Image.new("RGB", (2, 2))  # for a picture that is not there


def read_json(text: str) -> dict:
    """Return the object of a JSON text that is pasted or sent. Anything else is a StoryboardError."""
    if not isinstance(text, str) or len(text) > MAX_JSON:
        raise StoryboardError(f"the storyboard must be JSON text of at most {MAX_JSON} characters")
    return _object(parse_json(text))


def _object(value: object) -> dict:
    if not isinstance(value, dict):
        raise StoryboardError(f"the storyboard must be an object {{...}}, got {type(value).__name__}")
    return value


def in_words(message: str) -> str:
    """Say where something is as visitors see it: keyframes[5].frame is "your sixth picture"."""

    def place(match: re.Match) -> str:
        part, number, field = match.groups()
        counted = NUMBERS[int(number)] if int(number) < len(NUMBERS) else f"{int(number) + 1}th"
        named = f"your {counted} {PARTS[part]}"
        return f"the {field} of {named}" if field in ("description", "camera", "characters", "trim") else named

    return FIELD.sub(place, message)


def build(value: object, folder: str) -> Storyboard:
    """Make the storyboard of a visitor, whose pictures and clips lie in `folder`.

    Raises:
        StoryboardError: something does not fit. The message holds no path of this machine.
    """
    try:
        visitors.bring_in(_names(_object(value)), folder)
        return Storyboard.from_dict(value, folder)
    except (StoryboardError, MediaError, TypeError, OverflowError, RecursionError) as error:
        raise StoryboardError(visitors.plain(error, folder, "your files")) from error


def _names(value: dict) -> list[str]:
    """The files that the storyboard names. Far too many of them are a StoryboardError."""
    found = []
    for part, key in (("keyframes", "image"), ("clips", "video")):
        entries = value.get(part, [])
        if isinstance(entries, list):
            if len(entries) > limits.MAX_KEYFRAMES:
                raise StoryboardError(f"{len(entries)} {part}: this Space takes {limits.MAX_KEYFRAMES}; use fewer")
            found += [entry[key] for entry in entries if isinstance(entry, dict) and key in entry]
    return found


def skeleton(value: object, clip_frames: dict | None = None) -> Storyboard:
    """Make the storyboard with blank stand-ins for its pictures and clips: enough to plan and to retime.

    Args:
        clip_frames: the number of frames of each clip, by its name; 1 for a clip that is not there.
    """
    _names(_object(value))
    try:
        keyframes = [{**_moment(entry), "image": STAND_IN} for entry in value.get("keyframes") or []]
        clips = []
        for entry in value.get("clips") or []:
            length = (clip_frames or {}).get(entry.get("video"), 1)
            length = check_int("the frames of a clip", length, 1, limits.MAX_CLIP_FRAMES)
            clips.append({**_moment(entry), "video": np.zeros((length, 2, 2, 3), np.uint8)})
        blank = {**value, "keyframes": keyframes, "clips": clips, "description": "blank"}
        return Storyboard.from_dict(blank, visitors.ROOT)
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StoryboardError(f"a storyboard of another form: {visitors.plain(error)}") from error


def _moment(entry: object) -> dict:
    if not isinstance(entry, dict):
        raise StoryboardError(f"keyframes and clips are objects {{...}}, got {type(entry).__name__}")
    return {key: entry[key] for key in ("time", "frame") if key in entry}


def describe(plan: ChunkPlan) -> dict:
    """Return what the timeline draws of a plan."""
    tau = plan.tau()
    chunks = [{"start": c.start, "stop": c.stop, "surplus": c.surplus} for c in plan.chunks]
    latents = [
        {"frame": frame, "anchor": anchor, "tau": round(value, 4)}
        for frame, anchor, value in zip(plan.last_frames, plan.anchors, tau, strict=True)
    ]
    return {"chunks": chunks, "latents": latents, "num_frames": plan.num_frames}


def plan_of(data: object, stride: int) -> dict:
    """Plan a storyboard while a keyframe moves.

    Args:
        data: {"storyboard": ..., "clip_frames": {...}}, as the page sends it.

    Returns:
        What `describe` returns, or {"error": one line}.
    """
    try:
        data = data if isinstance(data, dict) else {}
        return describe(skeleton(data.get("storyboard"), _dict(data.get("clip_frames"))).plan(stride))
    except (ValueError, TypeError) as error:
        return {"error": in_words(visitors.plain(error))}


def retimed(data: object) -> dict:
    """Move the keyframes of a storyboard as a preset does.

    Args:
        data: {"storyboard": ..., "clip_frames": {...}, "pacing": ...}, as the page sends it.

    Returns:
        {"keyframes": ..., "clips": ..., "cuts": ...}, each a list of frames, or {"error": one line}.
    """
    try:
        data = data if isinstance(data, dict) else {}
        pacing = data.get("pacing")
        if not isinstance(pacing, str):
            raise StoryboardError("pacing must be the name of a preset")
        new = skeleton(data.get("storyboard"), _dict(data.get("clip_frames"))).retime(pacing)
        frames = [condition.frame_index for condition in new.conditions]
        n = len(new.keyframes)
        return {"keyframes": frames[:n], "clips": frames[n:], "cuts": list(new.cuts)}
    except (ValueError, TypeError) as error:
        return {"error": in_words(visitors.plain(error))}


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def with_frames(value: dict) -> dict:
    """Return a storyboard's JSON with every time as a frame number, as the timeline keeps it."""
    plan = skeleton(value)
    frames = iter(condition.frame_index for condition in plan.conditions)
    result = {**value, "fps": plan.fps, "num_frames": plan.num_frames}
    result.pop("duration", None)
    for part in ("keyframes", "clips"):
        entries = [{**entry, "frame": next(frames)} for entry in value.get(part) or []]
        result[part] = [_without(entry, "time") for entry in entries]
    starts = [0, *plan.cuts]
    shots = zip(value.get("shots") or [], starts, strict=False)
    result["shots"] = [{**_without(shot, "start"), "start_frame": start} for shot, start in shots]
    return result


def _without(entry: dict, key: str) -> dict:
    return {name: value for name, value in entry.items() if name != key}
