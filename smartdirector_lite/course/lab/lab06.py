"""Checks of notebook 06: noisy latents, the masked loss, loss by time, when to stop, and a LoRA in its layer."""

import math
import random
from collections.abc import Callable

import torch
from torch import Tensor

from ...flow import path, velocity
from .core import Hint, ask, draw_from, exercise, generator, is_close, seed, shape_of

__all__ = [
    "check_loss_by_time",
    "check_masked_loss",
    "check_merge_lora",
    "check_noisy_latents",
    "check_when_to_stop",
]

def _latents(number: int, batch: int = 3, frames: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return random x_0 and x_1 (B, 2, F, 2, 4), t (B,), and anchors (B, F), whose number differs from clip to clip."""
    rng = generator(number)
    x_0, x_1 = torch.randn(2, batch, 2, frames, 2, 4, generator=rng)
    t = torch.rand(batch, generator=rng) * 0.8 + 0.1
    anchors = torch.zeros(batch, frames, dtype=torch.bool)
    for clip in range(batch):
        anchors[clip, : clip + 1] = True
    anchors[0, -1] = True
    return x_0, x_1, t, anchors


# -- 06.1 --------------------------------------------------------------------------------------------------------------


def _noisy_latents(x_0: Tensor, x_1: Tensor, t: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    times = torch.where(anchors, 0.0, t[:, None])
    return path(x_0, x_1, times), times


@exercise("06.1", 2, "Noise for all latents but the anchors", reference=_noisy_latents)
def check_noisy_latents(noisy_latents: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `noisy_latents(x_0, x_1, t, anchors)`, which returns x_t and the time of each latent frame.

    x_0, x_1, and the returned x_t: (B, C, F, h, w); t: (B,) in [0, 1]; anchors: (B, F) bools; the returned times:
    (B, F).
    """
    for number, shape in enumerate(((3, 5), (2, 3), (4, 4))):
        x_0, x_1, t, anchors = _latents(number, *shape)
        answer = ask(noisy_latents, x_0, x_1, t, anchors)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two tensors: x_t and the time of each latent frame")
        x_t, times = answer
        if shape_of(x_t) == shape_of(anchors) and shape_of(times) == shape_of(x_0):
            raise Hint("the two results have changed places: x_t comes first, then the times")
        if not isinstance(times, Tensor) or times.shape != anchors.shape:
            raise Hint(f"the times have shape {shape_of(times)}; each latent frame of each clip has one, (B, F)")
        if is_close(times, t[:, None] * anchors):
            raise Hint(
                "the mask is the wrong way round: anchors have the time 0, and all others have the t of their clip"
            )
        if bool((times[anchors] != 0).any()):
            raise Hint("an anchor is clean, so its time is 0, whatever t its clip has")
        if is_close(times, t[0] * ~anchors):
            raise Hint("all clips have the t of the first one; each clip has its own")
        if not is_close(times, t[:, None] * ~anchors):
            raise Hint("latents that are not anchors have the t of their clip, unchanged")
        if not isinstance(x_t, Tensor) or x_t.shape != x_0.shape:
            raise Hint(f"x_t has shape {shape_of(x_t)}, not that of x_0; which axes must the times be spread over?")
        if not is_close(x_t, path(x_0, x_1, times)):
            raise Hint(_wrong_mixture(x_t, x_0, x_1, t, times))


def _wrong_mixture(x_t: Tensor, x_0: Tensor, x_1: Tensor, t: Tensor, times: Tensor) -> str:
    if is_close(x_t, path(x_1, x_0, times)):
        return "data and noise are swapped: t = 0 is data, t = 1 is noise"
    if is_close(x_t, path(x_0, x_1, t[:, None].expand_as(times))):
        return "the times are right, but x_t is mixed with the clip's t, so its anchors are noisy"
    return "x_t is not on the line from x_0 to x_1; the two weights are 1 - t and t, and add up to 1"


# -- 06.2 --------------------------------------------------------------------------------------------------------------


def _masked_loss(predicted: Tensor, x_0: Tensor, x_1: Tensor, anchors: Tensor) -> Tensor:
    error, free = (predicted - velocity(x_0, x_1)).square().mean(dim=(1, 3, 4)), (~anchors).float()
    return (error * free).sum() / free.sum().clamp(min=1)


@exercise("06.2", 3, "A loss that leaves the anchors out", reference=_masked_loss)
def check_masked_loss(masked_loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check `masked_loss(velocity, x_0, x_1, anchors)`, which returns a scalar.

    velocity, x_0, x_1: (B, C, F, h, w); anchors: (B, F) bools.
    """
    for number in (3, 4):
        x_0, x_1, _, anchors = _latents(number)
        predicted = _latents(number + 10)[0].requires_grad_()
        found = ask(masked_loss, predicted, x_0, x_1, anchors)
        if not isinstance(found, Tensor | float | int):
            raise Hint(f"return one number, as a tensor; yours is a {type(found).__name__}")
        loss = torch.as_tensor(found)
        if loss.ndim:
            raise Hint(f"the loss has shape {tuple(loss.shape)}; it is one number for the whole batch")
        if not is_close(loss.detach().float(), _masked_loss(predicted, x_0, x_1, anchors).detach()):
            raise Hint(_wrong_loss(loss.detach().float(), predicted.detach(), x_0, x_1, anchors))
        if not loss.requires_grad:
            raise Hint("the value is right, but no gradient can flow back; leave out .item(), .detach() and float()")
    everything = torch.ones(2, 5, dtype=torch.bool)
    loss = float(ask(masked_loss, *[torch.ones(2, 2, 5, 2, 4)] * 3, everything))
    if math.isnan(loss) or loss != 0:
        raise Hint(f"where every latent is an anchor, your loss is {loss:g}; nothing is asked, so it should be 0")


def _wrong_loss(loss: Tensor, predicted: Tensor, x_0: Tensor, x_1: Tensor, anchors: Tensor) -> str:
    free = (~anchors).float()
    difference = predicted - (x_1 - x_0)
    error = difference.square().mean(dim=(1, 3, 4))
    absolute = difference.abs().mean(dim=(1, 3, 4))
    for value, said in (
        (
            _masked_loss(predicted, x_1, x_0, anchors),
            "the target has the wrong sign: v leads from the data to the noise",
        ),
        (error.mean(), "the anchors count as well, but the model is not asked for them"),
        ((error * free).mean(), "the anchors are zero in the sum, but still counted in its divisor"),
        (
            ((error * free).sum(dim=1) / free.sum(dim=1)).mean(),
            "that is a mean of the clips' means; every free latent should weigh the same, in whatever clip",
        ),
        ((error * anchors).sum() / anchors.sum(), "that is the error of the anchors alone; turn the mask round"),
        ((absolute * free).sum() / free.sum(), "the differences are not squared"),
        (((error * free).sum() / free.sum()).sqrt(), "that is the root of the mean squared error; leave the root out"),
    ):
        if is_close(loss, value):
            return said
    return "that is not the mean squared error over the free latents; check target, axes and divisor"


# -- 06.3 --------------------------------------------------------------------------------------------------------------


def _loss_by_time(losses: Tensor, times: Tensor, bins: int) -> Tensor:
    place = (times * bins).long().clamp(max=bins - 1)
    return torch.stack([losses[place == k].mean() for k in range(bins)])


@exercise("06.3", 2, "The loss by time", reference=_loss_by_time)
def check_loss_by_time(loss_by_time: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Check `loss_by_time(losses, times, bins)`: the mean loss in each of `bins` equal bins of the time.

    losses: (n,); times: (n,) in [0, 1]. It returns (bins,), with NaN for an empty bin.
    """
    losses, times = torch.tensor([1.0, 3.0, 5.0, 8.0, 2.0]), torch.tensor([0.0, 0.15, 0.25, 0.8, 0.5])
    losses = losses + torch.rand(5, generator=generator(1)).round(decimals=2)
    found = _bins(ask(loss_by_time, losses, times, 4), 4)
    wanted = _loss_by_time(losses, times, 4)
    if not _alike(found, wanted):
        place = (times * 4).round().long().clamp(max=3)
        counts = torch.tensor([2.0, 1.0, 1.0, 1.0])
        before = torch.stack([losses[:2].mean(), losses[4], torch.tensor(math.nan), losses[3]])
        before[0] = losses[:3].mean()
        for value, said in (
            (wanted * counts, "each bin has the sum of its losses, so a bin of many samples looks worse than it is"),
            (
                before,
                "a time on a bin's border belongs to the bin that begins there, not to the one that ends there",
            ),
            (
                torch.stack([losses[place == k].mean() for k in range(4)]),
                "times were rounded to the nearest border; t = 0.15 lies in the first of 4 bins, not in the second",
            ),
            (wanted.flip(0), "the bins are in the wrong order; the first one holds the times near 0"),
            (_loss_by_time(times, losses.clamp(max=1), 4), "losses and times have changed places"),
            (_loss_by_time(times, times, 4), "that is the mean of the times; the bins hold the mean of the losses"),
        ):
            if _alike(found, value):
                raise Hint(said)
        raise Hint(f"for times {_round(times)} and losses {_round(losses)} in 4 bins the means are {_round(wanted)}")
    at_end = _bins(ask(loss_by_time, torch.tensor([7.0, 1.0]), torch.tensor([1.0, 0.9]), 2), 2)
    if not math.isclose(float(at_end[1]), 4.0, rel_tol=1e-5):
        raise Hint("a sample at t = 1 exactly is lost, or it is alone; it belongs to the last bin")
    if not bool(at_end[0].isnan()):
        raise Hint(
            f"a bin without a sample has {float(at_end[0]):g}; nothing was measured there, so it is NaN, no loss"
        )
    times, losses = torch.rand(2, 400, generator=generator(2))
    if not _alike(_bins(ask(loss_by_time, losses, times, 10), 10), _loss_by_time(losses, times, 10)):
        raise Hint("5 samples in 4 bins are right, and 400 samples in 10 bins are not; is `bins` used everywhere?")


def _bins(answer: object, bins: int) -> Tensor:
    try:
        found = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise Hint(f"return a tensor with one number a bin, not a {type(answer).__name__}") from None
    if found.shape != (bins,):
        raise Hint(f"the result for {bins} bins has shape {tuple(found.shape)}; return one number a bin")
    return found


def _alike(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, atol=1e-5, equal_nan=True)


def _round(values: Tensor) -> list[float]:
    return [round(float(value), 2) for value in values]


# -- 06.4 --------------------------------------------------------------------------------------------------------------


def _when_to_stop(losses: list[float], patience: int) -> int:
    best = 0
    for index, loss in enumerate(losses):
        if loss < losses[best]:
            best = index
        if index - best == patience:
            break
    return best


STOPS = [  # losses, patience
    ([5.0, 4.0, 3.0, 3.5, 3.6, 3.7, 1.0], 2),
    ([5.0, 4.0, 3.0, 3.5, 3.6, 1.0], 2),
    ([5.0, 4.0, 4.5, 3.0, 3.2, 2.9], 2),
    ([1.0, 2.0, 3.0, 0.5], 1),
    ([3.0, 2.0, 1.0], 3),
    ([2.0, 1.0, 1.0, 1.0, 0.5], 2),
    ([4.0], 2),
]


def _drawn_stops() -> list[tuple[list[float], int]]:
    """Return random runs of losses, whole numbers from 1 to 9, with ties among them."""
    rng = random.Random(seed(4))
    return [([float(rng.randint(1, 9)) for _ in range(8)], draw_from(number, (1, 2, 3))) for number in range(12)]


@exercise("06.4", 3, "When to stop", reference=_when_to_stop)
def check_when_to_stop(when_to_stop: Callable[[list[float], int], int]) -> None:
    """Check `when_to_stop(losses, patience)`: the index of the evaluation whose weights are kept."""
    for losses, patience in (*STOPS, *_drawn_stops()):
        answer = _silent(when_to_stop, losses, patience)
        wanted = _when_to_stop(losses, patience)
        where = f"losses {losses}, patience {patience}: {answer}"
        if isinstance(answer, bool) or not hasattr(answer, "__index__"):
            raise Hint(f"{where} is a loss, or not a whole number; return an index")
        if (found := int(answer)) != wanted:
            raise Hint(f"{where}{_wrong_stop(found, losses, patience, wanted)}")


def _silent(when_to_stop: Callable, losses: list[float], patience: int) -> object:
    """Ask for the index; None means something of its own here."""
    ended = ask(lambda losses, patience: (when_to_stop(losses, patience),), losses, patience)[0]
    if ended is None:
        what = f"losses {losses}, patience {patience}: your function returns nothing"
        raise Hint(f"{what}. The losses can end before the patience does; then the best of them is kept")
    return ended


def _wrong_stop(found: int, losses: list[float], patience: int, wanted: int) -> str:
    if found < 0 or found >= len(losses):
        return f" is no index of this list, which has {len(losses)} losses"
    if found == _when_to_stop([loss - k * 1e-9 for k, loss in enumerate(losses)], patience):
        return ". An equal loss is no improvement: the earlier weights stay, and the patience runs on"
    if found == wanted + patience:
        return " is where training stops; the weights to keep are older"
    if found == _when_to_stop(losses, patience + 1):
        return f". After {patience} evaluations without an improvement training stops; yours goes on for one more"
    if found == _never_reset(losses, patience):
        return ". Patience begins anew at each improvement"
    if found == min(range(len(losses)), key=losses.__getitem__):
        return " has the least loss of all, but training stops before it comes"
    if found == _when_to_stop(losses, max(1, patience - 1)):
        return f". Training stops after {patience} evaluations without an improvement; yours stops one too early"
    return ". Go through the losses one by one: which is the best so far, and how long ago was it?"


def _never_reset(losses: list[float], patience: int) -> int:
    """Return the answer of one who counts all evaluations without an improvement, instead of those in a row."""
    best = worse = 0
    for index, loss in enumerate(losses[1:], 1):
        best, worse = (index, worse) if loss < losses[best] else (best, worse + 1)
        if worse == patience:
            break
    return best


# -- 06.5 --------------------------------------------------------------------------------------------------------------


def _merge_lora(weight: Tensor, A: Tensor, B: Tensor, alpha: float) -> Tensor:
    return weight + alpha / A.shape[0] * B @ A


@exercise("06.5", 3, "A LoRA folded into its layer", reference=_merge_lora)
def check_merge_lora(merge_lora: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `merge_lora(weight, A, B, alpha)`: the weight of the layer with its LoRA merged into it.

    weight, and the result: (out, in); A: (r, in); B: (out, r).
    """
    for number, (wide, narrow, rank, alpha) in enumerate(((6, 4, 2, 5.0), (5, 5, 3, 1.0), (3, 7, 1, 2.0))):
        rng = generator(number)
        weight = torch.randn(wide, narrow, generator=rng)
        a, b = torch.randn(rank, narrow, generator=rng), torch.randn(wide, rank, generator=rng)
        merged = ask(merge_lora, weight, a, b, alpha)
        if not isinstance(merged, Tensor) or merged.shape != weight.shape:
            raise Hint(f"the result has shape {shape_of(merged)}; it should have that of the old weight, (out, in)")
        if is_close(merged, _merge_lora(weight, a, b, alpha)):
            continue
        low = b @ a
        for value, said in (
            (weight, "the weight comes back unchanged"),
            (alpha / rank * low, "that is the change alone; the layer's own weight is missing"),
            (weight + alpha * low, "the change is scaled by alpha alone, so a larger rank would change the layer more"),
            (weight + low / rank, "alpha is missing in the scale"),
            (weight + rank / alpha * low, "the scale is upside down: it is alpha over the rank"),
            (weight + low, "the scale is missing: it depends on alpha and the rank"),
            (weight - alpha / rank * low, "the sign is wrong: the LoRA is added to the layer"),
            (alpha / rank * (weight + low), "the old weight is scaled, too; only the change is"),
        ):
            if is_close(merged, value):
                raise Hint(said)
        raise Hint("the merged layer does not give what layer and LoRA give together; try one input vector on paper")
