"""Checks of notebook 01: groups of frames, a causal convolution in runs, receptive fields, edits, and jumps."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch.nn import functional as F

from ...vae.naive import naive_latent_index
from .core import Hint, exercise

__all__ = [
    "check_conv_run",
    "check_frames_of_latent",
    "check_frames_seen",
    "check_jump_ratio",
    "check_reach",
]


@exercise("01.1", 2, "The frames that a latent holds")
def check_frames_of_latent(frames_of_latent: Callable[[int, int], tuple[int, int]]) -> None:
    """Check `frames_of_latent(index, stride)`.

    It returns (first, stop): in a single run the latent holds the frames first, ..., stop - 1.
    """
    for stride in (4, 2, 8, 1):
        for index in range(6):
            held = [frame for frame in range(7 * stride + 1) if naive_latent_index(frame, stride) == index]
            right = held[0], held[-1] + 1
            answer = frames_of_latent(index, stride)
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Hint(f"return two numbers, (first, stop); for latent {index} you returned {answer!r}")
            if tuple(answer) != right:
                raise Hint(f"latent {index}, stride {stride}: {_wrong_frames(tuple(answer), right, index, stride)}")


def _wrong_frames(answer: tuple, right: tuple[int, int], index: int, stride: int) -> str:
    if answer == (right[0], right[1] - 1):
        return "stop is the first frame that the latent does not hold any more, as in range(first, stop)"
    if answer == (stride * index, stride * (index + 1)):
        return "this would be right if all groups had the same size; what is different about the first latent?"
    if index == 0:
        return f"{answer} is not what the first latent holds; how many frames does it hold?"
    if answer[1] - answer[0] != stride:
        return f"{answer} has {answer[1] - answer[0]} frames; every latent but the first holds `stride` frames"
    return f"{answer} has the right number of frames, but it is {answer[0] - right[0]:+d} frames off"


@exercise("01.2", 3, "A causal convolution, run by run")
def check_conv_run(conv_run: Callable) -> None:
    """Check `conv_run(run, cache, weight)`, a causal convolution of one run of t frames with a kernel of K frames.

    run: (t,); cache: (K - 1,), the frames before the run; weight: (K,). It returns the output (t,) and the cache for
    the next run (K - 1,).
    """
    generator = torch.Generator().manual_seed(0)
    for size in (3, 2, 5):
        weight, x = torch.randn(size, generator=generator), torch.randn(13, generator=generator)
        right = F.conv1d(F.pad(x, (size - 1, 0))[None, None], weight[None, None])[0, 0]
        for lengths in ((13,), (1, 4, 4, 4), (1,) * 13, (6, 7)):
            output = _in_runs(conv_run, x, weight, lengths)
            if not torch.allclose(output, right, atol=1e-5):
                raise Hint(_wrong_runs(output, right, x, weight, lengths))


def _in_runs(conv_run: Callable, x: torch.Tensor, weight: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    cache, outputs = torch.zeros(len(weight) - 1), []
    for run in x.split(list(lengths)):
        answer = conv_run(run.clone(), cache.clone(), weight.clone())
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two tensors: the output, and the cache for the next run")
        output, cache = answer
        if tuple(output.shape) != tuple(run.shape):
            raise Hint(f"a run of {len(run)} frames gave outputs of shape {tuple(output.shape)}; each frame gives one")
        if tuple(cache.shape) != (len(weight) - 1,):
            raise Hint(
                f"after a run of {len(run)} frames the cache has shape {tuple(cache.shape)}, with a kernel of "
                f"{len(weight)} frames; the cache is always K - 1 long, and a run may be shorter than the cache"
            )
        outputs.append(output)
    return torch.cat(outputs)


def _wrong_runs(
    output: torch.Tensor, right: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, lengths: tuple
) -> str:
    if len(lengths) == 1:
        flipped = F.conv1d(F.pad(x, (len(weight) - 1, 0))[None, None], weight.flip(0)[None, None])[0, 0]
        if torch.allclose(output, flipped, atol=1e-5):
            return "the kernel is the wrong way round: its last weight belongs to the frame itself"
        return "a single run is wrong already; where do the frames of the cache stand, and does each frame get its sum?"
    wrong = int((output - right).abs().gt(1e-4).nonzero()[0])
    fresh = [
        F.conv1d(F.pad(run, (len(weight) - 1, 0))[None, None], weight[None, None])[0, 0] for run in x.split([*lengths])
    ]
    if torch.allclose(output, torch.cat(fresh), atol=1e-5):
        return f"with runs of {lengths} every run begins from nothing; is the cache that you return the past?"
    starts = [start for start, _ in pairwise([0, *accumulate(lengths)])]
    where = "where a run begins" if wrong in starts else "inside a run"
    return (
        f"a single run is right, but with runs of {lengths} frame {wrong} is wrong, {where}; "
        "which frames does the next run need, the oldest or the newest?"
    )


@exercise("01.3", 2, "How many frames a stack of convolutions sees")
def check_frames_seen(frames_seen: Callable[[list[int], list[int]], int]) -> None:
    """Check `frames_seen(kernels, strides)`: the number of frames that one output of the last layer depends on."""
    stacks = (
        ([3], [1]),
        ([3, 3], [1, 1]),
        ([3], [2]),
        ([3, 3], [2, 1]),
        ([3, 3, 3], [2, 2, 1]),
        ([5, 1, 3], [1, 2, 2]),
    )
    for kernels, strides in stacks:
        right, answer = _frames_seen(kernels, strides), frames_seen(list(kernels), list(strides))
        if answer == right:
            continue
        where = f"kernels {kernels}, strides {strides}: {answer!r}"
        if answer == right - 1:
            raise Hint(f"{where} is the number of frames before the newest, but the newest frame is seen too")
        if len(kernels) > 1 and answer == 1 + sum(k - 1 for k in kernels):
            raise Hint(f"{where} is not right; after a stride of 2, one step of the next layer is two frames wide")
        if answer == 1 + sum((k - 1) * int(np.prod(strides[: i + 1])) for i, k in enumerate(kernels)):
            raise Hint(f"{where} is not right; a layer reads its input before its own stride thins the input out")
        if answer in (sum(kernels), int(np.prod(kernels))):
            raise Hint(f"{where} is not right; two layers share frames. How many new frames does a kernel of k add?")
        raise Hint(f"{where} is not right; follow one output back on paper, layer by layer")


def _frames_seen(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Go back from one output, layer by layer, and collect the frames that it needs."""
    needed = {0}
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        needed = {stride * place - back for place in needed for back in range(kernel)}
    return max(needed) - min(needed) + 1


@exercise("01.4", 2, "What an edit reaches")
def check_reach(unchanged_latents: int, first_changed_frame: int) -> None:
    """Check how many leading latents an edit of frame 10 leaves as they are, and where an edit of latent 3 begins."""
    stride, frame, latent = 4, 10, 3
    touched = naive_latent_index(frame, stride)
    if unchanged_latents != touched:
        if unchanged_latents == touched + 1:
            raise Hint("unchanged_latents: latents are counted from 0, and the latent that holds the frame changes too")
        if unchanged_latents == frame // stride:
            raise Hint("unchanged_latents: groups do not begin at multiples of 4; the first latent holds one frame")
        raise Hint("unchanged_latents: how many cells are white in the column of frame 10 in the left map?")
    first = 1 + stride * (latent - 1)
    if first_changed_frame != first:
        if first_changed_frame == stride * latent:
            raise Hint("first_changed_frame: this is the last frame of the latent, not its first")
        if first_changed_frame == 0:
            raise Hint("first_changed_frame: the decoder is causal too, so the frames before the latent stay")
        raise Hint("first_changed_frame: where does the white end in the row of latent 3 in the right map?")


@exercise("01.5", 3, "How large a jump is")
def check_jump_ratio(jump_ratio: Callable[[np.ndarray, int, int], float]) -> None:
    """Check `jump_ratio(steps, frame, window)`: the step into the frame, divided by the median of the steps beside it.

    steps: (T - 1,), steps[i] from frame i to frame i + 1. At most `window` steps count on each side.
    """
    rng = np.random.default_rng(0)
    for num_frames, frame, window in ((30, 13, 4), (30, 13, 2), (30, 2, 4), (30, 28, 4), (12, 1, 3)):
        steps = rng.uniform(5, 15, num_frames - 1)
        steps[frame - 1] = 40.0
        beside = _beside(steps, frame, window)
        right, answer = steps[frame - 1] / np.median(beside), jump_ratio(steps.copy(), frame, window)
        if answer is None or np.ndim(answer) != 0 or not np.isfinite(answer):
            raise Hint(f"frame {frame} of {num_frames}, window {window}: return one finite number, not {answer!r}")
        if not np.isclose(answer, right):
            where = f"frame {frame} of {num_frames}, window {window}"
            raise Hint(f"{where}: {_wrong_ratio(float(answer), steps, frame, window)}")


def _beside(steps: np.ndarray, frame: int, window: int) -> np.ndarray:
    into = frame - 1
    return np.concatenate([steps[max(0, into - window) : into], steps[into + 1 : into + 1 + window]])


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
    if len(steps) > frame and answer < 2:
        return "this is not the step into the frame; steps[i] leads from frame i to frame i + 1"
    return "the steps beside the jump are wrong: up to `window` of them count on each side, fewer at the video's ends"
