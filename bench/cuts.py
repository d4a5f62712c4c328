"""Held-out multi-shot storyboards with a keyframe at each shot's first frame: is the cut on the exact frame?

A cut counts when the largest step between neighbouring frames within 4 frames of it is the step into the asked
frame, and at least 2.5 times the median step around it. --gap: in tau, at cuts, in place of the model's own.
"""

import torch
from common import arguments, generate, held_out_scene, load_director

from smartdirector_lite.evaluation.metrics import steps


def cut_is_exact(video: torch.Tensor, cut: int) -> bool:
    jumps = steps(video)
    low, high = max(0, cut - 5), min(len(jumps), cut + 4)
    window = jumps[low:high]
    return int(window.argmax()) + low == cut - 1 and float(jumps[cut - 1]) > 2.5 * float(window.median())


def main() -> None:
    options = arguments(__doc__, storyboards=64, steps=0, gap=-1.0)
    director = load_director(options.model)
    if options.gap >= 0:
        director.gen.register_to_config(cut_gap=options.gap)
    extra = {"num_inference_steps": options.steps} if options.steps else {}
    asked = exact = seen = 0
    for index in range(options.storyboards):
        scene, truth = held_out_scene(index, 49, num_shots=2 + index % 2)
        video = generate(director, scene, truth, [0, *scene.cuts], **extra)
        for cut in scene.cuts:
            asked += 1
            exact += cut_is_exact(video, cut)
            seen += cut_is_exact(truth, cut)
    print(
        f"{options.storyboards} storyboards, {asked} cuts: {100 * exact / asked:.1f} % on the exact frame (target 95 %)"
    )
    print(f"  the same test on the true videos: {100 * seen / asked:.1f} %")


if __name__ == "__main__":
    main()
