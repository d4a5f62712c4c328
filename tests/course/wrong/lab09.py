"""Answers to the exercises of lab 09, as text: other right ones, and wrong ones with the hint that each must get."""

import numpy as np
import torch

from smartdirector_lite.evaluation.metrics import motion_mask

NAMES = {"np": np, "torch": torch, "motion_mask": motion_mask}


def function(number: str, head: str, *lines: str) -> tuple[str, str]:
    return number, f"def {head}:\n" + "".join(f"    {line}\n" for line in lines)


def figure(*lines: str) -> tuple[str, str]:
    first = ("error, moving = (video - truth).square().mean(1, keepdim=True), motion_mask(truth)",)
    return function("09.1", "my_figure(video, truth)", *first, *lines)


TABLE = {
    "swapped keyframe": {"keyframe L1, middle", "timing"},
    "frozen stretch": {"frozen", "timing"},
    "flash": {"flashes"},
    "colour shift": {"colour shifts"},
    "late cut": {"cuts"},
    "other creature": {"identity", "caption colours"},
}


def table(**changed: object) -> tuple[str, str]:
    """The table with some entries changed; a name has _ for a space, and None drops the entry."""
    entries = {**TABLE, **{name.replace("_", " "): value for name, value in changed.items()}}
    return "09.2", f"caught = { {name: value for name, value in entries.items() if value is not None}!r}"


def distance(
    value: str = "means + A.trace() + B.trace() - 2 * cross",
    means: str = "(a.mean(0) - b.mean(0)).square().sum()",
    cross: str = "torch.linalg.eigvals(A @ B).real.clamp(min=0).sqrt().sum()",
    cov: str = "torch.cov(a.T), torch.cov(b.T)",
) -> tuple[str, str]:
    lines = (f"A, B = {cov}", f"means = {means}", f"cross = {cross}", f"return {value}")
    return function("09.3", "frechet(a, b)", *lines)


def interval(
    end: str = "return np.quantile(means, [0.025, 0.975])",
    means: str = "rng.choice(values, (draws, len(values))).mean(axis=1)",
) -> tuple[str, str]:
    return function("09.4", "bootstrap_interval(values, rng, draws=2000)", f"means = {means}", end)


def votes(
    end: str = "return (good - bad) / n, 2 * (m - h) - 1, 2 * (m + h) - 1",
    p: str = "(good + same / 2) / n",
    good: str = "sum(choice == ours for choice, ours in votes)",
) -> tuple[str, str]:
    lines = (f"n, z, good = len(votes), 1.96, {good}", "same = sum(choice == 'same' for choice, _ in votes)")
    lines += ("bad = n - good - same", f"p = {p}", "m = (p + z * z / (2 * n)) / (1 + z * z / n)")
    lines += ("h = z / (1 + z * z / n) * max(0, p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5", end)
    return function("09.5", "gsb(votes)", *lines)


RIGHT = [
    figure("return -10 * torch.log10(error[moving].mean())"),
    figure("return -((video - truth).square() * moving).sum() / moving.sum()"),
    figure("return np.exp(-10 * error[moving].mean().item())"),
    table(),
    table(flash=["flashes"], late_cut=("cuts",)),
    distance(),
    distance(cross="torch.linalg.eigvals(A @ B).sqrt().real.sum()"),
    function(
        "09.3",
        "frechet(a, b)",
        "a, b = a.numpy(), b.numpy()",
        "A, B = np.cov(a.T), np.cov(b.T)",
        "values, vectors = np.linalg.eigh(A)",
        "root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T",
        "cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ B @ root), 0)).sum()",
        "return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(A + B) - 2 * cross",
    ),
    interval(),
    function(
        "09.4",
        "bootstrap_interval(values, rng, draws=2000)",
        "means = sorted(np.mean([values[rng.integers(len(values))] for _ in values]) for _ in range(draws))",
        "return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]",
    ),
    interval("return [np.percentile(means, 2.5), np.percentile(means, 97.5)]"),
    votes(),
    votes("return np.array([2 * p - 1, 2 * (m - h) - 1, 2 * (m + h) - 1])"),
]

EASY = "torch.eye(a.shape[1], dtype=a.dtype)"

WRONG = [
    # 09.1
    (*figure("return error[moving].mean()"), "turn it round"),
    (*figure("return -error.mean()"), "Let only those pixels count"),
    (*figure("return -10 * error.mean().log10()"), "Let only those pixels count"),
    (*figure("return -error[~moving].mean()"), "Let only those pixels count"),
    (*figure("return -error[moving].sqrt().mean()"), "square their errors"),
    (*figure("return 1.0"), "compare `video` with `truth`"),
    (*figure("return moving.float().mean()"), "compare `video` with `truth`"),
    (*figure("return -error"), "one number, of one video; yours has the shape"),
    (*figure("return -error.mean(dim=(1, 2, 3))"), "one number"),
    (*figure("return error[error < 0].mean()"), "NaN"),
    (*figure("return 'good'"), "not a str"),
    (*figure("-error[moving].mean()"), "`return` missing"),
    (*figure("return -video.diff(dim=0).abs().mean()"), "turn it round"),
    (*figure("return -error[moving[0]].mean()"), "your code raised IndexError"),
    (*figure("video -= truth", "return -video.abs().mean()"), "changes its input video"),
    # 09.2
    ("09.2", "caught = [{'flashes'}]", "a dict from the name"),
    ("09.2", "caught = {'flashes': {'flash'}}", "there is no defect 'flashes'"),
    (*table(flash=None), "'flash' has no entry"),
    (*table(flash="flashes"), r"put the names into a set, such as \{'flashes'\}"),
    (*table(flash={"flash"}), "there is no figure 'flash'"),
    (*table(flash=1), "a set of names, not a int"),
    (*table(flash=set()), "a figure catches it"),
    (*table(flash={"flashes", "timing"}), "'timing' has its best value"),
    (*table(frozen_stretch={"frozen"}), "how late is the picture"),
    (*table(swapped_keyframe={"keyframe L1, middle"}), "early or late, too"),
    (*table(swapped_keyframe={"timing"}), "another picture is shown"),
    (*table(other_creature={"identity"}), "names the creature's colour"),
    (*table(other_creature={"caption colours"}), "somebody else"),
    (*table(late_cut={"cuts", "timing"}), "'timing' has its best value"),
    # 09.3
    (*distance("(means + A.trace() + B.trace() - 2 * cross).sqrt()"), "leave it squared"),
    (*distance("A.trace() + B.trace() - 2 * cross"), "the means are missing"),
    (*distance(means="(a.mean(0) - b.mean(0)).norm()"), "not squared"),
    (*distance(means="(a.mean(0) - b.mean(0)).square().mean()"), "not the mean"),
    (*distance(means="(a.mean() - b.mean()).square()"), "a number for each dimension"),
    (*distance("means"), "covariances are missing"),
    (*distance("means + A.trace() + B.trace()"), "cross term is missing"),
    (*distance("means + A.trace() + B.trace() - cross"), "counts twice"),
    (*distance("means + A.trace() + B.trace() + 2 * cross"), "subtracted"),
    (*distance(cross="(A @ B).trace()"), "no root"),
    (*distance(cross="(A @ B).clamp(min=0).sqrt().trace()"), "eigenvalues"),
    (*distance(cross="(A @ B).sqrt().trace()"), "NaN|eigenvalues"),
    (*distance("means + (a.std(0) - b.std(0)).square().sum()"), "correlations count"),
    (*distance(cov="torch.cov(a.T, correction=0), torch.cov(b.T, correction=0)"), "N - 1"),
    (*distance(cov="torch.cov(a), torch.cov(b)"), "your code raised|is .* and yours"),
    (*distance("A + B"), "one number"),
    (*distance("means + A.trace() + B.trace() - 2 * torch.linalg.eigvals(A @ B).sqrt().sum() * 1j"), "complex"),
    (*distance(cross=f"torch.linalg.eigvals(A @ B + {EASY}).real.sqrt().sum()"), "the distance of these features is"),
    (*distance(cross="torch.linalg.cholesky(A).mT.mul(1).matmul(B).trace()"), "is .* and yours|NaN"),
    (*distance(cross="(torch.linalg.eigvals(A @ B).real - 1e-12).sqrt().sum()"), "fewer samples"),
    (*distance("print(means)"), "`return` missing"),
    # 09.4
    (*interval("return np.quantile(values, [0.025, 0.975])"), "quantiles of the values"),
    (*interval(means="rng.choice(values, draws)"), "draw as many"),
    (*interval(means="np.median(rng.choice(values, (draws, len(values))), axis=1)"), "medians"),
    (*interval(means="rng.choice(values, (draws, len(values))).sum(axis=1)"), "sums"),
    (*interval(means="rng.choice(values, (draws, len(values) // 2)).mean(axis=1)"), "not half"),
    (*interval("return np.quantile(means, [2.5, 97.5])"), "your code raised ValueError"),
    (*interval("return np.percentile(means, [0.025, 0.975])"), "interval is about|resamples"),
    (*interval("return np.quantile(means, [0.05, 0.95])"), "90 %"),
    (*interval("return np.quantile(means, [0.25, 0.75])"), "one half"),
    (*interval("return np.quantile(means, [0.975, 0.025])"), r"return \(low, high\)"),
    (*interval("return means.min(), means.max()"), "least and the largest"),
    (*interval("return means.mean() - means.std(), means.mean() + means.std()"), "68 %"),
    (*interval("return np.quantile(means - means.mean(), [0.025, 0.975])"), "distances from the mean"),
    (*interval(means="np.array([rng.permutation(values).mean() for _ in range(draws)])"), "WITH replacement"),
    (*interval("return np.quantile(means, [0, 0.025, 0.975])"), "return 2 numbers"),
    (*interval(means="rng.choice(values, (draws, len(values))).mean(axis=0)"), "far too narrow"),
    (
        *interval(
            "return values.mean() - means, values.mean() + means",
            "1.96 * values.std()",
        ),
        "where most values are",
    ),
    (*interval("return means.std()"), "return 2 numbers"),
    (*interval("np.quantile(means, [0.025, 0.975])"), "`return` missing"),
    # 09.5
    (*votes("return (bad - good) / n, 2 * (m - h) - 1, 2 * (m + h) - 1"), "sign"),
    (*votes(good="sum(choice == 'A' for choice, ours in votes)"), "A is not always ours"),
    (*votes("return 100 * (good - bad) / n, 2 * (m - h) - 1, 2 * (m + h) - 1"), "percent"),
    (*votes("return (good - bad) / (good + bad), 2 * (m - h) - 1, 2 * (m + h) - 1"), "denominator"),
    (*votes("return good / n, 2 * (m - h) - 1, 2 * (m + h) - 1"), "share of wins"),
    (*votes("return p, m - h, m + h"), "2 p - 1"),
    (*votes("return good - bad, 2 * (m - h) - 1, 2 * (m + h) - 1"), "divide by"),
    (*votes("return (good - bad) / n, m - h, m + h"), "so are its ends"),
    (*votes("return (good - bad) / n, 2 * (m + h) - 1, 2 * (m - h) - 1"), "another order"),
    (
        *votes(
            "return (good - bad) / n, 2 * p - 1 - 2 * z * (p * (1 - p) / n) ** 0.5, "
            "2 * p - 1 + 2 * z * (p * (1 - p) / n) ** 0.5"
        ),
        "Wilson's middle",
    ),
    (*votes(p="good / n"), "half a vote"),
    (*votes("return (good - bad) / n, 200 * (m - h) - 100, 200 * (m + h) - 100"), "not percent"),
    (*votes("return 2 * (m + h) - 1, 2 * (m - h) - 1, (good - bad) / n"), "another order"),
    (*votes("return (good - bad) / n"), r"\(gsb, low, high\)"),
    (*votes("return (good - bad) / n, 2 * (m - h) - 1"), "yours are 2"),
    (*votes("return (good - bad) / bad, m, h"), "your code raised Zero|votes are good"),
    (*votes("(good - bad) / n"), "`return` missing"),
    (*votes(good="sum(ours in choice for choice in votes)"), "your code raised"),
]
