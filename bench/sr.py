"""Director-SR on held-out shots: bicubic, without and with anchors, and the VAE alone.

--source lr: true small renderings of toy shots with signs. draft: stage one's videos from the same keyframes. blurred:
shrunk by --blur (by 8 no letter can be read) and enlarged to LR again. film: shots of a film that `train film` has
prepared (--film), at half their size; nothing is read in them. --crf: the small frames of any of them, compressed with
H.264 at that quality; 0 leaves them as they are. --restore 0: without the restorer.
Letters are read by template matching, eyes are looked for and looked at, on the frames between the keyframes. The
learned metric is the distance of two frames' VAE latents, in units of the latents' spread (smaller is better).
"""

from collections import defaultdict

import numpy as np
import torch
from common import HEIGHT, WIDTH, arguments, as_frames, as_video, generate, load_director, render, sample_scene
from torch import Tensor
from torch.nn import functional as F

from smartdirector_lite.evaluation.metrics import PooledError, flicker, ssim, warping_error
from smartdirector_lite.evaluation.reading import eye_shift, look, pupil_offset, read_letter
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.toyworld import HELD_OUT_SEED, scene_truth
from smartdirector_lite.training.degrade import compress
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.multichunk import decode, encode_clip, encode_video

LARGE = (2 * HEIGHT, 2 * WIDTH)
NUM_FRAMES, KEYFRAMES = 25, (0, 12, 24)
SOURCES = ("lr", "draft", "blurred", "film")
MET = 1.0  # pixels that an eye may be off


def scenes_with_signs(count: int):
    seed = HELD_OUT_SEED
    while count:
        scene = sample_scene(seed, NUM_FRAMES, 1)
        if scene.sign:
            count -= 1
            yield scene
        seed += 1


def film_shots(folder: str, count: int):
    """Up to `count` clips, evenly spread, from the beginnings of held-out shots: (T, 3, 2H, 2W) in [0, 1]."""
    film = FilmShots.load(folder, held_out=True)
    starts = [start for start, stop in film.shots if stop - start >= NUM_FRAMES]
    for k in np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int):
        yield film.clip(starts[k], NUM_FRAMES)


def footage(director, options):
    """Pairs of videos in both sizes, (T, 3, h, w) in [0, 1], and what is to be read in the large one."""
    for small, large, facts in uncompressed(director, options):
        yield compress(small, options.crf) if options.crf else small, large, facts


def uncompressed(director, options):
    """As `footage`, before --crf."""
    if options.source == "film":
        for large in film_shots(options.film, options.scenes):
            yield F.avg_pool2d(large, 2), large, None
        return
    for scene in scenes_with_signs(options.scenes):
        large, small = render(scene, *LARGE), render(scene, HEIGHT, WIDTH)
        if options.source == "draft":
            small = generate(director, scene, small, list(KEYFRAMES))
        elif options.source == "blurred":
            tiny = F.interpolate(small, size=[round(side / options.blur) for side in (HEIGHT, WIDTH)], mode="area")
            small = F.interpolate(tiny, size=(HEIGHT, WIDTH), mode="bicubic", align_corners=False).clamp(0, 1)
        yield small, large, scene_truth(scene, *LARGE)


def feature_distance(vae, a: Tensor, b: Tensor) -> float:
    one, two = (encode_clip(vae, (x * 2 - 1)[:, :, None]) for x in (a, b))
    return float((one - two).square().mean().sqrt())


@torch.no_grad()
def candidates(director, small: Tensor, large: Tensor, **options) -> dict[str, Tensor]:
    """The videos to compare, (T, 3, H, W) in [0, 1]. options: of Director-SR's call."""
    director.sr.set_progress_bar_config(disable=True)
    keyframes = [VideoCondition(image=large[frame] * 2 - 1, frame_index=frame) for frame in KEYFRAMES]
    video = small.transpose(0, 1) * 2 - 1
    result = {"bicubic": F.interpolate(small, size=LARGE, mode="bicubic", align_corners=False).clamp(0, 1)}
    for name, conditions in (("without anchors", []), ("with anchors", keyframes)):
        result[name] = director.sr(video, conditions, output_type="pt", **options).frames[0].float()
    plan = ChunkPlan.build(
        NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES], director.gen.vae_scale_factor_temporal
    )
    ideal = decode(director.gen.vae, plan, encode_video(director.gen.vae, plan, as_video(large)))
    result["VAE alone"] = as_frames(ideal)
    return result


def read(frames: Tensor, truth: Tensor, facts: list, tally: dict[str, list[float]]) -> None:
    """Letters and eyes on the frames between keyframes."""
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
    options = arguments(__doc__, scenes=16, source="lr", film="runs/film", blur=8.0, crf=0, steps=0, restore=1)
    if options.source not in SOURCES:
        raise SystemExit(f"--source {options.source}: give one of {', '.join(SOURCES)}")
    director = load_director(options.model)
    steps, restore = options.steps or director.sr_steps, bool(options.restore)
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
            values["learned"].append(feature_distance(director.gen.vae, video[3::6], large[3::6]))
            values["flicker"].append(flicker(video, large))
            values["warping"].append(warping_error(video[:5], large[:5]))
            colour = [float((video[k] - large[k]).mean(dim=(1, 2)).abs().max()) * 255 for k in KEYFRAMES]
            values["colour at keyframes, of 255"].append(float(np.mean(colour)))
    print(
        f"{count} held-out shots of {NUM_FRAMES} frames, keyframes {KEYFRAMES}, source {options.source}, "
        f"crf {options.crf}, {steps} steps, {'' if restore else 'not '}restored; "
        f"{2 * WIDTH}x{2 * HEIGHT}"
    )
    for name, error in errors.items():
        read_right = ", ".join(f"{what} {100 * np.mean(right):.0f} %" for what, right in tallies[name].items())
        print(", ".join(filter(None, [f"{name:16} PSNR {error.psnr:.2f} dB", read_right])))
        print(" " * 17 + ", ".join(f"{what} {np.mean(values):.3f}" for what, values in means[name].items()))
        print(
            " " * 17
            + "PSNR by distance to a keyframe: "
            + " ".join(f"{d}:{by_distance[name, d].psnr:.1f}" for d in range(7))
        )


if __name__ == "__main__":
    main()
