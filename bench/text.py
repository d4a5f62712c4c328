"""Does the text decide where no keyframe shows the answer? Judged by the toy world's truth.

Each question is asked twice: from text alone, and with a keyframe at frame 0 that shows the character standing in the
middle. Such a keyframe gives the colour away, but not what will move.
  colour     one character in the snow, of four colours
  direction  the character walks left or right: where does the centre of its colour go?
  camera     the camera pans left or right: which way does the backdrop slide?
"""

from dataclasses import replace

from common import DRAFT, HELD_OUT_SEED, arguments, generate, load_director, render, sample_scene, set_scheduler
from torch import Tensor

from smartdirector_lite.evaluation.adherence import hue_amount, seen_walk
from smartdirector_lite.toyworld import Scene
from smartdirector_lite.toyworld.scene import SETTINGS, Character, Role, SceneShot
from smartdirector_lite.training.clips import scene_caption

CHOICES = ("red", "yellow", "blue", "purple")
NUM_FRAMES = 25
REACH = 3  # pixels; the farthest slide of the backdrop in two frames that is looked for


def staged_scene(index: int, colour: str, action: str, camera: str) -> Scene:
    """Stage a held-out scene anew: one character in the snow, with this action and this camera."""
    scene = sample_scene(HELD_OUT_SEED + index, NUM_FRAMES, num_shots=1)
    body, headgear = scene.characters[0].body, scene.characters[0].headgear
    speed = {"walks right": 0.8, "walks left": -0.8}.get(action, 0.0)
    pan = {"pan right": 0.5, "pan left": -0.5}.get(camera, 0.0)
    shot = SceneShot(0, NUM_FRAMES, "medium", camera, 0.0, pan, (Role(0, action, 0.0, speed, 0.3),))
    character = Character(colour, body, headgear)
    return replace(scene, setting=SETTINGS[3], characters=(character,), shots=(shot,), sign=None)


def seen_colour(video: Tensor) -> str:
    """The colour of CHOICES that a video has most of."""
    return max(CHOICES, key=lambda colour: float(hue_amount(video, colour).mean()))


def seen_pan(video: Tensor) -> str:
    """The direction in which the camera pans: where the upper two thirds of the frames fit best when they are slid."""
    rows, width = video[:, :, : video.shape[-2] * 2 // 3], video.shape[-1]
    costs = []
    for shift in range(-REACH, REACH + 1):
        before = rows[:-2, ..., max(0, shift) : width + min(0, shift)]
        after = rows[2:, ..., max(0, -shift) : width - max(0, shift)]
        costs.append((before - after).abs().mean(dim=(1, 2, 3)))
    drift = sum(float((costs[REACH - s] - costs[REACH + s]).sum()) for s in range(1, REACH + 1))
    return "pan right" if drift > 0 else "pan left"


def main() -> None:
    options = arguments(
        __doc__,
        videos=(32, "how many for each question"),
        guidance=(3.0, "guidance scale"),
        steps=(0, "denoising steps; 0 for the model's own"),
        shift=(0.0, "shift of the scheduler; 0 for the model's own"),
    )
    director = load_director(options.model)
    if options.shift:
        set_scheduler(director, shift=options.shift)
    call = {"guidance_scale": options.guidance, "num_inference_steps": options.steps or director.defaults.steps}
    keyframes = {"text alone": [], "a keyframe at frame 0": [0]}
    right = {method: dict.fromkeys(("colour", "direction", "camera"), 0) for method in (*keyframes, "the truth")}
    for index in range(options.videos):
        colour = CHOICES[index % 4]
        action = ("walks right", "walks left")[index // 2 % 2]
        camera = ("pan right", "pan left")[index % 2]
        start = render(staged_scene(index, colour, "stands still", "static"), DRAFT)
        scenes = [staged_scene(index, colour, action, "static"), staged_scene(index, colour, "stands still", camera)]
        for method, tally in right.items():
            if method == "the truth":
                walk, slide = (render(scene, DRAFT) for scene in scenes)
            else:
                given = keyframes[method]
                walk, slide = (
                    generate(director, scene_caption(scene), start, given, seed=index, **call) for scene in scenes
                )
            tally["colour"] += seen_colour(walk) == colour
            tally["direction"] += seen_walk(walk, colour) == action
            tally["camera"] += seen_pan(slide) == camera
    for name, chance in (("colour", 25), ("direction", 50), ("camera", 50)):
        shares = ", ".join(f"{method} {100 * tally[name] / options.videos:.0f} %" for method, tally in right.items())
        print(f"{name:9} as the text says, of {options.videos} videos (chance {chance} %): {shares}")


if __name__ == "__main__":
    main()
