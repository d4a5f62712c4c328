"""Figures of the curation: signals along a film, distances of shots, and how points move in the picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .base import BLACK, CYCLE, LINES, ORANGE, RED, new_figure, seconds_above

Span = tuple[int, int]  # frames [start, stop); a cut has the same frame twice


def signal_figure(
    curves: Mapping[str, Sequence[float]],
    fps: float,
    label: str,
    borders: Sequence[Span] = (),
    thresholds: Mapping[str, float] | None = None,
    first: int = 0,
) -> Figure:
    """Draw one or two numbers of each frame of a film.

    Args:
        curves: (T,) by name.
        label: what the numbers are.
        borders: cuts, drawn as dotted lines, and transitions, drawn as orange bands.
        thresholds: for each curve that has one, the height of a thin line of its colour.
        first: the frame that the curves begin with.
    """
    fig, ax = new_figure(width=9.0, height=2.8)
    for k, (name, values) in enumerate(curves.items()):
        ax.plot(np.arange(len(values)) + first, values, color=CYCLE[k], linestyle=LINES[k], linewidth=1.4, label=name)
        if name in (thresholds or {}):
            ax.axhline(thresholds[name], color=CYCLE[k], linestyle=LINES[k], linewidth=0.8, alpha=0.7)
    for start, stop in borders:
        if start == stop:
            ax.axvline(start - 0.5, color=RED, linestyle=":", linewidth=1.4)
        else:
            ax.axvspan(start - 0.5, stop - 0.5, color=ORANGE, alpha=0.35, linewidth=0)
    if any(start == stop for start, stop in borders):
        ax.plot([], [], color=RED, linestyle=":", label="cut")
    if any(start < stop for start, stop in borders):
        ax.axvspan(np.nan, np.nan, color=ORANGE, alpha=0.35, linewidth=0, label="transition")
    longest = max(map(len, curves.values()))
    ax.set_xlim(first - 1, first + longest)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("frame")
    ax.set_ylabel(label)
    seconds_above(ax, fps, "seconds")
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


def distances_figure(distances: NDArray, scenes: Sequence[int]) -> Figure:
    """Draw how different shots are: a number in each cell, and a thick frame around each scene.

    Args:
        distances: (N, N).
        scenes: (N,), the number of each shot's scene.
    """
    fig, ax = new_figure(width=5.4, height=4.4)
    image = ax.imshow(distances, cmap="cividis_r", vmin=0)
    for (row, column), value in np.ndenumerate(distances):
        dark = value > 0.5 * distances.max()
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if dark else BLACK)
    for scene in dict.fromkeys(scenes):
        members = [k for k, number in enumerate(scenes) if number == scene]
        low, high = members[0] - 0.5, members[-1] + 0.5
        ax.plot([low, high, high, low, low], [low, low, high, high, low], color=RED, linewidth=2.5, clip_on=False)
    ax.set_xticks(range(len(scenes)))
    ax.set_yticks(range(len(scenes)))
    ax.set_xlabel("shot")
    ax.set_ylabel("shot")
    ax.grid(False)
    fig.colorbar(image, ax=ax, label="distance (0: alike)")
    return fig


def arrows_figure(panels: Mapping[str, tuple[NDArray, NDArray, NDArray, NDArray]], longer: float = 4.0) -> Figure:
    """Draw pictures with an arrow at each point that was tracked in them.

    Args:
        panels: by title: a frame (H, W, 3); where the points are in it and in the later frame, (N, 2) each; and
            (N,) bools, which points the fit has kept. Kept ones are blue dots, and the others red squares.
        longer: how many times longer than the movement an arrow is.
    """
    fig, axes = new_figure(width=9.0, height=5.4 * 0.5 * -(-len(panels) // 2), rows=-(-len(panels) // 2), columns=2)
    for ax, (title, panel) in zip(np.ravel(axes), panels.items(), strict=True):
        _arrows(ax, title, *panel, longer)
    return fig


def _arrows(
    ax: Axes, title: str, frame: NDArray, before: NDArray, after: NDArray, kept: NDArray, longer: float
) -> None:
    grey = (0.6 * frame.mean(axis=2) + 100).clip(0, 255)  # paler, so that arrows can be seen on it
    ax.imshow(grey, cmap="gray", vmin=0, vmax=255)
    for chosen, colour, marker in ((kept, CYCLE[0], "o"), (~kept, RED, "s")):
        ends = before[chosen] + longer * (after - before)[chosen]
        ax.plot(*before[chosen].T, marker, color=colour, markersize=2.2)
        ax.plot(*np.stack([before[chosen], ends]).transpose(2, 0, 1), color=colour, linewidth=1.0)
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlim(0, frame.shape[1])
    ax.set_ylim(frame.shape[0], 0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)
