"""Answers to the exercises of lab 03, as text: other right ones, and wrong ones with the hint that each must get."""

import itertools
import math

import torch


def clocks(dim: int, theta: float = 10000.0) -> torch.Tensor:
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


NAMES = {"torch": torch, "math": math, "itertools": itertools, "clocks": clocks}


def turned(first: str, second: str, put: str = "torch.stack([u, v], dim=-1).flatten(1)") -> tuple[str, str]:
    return "03.1", (
        "def rotate(x, angles):\n    a, b = x[:, 0::2], x[:, 1::2]\n    c, s = angles.cos(), angles.sin()\n"
        f"    u = {first}\n    v = {second}\n    return {put}\n"
    )


def rotate(*lines: str) -> tuple[str, str]:
    return "03.1", "def rotate(x, angles):\n" + "".join(f"    {line}\n" for line in lines)


def period(body: str) -> tuple[str, str]:
    return "03.2", f"def turning_period(pair, dim, theta):\n    {body}\n"


def angles(body: str) -> tuple[str, str]:
    return "03.3", (
        "def token_angles(tau, row, column, head_dim):\n    side = 2 * (head_dim // 6)\n"
        "    rest = head_dim - 2 * side\n"
        f"    {body}\n"
    )


def index(last: str, n: str = "1 - (-(e - b - 1) // stride)", borders: str = "sorted({0, *keyframes}) + [num_frames]"):
    return "03.4", (
        f"def frame_time(num_frames, keyframes, stride):\n    borders, tau = {borders}, []\n"
        f"    for b, e in zip(borders, borders[1:]):\n        n = {n}\n        tau += [{last} for i in range(n)]\n"
        "    return tau\n"
    )


def numbers(keyframes: str, end: str = "sum(f) + len(f) / stride") -> tuple[str, str]:
    return "03.5", f"def figure_numbers(f, stride):\n    return {keyframes}, {end}\n"


PLACES = "[sum(f[:i]) + i / stride for i in range(len(f))]"
TRUE = "min(b + stride * i, e - 1) / stride"

RIGHT = [
    turned("a * c - b * s", "a * s + b * c", "torch.cat([u[..., None], v[..., None]], dim=2).reshape(x.shape)"),
    rotate(
        "out = torch.empty_like(x)",
        "for i in range(angles.shape[1]):",
        "    z = torch.complex(x[:, 2 * i], x[:, 2 * i + 1]) * torch.exp(1j * angles[:, i])",
        "    out[:, 2 * i], out[:, 2 * i + 1] = z.real, z.imag",
        "return out",
    ),
    period("return 2 * math.pi / theta ** (-2 * pair / dim)"),
    period("return torch.tensor(2 * math.pi) * theta ** (pair / (dim / 2))"),
    angles("return torch.cat([clocks(rest) * tau, clocks(side) * row, clocks(side) * column])"),
    angles(
        "return torch.tensor([p * 10000 ** (-2 * i / n) for p, n in ((tau, rest), (row, side), (column, side))\n"
        "                         for i in range(n // 2)])"
    ),
    index("min(b / stride + i, (e - 1) / stride)"),
    (
        "03.4",
        "def frame_time(num_frames, keyframes, stride):\n    shown = []\n    starts = sorted(set([0] + keyframes))\n"
        "    for frame in range(num_frames):\n        start = max(s for s in starts if s <= frame)\n"
        "        ends = frame + 1 in starts or frame + 1 == num_frames\n"
        "        if (frame - start) % stride == 0 or ends:\n            shown.append(frame / stride)\n"
        "    return shown\n",
    ),
    numbers(PLACES),
    (
        "03.5",
        "def figure_numbers(f, stride):\n    at, keyframes = 0.0, []\n    for latents in f:\n"
        "        keyframes.append(at)\n        at += latents + 1 / stride\n    return keyframes, at\n",
    ),
]

WRONG = [
    (*turned("a * c + b * s", "b * c - a * s"), "the other way"),
    (*turned("a * c + b * s", "a * s + b * c"), "both results have a plus sign"),
    (*turned("a * c - b * s", "a * s - b * c"), "both results have a minus sign"),
    (*turned("a * s + b * c", "a * c - b * s"), "values of each pair have changed places"),
    (*turned("a * s - b * c", "a * c + b * s"), "sine and the cosine have changed places"),
    (*turned("a * c", "b * c"), "products with the sine are missing"),
    (
        *rotate(
            "a, b = x.chunk(2, dim=-1)",
            "return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1)",
        ),
        "halves of the vector",
    ),
    (*turned("a * c - b * s", "a * s + b * c", "torch.cat([u, v], dim=-1)"), "put back in another order"),
    (
        *rotate(
            "x = x.clone()",
            "x[:, 0::2] = x[:, 0::2] * angles.cos() - x[:, 1::2] * angles.sin()",
            "x[:, 1::2] = x[:, 0::2] * angles.sin() + x[:, 1::2] * angles.cos()",
            "return x",
        ),
        "used after it was overwritten",
    ),
    (*rotate("x[:, 0::2] *= 2", "return x"), "changes its input"),
    (*rotate("angles %= 6.283", "return x"), "changes its input"),
    (*turned("a * c - b * s", "a * s + b * c", "u"), "a tensor of that shape"),
    (*turned("a * c - b * s", "a * s + b * c", "torch.stack([u, v], dim=-1)"), "a tensor of that shape"),
    (*rotate("return x"), "nothing has turned"),
    (*rotate("return x.clone()"), "nothing has turned"),
    (
        *rotate("angles = angles * math.pi / 180", *turned("a * c - b * s", "a * s + b * c")[1].split("\n    ")[1:]),
        "radians",
    ),
    (
        *rotate("angles = angles[:, :1].expand_as(angles)", *turned("a*c - b*s", "a*s + b*c")[1].split("\n    ")[1:]),
        "angle",
    ),
    (*rotate("torch.stack([x[:, 0::2] * angles.cos()], dim=-1)"), "`return` missing"),
    (*period("return theta ** (2 * pair / dim)"), "one radian"),
    (*period("return 360 * theta ** (2 * pair / dim)"), "not degrees"),
    (*period("return math.pi * theta ** (2 * pair / dim)"), "half a turn"),
    (*period("return theta ** (-2 * pair / dim) / (2 * math.pi)"), "the other way round"),
    (*period("return 2 * math.pi * theta ** (-2 * pair / dim)"), "turn more slowly|one radian"),
    (*period("return theta ** (-2 * pair / dim)"), "one radian|that is omega"),
    (*period("return 2 * math.pi * theta ** (pair / dim)"), "exponent"),
    (*period("return 2 * math.pi * theta ** (4 * pair / dim)"), "the 2 comes in once"),
    (*period("return 2 * math.pi * theta ** (2 * pair // dim)"), "with /, not //"),
    (*period("return 2 * math.pi * 10000.0 ** (2 * pair / dim)"), "need not be 10,000"),
    (*period("return 2 * math.pi * theta ** (2 * (pair + 1) / dim)"), "counted from 0"),
    (*period("return 2 * math.pi * theta * 2 * pair / dim"), "raised to a power|full turn"),
    (*period("return 1.5"), "a full turn"),
    (*period("return clocks(dim)"), "one finite number"),
    (*period("2 * math.pi * theta ** (2 * pair / dim)"), "`return` missing"),
    (*angles("return torch.cat([tau * clocks(rest), column * clocks(side), row * clocks(side)])"), "changed places"),
    (*angles("return torch.cat([row * clocks(side), column * clocks(side), tau * clocks(rest)])"), "time comes first"),
    (*angles("return torch.cat([int(tau) * clocks(rest), row * clocks(side), column * clocks(side)])"), "whole number"),
    (
        *angles("return torch.cat([round(tau) * clocks(rest), row * clocks(side), column * clocks(side)])"),
        "whole number",
    ),
    (
        *angles(
            "w = clocks(head_dim); return torch.cat([tau * w[:rest // 2], row * w[:side // 2], column * w[:side // 2]])"
        ),
        "its own clocks",
    ),
    (
        *angles(
            "p = [tau] * (rest // 2) + [row] * (side // 2) + [column] * (side // 2)\n"
            "    return torch.tensor(p, dtype=torch.float64) * clocks(head_dim)"
        ),
        "its own clocks",
    ),
    (
        *angles(
            "return torch.cat([tau * clocks(rest), row * clocks(side), column * clocks(side)]).repeat_interleave(2)"
        ),
        "one angle for a pair",
    ),
    (
        *angles("return torch.cat([tau * clocks(rest), 0 * clocks(side), column * clocks(side)])"),
        "height and width have",
    ),
    (
        *angles("return torch.cat([tau * clocks(rest), (row + column) * clocks(side), column * clocks(side)])"),
        "height and",
    ),
    (
        *angles("return torch.cat([(tau + 1) * clocks(rest), row * clocks(side), column * clocks(side)])"),
        "those of time",
    ),
    (
        *angles(
            "return torch.cat([p * clocks(n) * 180 / math.pi for p, n in ((tau, rest), (row, side), (column, side))])"
        ),
        "not degrees",
    ),
    (*angles("return -torch.cat([tau * clocks(rest), row * clocks(side), column * clocks(side)])"), "without a minus"),
    (*angles("return tau * clocks(head_dim)"), "its own clocks|height and width|those of time"),
    (*angles("return [tau * clocks(rest), row * clocks(side), column * clocks(side)]"), "you returned list"),
    (*angles("torch.cat([tau * clocks(rest), row * clocks(side), column * clocks(side)])"), "`return` missing"),
    (
        *angles("return torch.cat([tau * clocks(24), row * clocks(20), column * clocks(20)])"),
        "one angle for a pair, so",
    ),
    (
        "03.4",
        "def frame_time(num_frames, keyframes, stride):\n    borders = sorted({0, *keyframes}) + [num_frames]\n"
        "    return list(range(sum(1 - (-(e - b - 1) // stride) for b, e in zip(borders, borders[1:]))))",
        "counts latents on and on",
    ),
    (*index("i"), "begins at 0 in every chunk"),
    (*index("(b + stride * i) / stride"), "past the chunk's end"),
    (*index("min(b + stride * i, e) / stride"), "the one before its stop"),
    (*index("(b + max(0, stride * (i - 1) + 1)) / stride"), "the first frame each"),
    (*index("min(b + stride * i, e - 1)"), "those are frames"),
    (*index("min(b + stride * i, e - 1) // stride"), "divide with /"),
    (*index("min(b + stride * i, e - 1) / 4"), "stride 4 is written in"),
    (*index(TRUE, n="1 + (e - b - 1) // stride"), "full or not"),
    (*index(TRUE, n="-(-(e - b) // stride)"), "a latent of its own"),
    (*index(TRUE, borders="sorted(keyframes) + [num_frames]"), "begins at frame 0"),
    (*index(TRUE, borders="sorted({0, *keyframes})"), "the last chunk is missing|first chunk"),
    (
        "03.4",
        "def frame_time(num_frames, keyframes, stride):\n    return [frame / stride for frame in range(num_frames)]",
        "not for each frame",
    ),
    ("03.4", "def frame_time(num_frames, keyframes, stride):\n    return num_frames / stride", "a list of numbers"),
    (*index("min(b + stride * i, e - 1) / stride + 0.1"), "which frame does it show last"),
    (*index("[min(b + stride * i, e - 1) / stride]"), "one finite number"),
    (
        "03.4",
        "def frame_time(num_frames, keyframes, stride):\n    keyframes.append(num_frames)\n    return [0.0]",
        "changes its input",
    ),
    (*numbers("[sum(f[:i]) + i for i in range(len(f))]"), "whole latent"),
    (*numbers("[sum(f[:i]) for i in range(len(f))]"), "a keyframe takes time too"),
    (*numbers("[0.0] + [sum(f[:i]) + 1 / stride for i in range(1, len(f))]"), "not only the first"),
    (*numbers("[sum(f[:i]) + i / 4 for i in range(len(f))]"), "a quarter is one frame of four"),
    (*numbers("[sum(f[:i]) + (i + 1) / stride for i in range(len(f))]"), "the first is at 0"),
    (*numbers("[stride * sum(f[:i]) + i for i in range(len(f))]"), "those are frames"),
    (*numbers("[sum(f[: i + 1]) + (i + 1) / stride for i in range(len(f))]"), "those are the ends of the chunks"),
    (*numbers("[0.0] + [f[i - 1] + 1 / stride for i in range(1, len(f))]"), "add up all of them"),
    (*numbers("[sum(f[:i]) + i / stride for i in range(1, len(f))]"), "the first keyframe stands at 0"),
    (*numbers("[sum(f[:i]) + i / stride for i in range(len(f) + 1)]"), "the end is no keyframe"),
    (*numbers(PLACES, "sum(f)"), "the keyframes take time too"),
    (*numbers(PLACES, "sum(f) + (len(f) - 1) / stride"), "ends one frame later"),
    (*numbers(PLACES, "sum(f) + 1"), "which make 1; how many are here"),
    (*numbers(PLACES, "sum(f) + len(f)"), "whole latent"),
    (*numbers(PLACES, "stride * sum(f) + len(f)"), "the number of frames"),
    (*numbers("[0, 5.25, 8.5, 10.75]", "15"), "places for"),
    ("03.5", f"def figure_numbers(f, stride):\n    return {PLACES}", "a list and a number"),
    ("03.5", f"def figure_numbers(f, stride):\n    {PLACES}", "`return` missing"),
]
