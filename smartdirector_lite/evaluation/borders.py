"""Is each keyframe shown, and does the picture pass from frame to frame, over borders and cuts, as it should?

Videos are (T, 3, H, W) in [0, 1]. What a jump is, `report.border_jump` says. A true video jumps and halts, too: an
event counts only where the true video has none.
"""

import statistics
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..report import FLASH_RATIO, FREEZE_RATIO, STILL, border_jump, border_report, difference, psnr
from .metrics import frame_changes

STANDS_OUT = 2.5  # times the median step around it, for a cut
FROZEN_STEPS = 3  # steps in a row, each far below the true one, that count as frozen
NEAR_CUT = 2  # frames; a jump so near a cut is the cut's own error, and no flash
MAX_PSNR = 60.0  # dB; of frames that are equal, so that a mean stays finite


def as_levels(video: Tensor) -> NDArray:
    """Frames (T, 3, H, W) in [0, 1] -> uint8 (T, H, W, 3), which reports are made of."""
    return (video.permute(0, 2, 3, 1).clamp(0, 1).numpy() * 255).round().astype(np.uint8)


def keyframe_errors(video: NDArray, truth: NDArray, keyframes: Sequence[int]) -> dict[str, float]:
    """The mean error of the keyframes as they are shown, by their position.

    Args:
        video, truth: uint8 (T, H, W, 3).
        keyframes: ascending; the first and the last one are set apart from those in the middle.

    Returns:
        For each of "first", "middle" and "last": "keyframe L1, first" in levels, and "keyframe PSNR, first" in dB.
        A single keyframe is the first one. What there is none of is left out.
    """
    places = {"first": keyframes[:1], "middle": keyframes[1:-1], "last": keyframes[1:][-1:]}
    found = {}
    for place, frames in places.items():
        if frames:
            l1 = [difference(video[frame], truth[frame]) for frame in frames]
            found[f"keyframe L1, {place}"] = statistics.mean(l1)
            ratios = [min(psnr(video[frame], truth[frame]), MAX_PSNR) for frame in frames]
            found[f"keyframe PSNR, {place}"] = statistics.mean(ratios)
    return found


def border_excess(video: NDArray, truth: NDArray, borders: Sequence[int], cuts: Collection[int]) -> float | None:
    """How much harder the video jumps into `borders` than the true one: the median of the quotients of both ratios.

    Borders at cuts, and those beside which the true video stands still, are left out. 1 is as smooth as the truth;
    None where no border is left.
    """
    quotients = []
    for frame in borders:
        true, own = border_jump(truth, frame, cuts), border_jump(video, frame, cuts)
        if frame not in cuts and true.beside is not None and true.beside >= STILL and own.ratio is not None:
            quotients.append(own.ratio / true.ratio)
    return statistics.median(quotients) if quotients else None


def count_events(video: NDArray, truth: NDArray, cuts: Collection[int]) -> dict[str, int]:
    """Count "flashes" and "colour shifts" of the whole video: steps with such a verdict where the true step has none.

    A flash is left again, so its two steps are one. Steps up to NEAR_CUT from a cut are left out.
    """
    events: Counter[str] = Counter()
    last_flash = -2
    for frame in range(1, len(video)):
        if frame - 1 == last_flash or any(abs(frame - cut) <= NEAR_CUT for cut in cuts):
            continue
        own, true = border_report(video, frame, cuts), border_report(truth, frame, cuts)
        # The last step before a halt is large beside the halt alone; it is no larger than the true one.
        jumps = own.jump > FLASH_RATIO * true.jump
        verdict = own.verdict
        if jumps and verdict in ("flash", "colour shift") and true.verdict != verdict:
            events[verdict] += 1
            last_flash = frame if verdict == "flash" else last_flash
    return {"flashes": events["flash"], "colour shifts": events["colour shift"]}


def frozen_share(video: Tensor, truth: Tensor, cuts: Collection[int]) -> float:
    """The share of the steps in which the video stands still and the true video moves.

    A step stands still where it is below FREEZE_RATIO of the true one. Less than FROZEN_STEPS in a row do not count.
    """
    own, true = 255 * frame_changes(video), 255 * frame_changes(truth)
    still = ((true >= STILL) & (own < FREEZE_RATIO * true)).tolist()
    frozen, run = 0, 0
    for step, stands in enumerate([*still, False], 1):
        if stands and step not in cuts:
            run += 1
        else:
            frozen += run if run >= FROZEN_STEPS else 0
            run = 0
    return frozen / len(still)


def cut_is_exact(video: Tensor, cut: int) -> bool:
    """Whether the step into frame `cut` is the largest of those within 4 frames, and stands out from their median."""
    changes = frame_changes(video)
    low, high = max(0, cut - 5), min(len(changes), cut + 4)
    near = changes[low:high]
    return int(near.argmax()) + low == cut - 1 and float(changes[cut - 1]) > STANDS_OUT * float(near.median())


def exact_cuts(video: Tensor, truth: Tensor, cuts: Sequence[int]) -> float | None:
    """The share of the cuts that are exact, of those that are so in the true video. None where there is none."""
    seen = [cut for cut in cuts if cut_is_exact(truth, cut)]
    return statistics.mean(cut_is_exact(video, cut) for cut in seen) if seen else None
