"""Distances of feature sets against closed forms and outside libraries; intervals that cover as often as they say."""

import numpy as np
import pytest
import torch

from smartdirector_lite.evaluation.distances import (
    bootstrap,
    frechet_distance,
    kernel_distance,
    mean_estimate,
    set_statistic,
)


def normal(count: int, dims: int = 6, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(count, dims, generator=generator, dtype=torch.float64)


def test_the_frechet_distance_has_its_closed_form():
    a = normal(50)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(6 * 4)  # the means alone differ
    scaled = a.mean(dim=0) + 3 * (a - a.mean(dim=0))
    assert frechet_distance(a, scaled) == pytest.approx(float((3 - 1) ** 2 * torch.cov(a.T).trace()))
    few = normal(4, dims=20)  # a covariance of rank 3
    assert np.isfinite(frechet_distance(few, normal(5, dims=20, seed=1)))


def test_the_frechet_distance_is_scipys():
    linalg = pytest.importorskip("scipy.linalg")
    a, b = normal(80), normal(70, shift=0.3, scale=1.7, seed=1) @ normal(6, seed=2)
    cov_a, cov_b = np.cov(a.numpy().T), np.cov(b.numpy().T)
    means = np.square(a.numpy().mean(0) - b.numpy().mean(0)).sum()
    wanted = means + np.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(a, b) == pytest.approx(wanted)


def test_the_distances_are_those_of_torchmetrics():
    fid, kid = (pytest.importorskip(f"torchmetrics.image.{name}") for name in ("fid", "kid"))

    class Same(torch.nn.Module):
        num_features = 6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    a, b = normal(60), normal(60, shift=0.5, seed=1)
    frechet = fid.FrechetInceptionDistance(Same()).set_dtype(torch.float64)
    kernel = kid.KernelInceptionDistance(Same(), subsets=1, subset_size=60)
    for metric, ours in ((frechet, frechet_distance(a, b)), (kernel, kernel_distance(a, b))):
        metric.update(a, real=True)
        metric.update(b, real=False)
        found = metric.compute()
        assert float(found[0] if isinstance(found, tuple) else found) == pytest.approx(ours, rel=1e-4)


def test_the_kernel_distance_is_its_slow_form_and_unbiased():
    a, b = normal(7), normal(5, shift=1, seed=1)

    def kernel(x, y):
        return (float(x @ y) / 6 + 1) ** 3

    same_a = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    same_b = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    assert kernel_distance(a, b) == pytest.approx(same_a + same_b - 2 * np.mean([kernel(x, y) for x in a for y in b]))
    found = [kernel_distance(normal(8, seed=2 * s), normal(8, seed=2 * s + 1)) for s in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20  # around 0 for few samples
    frechet = [frechet_distance(normal(8, seed=2 * s), normal(8, seed=2 * s + 1)) for s in range(20)]
    assert min(frechet) > 1  # which the Frechet distance is not


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        estimate = mean_estimate(rng.normal(5, 2, 40))
        covered += estimate.low <= 5 <= estimate.high
    assert 0.88 <= covered / 200 <= 0.99
    assert np.isnan(bootstrap(0, lambda chosen: 1.0).value)


def test_videos_are_resampled_as_wholes():
    truths = [normal(3, seed=i) for i in range(10)]
    shifted = [truth + 1 for truth in truths]
    apart, same = (
        bootstrap(10, set_statistic(kernel_distance, videos, truths), mirrored=True) for videos in (shifted, truths)
    )
    assert same.high < apart.low and same.low <= same.value <= same.high
