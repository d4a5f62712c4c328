"""Answers to the exercises of lab 04, as text: other right ones, and wrong ones with the hint that each must get."""

import itertools

import torch

from smartdirector_lite.course.lab.lab04 import _euler, _place, _straight_path

NAMES = {
    "torch": torch,
    "itertools": itertools,
    "straight_path": _straight_path,
    "euler": _euler,
    "place": _place,
}
SHARE = "s = t.view(-1, *[1] * (x_0.ndim - 1))"
V = "x_1 - x_0"


def function(number: str, head: str, *lines: str) -> tuple[str, str]:
    return number, f"def {head}:\n" + "".join(f"    {line}\n" for line in lines)


def path(*lines: str) -> tuple[str, str]:
    return function("04.1", "straight_path(x_0, x_1, t)", SHARE, *lines)


def euler(step: str, pairs: str = "itertools.pairwise(times)", end: str = "return x") -> tuple[str, str]:
    return function("04.2", "euler(velocity, x_1, times)", "x = x_1", f"for now, then in {pairs}:", f"    {step}", end)


def shift(value: str) -> tuple[str, str]:
    return function("04.3", "shift_time(t, shift)", f"return {value}")


def put(
    x: str = "torch.where(m, encoded, noise)",
    t: str = "torch.where(anchors, 0.0, 1000.0 * t).expand(len(noise), -1)",
    end: str = "return x, t",
) -> tuple[str, str]:
    mask = "m = anchors.view(1, 1, -1, 1, 1)"
    return function("04.4", "place(noise, encoded, anchors, t)", mask, f"x = {x}", f"t = {t}", end)


def guide(value: str) -> tuple[str, str]:
    return function("04.5", "guide(conditional, unconditional, scale)", "c, u = conditional, unconditional", value)


def loop(
    begin: str = "x, s = place(noise, encoded, anchors, times[0])",
    ask: str = "v = velocity(x, s)",
    along: str = "x = euler(lambda *_: v, x, [now, then])",
    fresh: str = "x = straight_path(x - now * v, renew(x), torch.full((len(x),), then))[0]",
    after: str = "x, s = place(x, encoded, anchors, then)",
    pairs: str = "itertools.pairwise(times)",
    end: str = "return x",
) -> tuple[str, str]:
    steps = (f"for now, then in {pairs}:", f"    {ask}", "    if renew is None:", f"        {along}", "    else:")
    lines = (begin, *steps, f"        {fresh}", f"    {after}", end)
    return function("04.6", "sample(velocity, noise, encoded, anchors, times, renew=None)", *lines)


STEP = "x = x + (then - now) * velocity(x, now)"

RIGHT = [
    path("return torch.lerp(x_0, x_1, s), x_1.sub(x_0)"),
    path("v = x_1 - x_0", "return x_0 + s * v, v"),
    function(
        "04.1",
        "straight_path(x_0, x_1, t)",
        "each = [(1 - s) * a + s * b for a, b, s in zip(x_0, x_1, t)]",
        "return torch.stack(each), -(x_0 - x_1)",
    ),
    euler("x = x - (now - then) * velocity(x, now)", "zip(times[:-1], times[1:])"),
    function(
        "04.2",
        "euler(velocity, x_1, times)",
        "x = x_1.clone()",
        "for k in range(len(times) - 1):",
        "    x += velocity(x, times[k]) * (times[k + 1] - times[k])",
        "return x",
    ),
    shift("t * shift / (1 - t + shift * t)"),
    shift("(shift * t) * (1 + (shift - 1) * t) ** -1"),
    put("encoded * m + noise * ~m", "(1000 * t * (~anchors).float()).repeat(len(noise), 1)"),
    function(
        "04.4",
        "place(noise, encoded, anchors, t)",
        "x, steps = noise.clone(), torch.full((len(noise), len(anchors)), 1000.0 * t)",
        "for f in range(len(anchors)):",
        "    if anchors[f]:",
        "        x[:, :, f], steps[:, f] = encoded[:, :, f], 0",
        "return [x, steps]",
    ),
    guide("return scale * c + (1 - scale) * u"),
    guide("return torch.lerp(u, c, scale)"),
    loop(
        along="x = x + (then - now) * v",
        fresh="x = (1 - then) * (x - now * v) + then * renew(x)",
        after="x, s = place(x, encoded, anchors, then)",
    ),
    loop(
        begin="x = noise",
        ask="x, s = place(x, encoded, anchors, now); v = velocity(x, s)",
        after="pass",
        end="return place(x, encoded, anchors, 0.0)[0]",
    ),
]

WRONG = [
    # 04.1
    (*path(f"return s * x_0 + (1 - s) * x_1, {V}"), "data and noise have changed places"),
    (*path(f"return (1 - s).sqrt() * x_0 + s.sqrt() * x_1, {V}"), "square roots"),
    (*path("return (1 - s) * x_0 + s * x_1, x_0 - x_1"), "from the noise to the data"),
    (*path("x = (1 - s) * x_0 + s * x_1", "return x, x_1 - x"), "a part of the way"),
    (*path("x = (1 - s) * x_0 + s * x_1", f"return {V}, x"), "x_t comes first, then v"),
    (*path("x = (1 - s) * x_0 + s * x_1", "return x"), "two things"),
    (*path("x = (1 - s) * x_0 + s * x_1", f"x, {V}"), "is a `return` missing"),
    (*path(f"return x_0 + x_1, {V}"), "at t = 0, x_t must be x_0"),
    (*path(f"return (1 - t) * x_0 + t * x_1, {V}"), "the last axis"),
    (*path(f"return (1 - s) * x_0 + s * noise, {V}"), "your code raised NameError"),
    (*path(f"s = t if x_0.shape[-1] == len(t) else s; return (1 - s) * x_0 + s * x_1, {V}"), "the last axis"),
    (*path("x_0 -= x_0.mean()", f"return (1 - s) * x_0 + s * x_1, {V}"), "changes its input x_0"),
    (*path("x_0.div_(x_0.std())", f"return (1 - s) * x_0 + s * x_1, {V}"), "changes its input x_0"),
    (*path("x_0.clamp_(-1, 1)", f"return (1 - s) * x_0 + s * x_1, {V}"), "changes its input x_0"),
    (*path("x_0.zero_()", f"return (1 - s) * x_0 + s * x_1, {V}"), "changes its input x_0"),
    (*path(f"t.pow_(2); return (1 - s) * x_0 + s * x_1, {V}"), "changes its input t"),
    (*path("x_1.mul_(s); x_1.add_((1 - s) * x_0)", f"return x_1, {V}"), "changes its input x_1"),
    (*path(f"return (1 - s**2) * x_0 + s**2 * x_1, {V}"), "t was squared"),
    (*path(f"x_0 = x_0 / x_0.std(); return (1 - s) * x_0 + s * x_1, {V}"), "at t = 0, x_t must be x_0"),
    (*path(f"return (1 - s) * x_0.clamp(-1, 1) + s * x_1, {V}"), "at t = 0, x_t must be x_0"),
    (*path(f"return (1 - t[0]) * x_0 + t[0] * x_1, {V}"), "all samples got the same t"),
    (*path("x = (1 - s) * x_0 + s * x_1", "return x, x"), "that is x_t once more"),
    (*path("return ((1 - s) * x_0 + s * x_1).mean(0), x_1 - x_0"), "x_0 has shape"),
    (*path("while True: pass"), "more than .* seconds"),
    # 04.2
    (*euler("x = x + (now - then) * velocity(x, now)"), "the wrong way"),
    (*euler("x = x + (then - now) * velocity(x, then)"), "at the end of each step"),
    (*euler("x = x - velocity(x, now) / (len(times) - 1)"), "different lengths"),
    (*euler(STEP, end="    return x"), "does your `return` stand inside the loop"),
    (*euler(STEP, "itertools.pairwise(times[:-1])"), "the last step is missing"),
    (*euler(STEP, "itertools.pairwise(times[1:])"), "the first step is missing"),
    (*euler("x += (then - now) * velocity(x, now)"), "changes its input x_1"),
    (*euler("x = x + (then - now) * velocity(x_1, now)"), "at the start, x_1"),
    (*euler("velocity(x, now)"), "x has not moved"),
    (*euler(STEP, end="return [x_1, x]"), "return the last x"),
    (*euler(STEP, end="x"), "is a `return` missing"),
    (*euler(STEP, end="return x + 1"), "x at the next time is x plus"),
    (*euler(STEP, "itertools.pairwise([*times, 0.0])"), "a step too many"),
    (*euler("x = x + (then - now) * velocity(now, x)"), "your code raised"),
    (*euler(STEP, "itertools.pairwise([1 - k / (len(times) - 1) for k in range(len(times))])"), "times of your own"),
    (*euler(STEP, "iter(lambda: (0.5, 0.5), None)"), "more than .* seconds"),
    # 04.3
    (*shift("t"), "unchanged"),
    (*shift("shift * t"), "divided by"),
    (*shift("t / (shift - (shift - 1) * t)"), "the other way"),
    (*shift("shift * t / (1 + shift * t)"), "pure noise"),
    (*shift("shift * t / 1 + (shift - 1) * t"), "divided by"),
    (*shift("t ** shift"), "brackets"),
    (*shift("round(shift * t / (1 + (shift - 1) * t), 2)"), "do not round"),
    (*shift("[shift * t / (1 + (shift - 1) * t)]"), "return one number"),
    (*shift("float(shift * t / (1 + (shift - 1) * t)) if isinstance(t, float) else t"), "may also be a tensor"),
    (*shift("float(shift * t / (1 + (shift - 1) * t))"), "your code raised|may also be a tensor"),
    (*shift("1 - shift * (1 - t) / (1 + (shift - 1) * (1 - t))"), "the other way"),
    (*shift("0.75"), "t = 1 gives|t = 0 gives"),
    (*function("04.3", "shift_time(t, shift)", "shift * t / (1 + (shift - 1) * t)"), "is a `return` missing"),
    # 04.4
    (*put("torch.where(m, noise, encoded)"), "the wrong latents are noise"),
    (*put("torch.where(anchors if noise.shape[-1] == len(anchors) else m, encoded, noise)"), "the last axis"),
    (*put("noise"), "no anchor in your latents"),
    (*put("encoded"), "the others begin as noise"),
    (*put("torch.where(m, (1 - t) * encoded + t * noise, noise)"), "it has no noise|no anchor"),
    (*put("torch.where(m, encoded + 0.1 * noise, noise)"), "it has no noise"),
    (*put("torch.where(m, encoded, t * noise)"), "the noise, just as it was given"),
    (*put("noise + encoded"), "wholly"),
    (*put(end="return x"), "two things"),
    (*put(end="x, t"), "is a `return` missing"),
    (*put(t="torch.where(anchors, 0.0, t).expand(len(noise), -1)"), "0 to 1000"),
    (*put(t="torch.full((len(noise), len(anchors)), 1000.0 * t)"), "must say so"),
    (*put(t="torch.where(anchors, 1000 * t, 0.0).expand(len(noise), -1)"), "anchors are noisy"),
    (*put(t="torch.where(anchors, 0.0, 1000 * t)"), "one row of timesteps in all"),
    (*put(t="torch.full((len(noise),), 1000 * t)"), "one for each latent frame"),
    (*put(t="torch.where(anchors, 0, int(1000 * t)).expand(len(noise), -1)"), "are rounded"),
    (*put(t="torch.where(anchors, 0, round(1000 * t, -2)).expand(len(noise), -1)"), "are rounded"),
    (*put(t="torch.where(anchors, 1.0, 1000 * t).expand(len(noise), -1)"), "the timestep of clean latents"),
    (*put("noise.masked_scatter_(m, encoded)"), "changes its input noise|in-place"),
    (*put("torch.where(anchors[:, None], encoded, noise)"), "the height; the latent frames are axis 2"),
    # 04.5
    (*guide("return c + scale * (c - u)"), "where does the arrow start"),
    (*guide("return c + scale * (u - c)"), "changed places"),
    (*guide("return u + scale * (u - c)"), "the wrong way round"),
    (*guide("return scale * c"), "unconditional velocity is missing"),
    (*guide("return scale * (c - u)"), "difference alone"),
    (*guide("return u + (scale - 1) * (c - u)"), "one length too short"),
    (*guide("return c"), "where is `scale` used"),
    (*guide("return scale * c + u"), "add up to 1"),
    (*guide("return scale * c + (1 + scale) * u"), "add up to 1"),
    (*guide("return u + min(scale, 1) * (c - u)"), "held at 1"),
    (*guide("return (c + u) / 2"), "start at the unconditional"),
    (*guide("u += scale * (c - u); return u"), "changes its input unconditional"),
    (*guide("return (u + scale * (c - u)).mean()"), "return a velocity of shape"),
    (*guide("u + scale * (c - u)"), "is a `return` missing"),
    # 04.6
    (*loop(begin="x, s = noise, place(noise, encoded, anchors, times[0])[1]"), "the first step begins without"),
    (*loop(after="s = place(x, encoded, anchors, then)[1]"), "after step 1 the latents have lost"),
    (*loop(after="x = place(x, encoded, anchors, then)[0]"), "step 2, from t"),
    (*loop(after="x, s = place(x, encoded, anchors, now)"), "step 2, from t"),
    (*loop(ask="v = velocity(x, now)"), "velocity takes latents .* and timesteps"),
    (*loop(ask="v = velocity(x, s / 1000)"), "0 to 1000"),
    (*loop(ask="v = velocity(x, torch.full_like(s, 1000.0 * now))"), "an anchor is clean"),
    (*loop(ask="v = velocity(x, s.round())"), "are rounded"),
    (*loop(along="x = x + (now - then) * v"), "the wrong way"),
    (*loop(along="x = x - v / (len(times) - 1)"), "moves by another step"),
    (*loop(pairs="itertools.pairwise(times[:-1])"), "each asks once"),
    (*loop(along="x = euler(velocity, x, [now, then])"), "velocity takes latents .* and timesteps"),
    (*loop(along="x = euler(lambda x, t: velocity(x, s), x, [now, then])"), "each asks once"),
    (*loop(fresh="x = euler(lambda *_: v, x, [now, then])"), "follows the path, but `renew` was given"),
    (*loop(fresh="x = straight_path(x - now * v, renew(x), torch.full((len(x),), now))[0]"), "the \\*next\\* time"),
    (
        *loop(fresh="x = straight_path(x - now * v, noise, torch.full((len(x),), then))[0]"),
        "`renew` was never called|drawn 0",
    ),
    (
        *loop(fresh="x = straight_path(x - now * v, (renew(x), renew(x))[1], torch.full((len(x),), then))[0]"),
        "draws it once",
    ),
    (*loop(fresh="x = x - now * v + then * renew(x)"), "on the straight path"),
    (*loop(end="    return x"), "each asks once"),
    (*loop(end="x"), "is a `return` missing"),
    (*loop(end="return x, s"), "return the latents"),
    (*loop(end="return euler(lambda *_: 0.1 * x, x, [1.0, 0.0])"), "lost in the last step"),
    (
        *loop(fresh="x = straight_path(x - now * v, renew(), torch.full((len(x),), then))[0]"),
        "your code raised TypeError",
    ),
]
