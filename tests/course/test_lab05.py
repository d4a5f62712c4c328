"""Lab 05: the notebook's own answers pass, the stubs are told so, and typical mistakes get the hint that fits."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from smartdirector_lite.course.lab import lab05

SOURCE = Path(__file__).resolve().parents[2] / "notebooks" / "05_director_sr.py"
SOLUTION = re.compile(r"( *)### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL)
NAMES = ["half_size", "start_of_flow", "euler", "keyframe_distance"]


def function_of(name: str, stub: bool = False):
    """A function of the notebook: with the committed answer, or with what stands in its place in the lab."""
    cells = re.split(r"^# %%.*\n", SOURCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (cell,) = [cell for cell in cells if f"def {name}(" in cell and SOLUTION.search(cell)]
    text = SOLUTION.sub(r"\1raise NotImplementedError", cell) if stub else cell
    space: dict = {"torch": torch}
    exec(text.partition("\nlab.")[0], space)
    return space[name]


def told(capsys, name: str, answer) -> str:
    """What the check of `name` prints for an answer that is wrong."""
    assert not getattr(lab05, f"check_{name}")(answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_answer_passes_and_the_stub_does_not(capsys, name):
    assert getattr(lab05, f"check_{name}")(function_of(name))
    assert "not filled in yet" in told(capsys, name, function_of(name, stub=True))
    assert f"check_{name}" in lab05.__all__


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x: x[..., ::2, ::2], "every second pixel"),
        (lambda x: 4 * F.avg_pool2d(x, 2), "added up"),
        (lambda x: (x[..., ::2, :] + x[..., 1::2, :])[..., ::2] / 2, "one axis alone"),
        (lambda x: x[::2], "time"),
        (lambda x: F.avg_pool2d(x, (2, 1)), "height and width"),
        (lambda x: F.max_pool2d(x, 2), "mean of the 2 x 2"),
        (lambda x: x.numpy(), "tensor"),
    ],
)
def test_half_size(capsys, answer, hint):
    assert hint in told(capsys, "half_size", answer)


def chosen(anchors, a, b):
    return torch.where(anchors[:, None, :, None, None], a, b)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda lr, hr, a: chosen(a, hr, lr), "two tensors"),
        (lambda lr, hr, a: (chosen(a, lr, hr), (~a).float()), "wrong way round"),
        (lambda lr, hr, a: (lr, (~a).float()), "keyframes are not in"),
        (lambda lr, hr, a: (chosen(a, hr, lr), a.float()), "t = 1 is LR"),
        (lambda lr, hr, a: (chosen(a, hr, lr), torch.ones(a.shape)), "clean from the start"),
        (lambda lr, hr, a: (chosen(a, hr, lr), torch.ones(len(a))), "(B, F)"),
        (lambda lr, hr, a: (chosen(a, hr, lr), 0.5 * (~a)), "starts at LR"),
        (lambda lr, hr, a: (chosen(a, 0.5 * (lr + hr), lr), (~a).float()), "untouched"),
        (lambda lr, hr, a: (torch.where(a[:1, :1], hr, lr)[:, :1], (~a).float()), "shape"),
    ],
)
def test_start_of_flow(capsys, answer, hint):
    assert hint in told(capsys, "start_of_flow", answer)


def run(at=lambda k, n: 1 - k / n, sign=-1.0, size=lambda n: 1 / n, calls=lambda n: n):
    """An Euler integrator with what can be wrong in it."""

    def euler(velocity, z_lr, steps):
        x = z_lr
        for k in range(calls(steps)):
            x = x + sign * size(steps) * velocity(x, at(k, steps))
        return x

    return euler


def at_the_old_place(velocity, z_lr, steps):
    x = z_lr
    for k in range(steps):
        x = x - velocity(z_lr, 1 - k / steps) / steps
    return x


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (run(sign=1.0), "wrong way"),
        (run(at=lambda k, n: 1 - (k + 1) / n), "where the step begins"),
        (run(at=lambda k, n: k / n), "LR, t = 1, to HR"),
        (run(at=lambda k, n: 1 - k / max(n - 1, 1)), "none at 0"),
        (run(size=lambda n: 1.0), "how long"),
        (run(calls=lambda n: n + 1), "once a step"),
        (at_the_old_place, "the last one came to"),
    ],
)
def test_euler(capsys, answer, hint):
    assert hint in told(capsys, "euler", answer)


def looks_back(num_frames, keyframes):
    keys = sorted(keyframes)
    return [min((f - k for k in keys if k <= f), default=keys[0] - f) for f in range(num_frames)]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (looks_back, "may also come later"),
        (lambda n, keys: [f - keys[0] for f in range(n)], "no sign"),
        (lambda n, keys: [abs(f - keys[0]) for f in range(n)], "first one given"),
        (lambda n, keys: [max(abs(f - k) for k in keys) for f in range(n)], "farthest"),
        (lambda n, keys: [min(abs(f - k) for k in keys) for f in range(n + 1)], "One number for each frame"),
        (lambda n, keys: [min(abs(f - k) for k in keys) + 1 for f in range(n)], "which is least"),
    ],
)
def test_keyframe_distance(capsys, answer, hint):
    assert hint in told(capsys, "keyframe_distance", answer)
