"""Wrong answers to the exercises of lab 06, and a part of the hint that each must get."""

import math

import torch

# What the cells of the exercises take from cells before them.
NAMES = {"torch": torch}


def mixed(x_0, x_1, at):
    return (1 - at) * x_0 + at * x_1


def spread(times):
    return times[:, None, :, None, None]


def errors(v, x_0, x_1):
    return (v - (x_1 - x_0)).square().mean(dim=(1, 3, 4))


def per_clip(v, x_0, x_1, anchors):
    error, free = errors(v, x_0, x_1), (~anchors).float()
    return ((error * free).sum(dim=1) / free.sum(dim=1)).mean()


def binned(losses, times, bins, place=None, reduce=torch.mean, empty=math.nan):
    place = (times * bins).long().clamp(max=bins - 1) if place is None else place
    return torch.stack([reduce(losses[place == k]) if (place == k).any() else torch.tensor(empty) for k in range(bins)])


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


# By check: a part of the hint, and the answer or answers.
WRONG = {
    "check_noisy_latents": [
        ("two tensors", lambda x_0, x_1, t, a: mixed(x_0, x_1, spread(t[:, None] * ~a))),
        ("(B, F)", lambda x_0, x_1, t, a: (mixed(x_0, x_1, spread(t[:, None] * ~a)), t)),
        (
            "clean",
            lambda x_0, x_1, t, a: (mixed(x_0, x_1, spread(t[:, None].expand(a.shape))), t[:, None].expand(a.shape)),
        ),
        ("unchanged", lambda x_0, x_1, t, a: (x_0, 0.5 * t[:, None] * ~a)),
        ("swapped", lambda x_0, x_1, t, a: (mixed(x_1, x_0, spread(t[:, None] * ~a)), t[:, None] * ~a)),
        ("anchors are noisy", lambda x_0, x_1, t, a: (mixed(x_0, x_1, t.view(-1, 1, 1, 1, 1)), t[:, None] * ~a)),
        ("add up to 1", lambda x_0, x_1, t, a: (x_0 + spread(t[:, None] * ~a) * x_1, t[:, None] * ~a)),
        ("shape of x_0", lambda x_0, x_1, t, a: (x_0[:, :, :1], t[:, None] * ~a)),
    ],
    "check_masked_loss": [
        ("one number", lambda v, x_0, x_1, a: errors(v, x_0, x_1)),
        ("anchors count as well", lambda v, x_0, x_1, a: errors(v, x_0, x_1).mean()),
        ("still counted", lambda v, x_0, x_1, a: (errors(v, x_0, x_1) * ~a).mean()),
        ("sign", lambda v, x_0, x_1, a: errors(v, x_1, x_0)[~a].mean()),
        ("turn the mask round", lambda v, x_0, x_1, a: errors(v, x_0, x_1)[a].mean()),
        ("weigh the same", per_clip),
        ("divisor", lambda v, x_0, x_1, a: errors(v, x_0, x_1)[~a].sum()),
        ("nothing is asked", lambda v, x_0, x_1, a: errors(v, x_0, x_1)[~a].mean()),
    ],
    "check_loss_by_time": [
        ("sum", lambda x, t, n: binned(x, t, n, reduce=torch.sum)),
        ("begins there", lambda x, t, n: binned(x, t, n, place=((t * n).ceil().long() - 1).clamp(min=0))),
        ("last bin", lambda x, t, n: binned(x, t, n, place=(t * n).long())),
        ("not a loss", lambda x, t, n: binned(x, t, n, empty=0.0)),
        ("one number a bin", lambda x, t, n: binned(x, t, n).mean()),
        ("the means are", lambda x, t, n: binned(x, t, 4) if n == 10 and len(x) == 1 else binned(x, t, n).flip(0)),
    ],
    "check_when_to_stop": [
        ("least loss of all", lambda losses, patience: losses.index(min(losses))),
        ("index", lambda losses, patience: min(losses)),
        ("older", where_it_stops),
        ("anew", counts_all),
        ("no improvement", equal_is_better),
        ("can end before", forgets_the_end),
        ("one by one", lambda losses, patience: 0),
    ],
    "check_merge_lora": [
        ("missing", lambda w, a, b, alpha: alpha / len(a) * b @ a),
        ("larger rank", lambda w, a, b, alpha: w + alpha * b @ a),
        ("scale", lambda w, a, b, alpha: w + b @ a),
        ("added", lambda w, a, b, alpha: w - alpha / len(a) * b @ a),
        ("input vector", lambda w, a, b, alpha: w + alpha / len(b) * b @ a),
        ("has changed", lambda w, a, b, alpha: w.add_(alpha / len(a) * b @ a)),
        ("(out, in)", lambda w, a, b, alpha: (w + alpha / len(a) * b @ a).T[:, :1]),
        ("RuntimeError", lambda w, a, b, alpha: w + alpha / len(a) * a @ b),
    ],
}
