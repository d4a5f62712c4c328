"""Wrong answers to the exercises of lab 01, and a part of the hint that each must get."""

import numpy as np
import torch
from torch.nn import functional as F

# What the cells of the exercises take from cells before them.
NAMES = {"torch": torch, "np": np, "F": F}


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


def by_running_products(kernels, strides, own_stride):
    seen, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        step *= stride if own_stride else 1
        seen += (kernel - 1) * step
        step *= 1 if own_stride else stride
    return seen


def ratio(steps, frame, window, middle=np.median, into=None, keep=False, invert=False, everywhere=False):
    into = frame - 1 if into is None else into
    low, high = max(0, into - window), into + 1 + window
    beside = steps[low:high] if keep else np.concatenate([steps[low:into], steps[into + 1 : high]])
    beside = np.delete(steps, into) if everywhere else beside
    return middle(beside) / steps[into] if invert else steps[into] / middle(beside)


# By check: a part of the hint, and the answer or answers.
WRONG = {
    "check_frames_of_latent": [
        ("had the same size", lambda i, s: (s * i, s * (i + 1))),
        ("does not hold any more", lambda i, s: (0, 0) if i == 0 else (1 + s * (i - 1), s * i)),
        ("had the same size", lambda i, s: (0, 1) if i == 0 else (s * i, s * i + s)),
        ("frames off", lambda i, s: (0, 1) if i == 0 else (s * (i - 1), s * i)),
        ("holds `stride`", lambda i, s: (0, 1) if i == 0 else (1 + s * (i - 1), s * i + 2)),
        ("how many frames does it hold", lambda i, s: (1 + s * (i - 1), 1 + s * i)),
        ("two numbers", lambda i, s: s * i),
    ],
    "check_conv_run": [
        ("begins from nothing", forgets),
        ("begins from nothing", keeps_the_oldest),
        ("the oldest or the newest", keeps_one_frame_too_early),
        ("always K - 1 long", takes_the_run_alone),
        ("wrong way round", flips),
        ("each frame gives one", ignores_the_past),
        ("where a run begins", keeps_the_outputs),
        ("two tensors", lambda run, cache, weight: run),
    ],
    "check_frames_seen": [
        ("newest frame is seen too", lambda k, s: by_running_products(k, s, own_stride=False) - 1),
        ("two frames wide", lambda k, s: 1 + sum(x - 1 for x in k)),
        ("before its own stride", lambda k, s: by_running_products(k, s, own_stride=True)),
        ("share frames", lambda k, s: sum(k)),
        ("share frames", lambda k, s: int(np.prod(k))),
        ("follow one output back", lambda k, s: 100),
    ],
    "check_reach": [
        ("counted from 0", 4, 9),
        ("multiples of 4", 2, 9),
        ("how many cells are white", 0, 9),
        ("last frame of the latent", 3, 12),
        ("causal too", 3, 0),
        ("where does the white end", 3, 10),
        ("not filled in yet", 3, None),
    ],
    "check_jump_ratio": [
        ("take the median", lambda s, f, w: ratio(s, f, w, middle=np.mean)),
        ("not one of the steps beside", lambda s, f, w: ratio(s, f, w, keep=True)),
        ("within the window", lambda s, f, w: ratio(s, f, w, everywhere=True)),
        ("upside down", lambda s, f, w: ratio(s, f, w, invert=True)),
        ("steps[i] leads from", lambda s, f, w: ratio(s, f, w, into=f)),
        ("on each side", lambda s, f, w: s[f - 1] / np.median(s[f : f + w])),
        ("one finite number", lambda s, f, w: s),
    ],
}
