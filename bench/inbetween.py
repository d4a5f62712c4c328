"""In-between frames of held-out single shots, keyframe every 12 frames, against cross-fading and holding.

--film FOLDER: clips of that film's held-out shots in place of toy ones.

Counts only pixels that move between the two keyframes around a frame, and pools their squared error. Also the step
over each chunk border against the motion beside it, for the truth, for the VAE alone and for the generated video.
--path 1: along the flow's own path, without fresh noise at each step. --steps, --guidance, --shift: other than the
model's own; a larger shift spends more of the steps near noise.
"""

import itertools
import statistics
from collections.abc import Iterator

import numpy as np
import torch
from common import HEIGHT, WIDTH, arguments, as_frames, as_video, generate, held_out_scene, load_director, set_scheduler

from smartdirector_lite.evaluation.baselines import cross_fade, hold_nearest
from smartdirector_lite.evaluation.metrics import PooledError, border_ratio, moving_pixels
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.toyworld import Scene
from smartdirector_lite.training.bank import FILM_CAPTION, ClipEntry, scene_caption
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.multichunk import decode, encode_video


def footage(
    folder: str, shots: int, keyframes: list[int], num_frames: int
) -> Iterator[tuple[Scene | ClipEntry, torch.Tensor, str]]:
    """Scenes, or what is known of a film's clips, with their true frames and captions."""
    film, rng = FilmShots.load(folder, held_out=True) if folder else None, np.random.default_rng(0)
    for index in range(shots):
        if film is None:
            scene, truth = held_out_scene(index, num_frames)
            yield scene, truth, scene_caption(scene)
        else:
            truth = film.clip(film.sample(rng, num_frames), num_frames, size=(HEIGHT, WIDTH))
            yield ClipEntry(num_frames, tuple(keyframes), (), FILM_CAPTION, FILM_CAPTION), truth, FILM_CAPTION


@torch.no_grad()
def main() -> None:
    options = arguments(__doc__, shots=64, steps=0, guidance=0.0, path=0, shift=0.0, film="")
    director = load_director(options.model)
    if options.path:
        set_scheduler(director, stochastic_sampling=False)
    if options.shift:
        set_scheduler(director, shift=options.shift)
    extra = {}
    if options.steps:
        extra["num_inference_steps"] = options.steps
    if options.guidance:
        extra["guidance_scale"] = options.guidance
    keyframes, num_frames = [0, 12, 24, 36], 37
    plan = ChunkPlan.build(
        num_frames, [Condition(frame) for frame in keyframes], director.gen.vae_scale_factor_temporal
    )
    names = ("generated", "VAE alone", "cross-fade", "hold nearest")
    errors = {name: PooledError() for name in names}
    borders: dict[str, list[float]] = {"truth": [], "VAE alone": [], "generated": []}
    for scene, truth, caption in footage(options.film, options.shots, keyframes, num_frames):
        video = generate(director, scene, truth, keyframes, prompt=caption, **extra)
        rebuilt = decode(director.gen.vae, plan, encode_video(director.gen.vae, plan, as_video(truth)))
        candidates = {
            "generated": video,
            "VAE alone": as_frames(rebuilt),
            "cross-fade": cross_fade(truth[keyframes], keyframes, num_frames),
            "hold nearest": hold_nearest(truth[keyframes], keyframes, num_frames),
        }
        for a, b in itertools.pairwise(keyframes):
            mask = moving_pixels(truth[a], truth[b])
            for name, candidate in candidates.items():
                errors[name].add(candidate[a + 1 : b], truth[a + 1 : b], mask)
        for frame in keyframes[1:-1]:
            reference = border_ratio(truth, frame)
            for name, value in (("truth", truth), ("VAE alone", candidates["VAE alone"]), ("generated", video)):
                ratio = border_ratio(value, frame)
                if reference is not None and ratio is not None:
                    borders[name].append(ratio)
    kind = "clips of held-out film" if options.film else "held-out single"
    print(
        f"{options.shots} {kind} shots, {num_frames} frames, keyframes at {keyframes}; PSNR over moving pixels, pooled"
    )
    for name in names:
        print(f"  {name:13} {errors[name].psnr:6.2f} dB")
    gain = errors["generated"].psnr - max(errors["cross-fade"].psnr, errors["hold nearest"].psnr)
    print(f"  gain over the better baseline: {gain:+.2f} dB (target +3)")
    for name, ratios in borders.items():
        print(
            f"border jump / motion beside it, {name}: median {statistics.median(ratios):.2f}, "
            f"mean {statistics.mean(ratios):.2f} (target 0.8 to 1.25)"
        )


if __name__ == "__main__":
    main()
