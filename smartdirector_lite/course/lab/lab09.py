"""Checks of notebook 09: a figure that a fade wins, planted defects, the Frechet distance, the bootstrap, and GSB."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...evaluation.baselines import cross_fade
from ...evaluation.benchmark import ToyBenchmark
from ...evaluation.defects import CAUGHT_BY, TOLERANCES, play_late
from ...evaluation.distances import COVERED, frechet_distance
from ...evaluation.metrics import PooledError, motion_mask
from ...evaluation.preference import wilson
from .core import Hint, ask, draw, exercise, generator, seed

__all__ = ["check_bootstrap_interval", "check_caught", "check_frechet", "check_gsb", "check_my_figure"]

CLEAR = 0.3  # dB by which the reference must prefer the fade, for an item to be asked about


def _number(answer: object, of: str) -> float:
    """Return an answer as one number."""
    if isinstance(answer, Tensor | np.ndarray | list | tuple) and math.prod(shape := np.shape(answer)) != 1:
        raise Hint(f"return one number, {of}; yours has the shape {tuple(shape)}")
    try:
        value = complex(answer.item() if isinstance(answer, Tensor | np.ndarray) else answer)
    except (TypeError, ValueError):
        raise Hint(f"return one number, {of}, not a {type(answer).__name__}") from None
    if abs(value.imag) > 1e-6 * max(1.0, abs(value.real)):
        raise Hint("the result is a complex number; take the real parts of the eigenvalues")
    return value.real


def _numbers(answer: object, names: str) -> tuple[float, ...]:
    """Return an answer as as many numbers as there are names."""
    count = len(names.split(", "))
    if not isinstance(answer, list | tuple | np.ndarray | Tensor):
        raise Hint(f"return {count} numbers, ({names}), not a {type(answer).__name__}")
    if len(answer) != count:
        raise Hint(f"return {count} numbers, ({names}); yours are {len(answer)}")
    return tuple(_number(part, "in each place") for part in answer)


def _tell(found: Sequence[float], cases: Iterable[tuple[Sequence[float], str]], near: float, otherwise: str) -> Hint:
    """Return the hint of the first wrong way whose numbers are those that were found, or else the last one."""
    for values, said in cases:
        if np.allclose(found, values, rtol=near, atol=near * 1e-3):
            return Hint(said)
    return Hint(otherwise)


# -- 09.1 --------------------------------------------------------------------------------------------------------------


def _psnr_of_moving_pixels(video: Tensor, truth: Tensor) -> float:
    pooled = PooledError()
    pooled.add(video, truth, motion_mask(truth))
    return pooled.psnr


def _asked_items(count: int = 2) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return true videos with their fades and their late versions.

    All are such that the fade wins by far over the moving pixels, and the late video wins over all pixels.
    """
    benchmark, found = ToyBenchmark.quick(300), []
    place = 40 + 7 * seed(1)
    while len(found) < count:
        item = benchmark[place % len(benchmark.names)]
        fade = cross_fade(torch.stack(list(item.given.values())), item.keyframes, item.num_frames)
        truth, late = item.frames, play_late(item)
        margin = _psnr_of_moving_pixels(fade, truth) - _psnr_of_moving_pixels(late, truth)
        if margin > CLEAR and (fade - truth).square().mean() > (late - truth).square().mean():
            found.append((truth, fade, late))
        place += 1
    return found


@exercise("09.1", 2, "A figure that the cross-fade wins", reference=_psnr_of_moving_pixels)
def check_my_figure(my_figure: Callable[[Tensor, Tensor], float]) -> None:
    """Check `my_figure(video, truth)`: the truth has the most, and a cross-fade has more than the late true video."""
    for truth, fade, late in _asked_items():
        best, faded, delayed = (_number(ask(my_figure, video, truth), "of one video") for video in (truth, fade, late))
        if any(value != value for value in (best, faded, delayed)):
            raise Hint("a result is NaN; is a mean taken over no pixel at all?")
        if best == faded == delayed:
            raise Hint("all videos get the same number; compare `video` with `truth`")
        if best <= min(faded, delayed):
            raise Hint("the true video gets the lowest number, so yours is an error; turn it round: more is better")
        if best <= max(faded, delayed):
            raise Hint("a wrong video gets as much as the true one; a figure that can be trusted is best for the truth")
        if faded <= delayed:
            moving = motion_mask(truth)
            restless = torch.where(moving, truth, 1 - truth)
            if math.isclose(_number(ask(my_figure, restless, truth), "of one video"), best, rel_tol=1e-6):
                raise Hint("the right pixels count; square their errors, so that two halves are less than one whole")
            raise Hint(
                f"the late video gets {delayed:.4g}, and the fade {faded:.4g}; where is the late one right, and where "
                "is it wrong? Let only those pixels count where it is wrong"
            )


# -- 09.2 --------------------------------------------------------------------------------------------------------------

FORGOTTEN = {  # what is easily missed
    ("swapped keyframe", "timing"): "what is shown at another's place is early or late, too",
    ("swapped keyframe", "keyframe L1, middle"): "at one of the given frames, another picture is shown",
    ("frozen stretch", "timing"): "while the picture stands, the true video goes on; how late is the picture then?",
    ("other creature", "caption colours"): "the caption names the creature's colour",
    ("other creature", "identity"): "somebody else plays the part",
}


@exercise("09.2", 2, "Which figure catches which defect", reference=CAUGHT_BY)
def check_caught(caught: Mapping[str, Iterable[str]]) -> None:
    """Check `caught`: the figures that catch each planted defect, as sets of names by the defect's name."""
    if not isinstance(caught, dict):
        raise Hint(f"make `caught` a dict from the name of a defect to a set of figures, not a {type(caught).__name__}")
    for name in caught:
        if name not in CAUGHT_BY:
            raise Hint(f"there is no defect {name!r}; there are {', '.join(CAUGHT_BY)}")
    for defect, wanted in CAUGHT_BY.items():
        if defect not in caught:
            raise Hint(f"{defect!r} has no entry")
        given = caught[defect]
        if isinstance(given, str):
            raise Hint(f"{defect}: put the names into a set, such as {{{given!r}}}")
        if given is None or given is ... or not isinstance(given, set | frozenset | list | tuple):
            raise Hint(f"{defect}: give a set of names, not a {type(given).__name__}")
        for figure in given:
            if figure not in TOLERANCES:
                raise Hint(f"{defect}: there is no figure {figure!r}; there are {'; '.join(TOLERANCES)}")
        if extra := sorted(set(given) - wanted):
            raise Hint(f"{defect}: {extra[0]!r} has its best value, or nearly so; what does this figure look at?")
        if missing := sorted(wanted - set(given)):
            told = FORGOTTEN.get((defect, missing[0]), "which figure was made for this?")
            raise Hint(f"{defect}: {'one more figure' if given else 'a figure'} catches it; {told}")


# -- 09.3 --------------------------------------------------------------------------------------------------------------


def _two_samples(number: int, rows: tuple[int, int], columns: int) -> tuple[Tensor, Tensor]:
    """Return features (N, D) and (M, D) of different means, variances and correlations."""
    source, found = generator(number), []
    for count in rows:
        mixing = torch.randn(columns, columns, generator=source, dtype=torch.float64)
        mean = torch.randn(columns, generator=source, dtype=torch.float64)
        found.append(torch.randn(count, columns, generator=source, dtype=torch.float64) @ mixing + mean)
    return found[0], found[1]


def _wrong_distances(a: Tensor, b: Tensor) -> list[tuple[float, str]]:
    x, y, means = torch.cov(a.T), torch.cov(b.T), float((a.mean(0) - b.mean(0)).square().sum())
    right, traces = frechet_distance(a, b), float(x.trace() + y.trace())
    cross = (means + traces - right) / 2
    biased = (torch.cov(a.T, correction=0), torch.cov(b.T, correction=0))
    own = float(torch.linalg.eigvals(biased[0] @ biased[1]).real.clamp(min=0).sqrt().sum())
    no_root = means + traces - 2 * float((x @ y).trace())
    by_cell = means + traces - 2 * float((x @ y).clamp(min=0).sqrt().trace())
    deviations = means + float((a.std(0) - b.std(0)).square().sum())
    return [
        (math.sqrt(max(right, 0)), "that is the root of the distance; leave it squared"),
        (right - means, "the means are missing"),
        (right - means + math.sqrt(means), "the distance of the means is not squared"),
        (right - means + means / a.shape[1], "take the sum over the dimensions of the means' squares, not the mean"),
        (
            right - means + float((a.mean() - b.mean()).square()),
            "the mean is a vector, with a number for each dimension: a.mean(dim=0)",
        ),
        (means, "the covariances are missing; only the means are compared"),
        (means + traces, "the cross term is missing: - 2 tr((A B)^(1/2))"),
        (means + traces - cross, "the cross term counts twice"),
        (means + traces + 2 * cross, "the cross term is subtracted, not added"),
        (no_root, "there is no root in your cross term"),
        (by_cell, "that is the root of each cell; the root of a matrix takes its eigenvalues"),
        (deviations, "only variances are compared; correlations count, so take whole covariances"),
        (means + float(biased[0].trace() + biased[1].trace()) - 2 * own, "divide by N - 1, as torch.cov does"),
    ]


@exercise("09.3", 3, "The Frechet distance", reference=frechet_distance)
def check_frechet(frechet: Callable[[Tensor, Tensor], float]) -> None:
    """Check `frechet(a, b)`: features (N, D) and (M, D) to the squared Frechet distance of two normal distributions."""
    for number, rows in ((1, (40, 30)), (2, (25, 25))):
        a, b = _two_samples(number, rows, 5)
        found, wanted = _number(ask(frechet, a, b), "the squared distance"), frechet_distance(a, b)
        if found != found:
            raise Hint("the result is NaN; a root of a negative number? Take the eigenvalues' roots, not the cells'")
        if not math.isclose(found, wanted, rel_tol=1e-4):
            cases = [([value], said) for value, said in _wrong_distances(a, b)]
            raise _tell([found], cases, 1e-4, f"the distance of these features is {wanted:.4f}, and yours {found:.4f}")
    a, b = _two_samples(3, (4, 5), 8)  # fewer samples than dimensions: some eigenvalues are 0, and a little below
    found = _number(ask(frechet, a, b), "the squared distance")
    if found != found:
        raise Hint("with fewer samples than dimensions the result is NaN: eigenvalues may be -1e-17; use clamp(min=0)")
    if not math.isclose(found, frechet_distance(a, b), rel_tol=1e-3):
        raise Hint("with fewer samples than dimensions the result is wrong; no covariance can be inverted there")


# -- 09.4 --------------------------------------------------------------------------------------------------------------

NEAR = 0.06  # of an interval's width by which its ends may be elsewhere by chance
ENDS = ((1 - COVERED) / 2, (1 + COVERED) / 2)


def _bootstrap_interval(values: NDArray, rng: np.random.Generator, draws: int = 2000) -> tuple[float, float]:
    low, high = np.quantile(_resampled(values, rng, draws), ENDS)
    return float(low), float(high)


def _resampled(values: NDArray, rng: np.random.Generator, draws: int, size: int | None = None) -> NDArray:
    """Return the means of resamples."""
    return rng.choice(values, (draws, size or len(values))).mean(axis=1)


@exercise("09.4", 2, "An interval by the bootstrap", reference=_bootstrap_interval)
def check_bootstrap_interval(bootstrap_interval: Callable[..., tuple[float, float]]) -> None:
    """Check `bootstrap_interval(values, rng, draws)`: the ends of the 95 % interval of the mean."""
    for number, count in ((1, 24), (2, 60)):
        own = np.random.default_rng(seed(number))
        values = draw(30 + number, 5.0, 15.0) + own.exponential(4.0, count)
        low, high = _numbers(ask(bootstrap_interval, values, own, 2000), "low, high")
        if low != low or high != high:
            raise Hint("an end is NaN; try your function with [1.0, 2.0, 3.0]")
        if low > high:
            raise Hint("the first end is above the second one; return (low, high)")
        means = _resampled(values, np.random.default_rng(0), 20000)
        wanted = np.quantile(means, ENDS)
        width, wrong = wanted[1] - wanted[0], max(abs(low - wanted[0]), abs(high - wanted[1]))
        if wrong > NEAR * width:
            raise _wrong_interval((low, high), values, means, width)


def _wrong_interval(found: tuple[float, float], values: NDArray, means: NDArray, width: float) -> Hint:
    count, rng, middle = len(values), np.random.default_rng(0), values.mean()
    low, high = wanted = np.quantile(means, ENDS)
    medians = np.median(rng.choice(values, (4000, count)), axis=1)
    cases = [
        (np.quantile(values, ENDS), "those are quantiles of the values; take those of the resamples' means"),
        (np.quantile(rng.choice(values, 4000), ENDS), "each resample holds one value; draw as many as there are"),
        (np.quantile(medians, ENDS), "those are medians of the resamples; the figure is the mean"),
        (np.array(wanted) * count, "those are sums of the resamples; take their means"),
        (np.array(wanted) - middle, "those are distances from the mean; return the two ends themselves"),
        (np.quantile(_resampled(values, rng, 4000, count // 2), ENDS), "draw as many values as there are, not half"),
        (np.quantile(means, [0.25, 0.75]), "that covers one half; 2.5 % lie below the interval, which is 0.025"),
        (np.quantile(means, [0.05, 0.95]), "that covers 90 %; leave 2.5 % out at each end"),
        (np.quantile(means, [0, 0.95]), "leave 2.5 % out at each end, and not 5 % at one"),
        ([middle - means.std(), middle + means.std()], "one standard deviation to each side covers 68 %, not 95 %"),
    ]
    deviation = values.std()
    for scale, said in (
        (
            1.96 / math.sqrt(count),
            "that is the mean -+ 1.96 standard errors; take the quantiles of the resamples' means",
        ),
        (1.96, "that is where most values are; the interval of their mean is much narrower"),
    ):
        cases.append(([middle - scale * deviation, middle + scale * deviation], said))
    if found[1] - found[0] < 0.01 * width:
        return Hint("the interval has no width: resamples are drawn WITH replacement, and each one anew")
    outer = np.quantile(means, [0.004, 0.996])
    if 2.0 * width > found[1] - found[0] and found[0] < outer[0] and found[1] > outer[1]:
        cases.append((found, "those are the least and the largest mean; leave 2.5 % out at each end"))
    for ends, said in cases:
        if max(abs(found[0] - ends[0]), abs(found[1] - ends[1])) < NEAR * (ends[1] - ends[0]):
            return Hint(said)
    if found[1] - found[0] < 0.3 * width:
        return Hint("far too narrow; is it the mean over the values of one resample, and not over all resamples?")
    yours = f"[{found[0]:.2f}, {found[1]:.2f}]"
    return Hint(f"for these values the interval is about [{low:.2f}, {high:.2f}], and yours is {yours}")


# -- 09.5 --------------------------------------------------------------------------------------------------------------


def _gsb(votes: Sequence[tuple[str, str]]) -> tuple[float, float, float]:
    counted = [0 if choice == "same" else 1 if choice == ours else -1 for choice, ours in votes]
    return _of_counts(counted.count(1), counted.count(0), counted.count(-1))


def _of_counts(good: int, same: int, bad: int) -> tuple[float, float, float]:
    count = good + same + bad
    low, high = wilson(good + same / 2, count)
    return (good - bad) / count, 2 * low - 1, 2 * high - 1


def _drawn_votes(number: int, counts: tuple[int, int, int]) -> list[tuple[str, str]]:
    """Return so many votes for ours, for neither, and for theirs, in a random order."""
    rng, votes = np.random.default_rng(seed(number)), []
    for score, count in zip((1, 0, -1), counts, strict=True):
        for place in range(count):
            ours = "AB"[place % 3 == 0]
            theirs = "AB"[ours == "A"]
            votes.append(({1: ours, 0: "same", -1: theirs}[score], ours))
    return [votes[place] for place in rng.permutation(len(votes))]


@exercise("09.5", 2, "Votes become GSB", reference=_gsb)
def check_gsb(gsb: Callable[[Sequence[tuple[str, str]]], tuple[float, float, float]]) -> None:
    """Check `gsb(votes)`: pairs (choice, side of ours) to GSB and the ends of its interval, by Wilson."""
    for number in range(2):
        counts = tuple(int(draw(10 * number + place, *span)) for place, span in enumerate(((9, 13), (4, 6), (2, 5))))
        votes = _drawn_votes(number, counts)
        found, wanted = _numbers(ask(gsb, votes), "gsb, low, high"), _of_counts(*counts)
        if any(value != value for value in found):
            raise Hint("a result is NaN; is there a root of a negative number?")
        if not np.allclose(found, wanted, atol=1e-4) and np.allclose(sorted(found), sorted(wanted), atol=1e-4):
            raise Hint("all three numbers are right, and in another order; return (gsb, low, high)")
        if not math.isclose(found[0], wanted[0], rel_tol=1e-6, abs_tol=1e-9):
            raise _wrong_gsb(found[0], votes, counts)
        if not np.allclose(found, wanted, rtol=1e-3, atol=1e-4):
            raise _wrong_ends(found[1:], wanted[1:], counts)
    if not np.allclose(_numbers(ask(gsb, [("A", "A")] * 6), "gsb, low, high"), _of_counts(6, 0, 0), atol=1e-3):
        raise Hint("for six votes that all prefer ours the result is wrong")


def _wrong_gsb(found: float, votes: Sequence[tuple[str, str]], counts: tuple[int, int, int]) -> Hint:
    good, same, bad = counts
    count, (right, *_) = sum(counts), _of_counts(*counts)
    picked = [choice for choice, _ours in votes]
    blind = (picked.count("A") - picked.count("B")) / count
    return _tell(
        [found],
        [
            ([-right], "the sign is wrong: GSB is above 0 where ours is preferred"),
            ([blind], "A is not always ours: the second part of each vote says on which side ours was"),
            ([-blind], "A is not always ours: the second part of each vote says on which side ours was"),
            ([100 * right], "GSB is a share from -1 to 1, not a number of percent"),
            ([(good - bad) / (good + bad)], "`same` counts in the denominator, too"),
            ([good / count], "that is the share of wins; the bad votes are subtracted"),
            ([(good + same / 2) / count], "that is p, from 0 to 1; GSB is 2 p - 1"),
            ([good - bad], "divide by the number of votes"),
            ([(good - same - bad) / count], "`same` is no bad vote; the choice is the FIRST part of each vote"),
            ([(good + same - bad) / count], "`same` is no good vote"),
            ([good / bad], "GSB is a difference, not a quotient"),
        ],
        1e-6,
        f"{good} votes are good, {same} the same and {bad} bad, so GSB is {right:.3f}; yours is {found:.3f}",
    )


def _wrong_ends(found: tuple[float, ...], wanted: Sequence[float], counts: tuple[int, int, int]) -> Hint:
    good, same, bad = counts
    count = sum(counts)
    share = (good + same / 2) / count
    half = 1.96 * math.sqrt(share * (1 - share) / count)
    if found[0] > found[1]:
        return Hint("the ends have changed places; return (gsb, low, high)")
    of_good, decided = wilson(good, count), wilson(good, good + bad)
    return _tell(
        found,
        [
            (wilson(good + same / 2, count), "those are the ends for p; GSB is 2 p - 1, and so are its ends"),
            ([2 * share - 1 - 2 * half, 2 * share - 1 + 2 * half], "that is p -+ 1.96 s; Wilson's middle is not p"),
            ([2 * end - 1 for end in of_good], "a `same` counts as half a vote for ours in p"),
            ([2 * end - 1 for end in decided], "a `same` counts as half a vote for ours in p, and as a vote in n"),
            ([100 * end for end in wanted], "the ends are shares from -1 to 1, not percent"),
        ],
        2e-3,
        f"GSB is right; its interval is [{wanted[0]:.3f}, {wanted[1]:.3f}], and yours [{found[0]:.3f}, {found[1]:.3f}]",
    )
