"""Figures of the evaluation: which figure catches which defect, intervals of several systems, and curves with bands.

A "figure" in these functions' names is a picture, and a "quantity" is what is measured.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .base import BLACK, CYCLE, GREY, MARKERS, RED, new_figure

Ends = tuple[float, float, float]  # a value, and the low and the high end of its interval


def alarms_figure(
    values: Mapping[str, Mapping[str, float]], best: Mapping[str, float], tolerances: Mapping[str, float]
) -> Figure:
    """Draw how far each quantity of each defect is from its best value: a number in each cell, a frame for an alarm.

    Args:
        values: by the name of a defect, and then by that of a quantity.
        best: the value of a true video, by quantity.
        tolerances: how far a quantity may be from its best value before it is an alarm.
    """
    defects, quantities = list(values), list(tolerances)
    fig, ax = new_figure(width=9.0, height=1.4 + 0.42 * len(defects))
    shades = np.zeros((len(defects), len(quantities)))
    for (row, column), _ in np.ndenumerate(shades):
        value, name = values[defects[row]].get(quantities[column]), quantities[column]
        if value is None:
            continue
        apart, limit = abs(value - best[name]), tolerances[name]
        shades[row, column] = apart / (apart + limit) if apart else 0.0
        colour = "white" if shades[row, column] > 0.6 else BLACK
        ax.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=8, color=colour)
        if apart > limit:
            corner = column - 0.47, row - 0.47
            ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=RED, linewidth=2.5))
    ax.imshow(shades, cmap="Blues", vmin=0, vmax=1.1, aspect="auto")
    ax.set_xticks(range(len(quantities)), [f"{name}\n(best: {best[name]:g})" for name in quantities], fontsize=7)
    ax.tick_params(axis="x", rotation=40)
    ax.set_yticks(range(len(defects)), defects)
    ax.grid(False)
    return fig


def intervals_figure(panels: Mapping[str, Mapping[str, Ends]], best: Mapping[str, float]) -> Figure:
    """Draw a panel for each quantity, with one point and its interval for each system, and a line at the best value.

    Args:
        panels: values with the ends of their intervals, by quantity, and then by system. A system may lack a quantity.
        best: where the line stands, by quantity; a quantity that is missing has none.
    """
    systems = list(dict.fromkeys(system for values in panels.values() for system in values))
    fig, axes = new_figure(width=1.4 + 1.6 * len(panels), height=1.2 + 0.28 * len(systems), columns=len(panels))
    for place, (ax, (quantity, values)) in enumerate(zip(np.atleast_1d(axes), panels.items(), strict=True)):
        for row, system in enumerate(systems):
            if system in values:
                value, low, high = values[system]
                colour = CYCLE[row % len(CYCLE)]
                ax.plot([low, high], [row, row], color=colour, linewidth=2)
                ax.plot(value, row, MARKERS[row % len(MARKERS)], color=colour, markersize=6)
        if quantity in best:
            ax.axvline(best[quantity], color=GREY, linestyle="--", linewidth=1)
        ax.set_title(quantity, fontsize=9)
        ax.set_ylim(len(systems) - 0.5, -0.5)
        ax.set_yticks(range(len(systems)), systems if place == 0 else [""] * len(systems))
        ax.tick_params(axis="x", labelsize=8)
    return fig


def bands_figure(counts: Sequence[int], curves: Mapping[str, Sequence[Ends]], x_label: str) -> Figure:
    """Draw a panel for each curve over a count on a logarithmic axis, with a band around the curve.

    Args:
        counts: where the curves have their points.
        curves: a value, and the low and the high end of its band, for each count, by name.
    """
    fig, axes = new_figure(width=9.0, height=3.0, columns=len(curves))
    for k, (ax, (name, ends)) in enumerate(zip(np.atleast_1d(axes), curves.items(), strict=True)):
        value, low, high = np.array(ends, dtype=float).T
        ax.fill_between(counts, low, high, color=CYCLE[k], alpha=0.2, linewidth=0)
        ax.plot(counts, value, marker=MARKERS[k], color=CYCLE[k])
        ax.axhline(0, color=GREY, linestyle="--", linewidth=1)
        ax.set_xscale("log")
        ax.set_xticks(counts, [str(count) for count in counts])
        ax.minorticks_off()
        ax.set_xlabel(x_label)
        ax.set_title(name, fontsize=10)
    return fig
