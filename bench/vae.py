"""The VAE on held-out footage: PSNR of the toy world and of a film, over moving pixels, and flatness in time.

Also the reason for Multi-Chunk: the error at a keyframe that stands in the middle, encoded as a chunk's first
frame, against one whose latent is put into a single causal sequence. And the price of keyframes on any frame: how well
a chunk's last frame comes back, whose latent has a surplus of up to three frames, and the step over the border; with
the surplus encoded from the frames that follow, and from repeats of the chunk's last frame.
"""

import statistics

import numpy as np
import torch
from common import (
    HEIGHT,
    HELD_OUT_SEED,
    WIDTH,
    arguments,
    as_frames,
    as_video,
    held_out_scene,
    load_director,
    render,
    sample_scene,
)
from torch.nn import functional as F

from smartdirector_lite.evaluation.metrics import PooledError, border_ratio, motion_mask
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.multichunk import decode, decode_clip, encode_clip, encode_video
from smartdirector_lite.vae.naive import decode_naive, replace_naive

KEYFRAMES = (12, 26, 37, 50)  # of 61 frames: chunks with every surplus


class ByPlace:
    """The error of a run's frames by their place among the frames that share a latent; the first frame has its own."""

    def __init__(self, stride: int):
        self.errors = [PooledError() for _ in range(stride)]

    def add(self, shown: torch.Tensor, truth: torch.Tensor) -> None:
        stride = len(self.errors)
        for place, error in enumerate(self.errors):
            error.add(shown[1 + place :: stride], truth[1 + place :: stride])

    def __str__(self) -> str:
        return " / ".join(f"{error.psnr:.2f}" for error in self.errors)


class Ends:
    """How chunks end: the error of their last frames, by surplus, and the steps over the borders."""

    def __init__(self, stride: int):
        self.errors, self.borders = [PooledError() for _ in range(stride)], []

    def add(self, plan: ChunkPlan, shown: torch.Tensor, truth: torch.Tensor) -> None:
        for chunk in plan.chunks[:-1]:  # at the video's end there is nothing to follow
            last = slice(chunk.stop - 1, chunk.stop)
            self.errors[chunk.surplus].add(shown[last], truth[last])
            ratios = border_ratio(shown, chunk.stop), border_ratio(truth, chunk.stop)
            if None not in ratios:
                self.borders.append(ratios[0])

    def __str__(self) -> str:
        errors = " / ".join(f"{error.psnr:.2f}" for error in self.errors)
        return f"{errors} dB; step over the border against the motion beside it {statistics.median(self.borders):.2f}"


@torch.no_grad()
def final_size(vae, clips: int, frames: int = 29) -> tuple[float, float, ByPlace]:
    """PSNR at twice the draft's size: of the VAE, of bicubic enlargement of halved frames, of the VAE by place."""
    coded, enlarged, places = PooledError(), PooledError(), ByPlace(vae.config.scale_factor_temporal)
    for index in range(clips):
        truth = render(sample_scene(HELD_OUT_SEED + index, frames, 1), 2 * HEIGHT, 2 * WIDTH)
        shown = as_frames(decode_clip(vae, encode_clip(vae, as_video(truth)))).clamp(0, 1)
        coded.add(shown, truth)
        places.add(shown, truth)
        small = F.avg_pool2d(truth, 2)
        enlarged.add(F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False).clamp(0, 1), truth)
    return coded.psnr, enlarged.psnr, places


@torch.no_grad()
def main() -> None:
    options = arguments(__doc__, clips=24, film="")
    vae = load_director(options.model).gen.vae
    stride = vae.config.scale_factor_temporal
    whole, moving, by_frame = PooledError(), PooledError(), [PooledError() for _ in range(61)]
    chunked, naive, places = PooledError(), PooledError(), ByPlace(stride)
    plan, keyframe = ChunkPlan.build(61, [Condition(frame) for frame in KEYFRAMES], stride), KEYFRAMES[1]
    follow, repeat = Ends(stride), Ends(stride)
    for index in range(options.clips):
        _, truth = held_out_scene(index, 61)
        latents = encode_clip(vae, as_video(truth))
        shown = as_frames(decode_clip(vae, latents)).clamp(0, 1)
        whole.add(shown, truth)
        moving.add(shown, truth, motion_mask(truth))
        places.add(shown, truth)
        for k in range(61):
            by_frame[k].add(shown[k : k + 1], truth[k : k + 1])
        ours = as_frames(decode(vae, plan, encode_video(vae, plan, as_video(truth))))
        chunked.add(ours[keyframe : keyframe + 1], truth[keyframe : keyframe + 1])
        follow.add(plan, ours, truth)
        cut_off = [encode_clip(vae, as_video(truth[chunk.start : chunk.stop])) for chunk in plan.chunks]
        repeat.add(plan, as_frames(decode(vae, plan, torch.cat(cut_off, dim=2))), truth)
        replaced = replace_naive(vae, latents, [Condition(keyframe)], [as_video(truth[keyframe : keyframe + 1])])
        other = as_frames(decode_naive(vae, 61, replaced))
        naive.add(other[keyframe : keyframe + 1], truth[keyframe : keyframe + 1])
    print(f"toy world, {options.clips} held-out clips of 61 frames at {WIDTH}x{HEIGHT}")
    print(f"  PSNR {whole.psnr:.2f} dB (target 32), over moving pixels {moving.psnr:.2f} dB (target 27)")
    print(f"  frame 4: {by_frame[4].psnr:.2f} dB, frame 60: {by_frame[60].psnr:.2f} dB (target: at most 1 dB lower)")
    print(f"  the frames of a latent, first to last: {places} dB")
    print(f"  a chunk's last frame, surplus 0, 1, 2, 3 from the frames that follow: {follow}")
    print(f"  the same, surplus from repeats of the last frame: {repeat}")
    print(f"  at a keyframe in the middle: Multi-Chunk {chunked.psnr:.2f} dB, naive replacement {naive.psnr:.2f} dB")
    coded, enlarged, places = final_size(vae, options.clips)
    print(f"toy world at {2 * WIDTH}x{2 * HEIGHT}: VAE {coded:.2f} dB, bicubic from half the size {enlarged:.2f} dB")
    print(f"  the frames of a latent, first to last: {places} dB")
    if options.film:
        film, pooled, rng = FilmShots.load(options.film, held_out=True), PooledError(), np.random.default_rng(0)
        for _ in range(options.clips):
            truth = F.interpolate(film.clip(film.sample(rng, 17), 17), size=(HEIGHT, WIDTH), mode="area")
            pooled.add(as_frames(decode_clip(vae, encode_clip(vae, as_video(truth)))), truth)
        print(f"film, {options.clips} clips of held-out shots: PSNR {pooled.psnr:.2f} dB (target 26)")


if __name__ == "__main__":
    main()
