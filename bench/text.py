"""Does the text matter where no keyframe shows the answer? Generated from text alone, judged by the toy world's truth.

Colour: one character in the snow, of four colours (chance 25 %). Direction: a character that walks left or right;
where does the centre of its colour go (chance 50 %)? Camera: pan left or right; which way does the backdrop slide
(chance 50 %)?
"""

from dataclasses import replace

import torch
from common import HEIGHT, WIDTH, arguments, generate, load_director, render, sample_scene

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
    options = arguments(__doc__, videos=32, guidance=3.0)
    director = load_director(options.model)
    right = {"colour": 0, "direction": 0, "camera": 0}
    truth_right = dict.fromkeys(right, 0)
    for index in range(options.videos):
        colour = CHOICES[index % 4]
        action = ("walks right", "walks left")[index // 2 % 2]
        camera = ("pan right", "pan left")[index % 2]
        walk, slide = staged_scene(index, colour, action, "static"), staged_scene(index, colour, "stands still", camera)
        for tally, make in ((right, None), (truth_right, render)):
            videos = [
                make(scene, HEIGHT, WIDTH)
                if make
                else generate(director, scene, None, [], seed=index, guidance_scale=options.guidance)
                for scene in (walk, slide)
            ]
            tally["colour"] += named_colour(videos[0]) == colour
            tally["direction"] += direction(videos[0], colour) == action
            tally["camera"] += pan(videos[1]) == camera
    for name, chance in (("colour", 25), ("direction", 50), ("camera", 50)):
        print(
            f"{name:9} follows the text in {100 * right[name] / options.videos:.0f} % of {options.videos} videos "
            f"(chance {chance} %; the same test on true videos {100 * truth_right[name] / options.videos:.0f} %)"
        )


if __name__ == "__main__":
    main()
