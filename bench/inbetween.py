"""Frames between keyframes, against cross-fading the keyframes and holding the nearest one.

Held-out single shots of the toy world, or clips of a film's held-out shots, with a keyframe every 12 frames. The error
counts only pixels that move between the two keyframes around a frame, and is pooled over all shots. The border jumps
are measured for the true videos, for the VAE alone and for the generated videos, at borders where the true video moves.
"""

import itertools
import statistics
from collections.abc import Iterator

import numpy as np
import torch
from common import (
    DRAFT,
    arguments,
    as_footage,
    as_levels,
    as_video,
    generate,
    held_out_scene,
    load_director,
    set_scheduler,
)
from torch import Tensor

from smartdirector_lite.evaluation.baselines import cross_fade, hold_nearest
from smartdirector_lite.evaluation.metrics import PooledError, moving_pixels
from smartdirector_lite.report import STILL, border_jump
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.training.clips import scene_caption
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.multichunk import decode, encode_video

NUM_FRAMES = 37
KEYFRAMES = (0, 12, 24, 36)


def footage(folder: str, shots: int, said: str) -> Iterator[tuple[Tensor, str]]:
    """Yield the true footage (T, 3, H, W) in [0, 1] of each shot, and its caption, or `said` of a film."""
    film, rng = FilmShots.load(folder, held_out=True) if folder else None, np.random.default_rng(0)
    for index in range(shots):
        if film is None:
            scene, truth = held_out_scene(index, NUM_FRAMES)
            yield truth, scene_caption(scene)
        else:
            first = film.sample(rng, NUM_FRAMES)
            yield film.clip(first, NUM_FRAMES, size=DRAFT), said or film.storyboard(first, NUM_FRAMES).caption()


@torch.no_grad()
def main() -> None:
    options = arguments(
        __doc__,
        shots=(64, "how many"),
        film=("", "dataset that `curate` made; its held-out shots are taken in place of toy ones"),
        caption=("", "what is said of every film shot; empty for what its dataset tells of it"),
        steps=(0, "denoising steps; 0 for the model's own"),
        guidance=(0.0, "guidance scale; 0 for the model's own"),
        shift=(0.0, "shift of the scheduler, which spends more steps near noise; 0 for the model's own"),
        path=(0, "1: follow the flow's own path, without fresh noise at each step"),
    )
    director = load_director(options.model)
    if options.path:
        set_scheduler(director, stochastic_sampling=False)
    if options.shift:
        set_scheduler(director, shift=options.shift)
    given = {"num_inference_steps": options.steps, "guidance_scale": options.guidance}
    extra = {name: value for name, value in given.items() if value}
    vae = director.gen.vae
    conditions = [Condition(frame) for frame in KEYFRAMES]
    plan = ChunkPlan.build(NUM_FRAMES, conditions, vae.config.scale_factor_temporal)
    names = ("generated", "VAE alone", "cross-fade", "hold nearest")
    errors = {name: PooledError() for name in names}
    jumps: dict[str, list[float]] = {"truth": [], "VAE alone": [], "generated": []}
    for truth, caption in footage(options.film, options.shots, options.caption):
        keyframes = truth[list(KEYFRAMES)]
        videos = {
            "truth": truth,
            "generated": generate(director, caption, truth, KEYFRAMES, **extra),
            "VAE alone": as_footage(decode(vae, plan, encode_video(vae, plan, as_video(truth)))),
            "cross-fade": cross_fade(keyframes, KEYFRAMES, NUM_FRAMES),
            "hold nearest": hold_nearest(keyframes, KEYFRAMES, NUM_FRAMES),
        }
        for a, b in itertools.pairwise(KEYFRAMES):
            mask = moving_pixels(truth[a], truth[b])
            for name in names:
                errors[name].add(videos[name][a + 1 : b], truth[a + 1 : b], mask)
        for frame in KEYFRAMES[1:-1]:
            borders = {name: border_jump(as_levels(videos[name]), frame) for name in jumps}
            if borders["truth"].beside >= STILL:
                for name, border in borders.items():
                    jumps[name].append(border.ratio)
    kind = "clips of held-out film" if options.film else "held-out single"
    print(
        f"{options.shots} {kind} shots, {NUM_FRAMES} frames, keyframes at {list(KEYFRAMES)}; "
        "PSNR over moving pixels, pooled"
    )
    for name in names:
        print(f"  {name:13} {errors[name].psnr:6.2f} dB")
    gain = errors["generated"].psnr - max(errors["cross-fade"].psnr, errors["hold nearest"].psnr)
    target = 2 if options.film else 3
    print(f"  gain over the better baseline: {gain:+.2f} dB (target +{target})")
    for name, ratios in jumps.items():
        print(
            f"border jump / motion beside it, {name}: median {statistics.median(ratios):.2f}, "
            f"mean {statistics.mean(ratios):.2f} (target 0.8 to 1.25)"
        )


if __name__ == "__main__":
    main()
