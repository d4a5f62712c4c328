"""Figures of the causal VAE and of Multi-Chunk: dependencies, errors by frame, and the cost of keyframes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ...timeline import num_latents_for
from .base import (
    BLACK,
    CYCLE,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    TURNS,
    legend_beside,
    new_figure,
    seconds_above,
)

OUTSIDE = "#E0E0E0"  # frames past the end of a video
FAINT = 1e-3  # the lower end of a map's colours, as a share of its largest value


def groups_figure(num_frames: int, stride: int) -> Figure:
    """Draw which frames each latent of one causal run holds: frames above, latents below, joined by lines.

    The last group is drawn whole, and its frames past the end are grey.

    Args:
        num_frames: the frames of the run.
        stride: frames per latent.
    """
    count = num_latents_for(num_frames, stride)
    fig, ax = new_figure(width=9.0, height=2.2)
    for latent in range(count):
        first = 0 if latent == 0 else 1 + stride * (latent - 1)
        last = 0 if latent == 0 else first + stride - 1
        middle, colour = (first + last) / 2, TURNS[latent % 2] if latent else ORANGE
        for frame in range(first, last + 1):
            ax.plot([frame, middle], [0.8, 0.35], color=GREY, linewidth=0.8, zorder=0)
            _cell(ax, frame, 1.0, colour if frame < num_frames else OUTSIDE, str(frame))
        _cell(ax, middle, 0.15, colour, str(latent))
    ax.set_xlim(-0.8, 1 + stride * (count - 1) - 0.2)
    ax.set_ylim(-0.15, 1.3)
    ax.set_yticks([0.15, 1.0], ["latent index", "frame"])
    ax.set_xticks([])
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


def _cell(ax: Axes, x: float, y: float, colour: str, text: str) -> None:
    corner = (x - 0.46, y - 0.2)
    ax.add_patch(Rectangle(corner, 0.92, 0.4, facecolor=colour, edgecolor=BLACK, linewidth=0.6))
    ax.annotate(text, (x, y), ha="center", va="center", fontsize=8)


def responses_figure(responses: Mapping[str, Sequence[float]], at: int) -> Figure:
    """Draw what convolutions make of a video in which one frame is lit, one panel for each name.

    Args:
        responses: one output value for each frame, by name.
        at: the frame that is lit.
    """
    fig, _ = new_figure(width=7.5, height=2.0, columns=len(responses))
    for ax, colour, (name, values) in zip(fig.axes, CYCLE, responses.items(), strict=False):
        ax.axvspan(-0.5, at - 0.5, color=GREY, alpha=0.2, label="before it")
        ax.stem(range(len(values)), values, linefmt=colour, markerfmt="o", basefmt=" ")
        ax.axvline(at, color=BLACK, linestyle=":", label="the lit frame")
        ax.set_xlim(-0.5, len(values) - 0.5)
        ax.set_title(name)
        ax.set_xlabel("frame")
        ax.set_ylabel("output")
    fig.axes[0].legend(fontsize=7)
    return fig


def influence_figure(encoder: np.ndarray, decoder: np.ndarray) -> Figure:
    """Draw two maps, in logarithmic colours, of which latents depend on which frames and the reverse. White is zero.

    Args:
        encoder: (frames, latents): how far latent j moved when frame i was changed.
        decoder: (latents, frames): how far frame j moved, in levels of 255, when latent i was changed.
    """
    fig, axes = new_figure(width=9.0, height=3.4, columns=2)
    _map(axes[0], encoder.T, "encoder", ("frame that was changed", "latent index"), "change of the latent")
    _map(axes[1], decoder, "decoder", ("frame", "latent that was changed"), "change of the frame (levels)")
    return fig


def _map(ax: Axes, values: np.ndarray, title: str, labels: tuple[str, str], unit: str) -> None:
    """Draw one map, (latents, frames), with a colour bar."""
    shown = np.ma.masked_where(values == 0, np.maximum(values, FAINT * values.max()))
    norm = LogNorm(FAINT * values.max(), values.max())
    picture = ax.imshow(shown, cmap="viridis_r", norm=norm, aspect="auto", interpolation="none")
    ax.set_title(title)
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(False)
    ax.figure.colorbar(picture, ax=ax, label=unit)


def latent_bars(values: Sequence[float], ylabel: str) -> Figure:
    """Draw one bar for each latent index."""
    fig, ax = new_figure(width=5.0, height=2.2)
    ax.bar(range(len(values)), values, color=[ORANGE, *[SKY] * (len(values) - 1)], edgecolor=BLACK)
    ax.set_xticks(range(len(values)))
    ax.set_xlabel("latent index")
    ax.set_ylabel(ylabel)
    return fig


def frame_curves(
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    marks: Mapping[str, int] | None = None,
    band: tuple[int, int] | None = None,
    start: int = 0,
    fps: float | None = None,
) -> Figure:
    """Draw curves over the frames.

    Args:
        curves: one value for each frame from `start` on, by name.
        ylabel: the name of the measure.
        marks: frames that get a vertical line, by name.
        band: (first, stop) of the frames of one latent, which are shaded.
        start: the frame of the first value.
        fps: frames per second; None leaves out the upper axis in seconds.
    """
    fig, ax = new_figure(width=8.0, height=2.6)
    if band is not None:
        ax.axvspan(band[0] - 0.5, band[1] - 0.5, color=ORANGE, alpha=0.15, label="frames of one latent")
    for index, (name, values) in enumerate(curves.items()):
        style = {"marker": MARKERS[index % len(MARKERS)], "linestyle": LINES[index % len(LINES)], "markersize": 4}
        ax.plot(range(start, start + len(values)), values, label=name, **style)
    for (name, frame), colour in zip((marks or {}).items(), (BLACK, PURPLE), strict=False):
        ax.axvline(frame, color=colour, linewidth=1, linestyle=(0, (1, 2)), label=name)
    ax.set_xlabel("frame")
    ax.set_ylabel(ylabel)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if fps is not None:
        seconds_above(ax, fps, f"seconds, at {fps:g} frames a second")
    legend_beside(ax)
    return fig


def cost_figure(counts: Sequence[int], latents: np.ndarray, one_run: int) -> Figure:
    """Draw what keyframes cost: latents on the left, and pairs of latents, the work of attention, on the right.

    Args:
        counts: numbers of keyframes.
        latents: (len(counts), draws): the number of latents of plans with keyframes at random places.
        one_run: the number of latents of the same video as one causal run.
    """
    fig, axes = new_figure(width=9.0, height=3.2, columns=2)
    for ax, values, base in ((axes[0], latents, one_run), (axes[1], (latents / one_run) ** 2, 1)):
        ax.fill_between(
            counts, values.min(axis=1), values.max(axis=1), color=SKY, alpha=0.35, label="cheapest to dearest"
        )
        ax.plot(counts, values.mean(axis=1), marker="o", markersize=4, label="mean of random places")
        ax.axhline(base, color=BLACK, linestyle="--", linewidth=1, label="one run, no keyframes")
        ax.set_xlabel("number of keyframes")
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("latents")
    axes[1].set_ylabel("pairs of latents / one run's")
    axes[0].legend(fontsize=8, loc="lower right")
    return fig
