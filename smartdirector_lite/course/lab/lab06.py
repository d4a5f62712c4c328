"""Checks of notebook 06: noisy latents, the masked loss, loss by time, when to stop, and a LoRA in its layer."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ... import flow
from .core import Hint, exercise, is_close, shape_of

__all__ = [
    "check_loss_by_time",
    "check_masked_loss",
    "check_merge_lora",
    "check_noisy_latents",
    "check_when_to_stop",
]


def _latents(seed: int, batch: int = 3, frames: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return random x_0 and x_1 (B, 2, F, 2, 4), t (B,), and anchors (B, F), whose number differs from clip to clip."""
    generator = torch.Generator().manual_seed(seed)
    x_0, x_1 = torch.randn(2, batch, 2, frames, 2, 4, generator=generator)
    t = torch.rand(batch, generator=generator) * 0.8 + 0.1
    anchors = torch.zeros(batch, frames, dtype=torch.bool)
    for clip in range(batch):
        anchors[clip, : clip + 1] = True
    anchors[0, -1] = True
    return x_0, x_1, t, anchors


@exercise("06.1", 2, "Noise for all latents but the anchors")
def check_noisy_latents(noisy_latents: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `noisy_latents(x_0, x_1, t, anchors)`, which returns x_t and the time of each latent frame.

    x_0, x_1, and the returned x_t: (B, C, F, h, w); t: (B,) in [0, 1]; anchors: (B, F) bools; the returned times:
    (B, F).
    """
    for seed in (0, 1):
        x_0, x_1, t, anchors = _latents(seed)
        answer = noisy_latents(x_0.clone(), x_1.clone(), t.clone(), anchors.clone())
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two tensors: x_t and the time of each latent frame")
        x_t, times = answer
        if not isinstance(times, Tensor) or times.shape != anchors.shape:
            raise Hint(f"the times have shape {shape_of(times)}; each latent frame of each clip has one, (B, F)")
        if bool((times[anchors] != 0).any()):
            raise Hint("an anchor is clean, so its time is 0, whatever t its clip has")
        if not is_close(times, t[:, None] * ~anchors):
            raise Hint("latents that are not anchors have the t of their clip, unchanged")
        if not isinstance(x_t, Tensor) or x_t.shape != x_0.shape:
            raise Hint(
                f"x_t has shape {shape_of(x_t)}, not the shape of x_0; which axes must the times be spread over?"
            )
        at = times[:, None, :, None, None]
        if is_close(x_t, at * x_0 + (1 - at) * x_1):
            raise Hint("data and noise are swapped: t = 0 is data, t = 1 is noise")
        plain = t.view(-1, 1, 1, 1, 1)
        if is_close(x_t, (1 - plain) * x_0 + plain * x_1):
            raise Hint("the times are right, but x_t is mixed with the clip's t, so its anchors are noisy")
        if not is_close(x_t, (1 - at) * x_0 + at * x_1):
            raise Hint("x_t is not on the line from x_0 to x_1; the two weights are 1 - t and t, and add up to 1")


@exercise("06.2", 3, "A loss that leaves the anchors out")
def check_masked_loss(masked_loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check `masked_loss(velocity, x_0, x_1, anchors)`, which returns a scalar.

    velocity, x_0, x_1: (B, C, F, h, w); anchors: (B, F) bools.
    """
    for seed in (3, 4):
        x_0, x_1, t, anchors = _latents(seed)
        velocity = _latents(seed + 10)[0]
        wanted = flow.loss(lambda x_t, times, velocity=velocity: velocity, x_0, x_1, t, anchors)
        loss = torch.as_tensor(masked_loss(velocity.clone(), x_0.clone(), x_1.clone(), anchors.clone()))
        if loss.ndim:
            raise Hint(f"the loss has shape {tuple(loss.shape)}; it is one number for the whole batch")
        if is_close(loss.float(), wanted):
            continue
        error = (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))
        free = (~anchors).float()
        turned = (velocity - (x_0 - x_1)).square().mean(dim=(1, 3, 4))
        if is_close(loss.float(), (turned * free).sum() / free.sum()):
            raise Hint("the target has the wrong sign: the velocity leads from the data to the noise")
        if is_close(loss.float(), error.mean()):
            raise Hint("the anchors count as well, but the model is not asked for them")
        if is_close(loss.float(), (error * free).mean()):
            raise Hint("the anchors are zero in the sum, but still counted in its divisor")
        if is_close(loss.float(), ((error * free).sum(dim=1) / free.sum(dim=1)).mean()):
            raise Hint("that is a mean of the clips' means; every free latent should weigh the same, in whatever clip")
        if is_close(loss.float(), (error * anchors).sum() / anchors.sum()):
            raise Hint("that is the error of the anchors alone; turn the mask round")
        raise Hint("that is not the mean squared error over the free latents; check target, axes and divisor")
    everything = torch.ones(2, 5, dtype=torch.bool)
    loss = torch.as_tensor(masked_loss(*[torch.ones(2, 2, 5, 2, 4)] * 3, everything))
    if loss.isnan().any() or float(loss) != 0:
        raise Hint(
            f"where every latent is an anchor, your loss is {float(loss):g}; nothing is asked, so it should be 0"
        )


@exercise("06.3", 2, "The loss by time")
def check_loss_by_time(loss_by_time: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Check `loss_by_time(losses, times, bins)`: the mean loss in each of `bins` equal bins of the time.

    losses: (n,); times: (n,) in [0, 1]. It returns (bins,), with NaN for an empty bin.
    """
    losses, times = torch.tensor([1.0, 3.0, 5.0, 8.0, 2.0]), torch.tensor([0.0, 0.1, 0.25, 0.8, 0.5])
    wanted = torch.tensor([2.0, 5.0, 2.0, 8.0])
    found = _bins(loss_by_time(losses.clone(), times.clone(), 4), 4)
    if torch.allclose(found, torch.tensor([4.0, 5.0, 2.0, 8.0])):
        raise Hint("each bin has the sum of its losses, so a bin of many samples looks worse than it is")
    if torch.allclose(found, torch.tensor([3.0, 2.0, math.nan, 8.0]), equal_nan=True):
        raise Hint("a time on a bin's border belongs to the bin that begins there, not to the one that ends there")
    if not torch.allclose(found, wanted):
        raise Hint(f"for times {_round(times)} and losses {_round(losses)} in 4 bins the means are {_round(wanted)}")
    at_end = _bins(loss_by_time(torch.tensor([7.0, 1.0]), torch.tensor([1.0, 0.9]), 2), 2)
    if not math.isclose(float(at_end[1]), 4.0, rel_tol=1e-5):
        raise Hint("a sample at t = 1 exactly is lost, or it is alone; it belongs to the last bin")
    if not bool(at_end[0].isnan()):
        raise Hint(
            f"a bin without a sample has {float(at_end[0]):g}; nothing was measured there, so it is NaN, not a loss"
        )
    generator = torch.Generator().manual_seed(0)
    times, losses = torch.rand(2, 400, generator=generator)
    found = _bins(loss_by_time(losses, times, 10), 10)
    wanted = torch.stack([losses[(times >= k / 10) & (times < (k + 1) / 10)].mean() for k in range(10)])
    if not torch.allclose(found, wanted, atol=1e-5):
        raise Hint("5 samples in 4 bins are right, and 400 samples in 10 bins are not; is `bins` used everywhere?")


def _bins(answer: object, bins: int) -> Tensor:
    found = torch.as_tensor(answer, dtype=torch.float32)
    if found.shape != (bins,):
        raise Hint(f"the result for {bins} bins has shape {tuple(found.shape)}; return one number a bin")
    return found


STOPS = [  # losses, patience, the evaluation that is kept
    ([5.0, 4.0, 3.0, 3.5, 3.6, 1.0], 2, 2),
    ([5.0, 4.0, 4.5, 3.0, 3.2, 2.9], 2, 5),
    ([1.0, 2.0, 3.0, 0.5], 1, 0),
    ([3.0, 2.0, 1.0], 3, 2),
    ([2.0, 1.0, 1.0, 1.0, 0.5], 2, 1),
    ([4.0], 2, 0),
]


@exercise("06.4", 3, "When to stop")
def check_when_to_stop(when_to_stop: Callable[[list[float], int], int]) -> None:
    """Check `when_to_stop(losses, patience)`: the index of the evaluation whose weights are kept."""
    for losses, patience, wanted in STOPS:
        found = when_to_stop(list(losses), patience)
        if found == wanted:
            continue
        what = f"losses {losses}, patience {patience}: {found}"
        if found is None:
            raise Hint(f"{what}. The losses can end before the patience does; then the best of them is kept")
        if isinstance(found, float):
            raise Hint(f"{what} is a loss, or not a whole number; return an index")
        if losses[0] == 2.0 and found in (2, 3, 4):
            raise Hint(f"{what}. An equal loss is no improvement: the earlier weights stay, and the patience runs on")
        if found == min(range(len(losses)), key=losses.__getitem__):
            raise Hint(f"{what} has the least loss of all, but training stops before it comes")
        if found == wanted + patience:
            raise Hint(f"{what} is where training stops; the weights to keep are older")
        if found == _never_reset(losses, patience):
            raise Hint(f"{what}. Patience begins anew at each improvement")
        raise Hint(f"{what}. Go through the losses one by one: which is the best so far, and how long ago was it?")


def _never_reset(losses: list[float], patience: int) -> int:
    """Return the answer of one who counts all evaluations without an improvement, instead of those in a row."""
    best = worse = 0
    for index, loss in enumerate(losses[1:], 1):
        best, worse = (index, worse) if loss < losses[best] else (best, worse + 1)
        if worse == patience:
            break
    return best


@exercise("06.5", 3, "A LoRA folded into its layer")
def check_merge_lora(merge_lora: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `merge_lora(weight, A, B, alpha)`: the weight of the layer with its LoRA merged into it.

    weight, and the result: (out, in); A: (r, in); B: (out, r).
    """
    for seed, (wide, narrow, rank, alpha) in enumerate(((6, 4, 2, 4.0), (5, 5, 3, 1.0), (3, 7, 1, 2.0))):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(wide, narrow, generator=generator)
        a, b = torch.randn(rank, narrow, generator=generator), torch.randn(wide, rank, generator=generator)
        given = weight.clone()
        merged = merge_lora(given, a.clone(), b.clone(), alpha)
        if not isinstance(merged, Tensor) or merged.shape != weight.shape:
            raise Hint(f"the result has shape {shape_of(merged)}; it should have that of the old weight, (out, in)")
        if not torch.equal(given, weight):
            raise Hint("the given weight has changed; make a new one, or the LoRA could not be taken off again")
        low = b @ a
        if is_close(merged, weight + alpha / rank * low):
            continue
        if is_close(merged, alpha / rank * low):
            raise Hint("that is the change alone; the layer's own weight is missing")
        if is_close(merged, weight + alpha * low):
            raise Hint("the change is scaled by alpha alone, so a larger rank would change the layer more")
        if is_close(merged, weight + low):
            raise Hint("the scale is missing: it depends on alpha and the rank")
        if is_close(merged, weight - alpha / rank * low):
            raise Hint("the sign is wrong: the LoRA is added to the layer")
        raise Hint("the merged layer does not give what layer and LoRA give together; try one input vector on paper")


def _round(values: Tensor) -> list[float]:
    return [round(float(value), 2) for value in values]
