"""How well the VAE brings held-out footage back: the toy world, and a film if one is given.

It also shows the reason for Multi-Chunk: the error at a keyframe in the middle that is encoded as a chunk's first
frame, against one whose latent is put into a single causal sequence. And it shows the price of keyframes on any frame:
how well a chunk's last frame comes back, whose latent has a surplus of up to three frames, and how the video steps over
the border. Both are measured with the surplus encoded from the frames that follow, and from repeats of the chunk's last
frame.
"""

import statistics

import torch
from common import (
    DRAFT,
    FINAL,
    HELD_OUT_SEED,
    arguments,
    as_footage,
    as_levels,
    as_video,
    held_out_scene,
    load_director,
    render,
    sample_scene,
)
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.nn import functional as F

from smartdirector_lite.evaluation.metrics import PooledError, motion_mask
from smartdirector_lite.report import STILL, border_jump
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.causal import decode_clip, encode_clip
from smartdirector_lite.vae.multichunk import decode, encode_video
from smartdirector_lite.vae.naive import decode_naive, replace_naive

NUM_FRAMES = 61
KEYFRAMES = (12, 26, 37, 50)  # chunks between them have every possible surplus


class ByPlace:
    """The error of frames by their place among the frames that share a latent. A run's first frame does not count."""

    def __init__(self, stride: int):
        self.errors = [PooledError() for _ in range(stride)]

    def add(self, shown: Tensor, truth: Tensor) -> None:
        """Add a run, (T, 3, H, W) in [0, 1]."""
        stride = len(self.errors)
        for place, error in enumerate(self.errors):
            error.add(shown[1 + place :: stride], truth[1 + place :: stride])

    def __str__(self) -> str:
        return " / ".join(f"{error.psnr:.2f}" for error in self.errors)


class Ends:
    """How chunks end: the errors of their last frames, by surplus, and the jumps over the borders behind them."""

    def __init__(self, stride: int):
        self.errors, self.jumps = [PooledError() for _ in range(stride)], []

    def add(self, plan: ChunkPlan, shown: Tensor, truth: Tensor) -> None:
        """Add a video, (T, 3, H, W) in [0, 1]. Nothing follows its last chunk, which is left out."""
        for chunk in plan.chunks[:-1]:
            last = slice(chunk.stop - 1, chunk.stop)
            self.errors[chunk.surplus].add(shown[last], truth[last])
            if border_jump(as_levels(truth), chunk.stop).beside >= STILL:
                self.jumps.append(border_jump(as_levels(shown), chunk.stop).ratio)

    def __str__(self) -> str:
        errors = " / ".join(f"{error.psnr:.2f}" for error in self.errors)
        return f"{errors} dB; step over the border against the motion beside it {statistics.median(self.jumps):.2f}"


@torch.no_grad()
def final_size(vae: AutoencoderKLWan, clips: int, frames: int = 29) -> tuple[float, float, ByPlace]:
    """Return the VAE's PSNR at final size, that of bicubic enlargement from half of it, and the VAE's by place."""
    coded, enlarged, places = PooledError(), PooledError(), ByPlace(vae.config.scale_factor_temporal)
    for index in range(clips):
        truth = render(sample_scene(HELD_OUT_SEED + index, frames, 1), FINAL)
        shown = as_footage(decode_clip(vae, encode_clip(vae, as_video(truth)))).clamp(0, 1)
        coded.add(shown, truth)
        places.add(shown, truth)
        small = F.avg_pool2d(truth, 2)
        enlarged.add(F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False).clamp(0, 1), truth)
    return coded.psnr, enlarged.psnr, places


@torch.no_grad()
def film_psnr(vae: AutoencoderKLWan, folder: str, clips: int, frames: int = 17) -> float:
    """Return the VAE's PSNR on clips of a film's held-out shots that share no frame, at the draft's size."""
    film, pooled = FilmShots.load(folder, held_out=True), PooledError()
    for first in film.apart(frames, clips):
        truth = F.interpolate(film.clip(first, frames), size=DRAFT[::-1], mode="area")
        pooled.add(as_footage(decode_clip(vae, encode_clip(vae, as_video(truth)))), truth)
    return pooled.psnr


@torch.no_grad()
def main() -> None:
    options = arguments(
        __doc__,
        clips=(24, "clips of each kind"),
        film=("", "dataset that `curate` made; its held-out shots are measured too"),
    )
    vae = load_director(options.model).gen.vae
    stride = vae.config.scale_factor_temporal
    whole, moving, by_frame = PooledError(), PooledError(), [PooledError() for _ in range(NUM_FRAMES)]
    chunked, naive, places = PooledError(), PooledError(), ByPlace(stride)
    plan, keyframe = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES], stride), KEYFRAMES[1]
    follow, repeat = Ends(stride), Ends(stride)
    for index in range(options.clips):
        _, truth = held_out_scene(index, NUM_FRAMES)
        latents = encode_clip(vae, as_video(truth))
        shown = as_footage(decode_clip(vae, latents)).clamp(0, 1)
        whole.add(shown, truth)
        moving.add(shown, truth, motion_mask(truth))
        places.add(shown, truth)
        for k in range(NUM_FRAMES):
            by_frame[k].add(shown[k : k + 1], truth[k : k + 1])
        ours = as_footage(decode(vae, plan, encode_video(vae, plan, as_video(truth))))
        chunked.add(ours[keyframe : keyframe + 1], truth[keyframe : keyframe + 1])
        follow.add(plan, ours, truth)
        cut_off = [encode_clip(vae, as_video(truth[chunk.start : chunk.stop])) for chunk in plan.chunks]
        repeat.add(plan, as_footage(decode(vae, plan, torch.cat(cut_off, dim=2))), truth)
        replaced = replace_naive(vae, latents, [Condition(keyframe)], [as_video(truth[keyframe : keyframe + 1])])
        other = as_footage(decode_naive(vae, NUM_FRAMES, replaced))
        naive.add(other[keyframe : keyframe + 1], truth[keyframe : keyframe + 1])
    print(f"toy world, {options.clips} held-out clips of {NUM_FRAMES} frames at {DRAFT}")
    print(f"  PSNR {whole.psnr:.2f} dB (target 32), over moving pixels {moving.psnr:.2f} dB (target 27)")
    print(f"  frame 4: {by_frame[4].psnr:.2f} dB, frame 60: {by_frame[60].psnr:.2f} dB (target: at most 1 dB lower)")
    print(f"  the frames of a latent, first to last: {places} dB")
    print(f"  a chunk's last frame, surplus 0, 1, 2, 3 from the frames that follow: {follow}")
    print(f"  the same, surplus from repeats of the last frame: {repeat}")
    print(f"  at a keyframe in the middle: Multi-Chunk {chunked.psnr:.2f} dB, naive replacement {naive.psnr:.2f} dB")
    coded, enlarged, places = final_size(vae, options.clips)
    print(f"toy world at {FINAL}: VAE {coded:.2f} dB, bicubic from half the size {enlarged:.2f} dB")
    print(f"  the frames of a latent, first to last: {places} dB")
    if options.film:
        psnr = film_psnr(vae, options.film, options.clips)
        print(f"film, {options.clips} clips of held-out shots: PSNR {psnr:.2f} dB (target 26)")


if __name__ == "__main__":
    main()
