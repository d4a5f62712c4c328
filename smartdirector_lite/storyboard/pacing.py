"""Pacing: the same keyframes in the same order, at other times. Pure Python on frame numbers.

A preset spaces the conditions anew between the first and the last, which stay where they are. The cuts between them
move along, so a keyframe that stands at a cut stays at the cut, and none changes its shot.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

# Each maps [0, 1] (first to last condition, by rank) to [0, 1] (first to last frame), rising, with both ends fixed.
PACING: dict[str, Callable[[float], float]] = {
    "documentary": lambda u: u,  # even spacing
    "suspense": lambda u: u**0.5,  # slow start, fast end: most of the time passes before the second condition
    "action": lambda u: u**2.0,  # fast start, slow end: the first conditions come in quick succession
}


def preset_targets(starts: Sequence[int], preset: str) -> list[float]:
    """Where `preset` puts the conditions that now begin at the frames `starts` (rising, at least three)."""
    if preset not in PACING:
        raise ValueError(f"pacing must be one of {', '.join(PACING)}, got {preset!r}")
    if len(starts) < 3:
        raise ValueError(
            f"pacing {preset!r} moves what lies between the first and the last keyframe, and there are {len(starts)}; "
            "add keyframes or give the new times"
        )
    warp, first, span = PACING[preset], starts[0], starts[-1] - starts[0]
    return [first + span * warp(rank / (len(starts) - 1)) for rank in range(len(starts))]


def move_frames(
    num_frames: int, lengths: Mapping[int, int], cuts: Sequence[int], targets: Mapping[int, float], fixed: Sequence[int]
) -> dict[int, int]:
    """New frame of every condition and cut, by its old frame; they keep their order and never share a frame.

    lengths: frames that the condition beginning at a frame covers. targets: where each condition shall begin. A cut
    without a condition moves in proportion between its neighbours. Targets are rounded to frames, and what then stands
    too close gives way by the frames needed, except the conditions at the old frames `fixed`: ValueError if one must.
    """
    old = sorted({*lengths, *cuts})
    known = sorted(targets.items())
    points = [*([(0, 0.0)] if known[0][0] > 0 else []), *known, (num_frames, float(num_frames))]
    gaps = [lengths.get(frame, 1) for frame in old]
    new = [int(_interpolate(points, frame) + 0.5) for frame in old]
    for i in range(1, len(old)):
        if old[i] not in fixed:
            new[i] = max(new[i], new[i - 1] + gaps[i - 1])
    limit = num_frames
    for i in reversed(range(len(old))):
        limit = new[i] = min(new[i], limit - gaps[i])
    moved = dict(zip(old, new, strict=True))
    if any(moved[cut] < 1 for cut in cuts) or new[0] < 0:
        raise ValueError("no room at the start: every cut needs a frame before it; choose later times")
    for frame in fixed:
        if moved[frame] != targets[frame]:
            raise ValueError(
                f"no room at frame {targets[frame]:g}: a clip, a cut or the end is too close; choose other times"
            )
    return moved


def _interpolate(points: Sequence[tuple[int, float]], frame: int) -> float:
    """Piecewise linear through `points` (frame, value), both rising."""
    for (left, low), (right, high) in itertools.pairwise(points):
        if left <= frame <= right:
            return low + (high - low) * (frame - left) / (right - left)
    raise ValueError(f"frame {frame} lies outside {points[0][0]} to {points[-1][0]}")
