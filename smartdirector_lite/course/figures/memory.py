"""Figures of what a call needs: GPU memory in each memory mode, and latents and tokens by number of keyframes."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...loading.memory import MODES, RESERVE, Estimate
from .base import BLUE, CYCLE, GREY, ORANGE, new_figure


def memory_figure(estimates: Mapping[str, Estimate], cards: Sequence[int]) -> Figure:
    """Draw the peak GPU memory of each memory mode beside the sizes of cards.

    The numbers are GB of 10^9 bytes and include what the GPU's own libraries take.

    Args:
        estimates: by name; each name has one bar in each mode.
        cards: the memory of cards in bytes; each is a dashed line.
    """
    fig, ax = new_figure(height=3.4)
    width, highest = 0.8 / len(estimates), max(cards, default=0) / 1e9
    for place, (name, estimate) in enumerate(estimates.items()):
        heights = [(estimate.peak(mode)[0] + RESERVE) / 1e9 for mode in MODES]
        middles = [mode + (place - (len(estimates) - 1) / 2) * width for mode in range(len(MODES))]
        highest = max(highest, *heights)
        bars = ax.bar(middles, heights, 0.92 * width, color=CYCLE[place % len(CYCLE)], label=name)
        ax.bar_label(bars, fmt="%.0f", fontsize=8)
    for card in cards:
        size = card / 1e9
        ax.axhline(size, color=GREY, linestyle="--", linewidth=1)
        where = {"xycoords": ("axes fraction", "data"), "va": "bottom", "ha": "right"}
        ax.annotate(f"{size:.0f} GB", (1, size), fontsize=8, **where)
    ax.set_xticks(range(len(MODES)), MODES)
    ax.set_xlabel("memory mode, the fastest first")
    ax.set_ylabel("GPU memory at the peak, GB")
    ax.set_ylim(0, 1.1 * highest)
    ax.grid(False, axis="x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.6, 0.98), fontsize=8)
    return fig


def tokens_figure(keyframes: Sequence[int], latents: Sequence[int], tokens_each: int) -> Figure:
    """Draw what keyframes cost: latent frames, and pairs of tokens that attend to each other.

    Args:
        keyframes: numbers of keyframes.
        latents: the number of latent frames for each number of keyframes.
        tokens_each: the tokens of one latent frame.
    """
    fig, (left, right) = new_figure(height=2.8, columns=2)
    left.plot(keyframes, latents, "o-", color=BLUE)
    left.set_ylabel("latent frames")
    pairs = [(count * tokens_each) ** 2 for count in latents]
    right.plot(keyframes, [value / pairs[0] for value in pairs], "o-", color=ORANGE)
    right.set_ylabel("pairs of tokens, first = 1")
    for ax in (left, right):
        ax.set_xlabel("keyframes, evenly spread")
    left.yaxis.set_major_locator(MaxNLocator(integer=True))
    return fig
