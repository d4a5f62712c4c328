"""Figures of MC-RoPE: rotated pairs, their speeds, the index schemes against true time, attention, and errors.

A frequency omega says by how many radians a pair of values turns in one latent frame.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...timeline import TAU_SCHEMES, ChunkPlan, Condition
from .base import (
    BLACK,
    BLUE,
    CYCLE,
    GIVEN,
    GREY,
    LINES,
    MAX_LABELS,
    ORANGE,
    RED,
    TURNS,
    legend_beside,
    new_figure,
    seconds_above,
)

HATCHES = ("", "//", "..", "xx")  # bars differ in more than colour


def pair_figure(query: Sequence[float], key: Sequence[float], omega: float, positions: Sequence[tuple]) -> Figure:
    """Draw a query and a key, each a pair of values, rotated to some positions; their angle decides the score.

    Args:
        query, key: two values each.
        omega: radians per position.
        positions: (position of the query, position of the key) for each panel.
    """
    fig, _ = new_figure(width=2.7 * len(positions) + 0.8, height=2.7, columns=len(positions))
    reach = 1.15 * max(math.hypot(*query), math.hypot(*key))
    for ax, (m, n) in zip(fig.axes, positions, strict=True):
        (a, b), (c, d) = _turned(query, omega * m), _turned(key, omega * n)
        for x, y, colour, name in ((a, b, BLUE, "query"), (c, d, ORANGE, "key")):
            ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 2})
            ax.plot([], [], color=colour, linewidth=2, label=name)
        circle = np.linspace(0, 2 * math.pi, 100)
        for radius in {math.hypot(*query), math.hypot(*key)}:
            ax.plot(radius * np.cos(circle), radius * np.sin(circle), color=GREY, linewidth=0.8, linestyle=":")
        ax.set_title(f"query at {m:g}, key at {n:g}\nscore {a * c + b * d:.2f}", fontsize=10)
        ax.set_xlim(-reach, reach)
        ax.set_ylim(-reach, reach)
        ax.set_aspect("equal")
        ax.set_xlabel("first value of the pair")
    fig.axes[0].set_ylabel("second value of the pair")
    legend_beside(fig.axes[-1])
    return fig


def _turned(pair: Sequence[float], angle: float) -> tuple[float, float]:
    x, y = pair
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def clocks_figure(omega: Tensor, reach: float = 24.0) -> Figure:
    """Draw the score over the distance in time: of single pairs on the left, and the mean of all pairs on the right.

    Args:
        omega: (P,), radians per latent frame, the fastest pair first.
        reach: the distance axis runs from -reach to reach, in latent frames.
    """
    distance = torch.linspace(-reach, reach, 801, dtype=omega.dtype)
    curves = torch.cos(distance[:, None] * omega)  # (801, P)
    fig, (left, right) = new_figure(width=9.0, height=2.8, columns=2)
    shown = range(0, len(omega), 3)
    for place, index in enumerate(shown):
        label = f"pair {index}: once around in {2 * math.pi / omega[index]:,.0f}"
        left.plot(distance, curves[:, index], linestyle=LINES[place % len(LINES)], label=label)
    left.set_ylim(-1.1, 2.3)
    left.legend(fontsize=8, loc="upper right", frameon=False)
    left.set_title("single pairs")
    right.plot(distance, curves.mean(dim=1), color=BLACK)
    right.set_title(f"the mean of all {len(omega)} pairs")
    for ax in (left, right):
        ax.set_xlabel("distance in tau (latent frames)")
        ax.set_ylabel("cos(angle)")
    return fig


def schemes_figure(plan: ChunkPlan, fps: float) -> Figure:
    """Draw tau of every latent over the last frame that it shows, one panel for each index scheme.

    The grey line is frame / stride, the true time. Anchors are orange, and neighbouring chunks differ in colour.

    Args:
        fps: frames per second, for the upper axis.
    """
    fig, axes = new_figure(width=9.0, height=4.8, rows=2, columns=2)
    frames = np.array(plan.last_frames)
    for ax, scheme in zip(axes.flat, TAU_SCHEMES, strict=True):
        tau = plan.tau(scheme)
        ax.plot([0, plan.num_frames - 1], [0, (plan.num_frames - 1) / plan.stride], color=GREY, label="frame / stride")
        for chunk in plan.chunks[1:]:
            ax.axvline(chunk.start - 0.5, color=GREY, linestyle=":", linewidth=1.2)
        colours = [
            GIVEN if anchor else TURNS[chunk % 2]
            for anchor, chunk in zip(plan.anchors, plan.latent_chunks, strict=True)
        ]
        ax.scatter(frames, tau, c=colours, edgecolors=BLACK, s=70, zorder=3)
        ax.set_title(scheme)
        ax.set_ylabel("tau")
        ax.set_xlabel("last frame that the latent shows")
        seconds_above(ax, fps, "seconds", size=8)
    for ax in axes.flat:
        low, high = min(a.get_ylim()[0] for a in axes.flat), max(a.get_ylim()[1] for a in axes.flat)
        ax.set_ylim(low, high)
    return fig


def scores_figure(plan: ChunkPlan, omega: Tensor) -> Figure:
    """Draw the rotary score of every two latents over their true distance, one panel for each index scheme.

    The curve is the score that the true distance would give. The time of a latent is the last frame that it shows.

    Args:
        omega: (P,), radians per latent frame.
    """
    frames = torch.tensor(plan.last_frames, dtype=omega.dtype)
    true = frames[:, None] - frames
    line = torch.linspace(0, float(true.max()), 400, dtype=omega.dtype)
    curve = torch.cos(line[:, None] / plan.stride * omega).mean(dim=1)
    across = torch.tensor(plan.latent_chunks)[:, None] != torch.tensor(plan.latent_chunks)
    fig, axes = new_figure(width=9.0, height=4.8, rows=2, columns=2)
    for ax, scheme in zip(axes.flat, TAU_SCHEMES, strict=True):
        tau = torch.tensor(plan.tau(scheme), dtype=omega.dtype)
        score = torch.cos((tau[:, None] - tau)[..., None] * omega).mean(dim=-1)
        ax.plot(line, curve, color=GREY, linewidth=2)
        for mask, colour, marker, name in (
            (~across, BLUE, "o", "in one chunk"),
            (across, RED, "^", "in two chunks"),
        ):
            chosen = mask & (true > 0)
            ax.scatter(true[chosen], score[chosen], s=22, color=colour, marker=marker, label=name, zorder=3, alpha=0.8)
        ax.set_title(scheme)
        ax.set_xlabel("true distance (frames)")
        ax.set_ylabel("mean cos(angle)")
        ax.set_ylim(0, 1.1)
    axes[0, 0].legend(fontsize=8, frameon=False)
    return fig


def sweep_figure(num_frames: int, fixed: Sequence[int], stride: int, scheme: str = "frame_time") -> Figure:
    """Draw tau of all latents while one keyframe moves over the frames: `tau_explorer` without a kernel.

    Each column is one plan. The anchor of the moving keyframe is orange.

    Args:
        fixed: the frames of the keyframes that stay.
        stride: frames per latent.
        scheme: the index scheme, one of `timeline.TAU_SCHEMES`.
    """
    fig, ax = new_figure(width=9.0, height=3.4)
    for frame in sorted(set(range(num_frames)) - set(fixed)):
        placed = sorted({*fixed, frame})
        plan = ChunkPlan.build(num_frames, [Condition(place) for place in placed], stride)
        tau = plan.tau(scheme)
        chunk = next(chunk for chunk in plan.chunks if chunk.start == frame)
        others = [value for index, value in enumerate(tau) if index != chunk.latent_start]
        ax.plot([frame] * len(others), others, "o", color=BLUE, markersize=3.5)
        ax.plot(frame, tau[chunk.latent_start], "o", color=GIVEN, markeredgecolor=BLACK, markersize=7)
    ax.plot([], [], "o", color=GIVEN, markeredgecolor=BLACK, markersize=7, label="the moving keyframe's anchor")
    ax.plot([], [], "o", color=BLUE, markersize=3.5, label="all other latents")
    ax.set_xlabel(f"frame of the moving keyframe (others stay at {', '.join(map(str, fixed))})")
    ax.set_ylabel(f"tau ({scheme})")
    legend_beside(ax)
    return fig


def attention_figure(attention: Tensor, plan: ChunkPlan, titles: Sequence[str]) -> Figure:
    """Draw the attention between latent frames, one panel for each title.

    Lines mark chunk borders. The numbers of anchors are bold and red.

    Args:
        attention: (K, F, F): for each of K titles, the share of the attention that the latent of the row gives to
            the latent of the column, summed over the tokens of both. Each row adds up to 1.
        titles: K titles.
    """
    fig, axes = new_figure(width=3.3 * len(attention), height=3.4, columns=len(attention))
    top = float(attention.max())
    for ax, weights, title in zip(fig.axes, attention, titles, strict=True):
        picture = ax.imshow(weights, cmap="Blues", vmin=0, vmax=top)
        for chunk in plan.chunks[1:]:
            ax.axhline(chunk.latent_start - 0.5, color=GREY, linewidth=0.8)
            ax.axvline(chunk.latent_start - 0.5, color=GREY, linewidth=0.8)
        ax.grid(False)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("latent index, looked at")
        _mark_anchors(ax, plan)
    fig.axes[0].set_ylabel("latent index, looking")
    fig.colorbar(picture, ax=axes, shrink=0.8, label="share of the attention")
    return fig


def _mark_anchors(ax: Axes, plan: ChunkPlan) -> None:
    shown = list(range(plan.num_latents)) if plan.num_latents <= MAX_LABELS else []
    ax.set_xticks(shown, [str(index) for index in shown], fontsize=7)
    ax.set_yticks(shown, [str(index) for index in shown], fontsize=7)
    for label, anchor in zip(ax.get_xticklabels(), plan.anchors, strict=False):
        label.set_color(RED if anchor else BLACK)
        label.set_fontweight("bold" if anchor else "normal")


def errors_figure(times: Sequence[float], errors: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the mean squared error of the velocity at each flow time, one bar for each name. Lower is better.

    Args:
        times: flow times in [0, 1].
        errors: one error for each time, by name.
    """
    fig, ax = new_figure(width=8.0, height=3.0)
    width = 0.8 / len(errors)
    for place, (name, values) in enumerate(errors.items()):
        at = [index + (place - (len(errors) - 1) / 2) * width for index in range(len(times))]
        bars = ax.bar(at, values, width * 0.94, color=CYCLE[place], label=name, edgecolor=BLACK, linewidth=0.5)
        for bar in bars:
            bar.set_hatch(HATCHES[place % len(HATCHES)])
    ax.set_xticks(range(len(times)), [f"t = {t:g}" for t in times])
    ax.set_ylabel("mean squared error\nof the velocity")
    ax.set_xlabel("flow time: 1 is noise, 0 is data")
    legend_beside(ax)
    return fig
