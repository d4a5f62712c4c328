"""Distances between sets of videos in a network's features, and intervals by the bootstrap over videos."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

RESAMPLES = 200
COVERED = 0.95  # of the bootstrap's distribution, by an interval

Statistic = Callable[[Sequence[int]], float]  # a figure of the videos with these indices


class Interval(NamedTuple):
    """A figure with the ends of its interval. All are NaN where there was nothing to measure."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]" if self.value == self.value else "-"


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The squared Frechet distance of two normal distributions that are fitted to features (Heusel et al. 2017).

    Few samples make it too large, the more the fewer they are. So only sets of equal size may be compared.

    Args:
        a, b: (N, D) and (M, D), at least two rows each.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # The trace of sqrt(cov_a cov_b) is that of the symmetric sqrt(root cov_b root), whose eigenvalues are real.
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(dim=0) - b.mean(dim=0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """The squared maximum mean discrepancy with the kernel (x y / D + 1)^3 (Binkowski et al. 2018).

    It is unbiased for any number of independent samples, so it can be a little below 0 for equal distributions. Windows
    of one video are not independent.

    Args:
        a, b: (N, D) and (M, D), at least two rows each.
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        gram = kernel(x, x)
        return (gram.sum() - gram.trace()) / (len(x) * (len(x) - 1))

    a, b = a.double(), b.double()
    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def bootstrap(count: int, statistic: Statistic, mirrored: bool = False, seed: int = 0) -> Interval:
    """Estimate a statistic of `count` videos, with its interval by the bootstrap.

    Args:
        count: of the videos.
        statistic: takes the indices of the videos that count, some of them several times.
        mirrored: whether the resamples' quantiles are mirrored at the estimate (the basic interval). A resample holds
            some videos twice, which makes distances of sets too large. The mirror turns this bias round, where the
            quantiles themselves would add it. The quantiles of a mean need no mirror.
        seed: of the resamples.
    """
    if count == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    rng, value = np.random.default_rng(seed), statistic(range(count))
    found = [statistic(rng.integers(count, size=count).tolist()) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(found, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    ends = (2 * value - high, 2 * value - low) if mirrored else (low, high)
    return Interval(value, *map(float, ends))


def mean_statistic(values: ArrayLike) -> Statistic:
    """The mean over chosen videos. values: (..., videos), NaN where there is none; all NaN gives NaN."""
    array = np.asarray(values, dtype=float)

    def statistic(chosen: Sequence[int]) -> float:
        picked = array[..., list(chosen)]
        present = picked[~np.isnan(picked)]
        return float(present.mean()) if present.size else float("nan")

    return statistic


def mean_estimate(values: Sequence[float]) -> Interval:
    """The mean of one figure a video, with its interval."""
    return bootstrap(len(values), mean_statistic(values))


def set_statistic(
    distance: Callable[[Tensor, Tensor], float], videos: Sequence[Tensor], truths: Sequence[Tensor]
) -> Statistic:
    """The distance of chosen videos from their truths. `bootstrap` takes it mirrored.

    Args:
        distance: `frechet_distance` or `kernel_distance`.
        videos, truths: the features (N, D) of each video's windows, in one order. They are resampled together.
    """

    def statistic(chosen: Sequence[int]) -> float:
        return distance(torch.cat([videos[i] for i in chosen]), torch.cat([truths[i] for i in chosen]))

    return statistic
