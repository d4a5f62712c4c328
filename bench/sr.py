"""Director-SR on held-out shots: bicubic enlargement, without anchors, with anchors, and the VAE alone.

The small frames come from one of four sources:
  lr       toy shots with signs, rendered small
  draft    stage one's videos from the same keyframes
  blurred  the toy shots, shrunk by --blur and enlarged again; by 8, no letter can be read
  film     shots of a film that `curate` has prepared, at half their size; nothing is read in them

Letters are read by template matching on the frames between the keyframes. Eyes are looked for there, and their look is
compared with the truth's. The learned distance is the distance of two frames' VAE latents, in units of the latents'
spread; less is better.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from common import (
    DRAFT,
    FINAL,
    HELD_OUT_SEED,
    arguments,
    as_footage,
    as_video,
    generate,
    load_director,
    render,
    sample_scene,
)
from torch import Tensor
from torch.nn import functional as F

from smartdirector_lite.director import Director
from smartdirector_lite.evaluation.enlargers import enlarge, resized
from smartdirector_lite.evaluation.metrics import PooledError, flicker, ssim, warping_error
from smartdirector_lite.evaluation.reading import eye_shift, look, pupil_offset, read_letter
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.toyworld import Scene, scene_truth
from smartdirector_lite.training.clips import scene_caption
from smartdirector_lite.training.degrade import compress
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.causal import encode_clip
from smartdirector_lite.vae.multichunk import decode, encode_video

NUM_FRAMES, KEYFRAMES = 25, (0, 12, 24)
SOURCES = ("lr", "draft", "blurred", "film")
MET = 1.0  # pixels that an eye may be off


def scenes_with_signs(count: int) -> Iterator[Scene]:
    """Yield the first held-out scenes of one shot that have a sign."""
    seed = HELD_OUT_SEED
    while count:
        scene = sample_scene(seed, NUM_FRAMES, 1)
        if scene.sign:
            count -= 1
            yield scene
        seed += 1


def film_shots(folder: str, count: int) -> Iterator[Tensor]:
    """Yield up to `count` clips, evenly spread over the held-out shots: (T, 3, H, W) in [0, 1] at the film's size."""
    film = FilmShots.load(folder, held_out=True)
    starts = [start for start, stop in film.shots if stop - start >= NUM_FRAMES]
    for k in np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int):
        yield film.clip(starts[k], NUM_FRAMES)


def uncompressed(director: Director, options: argparse.Namespace) -> Iterator[tuple[Tensor, Tensor, list | None]]:
    """Yield the small and the large footage of each shot, (T, 3, H, W) in [0, 1], and what is to be read in it."""
    if options.source == "film":
        for large in film_shots(options.film, options.scenes):
            yield F.avg_pool2d(large, 2), large, None
        return
    for scene in scenes_with_signs(options.scenes):
        large, small = render(scene, FINAL), render(scene, DRAFT)
        if options.source == "draft":
            small = generate(director, scene_caption(scene), small, KEYFRAMES)
        elif options.source == "blurred":
            tiny = Size(*(round(side / options.blur) for side in DRAFT))
            small = resized(resized(small, tiny, "area"), DRAFT, "bicubic")
        yield small, large, scene_truth(scene, FINAL)


def footage(director: Director, options: argparse.Namespace) -> Iterator[tuple[Tensor, Tensor, list | None]]:
    """Yield what `uncompressed` yields, with the small footage compressed if --crf asks for it."""
    for small, large, facts in uncompressed(director, options):
        yield compress(small, options.crf) if options.crf else small, large, facts


def learned_distance(vae, a: Tensor, b: Tensor) -> float:
    """The root mean squared distance between the VAE latents of two footages' frames, each encoded alone."""
    one, two = (encode_clip(vae, (x * 2 - 1)[:, :, None]) for x in (a, b))
    return float((one - two).square().mean().sqrt())


@torch.no_grad()
def candidates(director: Director, small: Tensor, large: Tensor, **options) -> dict[str, Tensor]:
    """Return the footages to compare, (T, 3, H, W) in [0, 1]. `options` are those of Director-SR's call."""
    vae = director.gen.vae
    keyframes = {frame: large[frame] for frame in KEYFRAMES}
    result = {"bicubic": resized(small, FINAL, "bicubic")}
    for name, anchors in (("without anchors", {}), ("with anchors", keyframes)):
        result[name] = enlarge(director, small, anchors, **options)
    conditions = [Condition(frame) for frame in KEYFRAMES]
    plan = ChunkPlan.build(NUM_FRAMES, conditions, vae.config.scale_factor_temporal)
    result["VAE alone"] = as_footage(decode(vae, plan, encode_video(vae, plan, as_video(large))))
    return result


def read(frames: Tensor, truth: Tensor, facts: list, tally: dict[str, list[float]]) -> None:
    """Read letters and eyes on the frames between keyframes, and add to the tally whether they are right."""
    for k in range(NUM_FRAMES):
        if k in KEYFRAMES:
            continue
        for letter in facts[k].letters:
            if letter.clear:
                tally["letters"].append(read_letter(frames[k], letter.box) == letter.letter)
        for character in facts[k].characters:
            for eye in character.eyes:
                shift = eye_shift(frames[k], truth[k], eye, character.eye_radius)
                if shift is not None:
                    tally["eye places"].append(shift <= MET)
                    looks = [look(pupil_offset(x[k], eye, character.eye_radius)) for x in (frames, truth)]
                    tally["eye looks"].append(looks[0] == looks[1])


@torch.no_grad()
def main() -> None:
    options = arguments(
        __doc__,
        scenes=(16, "how many shots"),
        source=("lr", f"where small frames come from: {', '.join(SOURCES)}"),
        film=("runs/film", "dataset that `curate` made, for --source film"),
        blur=(8.0, "factor by which --source blurred shrinks"),
        crf=(0, "compress the small frames with H.264 at this quality; 0 leaves them as they are"),
        steps=(0, "steps of stage two; 0 for the model's own"),
        restore=(1, "0: without the restorer"),
    )
    if options.source not in SOURCES:
        raise SystemExit(f"--source {options.source}: give one of {', '.join(SOURCES)}")
    director = load_director(options.model)
    steps, restore = options.steps or director.defaults.sr_steps, bool(options.restore)
    errors, by_distance = defaultdict(PooledError), defaultdict(PooledError)
    tallies, means = defaultdict(lambda: defaultdict(list)), defaultdict(lambda: defaultdict(list))
    count = 0
    for small, large, facts in footage(director, options):
        count += 1
        for name, video in candidates(director, small, large, num_inference_steps=steps, restore=restore).items():
            errors[name].add(video, large)
            for frame in range(NUM_FRAMES):
                distance = min(abs(frame - keyframe) for keyframe in KEYFRAMES)
                by_distance[name, distance].add(video[frame : frame + 1], large[frame : frame + 1])
            if facts is not None:
                read(video, large, facts, tallies[name])
            values = means[name]
            values["SSIM"].append(ssim(video, large))
            values["learned"].append(learned_distance(director.gen.vae, video[3::6], large[3::6]))
            values["flicker"].append(flicker(video, large))
            values["warping"].append(warping_error(video[:5], large[:5]))
            colour = [float((video[k] - large[k]).mean(dim=(1, 2)).abs().max()) * 255 for k in KEYFRAMES]
            values["colour at keyframes, of 255"].append(float(np.mean(colour)))
    print(
        f"{count} held-out shots of {NUM_FRAMES} frames, keyframes {KEYFRAMES}, source {options.source}, "
        f"crf {options.crf}, {steps} steps, {'' if restore else 'not '}restored; {FINAL}"
    )
    for name, error in errors.items():
        read_right = ", ".join(f"{what} {100 * np.mean(right):.0f} %" for what, right in tallies[name].items())
        print(", ".join(filter(None, [f"{name:16} PSNR {error.psnr:.2f} dB", read_right])))
        print(" " * 17 + ", ".join(f"{what} {np.mean(values):.3f}" for what, values in means[name].items()))
        near = " ".join(f"{d}:{by_distance[name, d].psnr:.1f}" for d in range(7))
        print(" " * 17 + f"PSNR by distance to a keyframe: {near}")


if __name__ == "__main__":
    main()
