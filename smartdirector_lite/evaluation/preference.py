"""Good, Same and Bad counted together: GSB and the share of wins (paper, section 4), each with its uncertainty."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Z = 1.959964  # of the normal distribution, for 95 %
DRAWS = 2000  # of the bootstrap


class Bounded(NamedTuple):
    """A value and the 95 % confidence interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Preference:
    """How often the first of two systems was better, as good as the second one, or worse.

    Attributes:
        gsb: (good - bad) / (good + same + bad), from -1 to 1.
        wins: good / (good + same + bad), from 0 to 1.
        raters, clips: how many there are of each among the votes.
    """

    good: int
    same: int
    bad: int
    gsb: Bounded
    wins: Bounded
    raters: int
    clips: int


def count_preference(votes: Sequence[tuple[Hashable, Hashable, int]], seed: int = 0) -> Preference:
    """Count votes, and estimate how far other raters and other clips could have led elsewhere.

    The intervals are percentiles of a bootstrap that draws raters and clips independently of each other, since votes of
    one rater are alike, and so are votes on one clip (the pigeonhole bootstrap; Owen 2007). Few or unanimous votes
    would make it too narrow, so it is widened to Wilson's interval, which takes all votes as independent, and a "same"
    as half a vote for each.

    Args:
        votes: (rater, clip, 1 for good, 0 for same, -1 for bad), a rater and a clip together but once.

    Raises:
        ValueError: there is no vote.
    """
    if not votes:
        raise ValueError("there are no votes to count")
    raters, clips = ({name: i for i, name in enumerate(dict.fromkeys(names))} for names in list(zip(*votes))[:2])
    seen, scores = np.zeros((2, len(raters), len(clips)))
    for rater, clip, score in votes:
        seen[raters[rater], clips[clip]], scores[raters[rater], clips[clip]] = 1, score
    rng = np.random.default_rng(seed)
    by_rater, by_clip = (rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in seen.shape)

    def drawn_sums(table: np.ndarray) -> np.ndarray:
        return ((by_rater @ table) * by_clip).sum(axis=1)

    count = drawn_sums(seen)
    drawn = count > 0
    good, same, bad = (int((seen * (scores == score)).sum()) for score in (1, 0, -1))
    total = good + same + bad
    gsb_drawn = drawn_sums(scores)[drawn] / count[drawn]
    wins_drawn = drawn_sums((scores == 1).astype(float))[drawn] / count[drawn]
    gsb_wilson = [2 * share - 1 for share in wilson(good + same / 2, total)]
    gsb = _bounded((good - bad) / total, gsb_drawn, gsb_wilson)
    wins = _bounded(good / total, wins_drawn, wilson(good, total))
    return Preference(good, same, bad, gsb, wins, len(raters), len(clips))


def _bounded(value: float, drawn: np.ndarray, least: Sequence[float]) -> Bounded:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Bounded(value, min(float(low), least[0]), max(float(high), least[1]))


def wilson(successes: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: the shares p with |successes / count - p| <= Z sqrt(p (1 - p) / count)."""
    share = successes / count
    middle = share + Z**2 / (2 * count)
    half = Z * (share * (1 - share) / count + Z**2 / (4 * count**2)) ** 0.5
    scale = 1 + Z**2 / count
    return (middle - half) / scale, (middle + half) / scale
