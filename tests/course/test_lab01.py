"""Lab 01: the committed answers pass, the stubs are told so, and typical wrong answers get the hint that fits."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from smartdirector_lite.course.lab import lab01

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SPEC = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCES = {  # check -> the cell of its exercise
    re.search(r"lab\.(check_\w+)", cell.source)[1]: cell.source
    for cell in build.read_source(NOTEBOOKS / "01_causal_vae.py").cells
    if build.BEGIN in cell.source
}


def outcome(capsys, check, *answers) -> str:
    """The line that a check prints."""
    check(*answers)
    return capsys.readouterr().out


def run_cell(capsys, source: str) -> str:
    exec(source, {"lab": lab01, "torch": torch, "np": np, "F": F})
    return capsys.readouterr().out


def test_there_is_a_check_for_every_exercise():
    assert set(SOURCES) == set(lab01.__all__)


@pytest.mark.parametrize("check", lab01.__all__)
def test_committed_answer_passes_and_stub_does_not(capsys, check):
    assert "passed" in run_cell(capsys, SOURCES[check])
    stub = build.strip_solutions(SOURCES[check])
    assert build.BEGIN not in stub
    assert "not filled in yet" in run_cell(capsys, stub)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda i, s: (s * i, s * (i + 1)), "all have the same size"),
        (lambda i, s: (0, 0) if i == 0 else (1 + s * (i - 1), s * i), "not in it any more"),
        (lambda i, s: (0, 1) if i == 0 else (s * i, s * i + s), "all have the same size"),
        (lambda i, s: (0, 1) if i == 0 else (s * (i - 1), s * i), "frames off"),
        (lambda i, s: (0, 1) if i == 0 else (1 + s * (i - 1), s * i + 2), "holds `stride`"),
        (lambda i, s: (1 + s * (i - 1), 1 + s * i), "how many frames does it hold"),
        (lambda i, s: s * i, "two numbers"),
    ],
)
def test_frames_of_latent(capsys, wrong, hint):
    assert hint in outcome(capsys, lab01.check_frames_of_latent, wrong)


def convolve(x, weight):
    return F.conv1d(x[None, None], weight[None, None])[0, 0]


def forgets(run, cache, weight):
    return convolve(torch.cat([cache, run]), weight), torch.zeros(len(weight) - 1)


def keeps_the_oldest(run, cache, weight):
    x = torch.cat([cache, run])
    return convolve(x, weight), x[: len(weight) - 1]


def keeps_one_frame_too_early(run, cache, weight):
    x = torch.cat([cache, run])
    return convolve(x, weight), x[len(run) - 1 : -1]


def takes_the_run_alone(run, cache, weight):
    return convolve(torch.cat([cache, run]), weight), run[-(len(weight) - 1) :]


def flips(run, cache, weight):
    x = torch.cat([cache, run])
    return convolve(x, weight.flip(0)), x[len(run) :]


def ignores_the_past(run, cache, weight):
    return convolve(run, weight), cache


def keeps_the_outputs(run, cache, weight):
    y = convolve(torch.cat([cache, run]), weight)
    return y, torch.cat([cache, y])[len(run) :]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (forgets, "begins from nothing"),
        (keeps_the_oldest, "begins from nothing"),
        (keeps_one_frame_too_early, "the oldest or the newest"),
        (takes_the_run_alone, "always K - 1 long"),
        (flips, "wrong way round"),
        (ignores_the_past, "each frame gives one"),
        (keeps_the_outputs, "where a run begins"),
        (lambda run, cache, weight: run, "two tensors"),
    ],
)
def test_conv_run(capsys, wrong, hint):
    assert hint in outcome(capsys, lab01.check_conv_run, wrong)


def by_running_products(kernels, strides, own_stride):
    seen, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        step *= stride if own_stride else 1
        seen += (kernel - 1) * step
        step *= 1 if own_stride else stride
    return seen


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda k, s: by_running_products(k, s, own_stride=False) - 1, "newest frame is seen too"),
        (lambda k, s: 1 + sum(x - 1 for x in k), "two frames wide"),
        (lambda k, s: by_running_products(k, s, own_stride=True), "before its own stride"),
        (lambda k, s: sum(k), "share frames"),
        (lambda k, s: int(np.prod(k)), "share frames"),
        (lambda k, s: 100, "follow one output back"),
    ],
)
def test_frames_seen(capsys, wrong, hint):
    assert hint in outcome(capsys, lab01.check_frames_seen, wrong)


def test_frames_seen_goes_back_as_the_formula_goes_forward():
    for kernels, strides in (([3], [1]), ([3, 3, 5], [2, 2, 1]), ([1, 4, 2], [1, 3, 2])):
        assert lab01._frames_seen(kernels, strides) == by_running_products(kernels, strides, own_stride=False)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ((4, 9), "counted from 0"),
        ((2, 9), "multiples of 4"),
        ((0, 9), "how many cells are white"),
        ((3, 12), "last frame of the latent"),
        ((3, 0), "causal too"),
        ((3, 10), "where does the white end"),
        ((3, None), "not filled in yet"),
    ],
)
def test_reach(capsys, wrong, hint):
    assert hint in outcome(capsys, lab01.check_reach, *wrong)


def ratio(steps, frame, window, middle=np.median, into=None, keep=False, invert=False, everywhere=False):
    into = frame - 1 if into is None else into
    low, high = max(0, into - window), into + 1 + window
    beside = steps[low:high] if keep else np.concatenate([steps[low:into], steps[into + 1 : high]])
    beside = np.delete(steps, into) if everywhere else beside
    return middle(beside) / steps[into] if invert else steps[into] / middle(beside)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda s, f, w: ratio(s, f, w, middle=np.mean), "take the median"),
        (lambda s, f, w: ratio(s, f, w, keep=True), "not one of the steps beside"),
        (lambda s, f, w: ratio(s, f, w, everywhere=True), "within the window"),
        (lambda s, f, w: ratio(s, f, w, invert=True), "upside down"),
        (lambda s, f, w: ratio(s, f, w, into=f), "steps[i] leads from"),
        (lambda s, f, w: s[f - 1] / np.median(s[f : f + w]), "on each side"),
        (lambda s, f, w: s, "one finite number"),
    ],
)
def test_jump_ratio(capsys, wrong, hint):
    assert hint in outcome(capsys, lab01.check_jump_ratio, wrong)
