"""Lab 04: the committed answers pass, the stubs are told so, and typical wrong answers get the hint that fits."""

import importlib.util
import itertools
import re
from pathlib import Path

import pytest
import torch

from smartdirector_lite.course.lab import lab04

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SPEC = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCES = {  # check -> the cell of its exercise
    re.search(r"lab\.(check_\w+)", cell.source)[1]: cell.source
    for cell in build.read_source(NOTEBOOKS / "04_director_gen.py").cells
    if build.BEGIN in cell.source
}


def outcome(capsys, check, answer) -> str:
    """The line that a check prints."""
    check(answer)
    return capsys.readouterr().out


def run_cell(capsys, source: str) -> str:
    exec(source, {"lab": lab04, "torch": torch, "itertools": itertools})
    return capsys.readouterr().out


def test_there_is_a_check_for_every_exercise():
    assert set(SOURCES) == set(lab04.__all__)


@pytest.mark.parametrize("check", lab04.__all__)
def test_committed_answer_passes_and_stub_does_not(capsys, check):
    assert "passed" in run_cell(capsys, SOURCES[check])
    stub = build.strip_solutions(SOURCES[check])
    assert build.BEGIN not in stub
    assert "not filled in yet" in run_cell(capsys, stub)


# -- 04.1 --------------------------------------------------------------------------------------------------------------


def wide(t, x):
    return t.view(-1, *[1] * (x.ndim - 1))


def last_axis(x_0, x_1, t):
    """As t broadcasts by itself, where it can."""
    if t.shape[0] not in (1, x_0.shape[-1]):
        return (1 - wide(t, x_0)) * x_0 + wide(t, x_0) * x_1, x_1 - x_0
    return (1 - t) * x_0 + t * x_1, x_1 - x_0


def right_path(x_0, x_1, t):
    return (1 - wide(t, x_0)) * x_0 + wide(t, x_0) * x_1


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda a, b, t: (wide(t, a) * a + (1 - wide(t, a)) * b, b - a), "changed places"),
        (lambda a, b, t: ((1 - wide(t, a)).sqrt() * a + wide(t, a).sqrt() * b, b - a), "square roots"),
        (last_axis, "the last axis"),
        (lambda a, b, t: (right_path(a, b, t), a - b), "from the noise to the data"),
        (lambda a, b, t: (right_path(a, b, t), b - right_path(a, b, t)), "a part of the way"),
        (lambda a, b, t: right_path(a, b, t), "two things"),
        (lambda a, b, t: (a + b, b - a), "a share of 1 - t"),
        (lambda a, b, t: ((1 - t) * a + t * b, b - a), "raised"),
    ],
)
def test_straight_path(capsys, wrong, hint):
    assert hint in outcome(capsys, lab04.check_straight_path, wrong)


# -- 04.2 --------------------------------------------------------------------------------------------------------------


def walk(velocity, x, times, step=lambda times, k: times[k + 1] - times[k], at=0, count=0):
    for k in range(len(times) - 1 - count):
        x = x + step(times, k) * velocity(x, times[k + at])
    return x


def in_place(velocity, x, times):
    for now, then in itertools.pairwise(times):
        x += (then - now) * velocity(x, now)
    return x


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda v, x, ts: walk(v, x, ts, lambda times, k: times[k] - times[k + 1]), "the wrong way"),
        (lambda v, x, ts: walk(v, x, ts, lambda times, k: -1 / (len(times) - 1)), "different lengths"),
        (lambda v, x, ts: walk(v, x, ts, count=1) if len(ts) > 2 else walk(v, x, ts), "the last step is missing"),
        (lambda v, x, ts: x, "not moved"),
        (in_place, "changes the noise"),
        (lambda v, x, ts: [x, walk(v, x, ts)], "the last x"),
        (lambda v, x, ts: walk(v, x, ts) + 1, "x at the next time"),
    ],
)
def test_euler_path(capsys, wrong, hint):
    assert hint in outcome(capsys, lab04.check_euler_path, wrong)


# -- 04.3 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda t, a: a * t, "divided by"),
        (lambda t, a: t, "as it went in"),
        (lambda t, a: t / (a - (a - 1) * t), "the other way"),
        (lambda t, a: a * t / (1 + a * t), "pure noise"),
        (lambda t, a: a * t / 1 + (a - 1) * t, "divided by"),
        (lambda t, a: t**a, "brackets"),
    ],
)
def test_shift_time(capsys, wrong, hint):
    assert hint in outcome(capsys, lab04.check_shift_time, wrong)


# -- 04.4 --------------------------------------------------------------------------------------------------------------


def place(noise, encoded, anchors, t, mask=None, times=None):
    mask = anchors.view(1, 1, -1, 1, 1) if mask is None else mask
    times = torch.where(anchors, 0.0, 1000 * t).expand(len(noise), -1) if times is None else times
    return torch.where(mask, encoded, noise), times


def by_width(noise, encoded, anchors, t):
    return place(noise, encoded, anchors, t, mask=anchors if noise.shape[-1] == len(anchors) else None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n, e, a, t: place(e, n, a, t), "the wrong ones are noise"),
        (by_width, "the last axis"),
        (lambda n, e, a, t: (n, place(n, e, a, t)[1]), "no anchor"),
        (lambda n, e, a, t: place(n, (1 - t) * e + t * n + 0.1 * e, a, t), "no noise with it"),
        (lambda n, e, a, t: (n + e, place(n, e, a, t)[1]), "wholly"),
        (lambda n, e, a, t: place(n, e, a, t)[0], "two things"),
        (lambda n, e, a, t: place(n, e, a, t, times=torch.where(a, 0.0, t).expand(len(n), -1)), "0 to 1000"),
        (lambda n, e, a, t: place(n, e, a, t, times=torch.full((len(n), len(a)), 1000.0 * t)), "must say so"),
        (lambda n, e, a, t: place(n, e, a, t, times=torch.where(a, 1000 * t, 0.0).expand(len(n), -1)), "are noisy"),
        (lambda n, e, a, t: place(n, e, a, t, times=torch.where(a, 0.0, 1000 * t)), "one row in all"),
        (lambda n, e, a, t: place(n, e, a, t, times=torch.full((len(n),), 1000 * t)), "one for each latent frame"),
    ],
)
def test_place_anchors(capsys, wrong, hint):
    assert hint in outcome(capsys, lab04.check_place_anchors, wrong)


# -- 04.5 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda c, u, g: c + g * (c - u), "where does the arrow start"),
        (lambda c, u, g: c + g * (u - c), "changed places"),
        (lambda c, u, g: u + g * (u - c), "the wrong way round"),
        (lambda c, u, g: g * c if g != 1 else c, "unconditional one is missing"),
        (lambda c, u, g: g * (c - u), "difference alone"),
    ],
)
def test_guide(capsys, wrong, hint):
    assert hint in outcome(capsys, lab04.check_guide, wrong)
