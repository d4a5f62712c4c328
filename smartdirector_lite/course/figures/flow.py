"""Figures of flow matching: point clouds, a velocity field, sampled points, a schedule, and the latents' timesteps.

The flow here moves points of the plane, so that its points, velocities and noise are pairs of numbers.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...timeline import ChunkPlan
from .base import BLACK, BLUE, GREY, LINES, MARKERS, ORANGE, RED, legend_beside, new_figure

GRID = 12  # arrows of a field in each direction


def clouds_figure(clouds: Mapping[str, Tensor], reach: float = 3.0) -> Figure:
    """Draw clouds of points side by side, one panel for each name.

    Args:
        clouds: points (N, 2) by name.
        reach: both axes run from -reach to reach.
    """
    fig, _ = new_figure(width=2.0 * len(clouds), height=2.4, columns=len(clouds))
    for ax, (name, points) in zip(fig.axes, clouds.items(), strict=True):
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
    """Draw the field that a sampler follows, one panel for each time.

    The arrows show the negative velocity, which leads from noise to data.

    Args:
        velocity: takes points (N, 2) and flow times (N,), and returns velocities (N, 2).
        times: the flow times of the panels, from 0 (data) to 1 (noise).
        data: points (N, 2) that are drawn faintly behind the arrows.
        reach: both axes run from -reach to reach.
    """
    line = torch.linspace(-0.9 * reach, 0.9 * reach, GRID)
    points = torch.cartesian_prod(line, line)
    fig, _ = new_figure(width=2.8 * len(times), height=3.0, columns=len(times))
    for ax, t in zip(fig.axes, times, strict=True):
        arrows = -velocity(points, torch.full((len(points),), float(t)))
        ax.scatter(data[:, 0], data[:, 1], s=3, color=ORANGE, alpha=0.35, linewidths=0)
        ax.quiver(*points.T, *arrows.T, color=BLUE, angles="xy", scale_units="xy", scale=7, width=0.004)
        _square(ax, reach, f"t = {t:g}")
    return fig


def trajectories_figure(paths: Mapping[str, Tensor], data: Tensor, reach: float = 3.0) -> Figure:
    """Draw how sampled points move from noise (hollow) to where they end (filled), one panel for each name.

    Args:
        paths: points (K + 1, N, 2) by name: N points before and after each of K steps.
        data: points (N, 2) that are drawn faintly behind the paths.
        reach: both axes run from -reach to reach.
    """
    fig, _ = new_figure(width=2.8 * len(paths), height=3.0, columns=len(paths))
    for ax, (name, path) in zip(fig.axes, paths.items(), strict=True):
        ax.scatter(data[:, 0], data[:, 1], s=3, color=ORANGE, alpha=0.35, linewidths=0)
        ax.plot(path[:, :, 0], path[:, :, 1], color=GREY, linewidth=0.7)
        ax.plot(path[0, :, 0], path[0, :, 1], "o", markersize=3, markerfacecolor="none", markeredgecolor=GREY)
        ax.plot(path[-1, :, 0], path[-1, :, 1], "o", markersize=3.5, color=BLUE)
        _square(ax, reach, name)
    return fig


def schedule_figure(times: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the flow time at each step, one curve for each name.

    Args:
        times: flow times by name, descending from 1 to 0.
    """
    fig, ax = new_figure(width=8.0, height=3.0)
    for k, (name, values) in enumerate(times.items()):
        style = {"marker": MARKERS[k % len(MARKERS)], "linestyle": LINES[k % len(LINES)]}
        ax.plot(range(len(values)), values, label=name, **style)
    ax.set_xlabel("step")
    ax.set_ylabel("flow time t\n(1 is noise, 0 is data)")
    legend_beside(ax)
    return fig


def skip_figure(times: Sequence[float], skip: Sequence[float], out: Sequence[float], sigma_data: float) -> Figure:
    """Draw the two factors of the preconditioned velocity over the flow time.

    Args:
        times: the flow times, from 0 to 1.
        skip: the factor of x_t (c_skip) at each time.
        out: the factor of the network's output (c_out) at each time.
        sigma_data: the standard deviation of the data that the factors are made for.
    """
    fig, ax = new_figure(width=8.0, height=3.0)
    ax.plot(times, skip, color=BLUE, label="share of x_t (c_skip)")
    ax.plot(times, out, color=RED, linestyle="--", label="share of the output (c_out)")
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xlabel(f"flow time t (sigma_data = {sigma_data:g})")
    ax.set_ylabel("factor")
    legend_beside(ax)
    return fig


def timesteps_figure(plan: ChunkPlan, timesteps: Tensor) -> Figure:
    """Draw the timestep of every latent frame at every step; anchors stay at 0.

    Args:
        plan: its chunk borders are the white lines.
        timesteps: (steps, F), from 0 (clean) to 1000 (noise).
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
    """Draw guidance in the plane: the two predicted velocities, and the guided one at each scale, as arrows.

    Args:
        conditional, unconditional: the two velocities, two values each.
        scales: the guidance scales.
    """
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
