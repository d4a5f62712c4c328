"""Whether a judge can be trusted: does it prefer a good video to the same one with a planted defect?

The videos are true ones of the toy world. A judge that agrees here sees gross defects in plain pictures; that it agrees
with people about fine ones in real films does not follow.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..media import to_image
from ..training.tiny import FINAL, FPS
from .benchmark import ToyBenchmark
from .judge import JudgeError, Scores, Showpiece, VideoJudge
from .preference import Bounded, wilson


def _swap(frames: NDArray) -> NDArray:
    """The halves have changed places, so that every keyframe shows something else."""
    return np.roll(frames, len(frames) // 2, axis=0)


def _shuffle(frames: NDArray) -> NDArray:
    """Eight pieces have a random order."""
    pieces = np.array_split(frames, 8)
    return np.concatenate([pieces[index] for index in (5, 2, 7, 0, 3, 6, 1, 4)])


def _vanish(frames: NDArray) -> NDArray:
    """In the second and the last quarter, the middle of the picture is one colour."""
    spoilt, quarter = frames.copy(), len(frames) // 4
    height, width = frames.shape[1:3]
    middle = (slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4))
    for part in (slice(quarter, 2 * quarter), slice(3 * quarter, None)):
        spoilt[(part, *middle)] = frames[0].mean(axis=(0, 1)).astype(np.uint8)
    return spoilt


def _flash(frames: NDArray) -> NDArray:
    """The third eighth is nearly white."""
    spoilt, eighth = frames.copy(), len(frames) // 8
    spoilt[2 * eighth : 3 * eighth + 1] = 255 - (255 - spoilt[2 * eighth : 3 * eighth + 1]) // 4
    return spoilt


def _blur(frames: NDArray) -> NDArray:
    """Everything is out of focus."""
    blur = ImageFilter.GaussianBlur(frames.shape[2] / 50)
    return np.stack([np.array(Image.fromarray(frame).filter(blur)) for frame in frames])


def _tint(frames: NDArray) -> NDArray:
    """The colours are pale and green."""
    grey = frames.mean(axis=3, keepdims=True)
    return (0.3 * frames + 0.5 * grey + np.array([0, 50, 0])).clip(0, 255).astype(np.uint8)


# Each with the dimension that should see it first. All are so long that some of the frames that a judge sees have them.
PLANTED: dict[str, tuple[str, Callable[[NDArray], NDArray]]] = {
    "swapped halves": ("instruction_following", _swap),
    "shuffled pieces": ("narrative_coherence", _shuffle),
    "vanishing middle": ("physical_consistency", _vanish),
    "flash": ("video_quality", _flash),
    "blur": ("video_quality", _blur),
    "tint": ("aesthetic_quality", _tint),
}


@dataclass
class Agreement:
    """How a judge did on pairs of a good video and one with a certain defect.

    Attributes:
        better: pairs whose good video has the higher mean of all scores.
        equal: pairs whose means are equal.
        seen: pairs whose good video has the higher score on the dimension that should see the defect.
        answered: pairs on which both answers fitted.
        pairs: all pairs.
    """

    better: int = 0
    equal: int = 0
    seen: int = 0
    answered: int = 0
    pairs: int = 0

    @property
    def share(self) -> Bounded | None:
        """The share of answered pairs whose good video is preferred, with Wilson's interval; None without an answer."""
        if not self.answered:
            return None
        return Bounded(self.better / self.answered, *wilson(self.better, self.answered))


def plant_defects(count: int) -> Iterator[tuple[str, Showpiece, Showpiece]]:
    """Yield (defect, good, spoilt) for each defect of PLANTED in each of `count` held-out toy videos."""
    benchmark = ToyBenchmark.quick(-(-count // 2), FINAL)
    for index in range(count):
        item = benchmark[index]
        frames = (item.frames.permute(0, 2, 3, 1).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
        given = {frame: to_image(frames[frame]) for frame in item.keyframes}
        good = Showpiece(frames, FPS, item.caption, given)
        for defect, (_, spoil) in PLANTED.items():
            yield defect, good, replace(good, frames=spoil(frames))


def check_agreement(judge: VideoJudge, pairs: Iterable[tuple[str, Showpiece, Showpiece]]) -> dict[str, Agreement]:
    """Ask a judge about pairs of a good and a spoilt video, each video on its own.

    Returns:
        The agreement on each defect, and on all of them under "all". A pair that the judge does not answer on counts
        as not answered; it never counts for or against the judge.
    """
    found: dict[str, Agreement] = {}
    last, scores = None, None
    for defect, good, spoilt in pairs:
        if good is not last:  # a good video is scored once
            last, scores = good, _score(judge, good)
        worse = _score(judge, spoilt) if scores else None
        for agreement in (found.setdefault(defect, Agreement()), found.setdefault("all", Agreement())):
            agreement.pairs += 1
            if scores and worse:
                dimension = PLANTED[defect][0]
                agreement.answered += 1
                agreement.better += scores.mean > worse.mean
                agreement.equal += scores.mean == worse.mean
                agreement.seen += getattr(scores, dimension).score > getattr(worse, dimension).score
    return found


def _score(judge: VideoJudge, video: Showpiece) -> Scores | None:
    try:
        return judge(video)
    except JudgeError:
        return None


def agreement_table(found: dict[str, Agreement]) -> str:
    """A table in Markdown, all defects together in the last row."""
    rows = ["| defect | pairs | answered | prefers the good one | equal | seen by its dimension |"]
    rows.append("|---|---|---|---|---|---|")
    for defect in sorted(found, key=lambda name: name == "all"):
        one = found[defect]
        share = "nothing answered"
        if one.share:
            value, low, high = (100 * bound for bound in one.share)
            share = f"{value:.0f} % [{low:.0f}, {high:.0f}]"
        by = f"{one.seen} ({PLANTED[defect][0]})" if defect in PLANTED else str(one.seen)
        rows.append(f"| {defect} | {one.pairs} | {one.answered} | {share} | {one.equal} | {by} |")
    return "\n".join(rows)
