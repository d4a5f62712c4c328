"""Does the text matter where no keyframe shows the answer? Judged by the toy world's truth.

Generated from text alone, and with a keyframe at frame 0 that shows the character standing in the middle: its colour,
but not what will move. Colour: one character in the snow, of four colours (chance 25 %). Direction: a character that
walks left or right; where does the centre of its colour go (chance 50 %)? Camera: pan left or right; which way does the
backdrop slide (chance 50 %)?
"""

from dataclasses import replace

import torch
from common import HEIGHT, WIDTH, arguments, generate, load_director, render, sample_scene, set_scheduler

from smartdirector_lite.toyworld import HELD_OUT_SEED
from smartdirector_lite.toyworld.scene import COLOURS, FRAMINGS, SETTINGS, Character, Role, SceneShot

CHOICES = ("red", "yellow", "blue", "purple")
NUM_FRAMES = 25


def staged_scene(index: int, colour: str, action: str, camera: str):
    """A held-out scene restaged: one character in the snow, this action, this camera."""
    scene = sample_scene(HELD_OUT_SEED + index, NUM_FRAMES, num_shots=1)
    body, headgear = scene.characters[0].body, scene.characters[0].headgear
    speed = {"walks right": 0.8, "walks left": -0.8}.get(action, 0.0)
    pan = {"pan right": 0.5, "pan left": -0.5}.get(camera, 0.0)
    shot = SceneShot(0, NUM_FRAMES, "medium", camera, 0.0, pan, (Role(0, action, 0.0, speed, 0.3),))
    assert shot.framing in FRAMINGS
    return replace(
        scene, setting=SETTINGS[3], characters=(Character(colour, body, headgear),), shots=(shot,), sign=None
    )


def colour_mask(video: torch.Tensor, colour: str) -> torch.Tensor:
    """How much each pixel has of a colour's hue: (T, H, W), 0 for grey."""
    target = torch.tensor(COLOURS[colour]) - torch.tensor(COLOURS[colour]).mean()
    chroma = video - video.mean(dim=1, keepdim=True)
    return (chroma * (target / target.norm()).view(1, 3, 1, 1)).sum(dim=1).clamp(min=0.12) - 0.12


def named_colour(video: torch.Tensor) -> str:
    return max(CHOICES, key=lambda colour: float(colour_mask(video, colour).mean()))


def direction(video: torch.Tensor, colour: str) -> str:
    """Which way the centre of a colour moves."""
    weight = colour_mask(video, colour).sum(dim=1) + 1e-6
    centre = (weight * torch.arange(video.shape[-1])).sum(dim=1) / weight.sum(dim=1)
    return "walks right" if float(centre[-6:].mean() - centre[:6].mean()) > 0 else "walks left"


def pan(video: torch.Tensor) -> str:
    """Which way the camera goes: the shift that best explains neighbouring frames' upper halves, summed over time."""
    rows = video[:, :, : HEIGHT * 2 // 3]
    scores = {}
    for shift in range(-3, 4):
        a, b = (
            rows[:-2, ..., max(0, shift) : WIDTH + min(0, shift)],
            rows[2:, ..., max(0, -shift) : WIDTH - max(0, shift)],
        )
        scores[shift] = (a - b).abs().mean(dim=(1, 2, 3))
    costs = torch.stack([scores[s] for s in range(-3, 4)], dim=1)
    drift = sum(float((costs[:, 3 - s] - costs[:, 3 + s]).sum()) for s in range(1, 4))
    return "pan right" if drift > 0 else "pan left"


def main() -> None:
    options = arguments(__doc__, videos=32, guidance=3.0, steps=0, shift=0.0)
    director = load_director(options.model)
    if options.shift:
        set_scheduler(director, shift=options.shift)
    methods = ("text alone", "a keyframe at frame 0", "the truth")
    right = {method: dict.fromkeys(("colour", "direction", "camera"), 0) for method in methods}
    for index in range(options.videos):
        colour = CHOICES[index % 4]
        action = ("walks right", "walks left")[index // 2 % 2]
        camera = ("pan right", "pan left")[index % 2]
        start = render(staged_scene(index, colour, "stands still", "static"), HEIGHT, WIDTH)
        scenes = [staged_scene(index, colour, action, "static"), staged_scene(index, colour, "stands still", camera)]
        for method, tally in right.items():
            walk, slide = (
                render(scene, HEIGHT, WIDTH)
                if method == "the truth"
                else generate(
                    director,
                    scene,
                    start,
                    [0] if method == "a keyframe at frame 0" else [],
                    seed=index,
                    guidance_scale=options.guidance,
                    num_inference_steps=options.steps or director.steps,
                )
                for scene in scenes
            )
            tally["colour"] += named_colour(walk) == colour
            tally["direction"] += direction(walk, colour) == action
            tally["camera"] += pan(slide) == camera
    for name, chance in (("colour", 25), ("direction", 50), ("camera", 50)):
        shares = ", ".join(f"{method} {100 * tally[name] / options.videos:.0f} %" for method, tally in right.items())
        print(f"{name:9} as the text says, of {options.videos} videos (chance {chance} %): {shares}")


if __name__ == "__main__":
    main()
