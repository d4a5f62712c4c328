"""Pacing: the same keyframes in the same order, at other times.

The first and the last condition stay where they are, and a preset spaces those between them anew. The cuts move along.
So a keyframe that stands at a cut stays at the cut, and no keyframe changes its shot.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..timeline import check_one_of

# A preset maps a condition's rank (0 for the first, 1 for the last) to its place between the first and the last frame
# (0 to 1). It rises and keeps both ends.
PACING: dict[str, Callable[[float], float]] = {
    "documentary": lambda u: u,  # even spacing
    "suspense": lambda u: u**0.5,  # slow start, fast end: most of the time passes before the second condition
    "action": lambda u: u**2.0,  # fast start, slow end: the first conditions come in quick succession
}


def preset_targets(starts: Sequence[int], preset: str) -> list[float]:
    """The places that a preset gives to conditions, in frames, not yet rounded.

    Args:
        starts: the frames at which the conditions begin now, rising; at least three.
    """
    check_one_of("pacing", preset, PACING)
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
    """Find a new frame for every condition and cut, so that they keep their order and never share a frame.

    A cut without a condition moves in proportion between its neighbours. Targets are rounded to frames. What then
    stands too close to another gives way by as many frames as needed.

    Args:
        lengths: how many frames each condition covers, by the frame at which it begins.
        targets: where each condition shall begin, by the frame at which it begins now.
        fixed: the conditions that may not give way, each by the frame at which it begins now.

    Returns:
        The new frame of every condition and cut, by its old frame.

    Raises:
        ValueError: there is no room.
    """
    old = sorted({*lengths, *cuts})
    before, after = zip(*sorted({0: 0, **targets, num_frames: num_frames}.items()), strict=True)
    gaps = [lengths.get(frame, 1) for frame in old]
    new = [int(frame + 0.5) for frame in np.interp(old, before, after)]
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
