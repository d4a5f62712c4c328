"""Where everything is in every frame. The renderer draws this, and the truth is computed from it."""

import math
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from .scene import FRAMINGS, Prop, Role, Scene, SceneShot

STRIDE_LENGTH = 0.7  # world units that a walker covers in one cycle of its feet
JUMP_PERIOD = 1.6  # seconds
JUMP_HEIGHT = 0.55
BALL_RADIUS = 0.2

Tracks = TypeVar("Tracks", "CharacterTrack", "PropTrack", "ShotTracks")


@dataclass(frozen=True)
class CharacterTrack:
    """One character over T frames. Every field is (T,), in world units.

    Attributes:
        x: the character's middle.
        y: height of the soles over the ground.
        facing: from -1, to the left, over 0, to the viewer, to 1, to the right.
        step: phase of the walk, in radians.
        squash: over 0 where the body is flatter and wider.
        wave: from 0, hand down, to 1, hand up.
    """

    x: Tensor
    y: Tensor
    facing: Tensor
    step: Tensor
    squash: Tensor
    wave: Tensor


@dataclass(frozen=True)
class PropTrack:
    """A prop over T frames. Every field is (T,), in world units.

    Attributes:
        x: the prop's middle.
        y: height of a balloon's middle; 0 for a ball, which lies on the ground.
        turn: how far a ball has turned, in radians.
    """

    x: Tensor
    y: Tensor
    turn: Tensor


@dataclass(frozen=True)
class ShotTracks:
    """The camera, and what it films, over T frames of one shot. Every tensor is (T,), in world units.

    Attributes:
        frames: the frames' numbers in the scene, int64.
        camera_x, camera_y: the middle of the frame.
        view: height of the frame.
        characters: by the character's index in the scene.
        prop: None where there is none.
    """

    frames: Tensor
    camera_x: Tensor
    camera_y: Tensor
    view: Tensor
    characters: dict[int, CharacterTrack]
    prop: PropTrack | None


def track_character(role: Role, seconds: Tensor) -> CharacterTrack:
    """Compute where a character is. seconds: (T,), 0 half-way through the shot."""
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
    """Compute where a prop is. seconds: (T,), 0 half-way through the shot."""
    if prop.kind == "balloon":
        return PropTrack(
            prop.x + 0.06 * (1.5 * seconds).sin(), 1.2 + 0.5 * prop.speed * seconds, torch.zeros_like(seconds)
        )
    x = prop.x + prop.speed * seconds
    return PropTrack(x, torch.zeros_like(x), -x / BALL_RADIUS)


def select_frames(tracks: Tracks, index: Tensor) -> Tracks:
    """Return the tracks, and those within them, of some of their T frames. index: (n,) int64."""
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
    """Compute all tracks of a shot, for each of its frames."""
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
    # In every framing the ground is at about a fifth of the frame's height.
    return ShotTracks(frames, camera_x, 0.5 * view - 0.19 * view, view, characters, prop)
