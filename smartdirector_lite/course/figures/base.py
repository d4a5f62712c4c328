"""Colours and axes of all figures, and the figure of a plan. The palette is Okabe and Ito's: colour-blind readers can
tell its colours apart."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ...timeline import ChunkPlan

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SKY, YELLOW, BLACK, GREY = "#56B4E9", "#F0E442", "#222222", "#999999"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)

TURNS = ("#CFE3F1", "#CDEBE1")  # light blue and light green: the chunks, in turns
FRAME_ROW, LATENT_ROW, ROW_HEIGHT = 1.0, 0.0, 0.36
MAX_LABELS = 30  # more latents than this are not labelled one by one


def new_figure(width: float = 9.0, height: float = 3.0, rows: int = 1, columns: int = 1) -> tuple[Figure, Axes]:
    """A figure in the house's style, inches; with rows or columns, an array of axes."""
    fig = Figure(figsize=(width, height), layout="constrained")  # not pyplot's: nothing to close
    axes = fig.subplots(rows, columns)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_prop_cycle(color=CYCLE)
        ax.grid(alpha=0.25)
    return fig, axes


def timeline_figure(plan: ChunkPlan, scheme: str = "frame_time", fps: float | None = None) -> Figure:
    """A plan as a picture: its frames above, its latents below, each latent at its tau under the frames it shows.

    Chunks have two colours in turns. Frames that are given and latents that are anchors are orange; a dotted line is a
    cut. A line joins each latent to the last frame it shows: upright where the index tells the true time. scheme: of
    `ChunkPlan.tau`; ValueError for another. fps: adds seconds to the upper axis.
    """
    tau = plan.tau(scheme)
    fig, ax = new_figure(width=9.0, height=2.6)
    _draw_frames(ax, plan)
    for index, (value, frame) in enumerate(zip(tau, plan.last_frames, strict=True)):
        chunk, anchor = plan.latent_chunks[index], plan.anchors[index]
        colour = ORANGE if anchor else TURNS[chunk % 2]
        ax.plot(
            [frame / plan.stride, value], [FRAME_ROW - ROW_HEIGHT / 2, LATENT_ROW], color=GREY, linewidth=0.8, zorder=1
        )
        ax.plot(value, LATENT_ROW, "o", markersize=11, markerfacecolor=colour, markeredgecolor=BLACK, zorder=2)
        if plan.num_latents <= MAX_LABELS:
            ax.annotate(str(index), (value, LATENT_ROW), ha="center", va="center", fontsize=6.5, color=BLACK, zorder=3)
    low, high = min(-0.5 / plan.stride, *tau), max((plan.num_frames - 0.5) / plan.stride, *tau)
    ax.set_xlim(low - 0.3, high + 0.3)
    ax.set_ylim(-0.5, 1.5)
    ax.set_yticks([LATENT_ROW, FRAME_ROW], ["latents", "frames"])
    ax.set_xlabel(f"temporal index tau ({scheme}); the numbers in the circles are latent indices")
    ax.grid(False, axis="y")
    _upper_axis(ax, plan, fps)
    _legend(ax, plan)
    return fig


def _draw_frames(ax: Axes, plan: ChunkPlan) -> None:
    """One cell a frame, at frame / stride."""
    given = {condition.frame_index + k for condition in plan.conditions for k in range(condition.num_frames)}
    width, bottom = 1 / plan.stride, FRAME_ROW - ROW_HEIGHT / 2
    line = 0.5 if plan.num_frames <= 120 else 0.0
    for number, chunk in enumerate(plan.chunks):
        for frame in range(chunk.start, chunk.stop):
            colour = ORANGE if frame in given else TURNS[number % 2]
            corner = ((frame - 0.5) * width, bottom)
            ax.add_patch(Rectangle(corner, width, ROW_HEIGHT, facecolor=colour, edgecolor=BLACK, linewidth=line))
        ax.plot(
            [(chunk.start - 0.5) * width] * 2, [bottom - 0.06, bottom + ROW_HEIGHT + 0.06], color=BLACK, linewidth=1.6
        )
    for cut in plan.cuts:
        ax.axvline((cut - 0.5) * width, color=RED, linestyle=":", linewidth=1.6)


def _upper_axis(ax: Axes, plan: ChunkPlan, fps: float | None) -> None:
    """Frame numbers above, with seconds where the frame rate is known."""

    def label(frame: float, _: int) -> str:
        if not 0 <= frame < plan.num_frames:
            return ""
        return f"{frame:g}" if fps is None else f"{frame:g} ({frame / fps:.1f})"

    stride = plan.stride
    upper = ax.secondary_xaxis("top", functions=(lambda tau: tau * stride, lambda frame: frame / stride))
    upper.set_xlabel("frame" if fps is None else f"frame (in brackets: seconds, at {fps:g} frames a second)")
    upper.xaxis.set_major_formatter(label)


def _legend(ax: Axes, plan: ChunkPlan) -> None:
    handles = [Patch(facecolor=TURNS[0], edgecolor=BLACK, label="a chunk's other frames,")]
    handles.append(Patch(facecolor=TURNS[1], edgecolor=BLACK, label="in turns of two colours"))
    if plan.conditions:
        handles.append(Patch(facecolor=ORANGE, edgecolor=BLACK, label="given frames, anchors"))
    if plan.cuts:
        handles.append(ax.plot([], [], color=RED, linestyle=":", label="cut")[0])
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
