"""What all figures share (colours, markers, axes), and the figure of a plan.

The palette is that of Okabe and Ito: readers with a colour vision deficiency can tell its colours apart.
"""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon, Rectangle
from PIL import Image

from ...media.sheets import KEYFRAME_COLOUR
from ...timeline import ChunkPlan

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
BLACK, GREY = "#222222", "#999999"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)  # the colours of curves, in this order
TURNS = ("#A9CFEA", "#E6E6E6")  # light blue and light grey: neighbouring chunks differ
GIVEN = KEYFRAME_COLOUR  # keyframes, other given frames and anchors, as on contact sheets

# Curves differ in marker or line style as well as in colour.
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.")

DOTS_PER_INCH = 100
FRAME_ROW, LATENT_ROW, ROW_HEIGHT = 1.0, 0.0, 0.36  # the two rows of a timeline figure
HATCH = "////"  # surplus
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

    Neighbouring chunks differ in colour. Given frames and anchors are gold. A dotted line marks a cut. A fan joins each
    latent to the frames that it holds, and the line in the fan leads to the last of them. The line is upright where tau
    equals the true time.

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
        bottom, first = FRAME_ROW - ROW_HEIGHT / 2, frames_of(plan, index).start
        ends = ((first - 0.5) / plan.stride, bottom), ((frame + 0.5) / plan.stride, bottom)
        ax.add_patch(Polygon([*ends, (value, LATENT_ROW)], facecolor=colour, alpha=0.45, linewidth=0, zorder=0))
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


def frames_of(plan: ChunkPlan, latent: int) -> range:
    """Return the frames of the video that a latent holds, without its surplus."""
    chunk, stop = plan.chunks[plan.latent_chunks[latent]], plan.last_frames[latent] + 1
    place = latent - chunk.latent_start
    return range(chunk.start + (1 + plan.stride * (place - 1) if place else 0), stop)


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
    handles.append(Patch(facecolor=TURNS[1], edgecolor=BLACK, label="in two colours by turns"))
    if plan.conditions:
        handles.append(Patch(facecolor=GIVEN, edgecolor=BLACK, label="given frames, anchors"))
    if plan.cuts:
        handles.append(ax.plot([], [], color=RED, linestyle=":", label="cut")[0])
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


# -- the schematic -----------------------------------------------------------------------------------------------------

STAGES = ("pixels", "chunks", "latents", "tau", "decoded")  # the rows of the schematic, from above
LEVEL, STAGE_GAP = 0.62, 0.75  # the height of a level of boxes, and the gap between two stages


def schematic(
    plan: ChunkPlan, stages: Sequence[str] = STAGES, scheme: str = "frame_time", title: str | None = None
) -> Figure:
    """Draw how a video becomes latents and a video again: pixels, chunks, latents, tau, decoded frames.

    All rows share one axis of frames. Given frames and their latents, the anchors, are gold. Where a chunk's last one
    holds surplus, that part is hatched. It reaches into the time of the next chunk, so neighbouring chunks stand on
    different levels.

    Args:
        plan: a plan of at most about 50 frames, so that the labels have space.
        stages: the rows to draw, of STAGES, in their order.
        scheme: the index scheme, one of `timeline.TAU_SCHEMES`.
        title: a title, or None.

    Raises:
        ValueError: the scheme or a stage is unknown.
    """
    if unknown := set(stages) - set(STAGES):
        raise ValueError(f"stages: {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    levels = _levels(plan)
    heights = {"pixels": 1, "chunks": 1, "tau": 2, "latents": max(levels) + 1, "decoded": max(levels) + 1}
    total = sum(heights[stage] * LEVEL + STAGE_GAP for stage in stages)
    fig, ax = new_figure(width=10.0, height=0.55 * total + 0.7)
    top, marks = total, {}
    for stage in stages:
        bottom = top - heights[stage] * LEVEL
        _DRAW[stage](ax, plan, bottom, levels, scheme)
        marks[(top + bottom) / 2] = stage
        top = bottom - STAGE_GAP
    for cut in plan.cuts:
        ax.axvline(cut - 0.5, color=RED, linestyle=":", linewidth=1.6)
    last = max(chunk.stop + chunk.surplus for chunk in plan.chunks)
    ax.set_xlim(-1.0, max(last, plan.stride * max(plan.tau(scheme)) + 1) + 0.2)
    ax.set_ylim(STAGE_GAP - 0.3, total + 0.2)
    ax.set_yticks(list(marks), list(marks.values()))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("frame")
    ax.spines["left"].set_visible(False)
    ax.grid(False)
    if title:
        ax.set_title(title, loc="left")
    _explain_schematic(ax, plan)
    return fig


def schematic_text(plan: ChunkPlan, stages: Sequence[str] = STAGES, scheme: str = "frame_time") -> str:
    """Return the alternative text of a schematic: what its rows show, in words and in the plan's own numbers."""
    chunks, given = plan.chunks, ", ".join(str(condition.frame_index) for condition in plan.conditions) or "none"
    lines = {
        "pixels": f"pixels: {plan.num_frames} frames, those given begin at {given}",
        "chunks": f"chunks: {len(chunks)}, from frames {', '.join(str(chunk.start) for chunk in chunks)}",
        "latents": f"latents: {' + '.join(str(chunk.num_latents) for chunk in chunks)}, {sum(plan.anchors)} of them "
        f"anchors, with a hatched surplus of {', '.join(str(chunk.surplus) for chunk in chunks)} frames",
        "tau": f"tau ({scheme}): {', '.join(f'{value:g}' for value in plan.tau(scheme))}",
        "decoded": f"decoded: {plan.num_frames} frames and {sum(chunk.surplus for chunk in chunks)} hatched ones, "
        "which are dropped",
    }
    return "A schematic in rows. " + ". ".join(lines[stage][:1].upper() + lines[stage][1:] for stage in stages) + "."


def _levels(plan: ChunkPlan) -> list[int]:
    """Return for each chunk the highest level on which it, with its surplus, covers no other chunk."""
    ends, levels = [], []
    for chunk in plan.chunks:
        level = next((i for i, end in enumerate(ends) if end <= chunk.start), len(ends))
        ends[level : level + 1] = [chunk.stop + chunk.surplus]
        levels.append(level)
    return levels


def _box(ax: Axes, first: float, stop: float, bottom: float, colour: str, text: str = "", hatch: str = "") -> None:
    box = Rectangle((first - 0.5, bottom), stop - first, LEVEL, facecolor=colour, edgecolor=BLACK, linewidth=0.7)
    box.set_hatch(hatch)
    ax.add_patch(box)
    if text:
        ax.text((first + stop - 1) / 2, bottom + LEVEL / 2, text, ha="center", va="center", fontsize=7, color=BLACK)


def _row_of_pixels(ax: Axes, plan: ChunkPlan, bottom: float, levels: list[int], scheme: str) -> None:
    for frame in range(plan.num_frames):
        _box(ax, frame, frame + 1, bottom, GIVEN if frame in plan.given_frames else "white", str(frame))


def _row_of_chunks(ax: Axes, plan: ChunkPlan, bottom: float, levels: list[int], scheme: str) -> None:
    for number, chunk in enumerate(plan.chunks):
        text = f"chunk {number}: {chunk.num_frames} frames" if chunk.num_frames > 5 else str(number)
        _box(ax, chunk.start, chunk.stop, bottom, TURNS[number % 2], text)


def _row_of_latents(ax: Axes, plan: ChunkPlan, bottom: float, levels: list[int], scheme: str) -> None:
    for latent, number in enumerate(plan.latent_chunks):
        chunk, held = plan.chunks[number], frames_of(plan, latent)
        base = bottom + LEVEL * (max(levels) - levels[number])
        _box(ax, held.start, held.stop, base, GIVEN if plan.anchors[latent] else TURNS[number % 2], str(latent))
        if chunk.surplus and held.stop == chunk.stop:
            _box(ax, chunk.stop, chunk.stop + chunk.surplus, base, "white", hatch=HATCH)


def _row_of_tau(ax: Axes, plan: ChunkPlan, bottom: float, levels: list[int], scheme: str) -> None:
    line = bottom + 1.6 * LEVEL
    ax.plot([-0.5, plan.num_frames - 0.5], [line, line], color=GREY, linewidth=1, zorder=1)
    for value, anchor in zip(plan.tau(scheme), plan.anchors, strict=True):
        place, colour = plan.stride * value, GIVEN if anchor else BLUE
        ax.plot(place, line, "s" if anchor else "o", markersize=7, markerfacecolor=colour, markeredgecolor=BLACK)
        ax.text(place, line - 0.3, f"{value:g}", ha="center", va="top", rotation=90, fontsize=7)


def _row_of_decoded(ax: Axes, plan: ChunkPlan, bottom: float, levels: list[int], scheme: str) -> None:
    for number, chunk in enumerate(plan.chunks):
        base = bottom + LEVEL * (max(levels) - levels[number])
        for frame in range(chunk.start, chunk.stop + chunk.surplus):
            kept = frame < chunk.stop
            colour = "white" if not kept else GIVEN if frame in plan.given_frames else TURNS[number % 2]
            _box(ax, frame, frame + 1, base, colour, str(frame) if kept else "", "" if kept else HATCH)


_DRAW = dict(zip(STAGES, (_row_of_pixels, _row_of_chunks, _row_of_latents, _row_of_tau, _row_of_decoded), strict=True))


def _explain_schematic(ax: Axes, plan: ChunkPlan) -> None:
    handles = [Patch(facecolor=TURNS[0], edgecolor=BLACK, label="one chunk, and")]
    handles.append(Patch(facecolor=TURNS[1], edgecolor=BLACK, label="the next one"))
    if plan.conditions:
        handles.append(Patch(facecolor=GIVEN, edgecolor=BLACK, label="given frames, anchors"))
    if any(chunk.surplus for chunk in plan.chunks):
        handles.append(Patch(facecolor="white", edgecolor=BLACK, hatch=HATCH, label="surplus, dropped"))
    if plan.cuts:
        handles.append(ax.plot([], [], color=RED, linestyle=":", label="cut")[0])
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
