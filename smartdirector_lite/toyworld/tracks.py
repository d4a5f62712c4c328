"""Where everything is in every frame: the ground truth that the renderer draws and the benches measure against."""

import math
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from .scene import FRAMINGS, Prop, Role, Scene, SceneShot

STRIDE_LENGTH = 0.7  # world units a walker covers in one cycle of its feet
JUMP_PERIOD = 1.6  # seconds
JUMP_HEIGHT = 0.55
BALL_RADIUS = 0.2

Tracks = TypeVar("Tracks", "CharacterTrack", "PropTrack", "ShotTracks")


@dataclass(frozen=True)
class CharacterTrack:
    """One character over T frames; every field is (T,), world units."""

    x: Tensor
    y: Tensor  # height of the soles over the ground
    facing: Tensor  # -1 left, 0 to the viewer, 1 right
    step: Tensor  # phase of the walk, radians
    squash: Tensor  # > 0: flatter and wider
    wave: Tensor  # 0 hand down ... 1 hand up


@dataclass(frozen=True)
class PropTrack:
    """A prop over T frames; every field is (T,), world units."""

    x: Tensor
    y: Tensor  # of a balloon's middle; a ball lies on the ground, 0
    turn: Tensor  # of a ball, radians


@dataclass(frozen=True)
class ShotTracks:
    """The camera, and what it films, over T frames of one shot; every tensor is (T,), world units."""

    frames: Tensor  # numbers in the scene, int64
    camera_x: Tensor  # the middle of the frame
    camera_y: Tensor
    view: Tensor  # from the bottom to the top of the frame
    characters: dict[int, CharacterTrack]  # by the character's index in the scene
    prop: PropTrack | None


def track_character(role: Role, seconds: Tensor) -> CharacterTrack:
    """`seconds: (T,)`, 0 half-way through the shot."""
    zero = torch.zeros_like(seconds)
    x = role.x + role.speed * seconds
    facing = zero + (math.copysign(1.0, role.speed) if role.speed else 0.0)
    step, y, squash, wave = zero, zero, zero, zero
    if role.action.startswith("walks"):
        step = 2 * math.pi * (x / STRIDE_LENGTH)
        y = 0.035 * step.sin().abs()
    elif role.action == "jumps":
        cycle = (seconds / JUMP_PERIOD + role.phase) % 1.0
        air = ((cycle - 0.3) / 0.7).clamp(0, 1)
        y = JUMP_HEIGHT * 4 * air * (1 - air)
        crouch = (1 - (cycle / 0.3 * 2 - 1).abs()).clamp(0, 1)
        squash = 0.16 * crouch - 0.06 * (air > 0) * (1 - (2 * air - 1).abs())
    elif role.action == "waves":
        wave = 0.75 + 0.25 * (2 * math.pi * (seconds / 1.2 + role.phase)).sin()
    else:
        facing = (2 * math.pi * (seconds / 5.0 + role.phase)).sin()
        squash = 0.015 * (2 * math.pi * (seconds / 2.0 + role.phase)).sin()
    return CharacterTrack(x, y, facing, step, squash, wave)


def track_prop(prop: Prop, seconds: Tensor) -> PropTrack:
    """`seconds: (T,)`, 0 half-way through the shot."""
    if prop.kind == "balloon":
        return PropTrack(
            prop.x + 0.06 * (1.5 * seconds).sin(), 1.2 + 0.5 * prop.speed * seconds, torch.zeros_like(seconds)
        )
    x = prop.x + prop.speed * seconds
    return PropTrack(x, torch.zeros_like(x), -x / BALL_RADIUS)


def select_frames(tracks: Tracks, index: Tensor) -> Tracks:
    """The same tracks for some of their T frames only; `index: (n,)` int64 into them. Nested tracks included."""
    values = {f.name: getattr(tracks, f.name) for f in fields(tracks)}
    for name, value in values.items():
        if isinstance(value, Tensor):
            values[name] = value[index]
        elif isinstance(value, dict):
            values[name] = {key: select_frames(track, index) for key, track in value.items()}
        elif value is not None:
            values[name] = select_frames(value, index)
    return replace(tracks, **values)


def track_shot(scene: Scene, shot: SceneShot, device: torch.device | str = "cpu") -> ShotTracks:
    """All tracks of one shot, frame by frame."""
    frames = torch.arange(shot.start, shot.stop, device=device)
    seconds = (frames - (shot.start + shot.stop - 1) / 2) / scene.fps
    view = torch.full_like(seconds, FRAMINGS[shot.framing])
    camera_x = torch.full_like(seconds, shot.camera_x)
    if shot.camera.startswith("zoom"):
        view = view * torch.exp(shot.camera_speed * seconds)
    else:
        camera_x = camera_x + shot.camera_speed * seconds
    characters = {role.character: track_character(role, seconds) for role in shot.roles}
    prop = track_prop(shot.prop, seconds) if shot.prop else None
    # The soles stand at about a fifth of the frame's height, in every framing.
    return ShotTracks(frames, camera_x, 0.5 * view - 0.19 * view, view, characters, prop)
