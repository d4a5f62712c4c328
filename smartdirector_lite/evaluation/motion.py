"""Does everything move as in the true video: at the asked time, along the true track, and smoothly?

Videos are (T, 3, H, W) in [0, 1].
"""

import math
import statistics
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .identity import SAME, Likeness

LATEST = 6  # frames, 0.5 s at 12 a second; the farthest that an event is looked for from its time
TELLING = 1.5 / 255  # least mean difference between true frames one LATEST apart, for a frame that tells the time
CLEARLY = 0.9  # another frame must fit so much better than the one at the right time


def timing_error(video: Tensor, truth: Tensor, shots: Sequence[tuple[int, int]]) -> float | None:
    """How many frames too early or too late the events of a video come, on average.

    Each frame is compared with the true frames of its shot up to LATEST away, and stands at the time of the one that is
    most like it. Frames are compared without their mean colours, at half their size. It works for any footage, and for
    storyboards whose keyframes were moved, if `truth` was moved likewise.

    Args:
        video, truth: of one length.
        shots: frames [start, stop) of each shot.

    Returns:
        In frames, from 0 to LATEST; None where too little moves in the true video to tell.
    """
    own, true = (F.avg_pool2d(x - x.mean(dim=(2, 3), keepdim=True), 2) for x in (video, truth))
    errors = []
    for start, stop in shots:
        for frame in range(start, stop):
            low, high = max(start, frame - LATEST), min(stop, frame + LATEST + 1)
            if float((true[frame] - true[[low, high - 1]]).abs().mean(dim=(1, 2, 3)).max()) < TELLING:
                continue
            costs = (own[frame] - true[low:high]).abs().mean(dim=(1, 2, 3))
            best = int(costs.argmin()) + low
            in_time = float(costs[frame - low]) * CLEARLY <= float(costs.min())
            errors.append(0 if in_time else abs(best - frame))
    return statistics.mean(errors) if errors else None


def track_errors(likenesses: Sequence[Likeness]) -> dict[str, float]:
    """How far the figures are from their true tracks, and how much they tremble.

    Figures whose eyes were not found have no place, and are left out; `identity` counts them.

    Returns:
        "track error": the mean distance in pixels. "jitter": the mean length of the second difference of the distance
        vectors, in pixels a frame squared; 0 for a figure that keeps its distance from the true one. What can't be
        measured is left out.
    """
    seen = [one for one in likenesses if one.eyes >= SAME]
    found = {}
    if seen:
        found["track error"] = statistics.mean(math.hypot(one.down, one.across) for one in seen)
    places = {(one.character, one.frame): one for one in seen}
    bends = []
    for (character, frame), one in places.items():
        before, after = places.get((character, frame - 1)), places.get((character, frame + 1))
        if before and after:
            down, across = before.down - 2 * one.down + after.down, before.across - 2 * one.across + after.across
            bends.append(math.hypot(down, across))
    return found | ({"jitter": statistics.mean(bends)} if bends else {})


def step_agreement(video: Tensor, truth: Tensor, cuts: Sequence[int]) -> float | None:
    """How much moves, against how much should: the ratio of the mean steps between frames, without cuts.

    1 for a video that moves as much as the true one; None where that one stands still.
    """
    keep = torch.tensor([step not in cuts for step in range(1, len(truth))])
    own, true = (x.diff(dim=0).abs().mean(dim=(1, 2, 3))[keep].mean() for x in (video, truth))
    return float(own / true) if float(true) > 0.1 / 255 else None

