"""What the VAE's training sees: crops of short and long clips, of the toy world, of a film and of collages.

Each step has one of several layouts, which have about the same number of pixels: single frames (every anchor is one),
short clips, and long ones, because a causal decoder that has only seen short clips drifts when it runs on. Half of the
crops come from draft-size frames and half from final-size ones: both stages share the VAE. Crops are few and large,
because a pixel near an edge lacks half of its surroundings. A clip may end anywhere in a group of frames, as a chunk
may: a VAE that has never seen motion stop smears the last frame before a keyframe.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ..collage import render_collage
from ..media.size import Size
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from .film import FilmShots, Footage
from .tiny import DRAFT, FINAL

if TYPE_CHECKING:
    from .vae import VAEConfig


class Layout(NamedTuple):
    """What the clips of a step look like.

    Attributes:
        early, late: how often a step has this layout, before and after the share EARLY of the steps.
        clips: clips in a step.
        frames: frames of a clip.
        rows, columns: the clip's crop, in pixels.
    """

    early: float
    late: float
    clips: int
    frames: int
    rows: int
    columns: int


LAYOUTS = (
    Layout(0.45, 0.15, 16, 1, 64, 112),
    Layout(0.40, 0.25, 7, 5, 64, 96),
    Layout(0.15, 0.35, 3, 13, 64, 96),
    Layout(0.00, 0.15, 2, 29, 64, 80),
    Layout(0.00, 0.10, 2, 61, 48, 48),
)
STILLS, STILLS_APART = 4, 8  # so many single frames come from one scene, so many frames apart
EARLY = 0.4  # share of the steps that a VAE with random weights spends mostly on pictures: space before time


@torch.no_grad()
def draw_videos(config: "VAEConfig", footage: Footage, number: int, device: torch.device | str) -> Tensor:
    """Draw the clips of a batch, (B, 3, T, H, W) in [-1, 1]. A number always gives the same clips."""
    rng = np.random.default_rng((config.seed, number))
    late = bool(config.init) or number > EARLY * config.steps
    weights = np.array([layout.late if late else layout.early for layout in LAYOUTS])
    layout = LAYOUTS[rng.choice(len(LAYOUTS), p=weights / weights.sum())]
    count = config.batch * layout.clips
    if layout.frames == 1:
        stills = [_draw_clip(rng, footage, layout, device) for _ in range(count // STILLS)]
        video = torch.cat(stills)[:, :, None]
    else:
        video = torch.stack([_draw_clip(rng, footage, layout, device) for _ in range(count)]).transpose(1, 2)
    return video * 2 - 1


def _draw_clip(rng: np.random.Generator, footage: Footage, layout: Layout, device: torch.device | str) -> Tensor:
    """Draw a crop of a clip, (T, 3, rows, columns) in [0, 1]; of single frames, STILLS from one scene.

    Single frames come by the scene because setting a scene up costs more than drawing its pixels.
    """
    frames, apart = (STILLS, STILLS_APART) if layout.frames == 1 else (layout.frames, 1)
    span = (frames - 1) * apart + 1
    size = DRAFT if rng.random() < 0.5 else FINAL
    top = int(rng.integers(size.height - layout.rows + 1))
    left = int(rng.integers(size.width - layout.columns + 1))
    crop = (top, left, layout.rows, layout.columns)
    start = footage.sample(rng, span)
    if start is not None:
        return film_crop(footage.film, slice(start, start + span, apart), size, crop).to(device)
    collage = footage.collage(rng, span)
    if collage is not None:
        video = render_collage(collage, size, slice(0, span, apart), device)
        return video[:, :, top : top + layout.rows, left : left + layout.columns]
    scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), max(span, 24), num_shots=1)
    first = int(rng.integers(scene.num_frames - span + 1))
    return render(scene, size, crop, slice(first, first + span, apart), device)


def film_crop(film: FilmShots, frames: slice, size: Size, crop: tuple[int, int, int, int]) -> Tensor:
    """Cut a crop out of a prepared film, whose frames have the final size.

    Args:
        size: DRAFT or FINAL, the size of the whole frames.
        crop: (top, left, rows, columns) in frames of this size.

    Returns:
        (T, 3, rows, columns) in [0, 1].
    """
    factor = 2 if size == DRAFT else 1
    part = film.clip(frames.start, frames.stop - frames.start, tuple(factor * side for side in crop))[:: frames.step]
    return F.avg_pool2d(part, factor) if factor > 1 else part


class VideoBatches:
    """The clips of a run's batches. With `workers`, other processes draw them ahead."""

    def __init__(self, config: "VAEConfig", footage: Footage):
        self.config, self.footage, self._ahead = config, footage, None

    def __getitem__(self, number: int) -> Tensor:
        return draw_videos(self.config, self.footage, number, "cpu")

    def take(self, number: int, device: torch.device | str) -> Tensor:
        """Return the clips of a batch. With workers, ask for this process's numbers in order, from any first one."""
        if self.config.workers == 0:
            return draw_videos(self.config, self.footage, number, device)
        if self._ahead is None:
            processes = PartialState().num_processes
            loader = DataLoader(
                self,
                batch_size=None,
                sampler=range(number, processes * self.config.steps, processes),
                num_workers=self.config.workers,
                prefetch_factor=3,
                multiprocessing_context="spawn",  # a fork would copy locks that other threads hold, and wait for ever
                generator=torch.Generator(),  # the default would draw from the one that a resumed run needs untouched
            )
            self._ahead = iter(loader)
        return next(self._ahead).to(device)


def end_anywhere(video: Tensor, rng: np.random.Generator, stride: int) -> Tensor:
    """Drop up to stride - 1 of the last frames of (B, 3, s k + 1, H, W), but never the only frame."""
    return video[:, :, : max(1, video.shape[2] - int(rng.integers(stride)))]
