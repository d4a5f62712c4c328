"""Checks of notebook 06: noisy latents, the masked loss, loss by time, where to stop, a LoRA folded into its layer."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...training.gen import flow_loss
from .core import Hint, exercise

__all__ = [
    "check_loss_by_time",
    "check_masked_loss",
    "check_merge_lora",
    "check_noisy_latents",
    "check_when_to_stop",
]


def _like(a: object, b: Tensor) -> bool:
    """Whether an answer is this tensor, to within rounding."""
    return isinstance(a, Tensor) and a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5)


def _latents(seed: int, batch: int = 3, frames: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x_0, x_1 (B, 2, F, 2, 4), t (B,), anchors (B, F) with another number of them in each clip."""
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
    """noisy_latents(x_0, x_1 (B, C, F, h, w), t (B,), anchors (B, F)) -> x_t (B, C, F, h, w), times (B, F)."""
    for seed in (0, 1):
        x_0, x_1, t, anchors = _latents(seed)
        answer = noisy_latents(x_0.clone(), x_1.clone(), t.clone(), anchors.clone())
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("give two tensors back: x_t and the time of each latent frame")
        x_t, times = answer
        if not isinstance(times, Tensor) or times.shape != anchors.shape:
            raise Hint(f"the times have shape {_shape(times)}; one for each latent frame of each clip is (B, F)")
        if bool((times[anchors] != 0).any()):
            raise Hint("an anchor is clean, so its time is 0, whatever t its clip has")
        if not _like(times, t[:, None] * ~anchors):
            raise Hint("latents that are not anchors have their clip's t, unchanged")
        if not isinstance(x_t, Tensor) or x_t.shape != x_0.shape:
            raise Hint(
                f"x_t has shape {_shape(x_t)}; it has the shape of x_0. Which axes must the times be spread over?"
            )
        at = times[:, None, :, None, None]
        if _like(x_t, at * x_0 + (1 - at) * x_1):
            raise Hint("data and noise are swapped: t = 0 is data, t = 1 is noise")
        plain = t.view(-1, 1, 1, 1, 1)
        if _like(x_t, (1 - plain) * x_0 + plain * x_1):
            raise Hint("the times are right, but x_t was mixed with t itself: its anchors are noisy")
        if not _like(x_t, (1 - at) * x_0 + at * x_1):
            raise Hint("x_t is not on the line from x_0 to x_1: the weights are 1 - t and t, and add up to 1")


class _Answers:
    """Stands in for a model: gives the velocity that it was made with, and keeps nothing."""

    def __init__(self, velocity: Tensor):
        self.velocity = velocity

    def __call__(self, *_: object) -> Tensor:
        return self.velocity


def _library_loss(velocity: Tensor, x_0: Tensor, anchors: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The loss by `training.gen.flow_loss`, and the x_1 that it drew."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        batch = {"x_0": x_0, "anchors": anchors, "t": torch.full((len(x_0),), 0.5)}
        loss = flow_loss(_Answers(velocity), {**batch, "tokens": None, "mask": None, "tau": None})["loss"]
        torch.manual_seed(seed)
        return loss, torch.randn_like(x_0)


@exercise("06.2", 3, "A loss that leaves the anchors out")
def check_masked_loss(masked_loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """masked_loss(velocity, x_0, x_1 (B, C, F, h, w), anchors (B, F)) -> a scalar."""
    for seed in (3, 4):
        x_0, _, _, anchors = _latents(seed)
        velocity = _latents(seed + 10)[0]
        wanted, x_1 = _library_loss(velocity, x_0, anchors, seed + 100)
        loss = torch.as_tensor(masked_loss(velocity.clone(), x_0.clone(), x_1.clone(), anchors.clone()))
        if loss.ndim:
            raise Hint(f"the loss has shape {tuple(loss.shape)}; it is one number for the whole batch")
        if _like(loss.float(), wanted):
            continue
        error = (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))
        free = (~anchors).float()
        turned = (velocity - (x_0 - x_1)).square().mean(dim=(1, 3, 4))
        if _like(loss.float(), (turned * free).sum() / free.sum()):
            raise Hint("the sign of the target: the velocity leads from the data to the noise")
        if _like(loss.float(), error.mean()):
            raise Hint("the anchors count as well; the model is not asked for them")
        if _like(loss.float(), (error * free).mean()):
            raise Hint("the anchors are zero in the sum, but still counted when it is divided")
        if _like(loss.float(), ((error * free).sum(dim=1) / free.sum(dim=1)).mean()):
            raise Hint("a mean for each clip, then of those: every free latent should weigh the same, in whatever clip")
        if _like(loss.float(), (error * anchors).sum() / anchors.sum()):
            raise Hint("that is the error of the anchors alone; turn the mask round")
        raise Hint("not the mean squared error over the free latents; check the target, the axes and the divisor")
    everything = torch.ones(2, 5, dtype=torch.bool)
    loss = torch.as_tensor(masked_loss(*[torch.ones(2, 2, 5, 2, 4)] * 3, everything))
    if loss.isnan().any() or float(loss) != 0:
        raise Hint(f"where every latent is an anchor the loss is {float(loss):g}; nothing is asked, so it should be 0")


@exercise("06.3", 2, "The loss by time")
def check_loss_by_time(loss_by_time: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """loss_by_time(losses (n,), times (n,) in [0, 1], bins) -> (bins,), NaN for an empty bin."""
    losses, times = torch.tensor([1.0, 3.0, 5.0, 8.0, 2.0]), torch.tensor([0.0, 0.1, 0.25, 0.8, 0.5])
    wanted = torch.tensor([2.0, 5.0, 2.0, 8.0])
    found = _bins(loss_by_time(losses.clone(), times.clone(), 4), 4)
    if torch.allclose(found, torch.tensor([4.0, 5.0, 2.0, 8.0])):
        raise Hint("each bin has the sum of its losses; then a bin of many samples looks worse than it is")
    if torch.allclose(found, torch.tensor([3.0, 2.0, math.nan, 8.0]), equal_nan=True):
        raise Hint("a time on a bin's border belongs to the bin that begins there, not to the one that ends there")
    if not torch.allclose(found, wanted):
        raise Hint(f"for times {_round(times)} and losses {_round(losses)} in 4 bins the means are {_round(wanted)}")
    at_end = _bins(loss_by_time(torch.tensor([7.0, 1.0]), torch.tensor([1.0, 0.9]), 2), 2)
    if not math.isclose(float(at_end[1]), 4.0, rel_tol=1e-5):
        raise Hint("a sample at t = 1 exactly is lost, or alone; it belongs to the last bin")
    if not bool(at_end[0].isnan()):
        raise Hint(
            f"a bin without a sample has {float(at_end[0]):g}; nothing was measured there, which is NaN, not a loss"
        )
    generator = torch.Generator().manual_seed(0)
    times, losses = torch.rand(2, 400, generator=generator)
    found = _bins(loss_by_time(losses, times, 10), 10)
    wanted = torch.stack([losses[(times >= k / 10) & (times < (k + 1) / 10)].mean() for k in range(10)])
    if not torch.allclose(found, wanted, atol=1e-5):
        raise Hint("right for five samples in 4 bins, wrong for 400 in 10; is the number of bins used everywhere?")


def _bins(answer: object, bins: int) -> Tensor:
    found = torch.as_tensor(answer, dtype=torch.float32)
    if found.shape != (bins,):
        raise Hint(f"shape {tuple(found.shape)} for {bins} bins; give one number a bin")
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
    """when_to_stop(held_out losses, patience) -> the index of the evaluation whose weights are kept."""
    for losses, patience, wanted in STOPS:
        found = when_to_stop(list(losses), patience)
        if found == wanted:
            continue
        what = f"losses {losses}, patience {patience}: {found}"
        if found is None:
            raise Hint(f"{what}. The losses can end before the patience does; keep the best of them then")
        if isinstance(found, float):
            raise Hint(f"{what} is a loss, or no whole number; an index is asked for")
        if losses[0] == 2.0 and found in (2, 3, 4):
            raise Hint(f"{what}. An equal loss is no improvement: keep the earlier weights, and let the patience run")
        if found == min(range(len(losses)), key=losses.__getitem__):
            raise Hint(f"{what} is the least loss of all, but training had stopped before it came")
        if found == wanted + patience:
            raise Hint(f"{what} is where training stops; the weights to keep are older")
        if found == _never_reset(losses, patience):
            raise Hint(f"{what}. Patience begins anew at each improvement")
        raise Hint(f"{what}. Go through them one by one: the best so far, and how many evaluations ago it was")


def _never_reset(losses: list[float], patience: int) -> int:
    """What comes of counting all evaluations without an improvement, instead of those in a row."""
    best = worse = 0
    for index, loss in enumerate(losses[1:], 1):
        best, worse = (index, worse) if loss < losses[best] else (best, worse + 1)
        if worse == patience:
            break
    return best


@exercise("06.5", 3, "A LoRA folded into its layer")
def check_merge_lora(merge_lora: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """merge_lora(weight (out, in), A (r, in), B (out, r), alpha) -> (out, in)."""
    for seed, (wide, narrow, rank, alpha) in enumerate(((6, 4, 2, 4.0), (5, 5, 3, 1.0), (3, 7, 1, 2.0))):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(wide, narrow, generator=generator)
        a, b = torch.randn(rank, narrow, generator=generator), torch.randn(wide, rank, generator=generator)
        given = weight.clone()
        merged = merge_lora(given, a.clone(), b.clone(), alpha)
        if not isinstance(merged, Tensor) or merged.shape != weight.shape:
            raise Hint(f"shape {_shape(merged)}; a merged weight has the shape of the old one, (out, in)")
        if not torch.equal(given, weight):
            raise Hint(
                "the weight that was given has changed; make a new one, or the LoRA could not be taken off again"
            )
        low = b @ a
        if _like(merged, weight + alpha / rank * low):
            continue
        if _like(merged, alpha / rank * low):
            raise Hint("that is the change alone; the layer's own weight is missing")
        if _like(merged, weight + alpha * low):
            raise Hint("scaled by alpha alone; so a larger rank would change the layer more")
        if _like(merged, weight + low):
            raise Hint("the scale is missing: alpha and the rank")
        if _like(merged, weight - alpha / rank * low):
            raise Hint("the sign: the LoRA is added to the layer")
        raise Hint("the merged layer does not give what layer and LoRA give together; try one input vector on paper")


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"of a {type(value).__name__}"


def _round(values: Tensor) -> list[float]:
    return [round(float(value), 2) for value in values]
