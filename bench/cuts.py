"""Are cuts on the exact frame? Held-out storyboards of several shots, with a keyframe at each shot's first frame.

A cut counts if the step into the frame that was asked for is the largest of all steps within 4 frames of it, and at
least 2.5 times the median of those steps.
"""

from common import arguments, generate, held_out_scene, load_director

from smartdirector_lite.evaluation.borders import cut_is_exact
from smartdirector_lite.training.clips import scene_caption


def main() -> None:
    options = arguments(
        __doc__,
        storyboards=(64, "how many"),
        steps=(0, "denoising steps; 0 for the model's own"),
        gap=(-1.0, "extra step of tau at cuts; negative for the model's own"),
    )
    director = load_director(options.model)
    if options.gap >= 0:
        director.gen.register_to_config(cut_gap=options.gap)
    extra = {"num_inference_steps": options.steps} if options.steps else {}
    asked = exact = seen = 0
    for index in range(options.storyboards):
        scene, truth = held_out_scene(index, 49, num_shots=2 + index % 2)
        video = generate(director, scene_caption(scene), truth, [0, *scene.cuts], scene.cuts, **extra)
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
