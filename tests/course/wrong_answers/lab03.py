"""Wrong answers to the exercises of lab 03, and a part of the hint that each must get."""

import itertools
import math

import torch

from smartdirector_lite import ChunkPlan, Condition


def clocks(dim, theta=10000.0):
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


PLAN = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
# What the cells of the exercises take from cells before them.
NAMES = {"torch": torch, "math": math, "itertools": itertools, "clocks": clocks, "plan": PLAN}


def other_way(x, angles):
    a, b = x[:, 0::2], x[:, 1::2]
    return torch.stack([a * angles.cos() + b * angles.sin(), b * angles.cos() - a * angles.sin()], dim=-1).flatten(1)


def by_halves(x, angles):
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1)


def not_put_back(x, angles):
    a, b = x[:, 0::2], x[:, 1::2]
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1)


def overwritten(x, angles):
    x = x.clone()
    x[:, 0::2] = x[:, 0::2] * angles.cos() - x[:, 1::2] * angles.sin()
    x[:, 1::2] = x[:, 0::2] * angles.sin() + x[:, 1::2] * angles.cos()
    return x


def in_place(x, angles):
    x[:, 0::2] *= 2
    return x


def angles(tau, row, column, dim, order=(0, 1, 2), own=True):
    side = 2 * (dim // 6)
    parts = [(dim - 2 * side, tau), (side, row), (side, column)]
    whole = clocks(dim)
    made = [place * (clocks(size) if own else whole[: size // 2]) for size, place in parts]
    return torch.cat([made[i] for i in order])


def cut_up(tau, row, column, dim):
    side = 2 * (dim // 6)
    sizes = (dim // 2 - side, side // 2, side // 2)
    places = torch.cat([torch.full((n,), float(p)) for n, p in zip(sizes, (tau, row, column), strict=True)])
    return places * clocks(dim)


def index(num_frames, keyframes, stride, last=lambda start, stop, i, s: min(start + s * i, stop - 1) / s, zero=True):
    borders = sorted({0, *keyframes} if zero else set(keyframes)) + [num_frames]
    tau = []
    for start, stop in itertools.pairwise(borders):
        tau += [last(start, stop, i, stride) for i in range(1 + -(-(stop - start - 1) // stride))]
    return tau


def floored(num_frames, keyframes, stride):
    borders = sorted({0, *keyframes}) + [num_frames]
    return [i for start, stop in itertools.pairwise(borders) for i in range(1 + (stop - start - 1) // stride)]


# By check: a part of the hint, and the answer or answers.
WRONG = {
    "check_rotate": [
        ("the other way", other_way),
        ("halves of the vector", by_halves),
        ("another order", not_put_back),
        ("length of a vector has changed", overwritten),
        ("changes x itself", in_place),
        ("a tensor of that shape", lambda x, angles: x[:, 0::2] * angles.cos()),
        ("apply_rotary_emb", lambda x, angles: x),
    ],
    "check_turning_period": [
        ("one radian", lambda i, d, theta: theta ** (2 * i / d)),
        ("not degrees", lambda i, d, theta: 360 * theta ** (2 * i / d)),
        ("the other way round", lambda i, d, theta: theta ** (-2 * i / d) / (2 * math.pi)),
        ("turn more slowly", lambda i, d, theta: 2 * math.pi * theta ** (-2 * i / d)),
        ("exponent", lambda i, d, theta: 2 * math.pi * theta ** (i / d)),
        ("a full turn", lambda i, d, theta: 1.5),
    ],
    "check_token_angles": [
        ("changed places", lambda t, y, x, d: angles(t, x, y, d)),
        ("time comes first", lambda t, y, x, d: angles(t, y, x, d, order=(1, 2, 0))),
        ("whole number", lambda t, y, x, d: angles(int(t), y, x, d)),
        ("its own clocks", lambda t, y, x, d: angles(t, y, x, d, own=False)),
        ("its own clocks", cut_up),
        ("one angle for a pair", lambda t, y, x, d: angles(t, y, x, d).repeat_interleave(2)),
        ("height and width have", lambda t, y, x, d: angles(t, 0, x, d)),
        ("those of time", lambda t, y, x, d: angles(t + 1, y, x, d)),
    ],
    "check_frame_time": [
        ("counts latents on and on", lambda n, k, s: list(range(len(index(n, k, s))))),
        ("begins at 0 in every chunk", lambda n, k, s: index(n, k, s, lambda b, e, i, s: i)),
        ("past the chunk's end", lambda n, k, s: index(n, k, s, lambda b, e, i, s: (b + s * i) / s)),
        ("the one before its stop", lambda n, k, s: index(n, k, s, lambda b, e, i, s: min(b + s * i, e) / s)),
        ("the first frame each", lambda n, k, s: index(n, k, s, lambda b, e, i, s: (b + max(0, s * i - s + 1)) / s)),
        ("those are frames", lambda n, k, s: index(n, k, s, lambda b, e, i, s: min(b + s * i, e - 1))),
        ("divide with /", lambda n, k, s: index(n, k, s, lambda b, e, i, s: min(b + s * i, e - 1) // s)),
        ("not for each frame", lambda n, k, s: [frame / s for frame in range(n)]),
        ("begins at frame 0", lambda n, k, s: index(n, k, s, zero=False)),
        ("has a latent too", floored),
        ("a list of numbers", lambda n, k, s: 3.0),
        ("which frame does it show last", lambda n, k, s: [v + 0.1 for v in index(n, k, s)]),
    ],
    "check_believed_gap": [
        ("one step of tau", 1),
        ("another scheme", 0.25),
        ("goes forwards", -12),
        ("print tau", 13),
        ("raised", "4"),
    ],
}
