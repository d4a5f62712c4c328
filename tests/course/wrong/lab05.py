"""Answers to the exercises of lab 05, as text: other right ones, and wrong ones with the hint that each must get."""

import numpy as np
import torch
from torch.nn import functional as F

from smartdirector_lite.course.lab.lab05 import _start_of_flow

NAMES = {"torch": torch, "np": np, "F": F, "start_of_flow": _start_of_flow}


def function(number: str, head: str, *lines: str) -> tuple[str, str]:
    return number, f"def {head}:\n" + "".join(f"    {line}\n" for line in lines)


def half(*lines: str) -> tuple[str, str]:
    return function("05.1", "half_size(video)", *lines)


def begin(
    start: str = "torch.where(m, z_hr, z_lr)", times: str = "(~anchors).float()", end: str = "return start, times"
) -> tuple[str, str]:
    mask = "m = anchors[:, None, :, None, None]"
    return function("05.2", "start_of_flow(z_lr, z_hr, anchors)", mask, f"start = {start}", f"times = {times}", end)


def run(
    first: str = "x, moving = start_of_flow(z_lr, z_hr, anchors)",
    step: str = "x = x - velocity(x, (1 - k / steps) * moving) / steps",
    after: str = "x, _ = start_of_flow(x, z_hr, anchors)",
    count: str = "range(steps)",
    end: str = "return x",
) -> tuple[str, str]:
    lines = (first, f"for k in {count}:", f"    {step}", f"    {after}", end)
    return function("05.3", "integrate(velocity, z_lr, z_hr, anchors, steps)", *lines)


def far(body: str) -> tuple[str, str]:
    return function("05.4", "keyframe_distance(num_frames, keyframes)", body)


DISTANCES = "min(abs(f - k) for k in keyframes)"

RIGHT = [
    half("t, c, h, w = video.shape", "return video.reshape(t, c, h // 2, 2, w // 2, 2).mean(dim=(3, 5))"),
    half("v = video", "return sum(v[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4"),
    half("v = video.unfold(2, 2, 2).unfold(3, 2, 2)", "return v.mean(dim=(-1, -2))"),
    begin("z_lr * ~m + z_hr * m", "1.0 - anchors.float()"),
    begin("z_lr.clone().masked_scatter(m, z_hr.masked_select(m.expand_as(z_hr)))", "torch.where(anchors, 0.0, 1.0)"),
    run(
        "m = anchors[:, None, :, None, None]; x = torch.where(m, z_hr, z_lr)",
        "t, u = 1 - k / steps, 1 - (k + 1) / steps; x = x - (t - u) * velocity(x, t * ~anchors)",
        "x = torch.where(m, z_hr, x)",
    ),
    run(
        step="y = x - velocity(x, moving - k / steps * moving) / steps",
        after="x = torch.where(anchors[:, None, :, None, None], x, y)",
    ),
    far("return torch.stack([(torch.arange(num_frames) - k).abs() for k in keyframes]).amin(0)"),
    far("return [min(map(abs, (k - f for k in keyframes))) for f in range(num_frames)]"),
    far("return np.abs(np.arange(num_frames)[:, None] - np.array(keyframes)).min(axis=1)"),
]

WRONG = [
    # 05.1
    (*half("return video[..., ::2, ::2]"), "every second pixel"),
    (*half("v = video; return sum(v[..., i::2, j::2] for i in (0, 1) for j in (0, 1))"), "added up"),
    (*half("v = video; return sum(v[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 2"), "twice as bright"),
    (*half("return (video[..., ::2, ::2] + video[..., 1::2, ::2]) / 2"), "one axis alone"),
    (*half("return video[::2]"), "the first axis is time"),
    (*half("return (video[..., ::2, :] + video[..., 1::2, :]) / 2"), "height and width"),
    (*half("return F.max_pool2d(video, 2)"), "mean of the 2 x 2"),
    (*half("return F.avg_pool2d(video, 2)"), "avg_pool2d does all the work"),
    (*half("return torch.nn.AvgPool2d(2)(video)"), "avg_pool2d does all the work"),
    (*half("return F.interpolate(video, scale_factor=0.5, mode='area')"), "does all the work"),
    (*half("return F.interpolate(video, scale_factor=0.5, mode='bilinear')"), "does all the work"),
    (*half("return F.adaptive_avg_pool2d(video, (video.shape[2] // 2, video.shape[3] // 2))"), "does all the work"),
    (*half("return video.numpy()"), "return a tensor"),
    (*half("return video[0]"), "four axes"),
    (
        *half("r = (video[..., ::2, :] + video[..., 1::2, :]) / 2", "(r[..., ::2] + r[..., 1::2]) / 2"),
        "`return` missing",
    ),
    (*half("video[..., ::2, :] += video[..., 1::2, :]", "return video[..., ::2, ::2]"), "changes its input video"),
    (*half("v = video.flip(-1)", "return sum(v[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4"), "turned over"),
    (*half("v = video.permute(0, 2, 3, 1)", "return (v[:, ::2] + v[:, 1::2]) / 2"), "height and width"),
    # 05.2
    (*begin("torch.where(m, z_lr, z_hr)"), "wrong way round: only the keyframes"),
    (*begin("z_lr"), "keyframes are not in it"),
    (*begin("z_hr"), "only the anchors are known"),
    (*begin("torch.where(m, 0.5 * (z_lr + z_hr), z_lr)"), "untouched"),
    (*begin("torch.where(m[:1], z_hr, z_lr)"), "the anchors of the first one"),
    (*begin(times="~anchors"), "of type torch.bool"),
    (*begin(times="(~anchors).long()"), "of type torch.int64"),
    (*begin(times="anchors.float()"), "t = 1 is LR"),
    (*begin(times="torch.ones(anchors.shape)"), "clean from the start"),
    (*begin(times="torch.ones(len(anchors))"), "each latent frame of each clip"),
    (*begin(times="0.5 * (~anchors)"), "starts at LR"),
    (*begin(times="1000.0 * (~anchors)"), "starts at LR"),
    (*begin(end="return start"), "two tensors"),
    (*begin(end="start, times"), "`return` missing"),
    (*begin("torch.where(anchors, z_hr, z_lr)"), "your code raised"),
    (*begin("z_lr.copy_(torch.where(m, z_hr, z_lr))"), "changes its input z_lr"),
    (*begin("torch.where(m, z_hr, z_lr)[:, :, 1:]"), "not that of z_lr"),
    # 05.3
    (*run(step="x = x + velocity(x, (1 - k / steps) * moving) / steps"), "the wrong way"),
    (
        *run(step="x = x - velocity(x, (1 - (k + 1) / steps) * moving) / steps"),
        "where the step begins, not where it ends",
    ),
    (*run(step="x = x - velocity(x, k / steps * moving) / steps"), "the flow runs from LR, t = 1, to HR"),
    (*run(step="x = x - velocity(x, (1 - k / max(steps - 1, 1)) * moving) / steps"), "none at 0"),
    (*run(step="x = x - velocity(x, (1 - k / steps) * moving)"), "goes the whole way"),
    (*run(count="range(steps + 1)"), "each step asks once"),
    (*run(count="range(1, steps)"), "each step asks once"),
    (*run(step="x = x - velocity(x, 1 - k / steps) / steps"), "velocity takes x"),
    (*run(step="x = x - velocity(x, torch.full_like(moving, 1 - k / steps)) / steps"), "time of an anchor is 0"),
    (*run(step="x = x - velocity(x, 1000 * (1 - k / steps) * moving) / steps"), "here t runs from 1 to 0"),
    (*run(first="x, moving = z_lr, (~anchors).float()"), "at the start the anchors are not in their places"),
    (*run(after="pass"), "after step 1 the anchors are not"),
    (*run(end="return x - velocity(x, 0 * moving)"), "each step asks once"),
    (*run(end="return x + 0.1"), "lost in the last step"),
    (*run(first="x, moving = z_hr, (~anchors).float()"), "the flow starts at z_lr"),
    (*run(end="    return x"), "each step asks once"),
    (*run(end="x"), "`return` missing"),
    (
        *run(
            first="x, moving = start_of_flow(z_lr, z_hr, anchors); x_1 = x",
            step="x = x_1 - velocity(x, (1 - k / steps) * moving) / steps",
        ),
        "goes on from the x",
    ),
    (*run(first="x, moving = start_of_flow(0 * z_lr, z_hr, anchors)"), "the flow starts at z_lr"),
    # 05.4
    (*far(f"return [{DISTANCES} + 0.4 for f in range(num_frames)]"), "a whole number"),
    (*far(f"return [{DISTANCES} + 1 for f in range(num_frames)]"), "no frame away from itself"),
    (*far("return [f - keyframes[0] for f in range(num_frames)]"), "never negative"),
    (*far("return [abs(f - keyframes[0]) for f in range(num_frames)]"), "first keyframe given"),
    (*far("return [abs(f - keyframes[-1]) for f in range(num_frames)]"), "last keyframe given"),
    (*far("return [max(abs(f - k) for k in keyframes) for f in range(num_frames)]"), "farthest"),
    (*far(f"return [{DISTANCES} for f in range(num_frames + 1)]"), "one number for each frame"),
    (*far(f"return [{DISTANCES} for f in range(1, num_frames)]"), "one number for each frame"),
    (*far(f"return min({DISTANCES} for f in range(num_frames))"), "return a list"),
    (
        *far(
            "return [min((f - k for k in keyframes if k <= f), default=min(keyframes) - f) for f in range(num_frames)]"
        ),
        "may also come later",
    ),
    (
        *far(
            "return [min((k - f for k in keyframes if k >= f), default=f - max(keyframes)) for f in range(num_frames)]"
        ),
        "may also have come before",
    ),
    (*far(f"[{DISTANCES} for f in range(num_frames)]"), "`return` missing"),
    (*far("return [0 if f in keyframes else 1 for f in range(num_frames)]"), "which distance is least"),
    (*far(f"keyframes.sort(); return [{DISTANCES} for f in range(num_frames)]"), "changes its input keyframes"),
]
