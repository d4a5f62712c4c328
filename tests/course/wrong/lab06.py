"""Answers to the exercises of lab 06, as text: other right ones, and wrong ones with the hint that each must get."""

import math

import numpy as np
import torch
from torch.nn import functional as F

NAMES = {"torch": torch, "np": np, "math": math, "F": F}


def function(number: str, head: str, *lines: str) -> tuple[str, str]:
    return number, f"def {head}:\n" + "".join(f"    {line}\n" for line in lines)


def mix(
    x_t: str = "(1 - at) * x_0 + at * x_1", times: str = "t[:, None] * ~anchors", end: str = "return x_t, times"
) -> tuple[str, str]:
    lines = (f"times = {times}", "at = times[:, None, :, None, None]", f"x_t = {x_t}", end)
    return function("06.1", "noisy_latents(x_0, x_1, t, anchors)", *lines)


def loss(
    value: str, error: str = "(velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))", first: str = "return"
) -> tuple[str, str]:
    lines = (f"e = {error}", "f = (~anchors).float()", f"{first} {value}".strip())
    return function("06.2", "masked_loss(velocity, x_0, x_1, anchors)", *lines)


def bins(
    place: str = "(times * bins).long().clamp(max=bins - 1)", mean: str = "losses[p == k].mean()"
) -> tuple[str, str]:
    lines = (f"p = {place}", f"return torch.stack([{mean} for k in range(bins)])")
    return function("06.3", "loss_by_time(losses, times, bins)", *lines)


def stop(
    better: str = "loss < losses[best]",
    when: str = "index - best == patience",
    at: str = "break",
    end: str = "return best",
) -> tuple[str, str]:
    loop = ("for index, loss in enumerate(losses):", f"    if {better}:", "        best = index")
    lines = ("best = 0", *loop, f"    if {when}:", f"        {at}", end)
    return function("06.4", "when_to_stop(losses, patience)", *lines)


def merge(value: str, first: str = "return") -> tuple[str, str]:
    line = f"{first} {value}".strip()
    return function("06.5", "merge_lora(weight, A, B, alpha)", "low, r = B @ A, len(A)", line)


ALL = "(e * f).sum() / f.sum().clamp(min=1)"
EMPTY = "losses[p == k].mean() if (p == k).any() else torch.tensor(float('nan'))"

RIGHT = [
    mix("torch.lerp(x_0, x_1, at.expand_as(x_0))", "torch.where(anchors, torch.zeros(()), t.unsqueeze(1))"),
    mix("x_0 + at * (x_1 - x_0)", "t[:, None].expand(anchors.shape).masked_fill(anchors, 0)"),
    loss("e[~anchors].mean() if f.any() else e.sum() * 0"),
    loss("torch.nan_to_num((e * f).sum() / f.sum())"),
    loss("(e * f).sum() / max(1, int(f.sum()))", "F.mse_loss(velocity, x_1 - x_0, reduction='none').mean((1, 3, 4))"),
    bins(mean=EMPTY),
    bins("torch.floor(times.double() * bins).clamp(0, bins - 1)"),
    function(
        "06.3",
        "loss_by_time(losses, times, bins)",
        "found = []",
        "for k in range(bins):",
        "    inside = (times * bins >= k) & ((times * bins < k + 1) | (k == bins - 1))",
        "    found.append(losses[inside].mean().item())",
        "return torch.tensor(found)",
    ),
    stop(when="index >= best + patience"),
    function(
        "06.4",
        "when_to_stop(losses, patience)",
        "best, waited = 0, 0",
        "for k in range(1, len(losses)):",
        "    best, waited = (k, 0) if losses[k] < losses[best] else (best, waited + 1)",
        "    if waited == patience:",
        "        return best",
        "return best",
    ),
    merge("torch.addmm(weight, B, A, alpha=alpha / r)"),
    merge("weight.clone().add(low, alpha=alpha / A.size(0))"),
]

WRONG = [
    # 06.1
    (*mix(end="return x_t"), "two tensors"),
    (*mix(end="return times, x_t"), "x_t comes first, then the times"),
    (*mix(end="return x_t, t"), "each latent frame of each clip"),
    (*mix(end="x_t, times"), "`return` missing"),
    (*mix(times="t[:, None].expand(anchors.shape)"), "an anchor is clean"),
    (*mix(times="t[:, None] * anchors"), "mask is the wrong way round"),
    (*mix(times="t[0] * ~anchors"), "the t of the first one"),
    (*mix(times="0.5 * t[:, None] * ~anchors"), "unchanged"),
    (*mix(times="1000 * t[:, None] * ~anchors"), "unchanged"),
    (*mix("at * x_0 + (1 - at) * x_1"), "swapped"),
    (*mix("(1 - t.view(-1, 1, 1, 1, 1)) * x_0 + t.view(-1, 1, 1, 1, 1) * x_1"), "its anchors are noisy"),
    (*mix("x_0 + at * x_1"), "add up to 1"),
    (*mix("(1 - at).sqrt() * x_0 + at.sqrt() * x_1"), "add up to 1"),
    (*mix("((1 - at) * x_0 + at * x_1)[:, :, :1]"), "not that of x_0"),
    (*mix("(1 - times) * x_0 + times * x_1"), "your code raised RuntimeError"),
    (*mix("x_0.mul_(1 - at).add_(at * x_1)"), "changes its input x_0"),
    # 06.2
    (*loss("e"), "one number"),
    (*loss("e.mean()"), "anchors count as well"),
    (*loss("(e * f).mean()"), "still counted"),
    (*loss(ALL, "(velocity - (x_0 - x_1)).square().mean(dim=(1, 3, 4))"), "sign"),
    (*loss("e[anchors].mean()"), "turn the mask round"),
    (*loss("((e * f).sum(1) / f.sum(1)).mean()"), "weigh the same"),
    (*loss("e[~anchors].sum()"), "divisor"),
    (*loss("e[~anchors].mean()"), "nothing is asked"),
    (*loss(ALL, "(velocity - (x_1 - x_0)).abs().mean(dim=(1, 3, 4))"), "not squared"),
    (*loss(f"({ALL}).sqrt()"), "root"),
    (*loss(f"({ALL}).item()"), "no gradient"),
    (*loss(f"({ALL}).detach()"), "no gradient"),
    (*loss(ALL, "(velocity - x_0).square().mean(dim=(1, 3, 4))"), "check target"),
    (*loss(ALL, first=""), "`return` missing"),
    (*loss(ALL, "x_1.sub_(x_0).sub_(velocity.detach()).square().mean(dim=(1, 3, 4))"), "changes its input x_1"),
    (*loss("str(e)"), "return one number"),
    # 06.3
    (*bins(mean="losses[p == k].sum()"), "sum of its losses"),
    (*bins("((times * bins).ceil().long() - 1).clamp(min=0)"), "begins there"),
    (*bins("(times * bins).round().long().clamp(max=bins - 1)"), "rounded to the nearest border"),
    (*bins("(times * bins).long()"), "last bin"),
    (*bins(mean="torch.nan_to_num(losses[p == k].mean())"), "it is NaN, no loss"),
    (*bins(mean="losses[p == k].sum() / (p == k).sum().clamp(min=1)"), "it is NaN, no loss"),
    (*bins("(times * 4).long().clamp(max=bins - 1)"), "last bin|`bins` used everywhere"),
    (*bins(mean="times[p == k].mean()"), "mean of the times"),
    (*bins("(losses * bins).long().clamp(max=bins - 1)"), "the means are|changed places"),
    (*bins(mean="losses[p == bins - 1 - k].mean()"), "wrong order"),
    (*bins(mean="losses[p == k].median()"), "the means are|your code raised"),
    (*bins(mean="losses[p <= k].mean()"), "the means are"),
    (*function("06.3", "loss_by_time(losses, times, bins)", "return losses.mean()"), "one number a bin"),
    (*function("06.3", "loss_by_time(losses, times, bins)", "losses.mean()"), "`return` missing"),
    (*function("06.3", "loss_by_time(losses, times, bins)", "return 'seven'"), "return a tensor"),
    (*bins("times.mul_(bins).long().clamp(max=bins - 1)"), "changes its input times"),
    # 06.4
    (*stop(end="return min(losses)"), "is a loss"),
    (*stop(when="False"), "training stops before it comes"),
    (*stop(at="return index"), "the weights to keep are older"),
    (*stop(better="loss <= losses[best]"), "no improvement"),
    (*stop(at="return best", end="pass"), "can end before"),
    (*stop(better="index and loss < losses[index - 1]"), "training stops|one by one|anew|no improvement"),
    (*stop(when="index - best > patience"), "one more"),
    (*stop(when="index - best == patience - 1 and index"), "one too early|one by one"),
    (*stop(end="return 0"), "one by one"),
    (*stop(end="return best + 1"), "one by one|no index|where training stops"),
    (*stop(end="return losses[best]"), "is a loss"),
    (*stop(end="return str(best)"), "not a whole number"),
    (*stop(end="return best - len(losses)"), "no index of this list"),
    (*stop(better="loss > losses[best]"), "one by one|where training stops|one too early|one more"),
    (
        *function(
            "06.4",
            "when_to_stop(losses, patience)",
            "best = worse = 0",
            "for k in range(1, len(losses)):",
            "    best, worse = (k, worse) if losses[k] < losses[best] else (best, worse + 1)",
            "    if worse == patience:",
            "        break",
            "return best",
        ),
        "anew",
    ),
    (*stop(end="losses.clear(); return best"), "changes its input losses"),
    # 06.5
    (*merge("alpha / r * low"), "own weight is missing"),
    (*merge("weight"), "unchanged"),
    (*merge("weight + alpha * low"), "a larger rank"),
    (*merge("weight + low"), "the scale is missing"),
    (*merge("weight + low / r"), "alpha is missing"),
    (*merge("weight + r / alpha * low"), "upside down"),
    (*merge("weight - alpha / r * low"), "the sign is wrong"),
    (*merge("alpha / r * (weight + low)"), "the old weight is scaled"),
    (*merge("weight + alpha / len(B) * low"), "input vector"),
    (*merge("weight + alpha / r * A @ B"), "your code raised RuntimeError"),
    (*merge("(weight + alpha / r * low).T[:, :1]"), "(out, in)"),
    (*merge("weight.add_(alpha / r * low)"), "changes its input weight"),
    (*merge("weight + alpha / r * low", first=""), "`return` missing"),
    (*merge("weight @ (alpha / r * low).T"), "input vector|shape"),
]
