"""Planted defects: each is caught by the figures that should catch it, and by no other one."""

import pytest

from smartdirector_lite.evaluation.benchmark import Item
from smartdirector_lite.evaluation.defects import BEST, CAUGHT_BY, DEFECTS, TOLERANCES, alarms, defect_item, play_late
from smartdirector_lite.evaluation.measure import measure


@pytest.fixture(scope="module")
def item() -> Item:
    return defect_item()


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_caught_by_the_right_figures(item, defect):
    found = measure(DEFECTS[defect](item), item)
    assert alarms(found) == CAUGHT_BY[defect], found


def test_the_true_video_has_the_best_value_of_every_figure(item):
    found = measure(item.frames, item)
    assert set(TOLERANCES) <= set(found) <= set(BEST) and not alarms(found)
    assert found == pytest.approx({name: BEST[name] for name in found})


def test_a_video_of_another_shape_is_refused(item):
    with pytest.raises(ValueError, match=r"defects: the video is \[48, 3, 64, 112\], where the item is \[49,"):
        measure(item.frames[:-1], item)


def test_what_is_late_is_late_within_its_shot(item):
    video, (cut,) = play_late(item, 3), item.cuts
    assert video.shape == item.frames.shape
    assert (video[3:cut] == item.frames[: cut - 3]).all() and (video[cut + 3 :] == item.frames[cut:-3]).all()
    assert (video[:3] == item.frames[0]).all() and (video[cut : cut + 3] == item.frames[cut]).all()


def test_the_warping_error_can_be_left_out(item):
    found = measure(item.frames, item, warping=False)
    assert set(measure(item.frames, item)) - set(found) == {"warping error"}
