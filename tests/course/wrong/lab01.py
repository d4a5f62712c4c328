"""Answers to the exercises of lab 01, as text: other right ones, and wrong ones with the hint that each must get."""

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from smartdirector_lite.course.lab.lab01 import frames_of_latent

NAMES = {"torch": torch, "np": np, "F": F, "frames_of_latent": frames_of_latent, "pairwise": pairwise}


def groups(body: str) -> tuple[str, str]:
    return "01.1", f"def frames_of_latent(index, stride):\n    {body}\n"


def conv(*lines: str) -> tuple[str, str]:
    body = "".join(f"    {line}\n" for line in lines)
    return "01.2", f"def conv_run(run, cache, weight):\n    x = torch.cat([cache, run])\n    t = len(run)\n{body}"


def seen(*lines: str) -> tuple[str, str]:
    return "01.3", "def frames_seen(kernels, strides):\n" + "".join(f"    {line}\n" for line in lines)


def reach(body: str) -> tuple[str, str]:
    return "01.4", f"def reach(frame, stride):\n    latent = -(-frame // stride)\n    {body}\n"


def jump(*lines: str) -> tuple[str, str]:
    return "01.5", "def jump_ratio(steps, frame, window):\n" + "".join(f"    {line}\n" for line in lines)


SUM = "y = sum(weight[k] * x[k : k + t] for k in range(len(weight)))"
BESIDE = "beside = np.concatenate([steps[max(0, i - window) : i], steps[i + 1 : i + 1 + window]])"

RIGHT = [
    groups("return max(0, 1 + stride * (index - 1)), 1 + stride * index"),
    groups("stop = index * stride + 1; return (stop - stride if index else 0), stop"),
    conv(
        "y = torch.zeros_like(run)",
        "for i in range(t):",
        "    for k in range(len(weight)):",
        "        y[i] += weight[k] * x[i + k]",
        "return y, x[-len(cache):]",
    ),
    conv("return torch.tensordot(x.unfold(0, len(weight), 1), weight, dims=1), x[t:]"),
    seen("return 1 + sum((k - 1) * int(np.prod(strides[:i])) for i, k in enumerate(kernels))"),
    seen(
        "n = 1",
        "for k, s in zip(reversed(kernels), reversed(strides)):",
        "    n = (n - 1) * s + k",
        "return n",
    ),
    reach("return latent, frames_of_latent(latent, stride)[0]"),
    reach("return [latent, max(0, latent * stride - stride + 1)]"),
    jump("i = frame - 1", BESIDE, "return steps[i] / np.median(beside)"),
    jump(
        "near = [steps[j] for j in range(len(steps)) if j != frame - 1 and abs(j - frame + 1) <= window]",
        "return steps[frame - 1] / float(np.median(near))",
    ),
]

WRONG = [
    (*groups("return stride * index, stride * (index + 1)"), "had the same size"),
    (*groups("return (0, 1) if index == 0 else (stride * index, stride * index + stride)"), "had the same size"),
    (*groups("return (0, 0) if index == 0 else (1 + stride * (index - 1), stride * index)"), "does not hold any more"),
    (*groups("return (0, 1) if index == 0 else (stride * (index - 1), stride * index)"), "frames off"),
    (*groups("return (0, 1) if index == 0 else (1 + stride * (index - 1), stride * index + 2)"), "holds `stride`"),
    (*groups("return 1 + stride * (index - 1), 1 + stride * index"), "how many frames does it hold"),
    (*groups("return stride * index"), "two numbers"),
    (*groups("return (1, 0) if index == 0 else (1 + stride * index, 1 + stride * (index - 1))"), "stop before first"),
    (*groups("return (0, 1) if index == 0 else (1 + stride * (index - 1), stride)"), "not how many frames"),
    (*groups("return max(0.0, 1.0 + stride * (index - 1)), 1.0 + stride * index"), "whole numbers"),
    (*groups("return (0, 1) if index == 0 else (1 + 4 * (index - 1), 1 + 4 * index)"), "every latent but the first"),
    (*groups("return list(range(max(0, 1 + stride * (index - 1)), 1 + stride * index))"), "two numbers"),
    (*groups("print(max(0, 1 + stride * (index - 1)), 1 + stride * index)"), "`return` missing"),
    (*groups("return 1 / index, 1"), "your code raised ZeroDivisionError"),
    (*conv(SUM, "return y, torch.zeros_like(cache)"), "begins from nothing"),
    (*conv(SUM, "return y, x[: len(weight) - 1]"), "begins from nothing"),
    (*conv(SUM, "return y, x[t - 1 : -1]"), "the oldest or the newest"),
    (*conv(SUM, "return y, run[-(len(weight) - 1) :]"), "always K - 1 long"),
    (*conv("weight = weight.flip(0)", SUM, "return y, x[t:]"), "wrong way round"),
    (*conv("return F.conv1d(run[None, None], weight[None, None])[0, 0], cache"), "each frame gives one"),
    (*conv(SUM, "return y, torch.cat([cache, y])[t:]"), "are they inputs"),
    (*conv(SUM, "return y"), "two tensors"),
    (*conv(SUM, "return x[t:], y"), "changed places"),
    (*conv(SUM, "return y / weight.sum(), x[t:]"), "add up to 1"),
    (*conv("x = torch.cat([run, cache])", SUM, "return y, x[-len(cache):]"), "looks ahead"),
    (*conv(SUM, "run *= 0", "return y, x[t:]"), "changes its input"),
    (*conv("y = F.conv1d(x[None, None], weight[None, None])[0, 0]", "return y, x[t:]"), "raised RuntimeError"),
    (
        *conv("y = [sum(weight[k] * x[i + k] for k in range(len(weight))) for i in range(t)]", "return y, x[t:]"),
        "two tens",
    ),
    (*conv("while True:", "    pass"), "a loop that never ends"),
    (
        *seen("return sum((k - 1) * int(np.prod(strides[:i])) for i, k in enumerate(kernels))"),
        "newest frame, which is seen too",
    ),
    (*seen("return 1 + sum(k - 1 for k in kernels)"), "two frames wide"),
    (
        *seen("n = 1", "for k, s in zip(kernels, strides):", "    n += (k - 1) * s", "return n"),
        "its own does not count yet",
    ),
    (
        *seen(
            "n, step = 1, 1",
            "for k, s in zip(kernels, strides):",
            "    step *= s",
            "    n += (k - 1) * step",
            "return n",
        ),
        "before its own stride",
    ),
    (*seen("return sum(kernels)"), "share frames"),
    (*seen("return int(np.prod(kernels))"), "share frames"),
    (*seen("return 100"), "the same for all stacks"),
    (*seen("return 5"), "the same for all stacks"),
    (*seen("n = 1", "for k, s in zip(kernels, strides):", "    n = (n - 1) * s + k", "return n"), "begin at the input"),
    (
        *seen("n = step = 1", "for k, s in zip(kernels, strides):", "    n += k * step; step *= s", "return n"),
        "k - 1 steps",
    ),
    (
        *seen("return 1 + sum((k - 1) * (sum(strides[:i]) or 1) for i, k in enumerate(kernels))"),
        "strides of several layers multiply",
    ),
    (
        *seen("n = step = 1", "for k, s in zip(kernels, strides):", "    n += (k - 1) * step; step *= s"),
        "`return` missing",
    ),
    (*seen("strides.pop()", "return 1 + sum(k - 1 for k in kernels)"), "changes its input strides"),
    (*seen("return len(kernels)", ""), "follow one output back"),
    (*reach("return latent + 1, frames_of_latent(latent, stride)[0]"), "holds the frame, and this latent changes"),
    (*reach("return frame // stride, frames_of_latent(latent, stride)[0]"), "multiples of s"),
    (*reach("return 0, frames_of_latent(latent, stride)[0]"), "encoder is causal"),
    (*reach("return frame, frames_of_latent(latent, stride)[0]"), "a number of frames"),
    (*reach("return latent, frame"), "change together"),
    (*reach("return latent, stride * latent"), "is the last frame of the latent"),
    (*reach("return latent, 0"), "decoder is causal"),
    (*reach("return latent, max(0, stride * (latent - 1))"), "still belongs to the latent before"),
    (*reach("return frames_of_latent(latent, stride)[0], latent"), "changed places"),
    (*reach("return 3, 9"), "how many cells are white|groups began"),
    (*reach("return latent"), "two whole numbers"),
    (*reach("return latent, frames_of_latent(latent, stride)[1]"), "where does the white end"),
    (*reach("return latent, frames_of_latent(latent, 4)[0]"), "where does the white end"),
    (*reach("return frame / stride, frames_of_latent(latent, stride)[0]"), "two whole numbers"),
    (*jump("i = frame - 1", BESIDE, "return steps[i] / np.mean(beside)"), "take the median"),
    (
        *jump("i = frame - 1", "return steps[i] / np.median(steps[max(0, i - window) : i + 1 + window])"),
        "the jump itself",
    ),
    (*jump("i = frame - 1", "return steps[i] / np.median(np.delete(steps, i))"), "within the window"),
    (*jump("i = frame - 1", BESIDE, "return np.median(beside) / steps[i]"), "upside down"),
    (*jump("i = frame", BESIDE, "return steps[i] / np.median(beside)"), r"steps\[i\] leads from"),
    (*jump("return steps[frame - 1] / np.median(steps[frame : frame + window])"), "only the steps after"),
    (*jump("i = frame - 1", "return steps[i] / np.median(steps[max(0, i - window) : i])"), "only the steps before"),
    (*jump("return steps"), "one finite number"),
    (*jump("i = frame - 1", BESIDE, "return steps[i] - np.median(beside)"), "a ratio divides"),
    (
        *jump(
            "i = frame - 1",
            "beside = np.concatenate([steps[i - window : i], steps[i + 1 : i + 1 + window]])",
            "return steps[i] / np.median(beside)",
        ),
        "only the steps after|fewer at the video's ends",
    ),
    (*jump("i = frame - 1", BESIDE, "steps.sort()", "return steps[i] / np.median(beside)"), "changes its input"),
    (*jump("i = frame - 1", BESIDE, "print(steps[i] / np.median(beside))"), "`return` missing"),
    (*jump("return 4.0"), "beside the jump are wrong"),
    (*jump("i = frame - 1", "return float('nan')"), "one finite number"),
]
