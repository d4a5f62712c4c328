"""Wrong answers to the exercises of lab 04, and a part of the hint that each must get."""

import itertools

import torch

# What the cells of the exercises take from cells before them.
NAMES = {"torch": torch, "itertools": itertools}


def wide(t, x):
    return t.view(-1, *[1] * (x.ndim - 1))


def last_axis(x_0, x_1, t):
    """As t broadcasts by itself, where it can."""
    if t.shape[0] not in (1, x_0.shape[-1]):
        return (1 - wide(t, x_0)) * x_0 + wide(t, x_0) * x_1, x_1 - x_0
    return (1 - t) * x_0 + t * x_1, x_1 - x_0


def right_path(x_0, x_1, t):
    return (1 - wide(t, x_0)) * x_0 + wide(t, x_0) * x_1


def walk(velocity, x, times, step=lambda times, k: times[k + 1] - times[k], at=0, count=0):
    for k in range(len(times) - 1 - count):
        x = x + step(times, k) * velocity(x, times[k + at])
    return x


def in_place(velocity, x, times):
    for now, then in itertools.pairwise(times):
        x += (then - now) * velocity(x, now)
    return x


def place(noise, encoded, anchors, t, mask=None, times=None):
    mask = anchors.view(1, 1, -1, 1, 1) if mask is None else mask
    times = torch.where(anchors, 0.0, 1000 * t).expand(len(noise), -1) if times is None else times
    return torch.where(mask, encoded, noise), times


def by_width(noise, encoded, anchors, t):
    return place(noise, encoded, anchors, t, mask=anchors if noise.shape[-1] == len(anchors) else None)


# By check: a part of the hint, and the answer or answers.
WRONG = {
    "check_straight_path": [
        ("changed places", lambda a, b, t: (wide(t, a) * a + (1 - wide(t, a)) * b, b - a)),
        ("square roots", lambda a, b, t: ((1 - wide(t, a)).sqrt() * a + wide(t, a).sqrt() * b, b - a)),
        ("the last axis", last_axis),
        ("from the noise to the data", lambda a, b, t: (right_path(a, b, t), a - b)),
        ("a part of the way", lambda a, b, t: (right_path(a, b, t), b - right_path(a, b, t))),
        ("two things", lambda a, b, t: right_path(a, b, t)),
        ("a share of 1 - t", lambda a, b, t: (a + b, b - a)),
        ("raised", lambda a, b, t: ((1 - t) * a + t * b, b - a)),
    ],
    "check_euler_path": [
        ("the wrong way", lambda v, x, ts: walk(v, x, ts, lambda times, k: times[k] - times[k + 1])),
        ("different lengths", lambda v, x, ts: walk(v, x, ts, lambda times, k: -1 / (len(times) - 1))),
        ("the last step is missing", lambda v, x, ts: walk(v, x, ts, count=1) if len(ts) > 2 else walk(v, x, ts)),
        ("not moved", lambda v, x, ts: x),
        ("changes the noise", in_place),
        ("the last x", lambda v, x, ts: [x, walk(v, x, ts)]),
        ("x at the next time", lambda v, x, ts: walk(v, x, ts) + 1),
    ],
    "check_shift_time": [
        ("divided by", lambda t, a: a * t),
        ("unchanged", lambda t, a: t),
        ("the other way", lambda t, a: t / (a - (a - 1) * t)),
        ("pure noise", lambda t, a: a * t / (1 + a * t)),
        ("divided by", lambda t, a: a * t / 1 + (a - 1) * t),
        ("brackets", lambda t, a: t**a),
    ],
    "check_place_anchors": [
        ("the wrong latents are noise", lambda n, e, a, t: place(e, n, a, t)),
        ("the last axis", by_width),
        ("no anchor", lambda n, e, a, t: (n, place(n, e, a, t)[1])),
        ("it has no noise", lambda n, e, a, t: place(n, (1 - t) * e + t * n + 0.1 * e, a, t)),
        ("wholly", lambda n, e, a, t: (n + e, place(n, e, a, t)[1])),
        ("two things", lambda n, e, a, t: place(n, e, a, t)[0]),
        ("0 to 1000", lambda n, e, a, t: place(n, e, a, t, times=torch.where(a, 0.0, t).expand(len(n), -1))),
        ("must say so", lambda n, e, a, t: place(n, e, a, t, times=torch.full((len(n), len(a)), 1000.0 * t))),
        ("are noisy", lambda n, e, a, t: place(n, e, a, t, times=torch.where(a, 1000 * t, 0.0).expand(len(n), -1))),
        ("one row of timesteps in all", lambda n, e, a, t: place(n, e, a, t, times=torch.where(a, 0.0, 1000 * t))),
        ("one for each latent frame", lambda n, e, a, t: place(n, e, a, t, times=torch.full((len(n),), 1000 * t))),
    ],
    "check_guide": [
        ("where does the arrow start", lambda c, u, g: c + g * (c - u)),
        ("changed places", lambda c, u, g: c + g * (u - c)),
        ("the wrong way round", lambda c, u, g: u + g * (u - c)),
        ("unconditional velocity is missing", lambda c, u, g: g * c if g != 1 else c),
        ("difference alone", lambda c, u, g: g * (c - u)),
    ],
}
