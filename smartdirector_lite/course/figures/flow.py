"""Figures of flow matching: clouds, fields and paths of a flow in the plane, a schedule's times, latents' timesteps."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...timeline import ChunkPlan
from .base import BLACK, BLUE, GREY, ORANGE, RED, new_figure

MARKERS, LINES = ("o", "s", "^", "D", "v", "P"), ("-", "--", ":", "-.")  # a curve is not known by colour alone
GRID = 12  # arrows of a field in each direction


def clouds_figure(clouds: Mapping[str, Tensor], reach: float = 3.0) -> Figure:
    """Clouds of points side by side, each under its name. clouds: (N, 2) each. reach: of both axes, both ways."""
    fig, axes = new_figure(width=2.0 * len(clouds), height=2.4, columns=len(clouds))
    for ax, (name, points) in zip(np.atleast_1d(axes), clouds.items(), strict=True):
        ax.scatter(points[:, 0], points[:, 1], s=4, color=BLUE, alpha=0.5, linewidths=0)
        _square(ax, reach, name)
    return fig


def _square(ax: Axes, reach: float, title: str) -> None:
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_aspect("equal")
    ax.set_title(title, fontsize=10)
    ax.set_xlabel("first value")
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel("second value")
    else:
        ax.tick_params(labelleft=False)


def field_figure(
    velocity: Callable[[Tensor, Tensor], Tensor], times: Sequence[float], data: Tensor, reach: float = 3.0
) -> Figure:
    """The field that a sampler follows, at some times: arrows point against the velocity, the way from noise to data.

    velocity: (N, 2) points and (N,) times -> (N, 2). data: (N, 2), drawn faintly behind.
    """
    line = torch.linspace(-0.9 * reach, 0.9 * reach, GRID)
    points = torch.cartesian_prod(line, line)
    fig, axes = new_figure(width=2.8 * len(times), height=3.0, columns=len(times))
    for ax, t in zip(np.atleast_1d(axes), times, strict=True):
        arrows = -velocity(points, torch.full((len(points),), float(t)))
        ax.scatter(data[:, 0], data[:, 1], s=3, color=ORANGE, alpha=0.35, linewidths=0)
        ax.quiver(*points.T, *arrows.T, color=BLUE, angles="xy", scale_units="xy", scale=7, width=0.004)
        _square(ax, reach, f"t = {t:g}")
    return fig


def paths_figure(paths: Mapping[str, Tensor], data: Tensor, reach: float = 3.0) -> Figure:
    """The ways that points go from noise (hollow) to where they end (filled), one panel for each name.

    paths: (K + 1, N, 2) each, K steps of N points. data: (N, 2), drawn faintly behind.
    """
    fig, axes = new_figure(width=2.8 * len(paths), height=3.0, columns=len(paths))
    for ax, (name, path) in zip(np.atleast_1d(axes), paths.items(), strict=True):
        ax.scatter(data[:, 0], data[:, 1], s=3, color=ORANGE, alpha=0.35, linewidths=0)
        ax.plot(path[:, :, 0], path[:, :, 1], color=GREY, linewidth=0.7)
        ax.plot(path[0, :, 0], path[0, :, 1], "o", markersize=3, markerfacecolor="none", markeredgecolor=GREY)
        ax.plot(path[-1, :, 0], path[-1, :, 1], "o", markersize=3.5, color=BLUE)
        _square(ax, reach, name)
    return fig


def schedule_figure(times: Mapping[str, Sequence[float]]) -> Figure:
    """The flow time at each step, a line for each name. times: descending from 1 to 0."""
    fig, ax = new_figure(width=8.0, height=3.0)
    for place, (name, values) in enumerate(times.items()):
        ax.plot(range(len(values)), values, marker=MARKERS[place % 6], linestyle=LINES[place % 4], label=name)
    ax.set_xlabel("step")
    ax.set_ylabel("flow time t\n(1 is noise, 0 is data)")
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return fig


def skip_figure(times: Sequence[float], skip: Sequence[float], out: Sequence[float], sigma_data: float) -> Figure:
    """How much of x_t and of the network's output make up the velocity, at each flow time."""
    fig, ax = new_figure(width=8.0, height=3.0)
    ax.plot(times, skip, color=BLUE, label="share of x_t (c_skip)")
    ax.plot(times, out, color=RED, linestyle="--", label="share of the output (c_out)")
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xlabel(f"flow time t (sigma_data = {sigma_data:g})")
    ax.set_ylabel("factor")
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return fig


def timesteps_figure(plan: ChunkPlan, timesteps: Tensor) -> Figure:
    """The timestep of every latent frame at every step; anchors stay at 0.

    timesteps: (steps, F), 0 (clean) to 1000 (noise). White lines are chunk borders.
    """
    fig, ax = new_figure(width=8.5, height=3.0)
    picture = ax.imshow(timesteps, cmap="cividis", vmin=0, vmax=1000, aspect="auto")
    for chunk in plan.chunks[1:]:
        ax.axvline(chunk.latent_start - 0.5, color="white", linewidth=2)
    ax.set_xticks(range(plan.num_latents), [f"{i}\nanchor" if a else str(i) for i, a in enumerate(plan.anchors)])
    ax.set_yticks(range(len(timesteps)))
    ax.tick_params(labelsize=8)
    ax.grid(False)
    ax.set_xlabel("latent index")
    ax.set_ylabel("step")
    fig.colorbar(picture, ax=ax, label="timestep (1000 t)")
    return fig


def guidance_figure(conditional: Sequence[float], unconditional: Sequence[float], scales: Sequence[float]) -> Figure:
    """Guidance as arrows in the plane: the two predictions, and what each scale makes of them."""
    fig, ax = new_figure(width=5.5, height=3.2)
    (a, b), (c, d) = unconditional, conditional
    ends = [(a + g * (c - a), b + g * (d - b)) for g in scales]
    ax.plot([a, *(x for x, _ in ends)], [b, *(y for _, y in ends)], color=GREY, linestyle=":")
    for (x, y), g in zip(ends, scales, strict=True):
        name = {0: "g = 0: without the text", 1: "g = 1: with the text"}.get(g, f"g = {g:g}")
        ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": RED if g > 1 else BLUE})
        ax.annotate(name, (x, y), fontsize=9, textcoords="offset points", xytext=(5, -3))
    ax.set_xlim(-0.2, 1.7 * max(x for x, _ in ends))
    ax.set_ylim(-0.2, 1.2 * max(y for _, y in ends))
    ax.set_xlabel("velocity, first value")
    ax.set_ylabel("velocity, second value")
    return fig
