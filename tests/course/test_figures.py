"""course/figures: what the figure of a plan shows."""

import numpy as np
import pytest

from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course.figures.base import GIVEN, figure_image, timeline_figure
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


def test_given_frames_have_the_colour_that_they_have_on_contact_sheets():
    assert GIVEN == KEYFRAME_COLOUR
    gold = tuple(int(KEYFRAME_COLOUR[i : i + 2], 16) for i in (1, 3, 5))
    assert (np.asarray(figure_image(timeline_figure(PLAN))) == gold).all(axis=-1).any()
