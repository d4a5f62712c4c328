"""Wrong answers to the exercises of lab 05, and a part of the hint that each must get."""

import torch
from torch.nn import functional as F

# What the cells of the exercises take from cells before them.
NAMES = {"torch": torch}


def chosen(anchors, a, b):
    return torch.where(anchors[:, None, :, None, None], a, b)


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


def looks_back(num_frames, keyframes):
    keys = sorted(keyframes)
    return [min((f - k for k in keys if k <= f), default=keys[0] - f) for f in range(num_frames)]


# By check: a part of the hint, and the answer or answers.
WRONG = {
    "check_half_size": [
        ("every second pixel", lambda x: x[..., ::2, ::2]),
        ("added up", lambda x: 4 * F.avg_pool2d(x, 2)),
        ("one axis alone", lambda x: (x[..., ::2, :] + x[..., 1::2, :])[..., ::2] / 2),
        ("time", lambda x: x[::2]),
        ("height and width", lambda x: F.avg_pool2d(x, (2, 1))),
        ("mean of the 2 x 2", lambda x: F.max_pool2d(x, 2)),
        ("tensor", lambda x: x.numpy()),
    ],
    "check_start_of_flow": [
        ("two tensors", lambda lr, hr, a: chosen(a, hr, lr)),
        ("wrong way round", lambda lr, hr, a: (chosen(a, lr, hr), (~a).float())),
        ("keyframes are not in", lambda lr, hr, a: (lr, (~a).float())),
        ("t = 1 is LR", lambda lr, hr, a: (chosen(a, hr, lr), a.float())),
        ("clean from the start", lambda lr, hr, a: (chosen(a, hr, lr), torch.ones(a.shape))),
        ("(B, F)", lambda lr, hr, a: (chosen(a, hr, lr), torch.ones(len(a)))),
        ("starts at LR", lambda lr, hr, a: (chosen(a, hr, lr), 0.5 * (~a))),
        ("untouched", lambda lr, hr, a: (chosen(a, 0.5 * (lr + hr), lr), (~a).float())),
        ("shape", lambda lr, hr, a: (torch.where(a[:1, :1], hr, lr)[:, :1], (~a).float())),
    ],
    "check_euler": [
        ("wrong way", run(sign=1.0)),
        ("where the step begins", run(at=lambda k, n: 1 - (k + 1) / n)),
        ("LR, t = 1, to HR", run(at=lambda k, n: k / n)),
        ("none at 0", run(at=lambda k, n: 1 - k / max(n - 1, 1))),
        ("how long", run(size=lambda n: 1.0)),
        ("each step asks once", run(calls=lambda n: n + 1)),
        ("the last one came to", at_the_old_place),
    ],
    "check_keyframe_distance": [
        ("may also come later", looks_back),
        ("never negative", lambda n, keys: [f - keys[0] for f in range(n)]),
        ("first keyframe given", lambda n, keys: [abs(f - keys[0]) for f in range(n)]),
        ("farthest", lambda n, keys: [max(abs(f - k) for k in keys) for f in range(n)]),
        ("one number for each frame", lambda n, keys: [min(abs(f - k) for k in keys) for f in range(n + 1)]),
        ("which distance is least", lambda n, keys: [min(abs(f - k) for k in keys) + 1 for f in range(n)]),
    ],
}
