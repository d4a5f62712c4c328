"""ChunkPlan: closed-form answers, and properties that hold for any placement."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartdirector_lite.timeline import (
    TAU_SCHEMES,
    Chunk,
    ChunkPlan,
    Condition,
    check_int,
    check_number,
    check_one_of,
    place_conditions,
)


@st.composite
def plans(draw: st.DrawFn) -> ChunkPlan:
    """Any valid plan: conditions and gaps laid one after the other, shuffled, with cuts outside the clips."""
    stride = draw(st.integers(1, 6))
    conditions, frame = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 11)), max_size=5)):
        conditions.append(Condition(frame + gap, length))
        frame += gap + length
    num_frames = max(1, frame + draw(st.integers(0, 11)))
    inside = {f for c in conditions for f in range(c.frame_index + 1, c.stop)}
    free = [f for f in range(1, num_frames) if f not in inside]
    cuts = draw(st.lists(st.sampled_from(free), unique=True, max_size=3)) if free else []
    return ChunkPlan.build(num_frames, draw(st.permutations(conditions)), stride, cuts)


def test_worked_example_of_the_design() -> None:
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], stride=4)
    assert plan.chunks == (
        Chunk(0, 13, 0, 4, 0, 1, 0),
        Chunk(13, 23, 4, 4, 3, 1, 1, overrun=3),
        Chunk(23, 30, 8, 3, 2, 1, 2),
    )
    assert plan.tau() == [0, 1, 2, 3, 3.25, 4.25, 5.25, 5.5, 5.75, 6.75, 7.25]
    assert plan.tau("continuous") == list(range(11))
    assert plan.tau("restart") == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]
    assert plan.tau("midpoint") == [-0.5, 0, 1, 2, 2.5, 3, 4, 5, 5.5, 6, 7]
    assert [i for i, anchor in enumerate(plan.anchors) if anchor] == [0, 4, 8]


@given(plans())
@settings(max_examples=300, deadline=None)
def test_every_frame_is_shown_exactly_once_and_lengths_agree(plan: ChunkPlan) -> None:
    shown, latent = [], 0
    for chunk in plan.chunks:
        assert chunk.latent_start == latent
        assert chunk.num_frames + chunk.surplus == 1 + plan.stride * (chunk.num_latents - 1)
        assert 0 <= chunk.surplus < plan.stride
        shown += range(chunk.start, chunk.stop)
        latent += chunk.num_latents
    assert shown == list(range(plan.num_frames))
    lists = [plan.anchors, plan.latent_chunks, plan.last_frames, *(plan.tau(scheme) for scheme in TAU_SCHEMES)]
    assert {len(values) for values in lists} == {latent} == {plan.num_latents}


def test_a_gap_is_added_from_each_cut_on() -> None:
    plan = ChunkPlan.build(14, [Condition(0), Condition(5)], 4, cuts=[5, 9])
    assert plan.tau() == [0, 1, 1.25, 2, 2.25, 3.25]
    assert plan.tau(cut_gap=2.0) == [0, 1, 3.25, 4, 6.25, 7.25]
    assert ChunkPlan.build(14, [Condition(0), Condition(5)], 4).tau(cut_gap=2.0)[:3] == [0, 1, 1.25]


@given(plans())
@settings(max_examples=300, deadline=None)
def test_tau_rises_strictly_in_every_scheme_but_restart(plan: ChunkPlan) -> None:
    for scheme in ("frame_time", "continuous", "midpoint"):
        tau = plan.tau(scheme)
        assert all(b > a for a, b in itertools.pairwise(tau)), scheme
    assert plan.tau()[-1] == (plan.num_frames - 1) / plan.stride
    free = [t for t, anchor in zip(plan.tau("midpoint"), plan.anchors, strict=True) if not anchor]
    assert free == list(range(len(free)))


@given(plans())
@settings(max_examples=300, deadline=None)
def test_each_condition_and_cut_begins_a_chunk_and_anchors_show_only_given_frames(plan: ChunkPlan) -> None:
    starts = {chunk.start for chunk in plan.chunks}
    assert {0, *plan.cuts, *(c.frame_index for c in plan.conditions)} <= starts
    assert sorted(c.condition for c in plan.chunks if c.condition is not None) == list(range(len(plan.conditions)))
    for chunk in plan.chunks:
        if chunk.condition is None:
            assert chunk.num_anchors == 0
            continue
        condition = plan.conditions[chunk.condition]
        assert condition.frame_index == chunk.start
        last = plan.last_frames[chunk.latent_start + chunk.num_anchors - 1]
        assert last == condition.stop - 1  # the anchors show the whole condition and nothing after it


@given(st.integers(0, 60), st.integers(1, 6))
def test_without_conditions_it_is_plain_wan(k: int, stride: int) -> None:
    plan = ChunkPlan.build(stride * k + 1, stride=stride)
    assert plan.chunks == (Chunk(0, stride * k + 1, 0, k + 1, 0),)
    assert all(plan.tau(scheme) == list(range(k + 1)) for scheme in TAU_SCHEMES)


def test_clips() -> None:
    plan = ChunkPlan.build(40, [Condition(20, 6), Condition(3, 9)], stride=4)
    assert [(c.start, c.stop, c.num_latents, c.num_anchors, c.condition) for c in plan.chunks] == [
        (0, 3, 2, 0, None),
        (3, 20, 5, 3, 1),  # 9 = 4 * 2 + 1: three anchors, and new frames follow in the same chunk
        (20, 26, 3, 3, 0),  # 6 frames: a chunk of its own, all anchors
        (26, 40, 5, 0, None),
    ]
    assert plan.conditions == (Condition(20, 6), Condition(3, 9))


@given(plans())
def test_the_surplus_shows_what_follows_in_the_same_shot(plan: ChunkPlan) -> None:
    ends = {plan.num_frames, *plan.cuts}
    for chunk in plan.chunks:
        filled = chunk.num_anchors == chunk.num_latents  # by a clip, which is encoded alone at inference
        follow = itertools.takewhile(lambda frame: frame not in ends, range(chunk.stop, chunk.stop + chunk.surplus))
        assert chunk.overrun == (0 if filled else len(list(follow)))


def test_midpoint_of_several_anchors_in_a_row() -> None:
    plan = ChunkPlan.build(7, [Condition(1), Condition(2), Condition(3)], stride=4)
    assert plan.anchors == [False, True, True, True, False]
    assert plan.tau("midpoint") == [0, 0.25, 0.5, 0.75, 1]


def test_a_cut_begins_a_chunk_without_an_anchor() -> None:
    plan = ChunkPlan.build(20, [Condition(0)], cuts=[15, 10])
    assert [(c.start, c.num_anchors) for c in plan.chunks] == [(0, 1), (10, 0), (15, 0)]
    assert plan.cuts == (10, 15)


def test_table() -> None:
    lines = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)]).table().splitlines()
    assert lines[2].split() == ["1", "13-22", "4", "3", "1", "3.25", "4.25", "5.25", "5.5"]
    assert len({line.index(line.split()[1]) + len(line.split()[1]) for line in lines[:4]}) == 1
    assert lines[-1] == "30 frames, 3 chunks, 11 latents (3 anchors), stride 4, tau: frame_time"
    assert " ... " in ChunkPlan.build(181).table()
    lines = ChunkPlan.build(9, [Condition(0), Condition(4)], cuts=[4]).table(cut_gap=2).splitlines()
    assert lines[2].split()[5:] == ["3", "4"] and lines[-1].endswith("tau: frame_time, 2 more from each cut")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 0}, "num_frames must be from 1 to 1000000, got 0"),
        ({"num_frames": 1e30}, "num_frames must be from 1 to 1000000, got 1000"),
        ({"num_frames": 4.5}, r"num_frames must be a whole number, got 4.5 \(float\)"),
        ({"num_frames": True}, "num_frames must be a whole number, got True"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"conditions": [Condition(30)]}, r"conditions\[0\]: frame_index must be from 0 to 29, or .*, got 30"),
        ({"conditions": [Condition(-31)]}, r"conditions\[0\]: frame_index must be .* negative to .*, got -31"),
        ({"conditions": [Condition(0), Condition(-30)]}, r"conditions\[0\] and conditions\[1\] both stand at frame 0"),
        ({"conditions": [Condition(-2, 3)]}, r"conditions\[0\] covers frames 28 to 30, but the video ends"),
        ({"conditions": 3}, r"conditions\[0\] must be a Condition, got 3"),
        ({"cuts": "ab"}, "cut must be a whole number, got 'a'"),
        ({"cuts": [float("nan")]}, "cut must be a whole number, got nan"),
        ({"conditions": [3]}, r"conditions\[0\] must be a Condition, got 3"),
        ({"conditions": [Condition(28, 3)]}, r"conditions\[0\] covers frames 28 to 30, but the video ends at frame 29"),
        ({"conditions": [Condition(9), Condition(9)]}, r"conditions\[0\] and conditions\[1\] both stand at frame 9"),
        (
            {"conditions": [Condition(9), Condition(4, 6)]},
            r"conditions\[1\] \(frames 4 to 9\) overlaps conditions\[0\]",
        ),
        ({"cuts": [0]}, "cut must be from 1 to 29, got 0"),
        ({"cuts": [30]}, "cut must be from 1 to 29, got 30"),
        ({"cuts": [5, 5]}, "cuts must differ"),
        ({"cuts": [7], "conditions": [Condition(5, 4)]}, r"cut at frame 7 lies inside conditions\[0\].*split the clip"),
    ],
)
def test_errors(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChunkPlan.build(**{"num_frames": 30, **arguments})


def test_more_errors() -> None:
    with pytest.raises(ValueError, match="num_frames of a condition must be at least 1, got 0"):
        Condition(0, 0)
    with pytest.raises(ValueError, match="frame_index must be a whole number, got True"):
        Condition(True)
    with pytest.raises(ValueError, match=r"tau scheme must be one of frame_time, .* got 'wan'"):
        ChunkPlan.build(5).tau("wan")
    with pytest.raises(ValueError, match="a and b both stand at frame 2"):
        place_conditions(9, [Condition(2), Condition(2)], (), ["a", "b"])
    ChunkPlan.build(30, [Condition(5, 4), Condition(9)], cuts=[5, 9])  # cuts at the ends of a clip are fine


def test_whole_numbers_of_every_kind_are_taken() -> None:
    """JSON tools write 12 as 12.0, numpy and torch have integers of their own, and one thing need not be a list."""
    import torch

    plan = ChunkPlan.build(30, [Condition(0), Condition(13)], cuts=[13])
    for number in (np.int64, np.uint8, np.float32, float, np.array, torch.tensor, Fraction):
        conditions = [Condition(number(0)), Condition(number(13), number(1))]
        assert ChunkPlan.build(number(30), conditions, number(4), cuts=[number(13)]) == plan
        assert type(conditions[1].frame_index) is type(plan.cuts[0]) is int
    assert ChunkPlan.build(30, tuple(conditions), cuts=np.array([13])) == plan
    assert ChunkPlan.build(30, None, cuts=None) == ChunkPlan.build(30, [], cuts=np.array([])) == ChunkPlan.build(30)
    assert ChunkPlan.build(30, Condition(13), cuts=13) == ChunkPlan.build(30, [Condition(13)], cuts=[13])


def test_numbers_of_every_kind() -> None:
    import torch

    for value in (2.5, np.float32(2.5), np.array(2.5), torch.tensor(2.5), Fraction(5, 2)):
        assert check_number("n", value, 0, 3) == 2.5 and type(check_number("n", value, 0)) is float
    for value in (2, np.int8(2), np.array(2), torch.tensor(2)):
        assert type(check_number("n", value, 0)) is type(check_int("n", value, 0)) is int
    for value in (True, np.bool_(True), np.array([2]), torch.tensor(True), 2j, "2", None, float("inf"), float("nan")):
        for check in (check_int, check_number):
            with pytest.raises(ValueError, match="n must be"):
                check("n", value, 0)
    with pytest.raises(ValueError, match=r"^kind must be one of a, b, got array\(\['a', 'b'\]"):
        check_one_of("kind", np.array(["a", "b"]), ("a", "b"))


def test_a_negative_index_counts_from_the_end() -> None:
    plan = ChunkPlan.build(30, [Condition(-1), Condition(-30), Condition(-9, 5)])
    assert plan == ChunkPlan.build(30, [Condition(29), Condition(0), Condition(21, 5)])
    assert plan.conditions[0].frame_index == 29
