"""Draws scenes from seeds.

The order of the draws decides which scene a seed gives. Models are trained on these scenes, so the order must stay.
"""

import itertools
import random

from .scene import (
    ACTIONS,
    ASPECT,
    BODIES,
    CAMERAS,
    COLOURS,
    FRAMINGS,
    HEADGEAR,
    SETTINGS,
    WORDS,
    Character,
    Prop,
    Role,
    Scene,
    SceneShot,
)

HELD_OUT_SEED = 1_000_000  # seeds from here on are never trained on
# The camera of a long shot is slowed down, or it would end inside a character or far from all of them:
MAX_ZOOM = 1.1  # natural logarithm of how much the view grows over a shot
MAX_PAN = 3.7  # world units over a shot


def sample_scene(seed: int, num_frames: int = 49, num_shots: int | None = None, fps: float = 12.0) -> Scene:
    """Draw a scene from a seed. The same arguments always give the same scene.

    Args:
        num_shots: None draws 1 to 3 shots, or 1 for fewer than 24 frames. Every shot lasts at least half an even share,
            to within a frame.
        fps: frames a second.

    Raises:
        ValueError: no shots, fewer than two frames for each, or no frame rate.
    """
    if not fps > 0:
        raise ValueError(f"fps = {fps}: give frames a second, more than 0")
    rng = random.Random(f"scene-{seed}-{num_frames}")
    if num_shots is None:
        num_shots = rng.choice((1, 1, 2, 3)) if num_frames >= 24 else 1
    if num_shots < 1 or num_frames < 2 * num_shots:
        raise ValueError(f"{num_frames} frames and {num_shots} shots: give 1 shot or more, and 2 frames for each")
    colours = rng.sample(sorted(COLOURS), rng.choice((1, 2, 2)))
    characters = tuple(
        Character(colour, rng.choice(sorted(BODIES)), rng.choice(sorted(HEADGEAR)), rng.uniform(0.92, 1.15))
        for colour in colours
    )
    share = num_frames / num_shots
    cuts = [round(share * (i + rng.uniform(-0.25, 0.25))) for i in range(1, num_shots)]
    shots: list[SceneShot] = []
    for start, stop in itertools.pairwise([0, *cuts, num_frames]):
        shots.append(_sample_shot(rng, start, stop, fps, characters, shots[-1] if shots else None))
    # Keyword arguments are evaluated in this order, so the order decides which scene a seed gives.
    return Scene(
        seed=seed,
        fps=fps,
        setting=rng.choice(SETTINGS),
        characters=characters,
        shots=tuple(shots),
        sign=rng.choice(WORDS) if rng.random() < 0.45 else None,
        sign_x=rng.choice((-1, 1)) * rng.uniform(0.7, 1.6),
        light_x=rng.uniform(-0.75, 0.75),
        hills=tuple(rng.uniform(0, 6.28) for _ in range(4)),
        trees=tuple(
            (side * rng.uniform(0.9, 3.8), rng.uniform(0.9, 1.7), float(rng.random() < 0.5)) for side in (-1, 1, 1)
        ),
        clouds=tuple((rng.uniform(-3, 3), rng.uniform(1.7, 2.3), rng.uniform(0.22, 0.36)) for _ in range(2)),
    )


def _sample_shot(
    rng: random.Random, start: int, stop: int, fps: float, characters: tuple[Character, ...], last: SceneShot | None
) -> SceneShot:
    """Draw a shot of frames [start, stop), whose framing is not that of the shot before."""
    duration = (stop - start) / fps
    framing = rng.choice([name for name in FRAMINGS if last is None or name != last.framing])
    camera = rng.choices(CAMERAS, weights=(4, 1, 1, 1, 1, 2))[0]
    camera_x = rng.uniform(-0.4, 0.4)
    spread = FRAMINGS[framing] * ASPECT / 2
    roles = _sample_roles(rng, len(characters), framing, camera, camera_x, spread, duration)
    prop = None
    if rng.random() < 0.25:
        kind = rng.choice(("ball", "balloon"))
        speed = rng.uniform(0.4, 0.8) * (rng.choice((-1, 1)) if kind == "ball" else 1)
        prop = Prop(kind, rng.choice(sorted(COLOURS)), camera_x + spread * rng.uniform(-0.8, 0.8), speed)
    if camera == "follow":
        camera_x, camera_speed = roles[0].x, roles[0].speed
    elif camera.startswith("pan"):
        camera_speed = min(rng.uniform(0.3, 0.6), MAX_PAN / duration) * (1 if camera == "pan right" else -1)
    else:
        growth = {"zoom in": -1, "zoom out": 1}.get(camera, 0)
        camera_speed = growth * min(rng.uniform(0.10, 0.18), MAX_ZOOM / duration)
    return SceneShot(start, stop, framing, camera, camera_x, camera_speed, tuple(roles), prop)


def _sample_roles(
    rng: random.Random, count: int, framing: str, camera: str, camera_x: float, spread: float, duration: float
) -> list[Role]:
    """Draw what the scene's `count` characters do in a shot. A camera that follows somebody follows the first role.

    Args:
        spread: half the frame's width, in world units.
        duration: of the shot, in seconds.
    """
    cast = list(range(count))
    rng.shuffle(cast)
    if framing == "close-up":
        cast = cast[:1]
    roles = []
    for place, character in enumerate(cast):
        followed = camera == "follow" and place == 0
        action = rng.choices(ACTIONS, weights=(4, 4, 2, 1, 2))[0]
        if followed:
            action = rng.choice(ACTIONS[:2])
        slot = 0.0 if len(cast) == 1 else (-0.45, 0.45)[place]
        x = camera_x + spread * (slot + rng.uniform(-0.12, 0.12))
        speed = {"walks right": 1, "walks left": -1}.get(action, 0) * rng.uniform(0.45, 0.95)
        if not followed:
            limit = 1.3 * spread / duration  # nobody is to spend most of the shot outside the frame
            speed = max(-limit, min(limit, speed))
        roles.append(Role(character, action, x, speed, rng.random()))
    return roles
