"""Pacing: the same keyframes at other times, the cuts along with them, in order and apart."""

import numpy as np
import pytest
from boards import RED
from hypothesis import given, settings
from hypothesis import strategies as st

from smartdirector_lite.storyboard import PACING, Keyframe, Shot, Storyboard, StoryboardError
from smartdirector_lite.storyboard.pacing import move_frames, preset_targets


def board_of(keyframes: list[int], cuts: list[int] = (), num_frames: int = 61) -> Storyboard:
    shots = [Shot(start_frame=start) for start in [0, *cuts]]
    return Storyboard(num_frames=num_frames, shots=shots, keyframes=[Keyframe(RED, frame=f) for f in keyframes])


def frames_of(board: Storyboard) -> list[int]:
    return [condition.frame_index for condition in board.conditions]


def test_pacing_presets() -> None:
    board = board_of([0, 10, 40, 60])
    assert frames_of(board.retime("documentary")) == [0, 20, 40, 60]
    assert frames_of(board.retime("suspense")) == [0, 35, 49, 60]  # 60 sqrt(u)
    assert frames_of(board.retime("action")) == [0, 7, 27, 60]  # 60 u^2
    assert frames_of(board.retime("action").retime("documentary")) == [0, 20, 40, 60]
    assert [k.image for k in board.retime("action").keyframes] == [RED] * 4
    assert frames_of(board_of([40, 10, 60, 0]).retime("documentary")) == [40, 20, 60, 0]  # the caller's order stays


def test_cuts_move_along() -> None:
    board = board_of([0, 10, 40, 60], cuts=[10, 25])
    slow = board.retime("documentary")
    assert slow.cuts == (20, 30)  # 10 is a keyframe's, 25 lies half-way from 10 to 40
    assert slow.retime([0, 0.5, 3, 5]).cuts == (6, 21)  # at 12 fps


def test_retime_to_given_times() -> None:
    board = board_of([0, 10, 40])
    assert frames_of(board.retime([0.5, 1, 5])) == frames_of(board.retime(frames=[6, 12, -1])) == [6, 12, 60]
    assert frames_of(board.retime([0.5, 1.0, 5.0])) == frames_of(board.retime(frames=[6.0, 12.0, 60.0])) == [6, 12, 60]
    assert frames_of(board.retime(np.array([0, 1, 5]))) == frames_of(board.retime(frames=np.array([0, 12, 60])))
    for frames, message in [
        ([0, 10], "retime needs 3 times, one a keyframe or clip, got 2"),
        (np.array([]), "retime needs 3 times, one a keyframe or clip, got 0"),
        (5, "retime needs 3 times, one a keyframe or clip, got 1"),
        ([0, 10, 10], r"the times must keep the keyframes' order and differ, got frames \[0, 10, 10\]"),
        ([0, 40, 10], "times must keep the keyframes' order"),
        ([0, 10, 61], r"frames\[2\] must be from 0 to 60, or negative to count from the end, got 61"),
        ([0, 10.5, 20], r"frames\[1\] must be a whole number, got 10.5"),
        ([0, None, 20], r"frames\[1\] must be a whole number, got None"),
    ]:
        with pytest.raises(StoryboardError, match=message):
            board.retime(frames=frames)
    for pacing, message in [
        ([0, 1, 5.1], r"times\[2\] must be from 0 to 5.000 s \(frame 60\), got 5.1; frames= takes frames"),
        ([0, 10, 60], r"times\[1\] must be from 0 to 5.000 s \(frame 60\), got 10; frames= takes frames"),
        ([0, 1, 1e300], r"times\[2\] must be from 0 to 5.000 s"),
        ([0, 1, float("nan")], r"times\[2\] must be a number of at least 0, got nan"),
        ([0, 1, "5"], r"times\[2\] must be a number of at least 0, got '5'"),
        ("thriller", "pacing must be one of documentary, suspense, action, got 'thriller'"),
    ]:
        with pytest.raises(StoryboardError, match=message):
            board.retime(pacing)
    with pytest.raises(StoryboardError, match="there are 2; add keyframes or give the new times"):
        board_of([0, 10]).retime("action")
    with pytest.raises(StoryboardError, match="no room"):
        board_of([0, 10, 40], cuts=[20, 30]).retime(frames=[0, 10, 12])
    with pytest.raises(StoryboardError, match="no room at the start"):
        board_of([10, 20], cuts=[5]).retime(frames=[1, 20])
    with pytest.raises(StoryboardError, match="no room at the start"):
        board_of([10, 20], cuts=[10]).retime(frames=[0, 20])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_presets_keep_order_ends_and_gaps_for_any_storyboard(data: st.DataObject) -> None:
    lengths, frame = {}, data.draw(st.integers(0, 4))
    for gap, length in data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), min_size=3, max_size=7)):
        lengths[frame + gap] = length
        frame += gap + length
    num_frames = frame + data.draw(st.integers(0, 9))
    inside = {f for start, length in lengths.items() for f in range(start + 1, start + length)}
    free = [f for f in range(1, num_frames) if f not in inside]
    cuts = sorted(data.draw(st.lists(st.sampled_from(free), unique=True, max_size=5)) if free else [])
    starts, preset = sorted(lengths), data.draw(st.sampled_from(list(PACING)))
    targets = dict(zip(starts, preset_targets(starts, preset), strict=True))
    moved = move_frames(num_frames, lengths, cuts, targets, (starts[0], starts[-1]))
    assert (moved[starts[0]], moved[starts[-1]]) == (starts[0], starts[-1])
    old = sorted(moved)
    assert old == sorted({*lengths, *cuts})
    for one, two in zip(old, [*old[1:], None], strict=True):
        assert moved[one] + lengths.get(one, 1) <= (num_frames if two is None else moved[two])
    assert all(moved[cut] >= 1 for cut in cuts)
    moved_freely = move_frames(10 * num_frames, lengths, (), {f: 10.0 * f for f in starts}, starts)
    assert moved_freely == {f: 10 * f for f in starts}
