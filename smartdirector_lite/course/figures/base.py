"""What all figures share (colours, markers, axes), and the figure of a plan.

The palette is that of Okabe and Ito: readers with a colour vision deficiency can tell its colours apart.
"""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from ...media.sheets import KEYFRAME_COLOUR
from ...timeline import ChunkPlan

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
BLACK, GREY = "#222222", "#999999"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)  # the colours of curves, in this order
TURNS = ("#CFE3F1", "#CDEBE1")  # light blue and light green: neighbouring chunks differ
GIVEN = KEYFRAME_COLOUR  # keyframes, other given frames and anchors, as on contact sheets

# Curves differ in marker or line style as well as in colour.
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.")

DOTS_PER_INCH = 100
FRAME_ROW, LATENT_ROW, ROW_HEIGHT = 1.0, 0.0, 0.36  # the two rows of a timeline figure
MAX_LABELS = 30  # latents are labelled one by one up to this number


def new_figure(width: float = 9.0, height: float = 3.0, rows: int = 1, columns: int = 1) -> tuple[Figure, Axes]:
    """Make an empty figure in the style that all figures share.

    Args:
        width, height: the size in inches.
        rows, columns: the number of panels.

    Returns:
        The figure, and its axes: one Axes, or an array of them where there are several panels.
    """
    fig = Figure(figsize=(width, height), layout="constrained")  # pyplot would keep every figure until it is closed
    axes = fig.subplots(rows, columns)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_prop_cycle(color=CYCLE)
        ax.grid(alpha=0.25)
    return fig, axes


def figure_image(fig: Figure) -> Image.Image:
    """Draw a figure as an RGB picture at 100 dots per inch, with its margins cut off."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    return Image.open(buffer).convert("RGB")


def legend_beside(ax: Axes) -> None:
    """Put the legend to the right of the axes, where it covers no data."""
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def seconds_above(ax: Axes, fps: float, label: str, size: float | None = None) -> None:
    """Add an upper axis in seconds to axes whose x is in frames.

    Args:
        label: the name of the upper axis.
        size: the font size of the upper axis in points; None keeps matplotlib's.
    """
    upper = ax.secondary_xaxis("top", functions=(lambda frame: frame / fps, lambda second: second * fps))
    upper.set_xlabel(label, fontsize=size)
    if size is not None:
        upper.tick_params(labelsize=size)


def timeline_figure(plan: ChunkPlan, scheme: str = "frame_time", fps: float | None = None) -> Figure:
    """Draw a plan: its frames above, and its latents below, each at its temporal index tau.

    Neighbouring chunks differ in colour. Given frames and anchors are orange. A dotted line marks a cut. A line joins
    each latent to the last frame that the latent shows; the line is upright where tau equals the true time.

    Args:
        scheme: the index scheme, one of `timeline.TAU_SCHEMES`.
        fps: frames per second; None leaves the seconds out of the upper axis.

    Raises:
        ValueError: the scheme is unknown.
    """
    tau = plan.tau(scheme)
    fig, ax = new_figure(width=9.0, height=2.6)
    _draw_frames(ax, plan)
    for index, (value, frame) in enumerate(zip(tau, plan.last_frames, strict=True)):
        colour = GIVEN if plan.anchors[index] else TURNS[plan.latent_chunks[index] % 2]
        bottom = FRAME_ROW - ROW_HEIGHT / 2
        ax.plot([frame / plan.stride, value], [bottom, LATENT_ROW], color=GREY, linewidth=0.8, zorder=1)
        ax.plot(value, LATENT_ROW, "o", markersize=11, markerfacecolor=colour, markeredgecolor=BLACK, zorder=2)
        if plan.num_latents <= MAX_LABELS:
            ax.annotate(str(index), (value, LATENT_ROW), ha="center", va="center", fontsize=6.5, color=BLACK, zorder=3)
    low, high = min(-0.5 / plan.stride, *tau), max((plan.num_frames - 0.5) / plan.stride, *tau)
    ax.set_xlim(low - 0.3, high + 0.3)
    ax.set_ylim(-0.5, 1.5)
    ax.set_yticks([LATENT_ROW, FRAME_ROW], ["latents", "frames"])
    ax.set_xlabel(f"temporal index tau ({scheme}); the numbers in the circles are latent indices")
    ax.grid(False, axis="y")
    _frames_above(ax, plan, fps)
    _explain_colours(ax, plan)
    return fig


def _draw_frames(ax: Axes, plan: ChunkPlan) -> None:
    """Draw one cell for each frame, centred at frame / stride."""
    given = {condition.frame_index + k for condition in plan.conditions for k in range(condition.num_frames)}
    width, bottom = 1 / plan.stride, FRAME_ROW - ROW_HEIGHT / 2
    border = 0.5 if plan.num_frames <= 120 else 0.0
    for number, chunk in enumerate(plan.chunks):
        for frame in range(chunk.start, chunk.stop):
            colour = GIVEN if frame in given else TURNS[number % 2]
            corner = ((frame - 0.5) * width, bottom)
            ax.add_patch(Rectangle(corner, width, ROW_HEIGHT, facecolor=colour, edgecolor=BLACK, linewidth=border))
        start = (chunk.start - 0.5) * width
        ax.plot([start, start], [bottom - 0.06, bottom + ROW_HEIGHT + 0.06], color=BLACK, linewidth=1.6)
    for cut in plan.cuts:
        ax.axvline((cut - 0.5) * width, color=RED, linestyle=":", linewidth=1.6)


def _frames_above(ax: Axes, plan: ChunkPlan, fps: float | None) -> None:
    """Add an upper axis with frame numbers, and with seconds where the frame rate is known."""

    def label(frame: float, _: int) -> str:
        if not 0 <= frame < plan.num_frames:
            return ""
        return f"{frame:g}" if fps is None else f"{frame:g} ({frame / fps:.1f})"

    stride = plan.stride
    upper = ax.secondary_xaxis("top", functions=(lambda tau: tau * stride, lambda frame: frame / stride))
    upper.set_xlabel("frame" if fps is None else f"frame (in brackets: seconds, at {fps:g} frames a second)")
    upper.xaxis.set_major_formatter(label)


def _explain_colours(ax: Axes, plan: ChunkPlan) -> None:
    handles = [Patch(facecolor=TURNS[0], edgecolor=BLACK, label="a chunk's other frames,")]
    handles.append(Patch(facecolor=TURNS[1], edgecolor=BLACK, label="in turns of two colours"))
    if plan.conditions:
        handles.append(Patch(facecolor=GIVEN, edgecolor=BLACK, label="given frames, anchors"))
    if plan.cuts:
        handles.append(ax.plot([], [], color=RED, linestyle=":", label="cut")[0])
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
