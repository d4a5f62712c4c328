"""GSB and wins: by hand, against closed forms, and whether the intervals hold the truth as often as they say."""

import math

import numpy as np
import pytest

from smartdirector_lite.evaluation.preference import Z, count_preference, wilson


def test_counts_by_hand():
    votes = [("ann", "a", 1), ("ann", "b", 0), ("bob", "a", 1), ("bob", "b", -1), ("bob", "c", 1)]
    found = count_preference(votes)
    assert (found.good, found.same, found.bad, found.raters, found.clips) == (3, 1, 1, 2, 3)
    assert found.gsb.value == pytest.approx(2 / 5) and found.wins.value == pytest.approx(3 / 5)
    assert -1 <= found.gsb.low < 2 / 5 < found.gsb.high <= 1
    mirrored = count_preference([(rater, clip, -score) for rater, clip, score in votes])
    assert (mirrored.gsb.low, mirrored.gsb.high) == pytest.approx((-found.gsb.high, -found.gsb.low))


@pytest.mark.parametrize(("successes", "count"), [(8, 10), (0, 7), (7, 7), (150.5, 400)])
def test_wilson_solves_its_equation(successes, count):
    for bound in wilson(successes, count):
        assert abs(successes / count - bound) == pytest.approx(
            Z * math.sqrt(max(0, bound * (1 - bound) / count)), abs=1e-9
        )
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe 1998


@pytest.mark.parametrize("shape", [(1, 900), (900, 1)])
def test_independent_votes_give_the_closed_form(shape):
    scores = np.random.default_rng(1).choice([1, 0, -1], shape, p=[0.8, 0.0, 0.2])
    found = count_preference([(*place, int(score)) for place, score in np.ndenumerate(scores)])
    half = Z * scores.std() / math.sqrt(scores.size)
    assert found.gsb.low == pytest.approx(found.gsb.value - half, abs=0.15 * half)
    assert found.gsb.high == pytest.approx(found.gsb.value + half, abs=0.15 * half)
    half = Z * (scores == 1).std() / math.sqrt(scores.size)
    assert found.wins.low == pytest.approx(found.wins.value - half, abs=0.15 * half)


def test_unanimous_votes_are_no_certainty():
    found = count_preference([("ann", clip, 1) for clip in range(5)])
    assert found.gsb.value == 1 and found.gsb.low == pytest.approx(2 * wilson(5, 5)[0] - 1) and found.gsb.low < 0.2
    with pytest.raises(ValueError, match="no votes"):
        count_preference([])


def test_the_interval_holds_the_truth_although_raters_and_clips_differ():
    rng, held, wilson_held = np.random.default_rng(0), 0, 0
    for _ in range(200):
        leaning = 0.2 + rng.normal(0, 0.5, (8, 1)) + rng.normal(0, 0.5, (1, 12)) + rng.normal(0, 0.8, (8, 12))
        scores = np.sign(leaning).astype(int)
        truth = math.erf(0.2 / math.sqrt(2 * (0.5**2 + 0.5**2 + 0.8**2)))  # of all raters and clips there could be
        found = count_preference([(*place, int(score)) for place, score in np.ndenumerate(scores)])
        held += found.gsb.low <= truth <= found.gsb.high
        low, high = (2 * one - 1 for one in wilson((scores == 1).sum(), scores.size))
        wilson_held += low <= truth <= high
    assert held >= 180 and wilson_held < 160  # of 200; votes are not independent
