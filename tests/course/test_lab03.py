"""Lab 03: the committed answers pass, the stubs are told so, and typical wrong answers get the hint that fits."""

import importlib.util
import itertools
import math
import re
from pathlib import Path

import pytest
import torch

from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course.lab import lab03

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SPEC = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCES = {  # check -> the cell of its exercise
    re.search(r"lab\.(check_\w+)", cell.source)[1]: cell.source
    for cell in build.read_source(NOTEBOOKS / "03_mc_rope.py").cells
    if build.BEGIN in cell.source
}


def clocks(dim, theta=10000.0):
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


PLAN = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
NAMES = {"torch": torch, "math": math, "itertools": itertools, "clocks": clocks, "plan": PLAN}


def outcome(capsys, check, answer) -> str:
    """The line that a check prints."""
    check(answer)
    return capsys.readouterr().out


def run_cell(capsys, source: str) -> str:
    exec(source, {"lab": lab03, **NAMES})
    return capsys.readouterr().out


def test_there_is_a_check_for_every_exercise():
    assert set(SOURCES) == set(lab03.__all__)


@pytest.mark.parametrize("check", lab03.__all__)
def test_committed_answer_passes_and_stub_does_not(capsys, check):
    assert "passed" in run_cell(capsys, SOURCES[check])
    stub = build.strip_solutions(SOURCES[check])
    assert build.BEGIN not in stub
    assert "not filled in yet" in run_cell(capsys, stub)


# -- 03.1 --------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (other_way, "the other way"),
        (by_halves, "halves of the vector"),
        (not_put_back, "another order"),
        (overwritten, "length of a vector has changed"),
        (in_place, "changes x itself"),
        (lambda x, angles: x[:, 0::2] * angles.cos(), "a tensor of that shape"),
        (lambda x, angles: x, "apply_rotary_emb"),
    ],
)
def test_rotate(capsys, wrong, hint):
    assert hint in outcome(capsys, lab03.check_rotate, wrong)


# -- 03.2 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda i, d, theta: theta ** (2 * i / d), "one radian"),
        (lambda i, d, theta: 360 * theta ** (2 * i / d), "not degrees"),
        (lambda i, d, theta: theta ** (-2 * i / d) / (2 * math.pi), "the other way round"),
        (lambda i, d, theta: 2 * math.pi * theta ** (-2 * i / d), "turn more slowly"),
        (lambda i, d, theta: 2 * math.pi * theta ** (i / d), "exponent"),
        (lambda i, d, theta: 1.5, "a full turn"),
    ],
)
def test_turning_period(capsys, wrong, hint):
    assert hint in outcome(capsys, lab03.check_turning_period, wrong)


# -- 03.3 --------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda t, y, x, d: angles(t, x, y, d), "changed places"),
        (lambda t, y, x, d: angles(t, y, x, d, order=(1, 2, 0)), "time comes first"),
        (lambda t, y, x, d: angles(int(t), y, x, d), "whole number"),
        (lambda t, y, x, d: angles(t, y, x, d, own=False), "clocks of its own"),
        (cut_up, "clocks of its own"),
        (lambda t, y, x, d: angles(t, y, x, d).repeat_interleave(2), "one angle for a pair"),
        (lambda t, y, x, d: angles(t, 0, x, d), "height and width have"),
        (lambda t, y, x, d: angles(t + 1, y, x, d), "those of time"),
    ],
)
def test_token_angles(capsys, wrong, hint):
    assert hint in outcome(capsys, lab03.check_token_angles, wrong)


# -- 03.4 --------------------------------------------------------------------------------------------------------------


def index(num_frames, keyframes, stride, last=lambda start, stop, i, s: min(start + s * i, stop - 1) / s, zero=True):
    borders = sorted({0, *keyframes} if zero else set(keyframes)) + [num_frames]
    tau = []
    for start, stop in itertools.pairwise(borders):
        tau += [last(start, stop, i, stride) for i in range(1 + -(-(stop - start - 1) // stride))]
    return tau


def floored(num_frames, keyframes, stride):
    borders = sorted({0, *keyframes}) + [num_frames]
    return [i for start, stop in itertools.pairwise(borders) for i in range(1 + (stop - start - 1) // stride)]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n, k, s: list(range(len(index(n, k, s)))), "counts latents on and on"),
        (lambda n, k, s: index(n, k, s, lambda b, e, i, s: i), "begins at 0 in every chunk"),
        (lambda n, k, s: index(n, k, s, lambda b, e, i, s: (b + s * i) / s), "past its end"),
        (lambda n, k, s: index(n, k, s, lambda b, e, i, s: min(b + s * i, e) / s), "the one before its stop"),
        (lambda n, k, s: index(n, k, s, lambda b, e, i, s: (b + max(0, s * i - s + 1)) / s), "the first frame each"),
        (lambda n, k, s: index(n, k, s, lambda b, e, i, s: min(b + s * i, e - 1)), "those are frames"),
        (lambda n, k, s: index(n, k, s, lambda b, e, i, s: min(b + s * i, e - 1) // s), "divide with /"),
        (lambda n, k, s: [frame / s for frame in range(n)], "not for each frame"),
        (lambda n, k, s: index(n, k, s, zero=False), "begins at frame 0"),
        (floored, "has a latent too"),
        (lambda n, k, s: 3.0, "a list of numbers"),
        (lambda n, k, s: [v + 0.1 for v in index(n, k, s)], "which frame does it show last"),
    ],
)
def test_frame_time(capsys, wrong, hint):
    assert hint in outcome(capsys, lab03.check_frame_time, wrong)


# -- 03.5 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [(1, "one step of tau"), (0.25, "another scheme"), (-12, "goes forwards"), (13, "print tau"), ("4", "raised")],
)
def test_believed_gap(capsys, wrong, hint):
    assert hint in outcome(capsys, lab03.check_believed_gap, wrong)
