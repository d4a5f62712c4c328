"""Lab 06: the notebook's own answers pass, the stubs are told so, and typical mistakes get the hint that fits."""

import math
import re
from pathlib import Path

import pytest
import torch

from smartdirector_lite.course.lab import lab06

SOURCE = Path(__file__).resolve().parents[2] / "notebooks" / "06_train_your_own.py"
SOLUTION = re.compile(r"( *)### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL)
NAMES = ["noisy_latents", "masked_loss", "loss_by_time", "when_to_stop", "merge_lora"]


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
    assert not getattr(lab06, f"check_{name}")(answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_answer_passes_and_the_stub_does_not(capsys, name):
    assert getattr(lab06, f"check_{name}")(function_of(name))
    assert "not filled in yet" in told(capsys, name, function_of(name, stub=True))
    assert f"check_{name}" in lab06.__all__


def mixed(x_0, x_1, at):
    return (1 - at) * x_0 + at * x_1


def spread(times):
    return times[:, None, :, None, None]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x_0, x_1, t, a: mixed(x_0, x_1, spread(t[:, None] * ~a)), "two tensors"),
        (lambda x_0, x_1, t, a: (mixed(x_0, x_1, spread(t[:, None] * ~a)), t), "(B, F)"),
        (
            lambda x_0, x_1, t, a: (mixed(x_0, x_1, spread(t[:, None].expand(a.shape))), t[:, None].expand(a.shape)),
            "clean",
        ),
        (lambda x_0, x_1, t, a: (x_0, 0.5 * t[:, None] * ~a), "unchanged"),
        (lambda x_0, x_1, t, a: (mixed(x_1, x_0, spread(t[:, None] * ~a)), t[:, None] * ~a), "swapped"),
        (lambda x_0, x_1, t, a: (mixed(x_0, x_1, t.view(-1, 1, 1, 1, 1)), t[:, None] * ~a), "anchors are noisy"),
        (lambda x_0, x_1, t, a: (x_0 + spread(t[:, None] * ~a) * x_1, t[:, None] * ~a), "add up to 1"),
        (lambda x_0, x_1, t, a: (x_0[:, :, :1], t[:, None] * ~a), "shape of x_0"),
    ],
)
def test_noisy_latents(capsys, answer, hint):
    assert hint in told(capsys, "noisy_latents", answer)


def errors(v, x_0, x_1):
    return (v - (x_1 - x_0)).square().mean(dim=(1, 3, 4))


def per_clip(v, x_0, x_1, anchors):
    error, free = errors(v, x_0, x_1), (~anchors).float()
    return ((error * free).sum(dim=1) / free.sum(dim=1)).mean()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda v, x_0, x_1, a: errors(v, x_0, x_1), "one number"),
        (lambda v, x_0, x_1, a: errors(v, x_0, x_1).mean(), "anchors count as well"),
        (lambda v, x_0, x_1, a: (errors(v, x_0, x_1) * ~a).mean(), "still counted"),
        (lambda v, x_0, x_1, a: errors(v, x_1, x_0)[~a].mean(), "sign"),
        (lambda v, x_0, x_1, a: errors(v, x_0, x_1)[a].mean(), "turn the mask round"),
        (per_clip, "weigh the same"),
        (lambda v, x_0, x_1, a: errors(v, x_0, x_1)[~a].sum(), "divisor"),
        (lambda v, x_0, x_1, a: errors(v, x_0, x_1)[~a].mean(), "nothing is asked"),
    ],
)
def test_masked_loss(capsys, answer, hint):
    assert hint in told(capsys, "masked_loss", answer)


def binned(losses, times, bins, place=None, reduce=torch.mean, empty=math.nan):
    place = (times * bins).long().clamp(max=bins - 1) if place is None else place
    return torch.stack([reduce(losses[place == k]) if (place == k).any() else torch.tensor(empty) for k in range(bins)])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, t, n: binned(x, t, n, reduce=torch.sum), "sum"),
        (lambda x, t, n: binned(x, t, n, place=((t * n).ceil().long() - 1).clamp(min=0)), "begins there"),
        (lambda x, t, n: binned(x, t, n, place=(t * n).long()), "last bin"),
        (lambda x, t, n: binned(x, t, n, empty=0.0), "not a loss"),
        (lambda x, t, n: binned(x, t, n).mean(), "one number a bin"),
        (lambda x, t, n: binned(x, t, 4) if n == 10 and len(x) == 1 else binned(x, t, n).flip(0), "the means are"),
    ],
)
def test_loss_by_time(capsys, answer, hint):
    assert hint in told(capsys, "loss_by_time", answer)


def where_it_stops(losses, patience):
    best = 0
    for index, loss in enumerate(losses):
        if loss < losses[best]:
            best = index
        if index - best == patience:
            return index
    return best


def counts_all(losses, patience):
    best = worse = 0
    for index, loss in enumerate(losses[1:], 1):
        best, worse = (index, worse) if loss < losses[best] else (best, worse + 1)
        if worse == patience:
            break
    return best


def equal_is_better(losses, patience):
    best = 0
    for index, loss in enumerate(losses):
        if loss <= losses[best]:
            best = index
        if index - best == patience:
            break
    return best


def forgets_the_end(losses, patience):
    best = 0
    for index, loss in enumerate(losses):
        if loss < losses[best]:
            best = index
        if index - best == patience:
            return best
    return None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda losses, patience: losses.index(min(losses)), "least loss of all"),
        (lambda losses, patience: min(losses), "index"),
        (where_it_stops, "older"),
        (counts_all, "anew"),
        (equal_is_better, "no improvement"),
        (forgets_the_end, "can end before"),
        (lambda losses, patience: 0, "one by one"),
    ],
)
def test_when_to_stop(capsys, answer, hint):
    assert hint in told(capsys, "when_to_stop", answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda w, a, b, alpha: alpha / len(a) * b @ a, "missing"),
        (lambda w, a, b, alpha: w + alpha * b @ a, "larger rank"),
        (lambda w, a, b, alpha: w + b @ a, "scale"),
        (lambda w, a, b, alpha: w - alpha / len(a) * b @ a, "added"),
        (lambda w, a, b, alpha: w + alpha / len(b) * b @ a, "input vector"),
        (lambda w, a, b, alpha: w.add_(alpha / len(a) * b @ a), "has changed"),
        (lambda w, a, b, alpha: (w + alpha / len(a) * b @ a).T[:, :1], "(out, in)"),
        (lambda w, a, b, alpha: w + alpha / len(a) * a @ b, "RuntimeError"),
    ],
)
def test_merge_lora(capsys, answer, hint):
    assert hint in told(capsys, "merge_lora", answer)
