"""Figures of training and of Director-SR: curves, loss by time, paths of the flow, frames and details side by side.

Pictures are uint8 (H, W, 3), videos (T, H, W, 3).
"""

import io
import itertools
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from .base import BLACK, CYCLE, GREY, ORANGE, new_figure

MARKERS = ("o", "s", "^", "D", "v", "P")  # beside the colours, for those who can't tell these apart
WIDE = 8.8  # inches
SMOOTH = 0.9  # of the running mean under which a step's own loss is hard to see


def picture(fig: Figure) -> Image.Image:
    """A figure as a picture, 100 dots an inch: many video frames in one figure show as well, in far fewer bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    return Image.open(buffer).convert("RGB")


def running_mean(values: Sequence[float], keep: float = SMOOTH) -> np.ndarray:
    """(n,) -> (n,): exponential running mean without a bias towards 0 at the start. keep: in [0, 1)."""
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        means.append(total / weight)
    return np.array(means)


def loss_figure(
    losses: Mapping[str, Sequence[float]],
    evaluations: Mapping[str, tuple[Sequence[int], Sequence[float]]] | None = None,
) -> Figure:
    """Training curves. losses: each step's, by name; thin as they are, thick as running means.

    evaluations: (steps, losses) by name, measured now and then on fixed noise; with markers.
    """
    fig, ax = new_figure(width=8, height=3.2)
    evaluations = evaluations or {}
    for k, (name, values) in enumerate(losses.items()):
        ax.plot(values, color=CYCLE[k], alpha=0.25, linewidth=0.8)
        ax.plot(running_mean(values), color=CYCLE[k], linewidth=2, label=f"{name} (running mean)")
    for k, (name, (steps, values)) in enumerate(evaluations.items(), len(losses)):
        ax.plot(steps, values, marker=MARKERS[k % 6], color=CYCLE[k % 6], linewidth=1.5, label=name)
    ax.set_xlabel("training step")
    ax.set_ylabel("loss (mean squared error of v)")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8, frameon=False)
    return fig


def time_loss_figure(curves: Mapping[str, Sequence[float]], times: Sequence[float] | None = None) -> Figure:
    """Loss against the time t, by name. Without `times` the values are means of equal bins of [0, 1]; NaN: a gap."""
    fig, ax = new_figure(width=7, height=3)
    for k, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, dtype=float)
        at = (np.arange(len(values)) + 0.5) / len(values) if times is None else np.asarray(times)
        ax.plot(at, values, marker=MARKERS[k % 6], color=CYCLE[k % 6], label=name)
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("time t (0: data, 1: noise)")
    ax.set_ylabel("loss (mean squared error of v)")
    ax.legend(fontsize=8, frameon=False)
    return fig


def paths_figure(start: Sequence[float], end: Sequence[float], start_name: str, end_name: str) -> Figure:
    """Straight paths of some single latent values: `start` at t = 1, `end` at t = 0, each (n,); t runs to the right
    as it does in sampling, from 1 down to 0."""
    fig, ax = new_figure(width=6, height=3)
    for k, (a, b) in enumerate(zip(start, end, strict=True)):
        ax.plot([1, 0], [a, b], color=CYCLE[k % 6], marker=MARKERS[k % 6])
    ax.set_xlim(1.08, -0.08)
    ax.set_xlabel(f"time t (1: {start_name}, 0: {end_name})")
    ax.set_ylabel("value of one latent entry")
    return fig


def distance_figure(errors: Mapping[str, Sequence[float]], label: str = "PSNR, dB (more is better)") -> Figure:
    """A value for each distance, in frames, to the nearest keyframe: 0, 1, 2, ...; by name. NaN: a gap."""
    fig, ax = new_figure(width=7, height=3.2)
    for k, (name, values) in enumerate(errors.items()):
        ax.plot(range(len(values)), values, marker=MARKERS[k % 6], color=CYCLE[k % 6], label=name)
    ax.set_xticks(range(max(len(values) for values in errors.values())))
    ax.set_xlabel("distance to the nearest keyframe (frames)")
    ax.set_ylabel(label)
    ax.legend(fontsize=8, frameon=False)
    return fig


def values_figure(values: Mapping[str, float], label: str, reference: tuple[str, float] | None = None) -> Figure:
    """One horizontal bar a name, with its number. reference: (name, value) of a dashed line."""
    fig, ax = new_figure(width=7, height=0.8 + 0.38 * len(values))
    names = list(values)
    ax.barh(names, [values[name] for name in names], color=[CYCLE[k % 6] for k in range(len(names))], height=0.6)
    for row, name in enumerate(names):
        ax.annotate(f"{values[name]:.3g}", (values[name], row), (4, 0), textcoords="offset points", va="center")
    if reference is not None:
        ax.axvline(reference[1], color=BLACK, linestyle="--", linewidth=1)
        ax.annotate(reference[0], (reference[1], -0.45), (3, 0), textcoords="offset points", fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel(label)
    ax.margins(x=0.15)
    ax.grid(False, axis="y")
    return fig


def rows_figure(
    videos: Mapping[str, Sequence[np.ndarray]], frames: Sequence[int], keyframes: Sequence[int] = ()
) -> Figure:
    """The same frames of several videos, one video a row. keyframes: frame numbers that are framed in orange.

    ValueError without a video or a frame.
    """
    if not videos or not len(frames):
        raise ValueError("rows_figure needs at least one video and one frame")
    height, width = next(iter(videos.values()))[0].shape[:2]
    tall = (WIDE / len(frames) * height / width + 0.06) * len(videos) + 0.25
    fig, axes = new_figure(WIDE, tall, len(videos), len(frames))
    axes = np.array(axes).reshape(len(videos), len(frames))
    for (row, (name, video)), (column, frame) in itertools.product(enumerate(videos.items()), enumerate(frames)):
        ax = axes[row, column]
        _show(ax, video[frame])
        if frame in keyframes:
            for spine in ax.spines.values():
                spine.set(visible=True, color=ORANGE, linewidth=2.5)
        if row == 0:
            ax.set_title(f"frame {frame}", fontsize=8)
        if column == 0:
            ax.set_ylabel(textwrap.fill(name, 11), fontsize=7.5)
    return fig


def details_figure(
    pictures: Mapping[str, np.ndarray], box: tuple[int, int, int, int], notes: Mapping[str, str] | None = None
) -> Figure:
    """Pictures of one size side by side, and below each the part in `box`, enlarged.

    box: (top, left, bottom, right) in pixels. notes: a text below a detail, by name.
    """
    top, left, bottom, right = box
    height, width = next(iter(pictures.values())).shape[:2]
    side, notes = WIDE / len(pictures), notes or {}
    heights = [side * height / width, side * (bottom - top) / (right - left) + 0.25]
    fig, axes = new_figure(WIDE, sum(heights) + 0.3, 2, len(pictures))
    fig.axes[0].get_gridspec().set_height_ratios(heights)
    for column, (name, shown) in enumerate(pictures.items()):
        upper, lower = np.array(axes).reshape(2, -1)[:, column]
        _show(upper, shown)
        upper.set_title(name, fontsize=8)
        upper.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=ORANGE, linewidth=1.5)
        )
        _show(lower, shown[top:bottom, left:right])
        lower.set_xlabel(notes.get(name, ""), fontsize=8)
        for spine in lower.spines.values():
            spine.set(visible=True, color=GREY)
    return fig


def _show(ax: Axes, shown: np.ndarray) -> None:
    ax.imshow(shown, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
