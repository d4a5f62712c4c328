"""Checks of notebook 01: groups of frames, a causal convolution in runs, receptive fields, edits, and jumps."""

import random
import reprlib
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from .core import Hint, ask, exercise, generator, seed

__all__ = [
    "check_conv_run",
    "check_frames_of_latent",
    "check_frames_seen",
    "check_jump_ratio",
    "check_reach",
]

def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


# -- 01.1 --------------------------------------------------------------------------------------------------------------


def frames_of_latent(index: int, stride: int) -> tuple[int, int]:
    """Return (first, stop), the frames that a latent of a single run holds."""
    return (1 + stride * (index - 1), 1 + stride * index) if index else (0, 1)


@exercise("01.1", 2, "The frames that a latent holds", reference=frames_of_latent)
def check_frames_of_latent(answer: Callable[[int, int], tuple[int, int]]) -> None:
    """Check `frames_of_latent(index, stride)`.

    It returns (first, stop): in a single run the latent holds the frames first, ..., stop - 1.
    """
    dice = random.Random(seed(11))
    for stride in (4, 2, 8, 1, dice.randint(3, 13)):
        for index in (0, 2, 1, 3, 5, dice.randint(6, 40)):
            given, right = ask(answer, index, stride), frames_of_latent(index, stride)
            where = f"latent {index}, stride {stride}"
            if not isinstance(given, tuple | list) or len(given) != 2:
                raise Hint(f"{where}: return two numbers, (first, stop), not {reprlib.repr(given)}")
            if not all(map(_whole, given)):
                raise Hint(f"{where}: {tuple(given)} are not two whole numbers; a frame number is an int, so use //")
            if tuple(given) != right:
                raise Hint(f"{where}: {_wrong_frames(tuple(given), right, index, stride)}")


def _wrong_frames(answer: tuple, right: tuple[int, int], index: int, stride: int) -> str:
    if answer == (right[0], right[1] - 1):
        return "stop is the first frame that the latent does not hold any more, as in range(first, stop)"
    if answer == right[::-1]:
        return f"{answer} has stop before first"
    if answer == (right[0], right[1] - right[0]):
        return "the second number is the stop, not how many frames the latent holds"
    if answer == (stride * index, stride * (index + 1)):
        return "this would be right if all groups had the same size; what is different about the first latent?"
    if index == 0:
        return f"{answer} is not what the first latent holds; how many frames does it hold?"
    if answer[1] - answer[0] != stride:
        return f"{answer} has {answer[1] - answer[0]} frames; every latent but the first holds `stride` frames"
    return f"{answer} has the right number of frames, but it is {answer[0] - right[0]:+d} frames off"


# -- 01.2 --------------------------------------------------------------------------------------------------------------


def conv_run(run: Tensor, cache: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a causal convolution of one run (t, ...), and the cache (K - 1, ...) for the next run."""
    x = torch.cat([cache, run])
    return sum(weight[k] * x[k : k + len(run)] for k in range(len(weight))), x[len(run) :]


@exercise("01.2", 3, "A causal convolution, run by run", reference=conv_run)
def check_conv_run(answer: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `conv_run(run, cache, weight)`, a causal convolution of one run of t frames with a kernel of K frames.

    run: (t, ...), numbers or pictures; cache: (K - 1, ...), the frames before the run; weight: (K,). It returns the
    output (t, ...) and the cache for the next run (K - 1, ...).
    """
    random_ = generator(12)
    for size, rest in ((3, ()), (2, ()), (5, ()), (3, (2, 4))):
        weight, x = torch.randn(size, generator=random_), torch.randn(13, *rest, generator=random_)
        right = _at_once(x, weight)
        for lengths in ((13,), (1, 4, 4, 4), (1,) * 13, (6, 7)):
            output = _in_runs(answer, x, weight, lengths)
            if not torch.allclose(output.double(), right.double(), atol=1e-5):
                raise Hint(_wrong_runs(output, right, x, weight, lengths))


def _at_once(x: Tensor, weight: Tensor) -> Tensor:
    return conv_run(x, x.new_zeros(len(weight) - 1, *x.shape[1:]), weight)[0]


def _in_runs(answer: Callable, x: Tensor, weight: Tensor, lengths: Sequence[int]) -> Tensor:
    cache, outputs = x.new_zeros(len(weight) - 1, *x.shape[1:]), []
    for run in x.split(list(lengths)):
        given = ask(answer, run, cache, weight)
        if not isinstance(given, tuple | list) or len(given) != 2 or not all(isinstance(g, Tensor) for g in given):
            raise Hint("return two tensors: the output, and the cache for the next run")
        output, after = given
        if output.shape != run.shape and after.shape == run.shape and output.shape == cache.shape:
            raise Hint("the two results have changed places: first the output, then the cache for the next run")
        if output.shape != run.shape:
            raise Hint(
                f"a run of shape {tuple(run.shape)} gave an output of shape {tuple(output.shape)}; each frame gives one"
            )
        if after.shape != cache.shape:
            raise Hint(
                f"after a run of {len(run)} frames the cache has shape {tuple(after.shape)}, with a kernel of "
                f"{len(weight)} frames; the cache is always K - 1 long, and a run may be shorter than the cache"
            )
        cache = after.clone()
        outputs.append(output)
    return torch.cat(outputs)


def _wrong_runs(output: Tensor, right: Tensor, x: Tensor, weight: Tensor, lengths: tuple[int, ...]) -> str:
    if len(lengths) == 1:
        if torch.allclose(output, _at_once(x, weight.flip(0)), atol=1e-5):
            return "the kernel is the wrong way round: its last weight belongs to the frame itself"
        if torch.allclose(output, _at_once(x, weight / weight.sum()), atol=1e-5):
            return "the formula is a plain sum; the weights are not made to add up to 1"
        if torch.allclose(output[: 1 - len(weight)], right[len(weight) - 1 :], atol=1e-5):
            return "each output looks ahead: a causal convolution may look only at the frame itself and those before it"
        return "a single run is wrong already; where do the frames of the cache stand, and does each frame get its sum?"
    fresh = torch.cat([_at_once(run, weight) for run in x.split([*lengths])])
    if torch.allclose(output, fresh, atol=1e-5):
        return f"with runs of {lengths} every run begins from nothing; is the cache that you return the past?"
    wrong = int((output - right).abs().reshape(len(x), -1).amax(1).gt(1e-4).nonzero()[0])
    where = "where a run begins" if wrong in [0, *accumulate(lengths)] else "inside a run"
    return (
        f"a single run is right, but with runs of {lengths} frame {wrong} is wrong, {where}; "
        "which frames does the next run need, the oldest or the newest, and are they inputs?"
    )


# -- 01.3 --------------------------------------------------------------------------------------------------------------


def frames_seen(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many frames one output depends on: go back from it, layer by layer, and collect what it needs."""
    needed = {0}
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        needed = {stride * place - back for place in needed for back in range(kernel)}
    return max(needed) - min(needed) + 1


@exercise("01.3", 2, "How many frames a stack of convolutions sees", reference=frames_seen)
def check_frames_seen(answer: Callable[[list[int], list[int]], int]) -> None:
    """Check `frames_seen(kernels, strides)`: the number of frames that one output of the last layer depends on."""
    dice = random.Random(seed(13))
    layers = dice.randint(4, 6)
    stacks = [
        ([3], [1]),
        ([3, 3], [1, 1]),
        ([3], [2]),
        ([3, 3], [2, 1]),
        ([3, 3, 3], [2, 2, 1]),
        ([5, 1, 3], [1, 2, 2]),
        ([dice.randint(2, 6) for _ in range(layers)], [dice.choice((1, 2, 3)) for _ in range(layers)]),
    ]
    answers, right = [ask(answer, *stack) for stack in stacks], [frames_seen(*stack) for stack in stacks]
    for given, seen, (kernels, strides) in zip(answers, right, stacks, strict=True):
        where = f"kernels {kernels}, strides {strides}: {reprlib.repr(given)}"
        if not _whole(given):
            raise Hint(f"{where}: return a number of frames, an int")
        if given != seen:
            raise Hint(f"{where} {_wrong_count(answers, stacks)}")


def _wrong_count(answers: list[int], stacks: list[tuple[list[int], list[int]]]) -> str:
    """Say what is wrong with the answers to all stacks; their whole row tells the cause."""

    def steps(strides: list[int]) -> list[int]:
        return [1, *accumulate(strides, int.__mul__)]

    for formula, said in (
        (lambda k, s: frames_seen(k, s) - 1, "leaves out the newest frame, which is seen too"),
        (lambda k, s: sum(k), "is not right; two layers share frames. How many new frames does a kernel of k add?"),
        (lambda k, s: int(np.prod(k)), "is not right; two layers share frames. How many new ones does a kernel add?"),
        (
            lambda k, s: 1 + sum(x - 1 for x in k),
            "is not right; after a stride of 2, one step of the next layer is two frames wide",
        ),
        (
            lambda k, s: 1 + sum((x - 1) * step for x, step in zip(k, steps(s)[1:], strict=False)),
            "is not right; a layer reads its input before its own stride thins the input out",
        ),
        (
            lambda k, s: frames_seen(k[::-1], s[::-1]),
            "is not right; the lists begin at the input, so the first layer comes first",
        ),
        (
            lambda k, s: 1 + sum((x - 1) * stride for x, stride in zip(k, s, strict=True)),
            "is not right; a layer's step is as wide as all strides before it together, and its own does not count yet",
        ),
        (
            lambda k, s: 1 + sum(x * step for x, step in zip(k, steps(s), strict=False)),
            "is not right; a kernel of k looks back over k - 1 steps",
        ),
        (
            lambda k, s: 1 + sum((x - 1) * (sum(s[:i]) or 1) for i, x in enumerate(k)),
            "is not right; the strides of several layers multiply, they do not add",
        ),
        (lambda k, s: answers[0], "is not right; the answer must not be the same for all stacks"),
    ):
        if answers == [formula(*stack) for stack in stacks]:
            return said
    return "is not right; follow one output back on paper, layer by layer"


# -- 01.4 --------------------------------------------------------------------------------------------------------------


def reach(frame: int, stride: int) -> tuple[int, int]:
    """Return how many latents an edit of a frame leaves as they are, and the first frame that decodes differently."""
    latent = -(-frame // stride)
    return latent, frames_of_latent(latent, stride)[0]


@exercise("01.4", 2, "What an edit reaches", reference=reach)
def check_reach(answer: Callable[[int, int], tuple[int, int]]) -> None:
    """Check `reach(frame, stride)`: (how many leading latents stay, the first frame that decodes differently)."""
    dice = random.Random(seed(14))
    for stride in (4, 2, dice.randint(3, 9)):
        for frame in (10, 13, 0, 1, stride, stride + 1, *(dice.randint(2, 60) for _ in range(4))):
            given, (kept, first) = ask(answer, frame, stride), reach(frame, stride)
            where = f"frame {frame}, stride {stride}"
            if not isinstance(given, tuple | list) or len(given) != 2 or not all(map(_whole, given)):
                raise Hint(
                    f"{where}: return two whole numbers, (unchanged latents, first changed frame), not {given!r:.60}"
                )
            if tuple(given) == (first, kept) != (kept, first):
                raise Hint(f"{where}: the two numbers have changed places; the number of latents comes first")
            if given[0] != kept:
                raise Hint(f"{where}, unchanged latents: {_wrong_kept(given[0], kept, frame, stride)}")
            if given[1] != first:
                raise Hint(f"{where}, first changed frame: {_wrong_first(given[1], kept, frame, stride)}")


def _wrong_kept(answer: int, right: int, frame: int, stride: int) -> str:
    if answer == right + 1:
        return f"{answer} counts the latent that holds the frame, and this latent changes"
    if answer == frame // stride:
        return f"{answer} would be right if groups began at multiples of s, but the first latent holds one frame"
    if answer == 0:
        return "the encoder is causal, so the latents before the frame's own stay"
    if answer == frame:
        return f"{answer} is a number of frames; how many latents hold these frames?"
    return f"{answer} is not right; how many cells are white in the column of the frame in the left map?"


def _wrong_first(answer: int, latent: int, frame: int, stride: int) -> str:
    if answer == frame:
        return "the frames of one latent change together, also those of the group that come before the edited frame"
    if latent and answer == stride * latent:
        return f"{answer} is the last frame of the latent, not its first"
    if latent and answer == stride * (latent - 1):
        return f"{answer} still belongs to the latent before, which stays"
    if answer == 0:
        return "the decoder is causal, so the frames of earlier latents stay"
    return f"{answer} is not right; where does the white end in the row of latent {latent} in the right map?"


# -- 01.5 --------------------------------------------------------------------------------------------------------------


def jump_ratio(steps: np.ndarray, frame: int, window: int) -> float:
    """Return the step into a frame, divided by the median of up to `window` steps on each side."""
    return float(steps[frame - 1] / np.median(_beside(steps, frame, window)))


def _beside(steps: np.ndarray, frame: int, window: int) -> np.ndarray:
    into = frame - 1
    return np.concatenate([steps[max(0, into - window) : into], steps[into + 1 : into + 1 + window]])


@exercise("01.5", 3, "How large a jump is", reference=jump_ratio)
def check_jump_ratio(answer: Callable[[np.ndarray, int, int], float]) -> None:
    """Check `jump_ratio(steps, frame, window)`: the step into the frame, divided by the median of the steps beside it.

    steps: (T - 1,), steps[i] from frame i to frame i + 1. At most `window` steps count on each side.
    """
    dice, random_ = random.Random(seed(15)), generator(15)
    cases = [(30, 13, 4), (30, 13, 2), (30, 2, 4), (30, 28, 4), (12, 1, 3), (30, 29, 4)]
    for num_frames, frame, window in [*cases, (40, dice.randint(8, 30), dice.randint(3, 7))]:
        steps = (5 + 10 * torch.rand(num_frames - 1, generator=random_, dtype=torch.float64)).numpy()
        steps[frame - 1] = 40.0
        given = ask(answer, steps, frame, window)
        where = f"frame {frame} of {num_frames}, window {window}"
        if isinstance(given, Tensor):
            given = given.numpy()
        if np.ndim(given) != 0 or isinstance(given, str) or not np.isfinite(given):
            raise Hint(f"{where}: return one finite number, not {reprlib.repr(given)}")
        if not np.isclose(given, jump_ratio(steps, frame, window)):
            raise Hint(f"{where}: {_wrong_ratio(float(given), steps, frame, window)}")


def _wrong_ratio(answer: float, steps: np.ndarray, frame: int, window: int) -> str:
    into, beside = frame - 1, _beside(steps, frame, window)
    if np.isclose(answer, steps[into] / beside.mean()):
        return "this is the mean of the steps beside it; one outlier among them would hide a flash, so take the median"
    with_jump = steps[max(0, into - window) : into + 1 + window]
    if np.isclose(answer, steps[into] / np.median(with_jump)):
        return "the jump itself is not one of the steps beside it"
    if np.isclose(answer, steps[into] / np.median(np.delete(steps, into))):
        return "only the steps within the window count"
    if np.isclose(answer, np.median(beside) / steps[into]):
        return "the ratio is upside down: a flash should give more than 1"
    if np.isclose(answer, steps[into] - np.median(beside)):
        return "this is a difference; a ratio divides"
    for name, side in (("before", steps[max(0, into - window) : into]), ("after", steps[into + 1 :][:window])):
        if len(side) and np.isclose(answer, steps[into] / np.median(side)):
            return f"only the steps {name} the jump are in it; up to `window` of them count on each side"
    if answer < 2:
        return "this is not the step into the frame; steps[i] leads from frame i to frame i + 1"
    return "the steps beside the jump are wrong: up to `window` of them count on each side, fewer at the video's ends"
