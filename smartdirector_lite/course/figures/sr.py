"""Figures of training and of Director-SR: training curves, loss by time, and frames and details side by side.

Pictures are uint8 (H, W, 3), and videos are uint8 (T, H, W, 3).
"""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .base import BLACK, CYCLE, GIVEN, GREY, MARKERS, ORANGE, new_figure

PAGE_WIDTH = 8.8  # inches, of figures that show video frames


def running_mean(values: Sequence[float], keep: float = 0.9) -> np.ndarray:
    """Return the exponential running mean of a curve, without a bias towards 0 at its start.

    Args:
        values: (n,).
        keep: the share of the previous mean that stays, in [0, 1).

    Returns:
        (n,).
    """
    total, weight = 0.0, 0.0
    means = []
    for value in values:
        total = keep * total + value
        weight = keep * weight + 1
        means.append(total / weight)
    return np.array(means)


def loss_figure(
    losses: Mapping[str, Sequence[float]],
    evaluations: Mapping[str, tuple[Sequence[int], Sequence[float]]] | None = None,
) -> Figure:
    """Draw training curves.

    Args:
        losses: the loss of each step, by name: a thin line, and its running mean as a thick one.
        evaluations: (steps, losses) by name, measured from time to time on fixed noise: a line with markers.
    """
    fig, ax = new_figure(width=8, height=3.2)
    evaluations = evaluations or {}
    for k, (name, values) in enumerate(losses.items()):
        ax.plot(values, color=CYCLE[k % len(CYCLE)], alpha=0.25, linewidth=0.8)
        ax.plot(running_mean(values), color=CYCLE[k % len(CYCLE)], linewidth=2, label=f"{name} (running mean)")
    for k, (name, (steps, values)) in enumerate(evaluations.items(), len(losses)):
        ax.plot(steps, values, marker=MARKERS[k % len(MARKERS)], color=CYCLE[k % len(CYCLE)], linewidth=1.5, label=name)
    ax.set_xlabel("training step")
    ax.set_ylabel("loss (mean squared error of v)")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8, frameon=False)
    return fig


def time_loss_figure(curves: Mapping[str, Sequence[float]], times: Sequence[float] | None = None) -> Figure:
    """Draw the loss over the flow time t.

    Args:
        curves: losses by name; NaN leaves a gap.
        times: the time of each loss; None means that the losses are means over equal bins of [0, 1].
    """
    fig, ax = new_figure(width=7, height=3)
    for k, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, dtype=float)
        at = (np.arange(len(values)) + 0.5) / len(values) if times is None else np.asarray(times)
        ax.plot(at, values, marker=MARKERS[k % len(MARKERS)], color=CYCLE[k % len(CYCLE)], label=name)
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("time t (0: data, 1: noise)")
    ax.set_ylabel("loss (mean squared error of v)")
    ax.legend(fontsize=8, frameon=False)
    return fig


def value_paths_figure(start: Sequence[float], end: Sequence[float], start_name: str, end_name: str) -> Figure:
    """Draw the straight paths of single latent values. The time axis runs from 1 down to 0, as it does in sampling.

    Args:
        start: (n,), the values at t = 1.
        end: (n,), the values at t = 0.
        start_name, end_name: what stands at t = 1 and at t = 0, such as "LR" and "HR".
    """
    fig, ax = new_figure(width=6, height=3)
    for k, (a, b) in enumerate(zip(start, end, strict=True)):
        ax.plot([1, 0], [a, b], color=CYCLE[k % len(CYCLE)], marker=MARKERS[k % len(MARKERS)])
    ax.set_xlim(1.08, -0.08)
    ax.set_xlabel(f"time t (1: {start_name}, 0: {end_name})")
    ax.set_ylabel("value of one latent entry")
    return fig


def keyframe_distance_figure(errors: Mapping[str, Sequence[float]], label: str = "PSNR, dB (more is better)") -> Figure:
    """Draw a measure over the distance to the nearest keyframe.

    Args:
        errors: by name, the value at a distance of 0, 1, 2, ... frames; NaN leaves a gap.
        label: the name of the measure.
    """
    fig, ax = new_figure(width=7, height=3.2)
    for k, (name, values) in enumerate(errors.items()):
        ax.plot(range(len(values)), values, marker=MARKERS[k % len(MARKERS)], color=CYCLE[k % len(CYCLE)], label=name)
    ax.set_xticks(range(max(len(values) for values in errors.values())))
    ax.set_xlabel("distance to the nearest keyframe (frames)")
    ax.set_ylabel(label)
    ax.legend(fontsize=8, frameon=False)
    return fig


def values_figure(values: Mapping[str, float], label: str, reference: tuple[str, float] | None = None) -> Figure:
    """Draw one horizontal bar for each name, with its number.

    Args:
        label: the name of the measure.
        reference: (name, value) of a dashed line.
    """
    fig, ax = new_figure(width=7, height=0.8 + 0.38 * len(values))
    names = list(values)
    ax.barh(names, [values[name] for name in names], color=CYCLE, height=0.6)
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
    """Show the same frames of several videos, one video in each row.

    Args:
        videos: uint8 (T, H, W, 3) by name, all of one size.
        frames: the numbers of the frames that are shown.
        keyframes: the numbers of the frames that get an orange border.

    Raises:
        ValueError: there is no video or no frame.
    """
    if not videos or not len(frames):
        raise ValueError("rows_figure needs at least one video and one frame")
    height, width = next(iter(videos.values()))[0].shape[:2]
    tall = (PAGE_WIDTH / len(frames) * height / width + 0.06) * len(videos) + 0.25
    fig, axes = new_figure(PAGE_WIDTH, tall, len(videos), len(frames))
    axes = np.array(axes).reshape(len(videos), len(frames))
    for (row, (name, video)), (column, frame) in itertools.product(enumerate(videos.items()), enumerate(frames)):
        ax = axes[row, column]
        _show(ax, video[frame])
        if frame in keyframes:
            for spine in ax.spines.values():
                spine.set(visible=True, color=GIVEN, linewidth=2.5)
        if row == 0:
            ax.set_title(f"frame {frame}", fontsize=8)
        if column == 0:
            ax.set_ylabel(textwrap.fill(name, 11), fontsize=7.5)
    return fig


def details_figure(
    pictures: Mapping[str, np.ndarray], box: tuple[int, int, int, int], notes: Mapping[str, str] | None = None
) -> Figure:
    """Show pictures side by side, and below each an enlarged detail of it.

    Args:
        pictures: uint8 (H, W, 3) by name, all of one size.
        box: the detail as (top, left, bottom, right), in pixels.
        notes: a text below a detail, by name.
    """
    top, left, bottom, right = box
    height, width = next(iter(pictures.values())).shape[:2]
    side, notes = PAGE_WIDTH / len(pictures), notes or {}
    heights = [side * height / width, side * (bottom - top) / (right - left) + 0.25]
    fig, axes = new_figure(PAGE_WIDTH, sum(heights) + 0.3, 2, len(pictures))
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
