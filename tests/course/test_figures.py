"""course/figures: what the figure of a plan shows."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Polygon, Rectangle

from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course.figures.base import (
    CYCLE,
    GIVEN,
    HATCH,
    STAGES,
    TURNS,
    figure_image,
    frames_of,
    schematic,
    schematic_text,
    timeline_figure,
)
from smartdirector_lite.course.figures.evaluation import alarms_figure, bands_figure, intervals_figure
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.timeline import TAU_SCHEMES

PLAN = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], 4)


@pytest.mark.parametrize("scheme", TAU_SCHEMES)
def test_timeline_figure_puts_latents_at_their_tau(scheme):
    axes = timeline_figure(PLAN, scheme, fps=12).axes[0]
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in circles] == PLAN.tau(scheme)
    assert [line.get_markerfacecolor() == GIVEN for line in circles] == PLAN.anchors
    low, high = axes.get_xlim()
    assert low < min(PLAN.tau(scheme)) and high > max(PLAN.tau(scheme))


CLIPS = ChunkPlan.build(30, [Condition(3, 6), Condition(13), Condition(14), Condition(16)], 4, cuts=[20])


@pytest.mark.parametrize(
    "plan", [PLAN, CLIPS, ChunkPlan.build(7, [Condition(0)], 2)], ids=["keyframes", "clips", "two"]
)
def test_latents_hold_each_frame_once(plan):
    held = [frame for latent in range(plan.num_latents) for frame in frames_of(plan, latent)]
    assert held == list(range(plan.num_frames))
    assert [frames_of(plan, latent)[-1] for latent in range(plan.num_latents)] == plan.last_frames
    axes = timeline_figure(plan).axes[0]
    fans = [patch.get_xy() for patch in axes.patches if isinstance(patch, Polygon)]
    width = [round(plan.stride * (fan[1, 0] - fan[0, 0])) for fan in fans]
    assert width == [len(frames_of(plan, latent)) for latent in range(plan.num_latents)]


@pytest.mark.parametrize("plan", [PLAN, CLIPS], ids=["keyframes", "clips"])
def test_schematic_draws_the_plan(plan):
    axes = schematic(plan).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(STAGES)
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    hatched = [box for box in boxes if box.get_hatch() == HATCH]
    surplus = [chunk.surplus for chunk in plan.chunks if chunk.surplus]
    assert sorted(round(box.get_width()) for box in hatched) == sorted(surplus + [1] * sum(surplus))
    gold = [box for box in boxes if box.get_facecolor() == to_rgba(GIVEN)]
    assert len(gold) == 2 * len(plan.given_frames) + sum(plan.anchors)  # in pixels and decoded; latents
    marks = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    assert [line.get_xdata()[0] / plan.stride for line in marks] == plan.tau()
    corners = {(box.get_x() + step, box.get_y()) for box in boxes for step in range(round(box.get_width()))}
    assert len(corners) == sum(round(box.get_width()) for box in boxes), "two boxes cover each other"
    said = schematic_text(plan)
    assert f"{sum(plan.anchors)} of them anchors" in said and f"{sum(surplus)} hatched ones" in said


def test_schematic_draws_the_stages_that_are_asked_for():
    axes = schematic(PLAN, stages=("chunks", "latents")).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["chunks", "latents"]
    assert "Tau" not in schematic_text(PLAN, stages=("chunks", "latents"))
    with pytest.raises(ValueError, match="stages: pixel; there are pixels, chunks"):
        schematic(PLAN, stages=("pixel",))


# What people see who lack one kind of cone, in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN = {
    "all cones": np.eye(3),
    "no red": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "no green": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "no blue": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}


@pytest.mark.parametrize("eye", SEEN)
def test_colours_that_stand_side_by_side_can_be_told_apart(eye):
    def seen(colour: str) -> np.ndarray:
        return (SEEN[eye] @ np.array(to_rgba(colour)[:3]) ** 2.2).clip(0, 1) ** (1 / 2.2)

    groups = (CYCLE[:4], (*TURNS, GIVEN, "white"))
    for one, two in (pair for group in groups for pair in itertools.combinations(group, 2)):
        assert np.linalg.norm(seen(one) - seen(two)) > 0.11, f"{one} and {two}"


def test_given_frames_have_the_colour_that_they_have_on_contact_sheets():
    assert GIVEN == KEYFRAME_COLOUR
    gold = tuple(int(KEYFRAME_COLOUR[i : i + 2], 16) for i in (1, 3, 5))
    assert (np.asarray(figure_image(timeline_figure(PLAN))) == gold).all(axis=-1).any()


def test_alarms_figure_frames_what_is_beyond_its_tolerance():
    values = {"flash": {"flashes": 1.0, "cuts": 1.0}, "late cut": {"flashes": 0.0, "cuts": 0.0}}
    axes = alarms_figure(values, {"flashes": 0, "cuts": 1}, {"flashes": 0.5, "cuts": 0.0}).axes[0]
    framed = {(patch.get_x() + 0.47, patch.get_y() + 0.47) for patch in axes.patches if isinstance(patch, Rectangle)}
    assert framed == {(0, 0), (1, 1)}


def test_intervals_figure_has_a_panel_for_each_quantity_and_a_row_for_each_system():
    panels = {"timing": {"ours": (1.0, 0.5, 1.5), "hold": (3.0, 2.0, 4.0)}, "cuts": {"ours": (1.0, 1.0, 1.0)}}
    timing, cuts = intervals_figure(panels, {"timing": 0}).axes
    assert [label.get_text() for label in timing.get_yticklabels()] == ["ours", "hold"]
    assert [list(line.get_xdata()) for line in timing.lines] == [[0.5, 1.5], [1.0], [2.0, 4.0], [3.0], [0, 0]]
    assert len(cuts.lines) == 2  # no best value, so no line for it


def test_bands_figure_has_a_panel_for_each_curve():
    ends = [(3.0, 2.0, 4.0), (1.0, 0.5, 1.5)]
    axes = bands_figure([4, 8], {"Frechet": ends, "kernel": ends}, "videos").axes
    assert [ax.get_title() for ax in axes] == ["Frechet", "kernel"]
    assert list(axes[0].lines[0].get_ydata()) == [3.0, 1.0]
