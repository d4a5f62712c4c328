"""Checks of notebook 01: groups of frames, a causal convolution in runs, receptive fields, what reaches what, jumps."""

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
    """frames_of_latent(index, stride) -> (first, stop), the frames first, ..., stop - 1 of a single run."""
    for stride in (4, 2, 8, 1):
        for index in range(6):
            held = [frame for frame in range(stride * 7 + 1) if naive_latent_index(frame, stride) == index]
            right = held[0], held[-1] + 1
            answer = frames_of_latent(index, stride)
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Hint(f"give two numbers back, (first, stop); for latent {index} it was {answer!r}")
            if tuple(answer) != right:
                raise Hint(f"latent {index}, stride {stride}: {_wrong_frames(tuple(answer), right, index, stride)}")


def _wrong_frames(answer: tuple, right: tuple[int, int], index: int, stride: int) -> str:
    if answer == (right[0], right[1] - 1):
        return "stop is the first frame that is not in it any more, as in range(first, stop)"
    if answer == (stride * index, stride * (index + 1)):
        return "this is for groups that all have the same size; what is different about the first latent?"
    if index == 0:
        return f"{answer} is not what the first latent holds; how many frames does it hold?"
    if answer[1] - answer[0] != stride:
        return f"{answer} has {answer[1] - answer[0]} frames; every latent but the first holds `stride`"
    return f"{answer} has the right number of frames, but lies {answer[0] - right[0]:+d} frames off"


@exercise("01.2", 3, "A causal convolution, run by run")
def check_conv_run(conv_run: Callable) -> None:
    """conv_run(run (t,), cache (K - 1,), weight (K,)) -> output (t,), the next cache (K - 1,)."""
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
            raise Hint("give two tensors back: the output, and the cache for the next run")
        output, cache = answer
        if tuple(output.shape) != tuple(run.shape):
            raise Hint(f"a run of {len(run)} frames gave {tuple(output.shape)} outputs; each frame gives one")
        if tuple(cache.shape) != (len(weight) - 1,):
            raise Hint(
                f"after a run of {len(run)} frames the cache has shape {tuple(cache.shape)}, with a kernel of "
                f"{len(weight)} frames: it is always K - 1 long. A run may be shorter than that"
            )
        outputs.append(output)
    return torch.cat(outputs)


def _wrong_runs(
    output: torch.Tensor, right: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, lengths: tuple
) -> str:
    if len(lengths) == 1:
        flipped = F.conv1d(F.pad(x, (len(weight) - 1, 0))[None, None], weight.flip(0)[None, None])[0, 0]
        if torch.allclose(output, flipped, atol=1e-5):
            return "the kernel is the wrong way round: its last weight is for the frame itself"
        return (
            "wrong for a single run already: is the past (the cache) before the run, and does each frame get its sum?"
        )
    wrong = int((output - right).abs().gt(1e-4).nonzero()[0])
    fresh = [
        F.conv1d(F.pad(run, (len(weight) - 1, 0))[None, None], weight[None, None])[0, 0] for run in x.split([*lengths])
    ]
    if torch.allclose(output, torch.cat(fresh), atol=1e-5):
        return f"with runs of {lengths} every run begins from nothing; is the cache that you give back the past?"
    starts = [start for start, _ in pairwise([0, *accumulate(lengths)])]
    where = "where a run begins" if wrong in starts else "inside a run"
    return (
        f"right for a single run, but with runs of {lengths} it goes wrong at frame {wrong}, {where}; "
        "which frames does the next run need, the oldest or the newest?"
    )


@exercise("01.3", 2, "How many frames a stack of convolutions sees")
def check_frames_seen(frames_seen: Callable[[list[int], list[int]], int]) -> None:
    """frames_seen(kernels, strides) -> frames that one output of the last layer depends on."""
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
            raise Hint(f"{where} frames before it, but the newest frame is seen too")
        if len(kernels) > 1 and answer == 1 + sum(k - 1 for k in kernels):
            raise Hint(f"{where}; after a stride of 2, one step of the next layer is two frames wide")
        if answer == 1 + sum((k - 1) * int(np.prod(strides[: i + 1])) for i, k in enumerate(kernels)):
            raise Hint(f"{where}; a layer reads its input before its own stride thins it out")
        if answer in (sum(kernels), int(np.prod(kernels))):
            raise Hint(f"{where}; two layers share frames: how many new ones does a kernel of k add?")
        raise Hint(f"{where} is not right; follow one output back, layer by layer, on paper")


def _frames_seen(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """By going back from one output: the frames it needs, layer by layer."""
    needed = {0}
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        needed = {stride * place - back for place in needed for back in range(kernel)}
    return max(needed) - min(needed) + 1


@exercise("01.4", 2, "What an edit reaches")
def check_reach(unchanged_latents: int, first_changed_frame: int) -> None:
    """Frame 10 is edited: leading latents that stay the same. Latent 3 is edited: the first frame that changes."""
    stride, frame, latent = 4, 10, 3
    touched = naive_latent_index(frame, stride)
    if unchanged_latents != touched:
        if unchanged_latents == touched + 1:
            raise Hint("unchanged_latents: latents are counted from 0. The one that holds the frame changes too")
        if unchanged_latents == frame // stride:
            raise Hint("unchanged_latents: the groups don't begin at multiples of 4; the first latent holds one frame")
        raise Hint("unchanged_latents: look along the column of frame 10 in the left map: how many cells are white?")
    first = 1 + stride * (latent - 1)
    if first_changed_frame != first:
        if first_changed_frame == stride * latent:
            raise Hint("first_changed_frame: this is the last frame of the latent, not its first")
        if first_changed_frame == 0:
            raise Hint("first_changed_frame: the decoder is causal too; what comes before stays")
        raise Hint("first_changed_frame: look along the row of latent 3 in the right map: where does the white end?")


@exercise("01.5", 3, "How large a jump is")
def check_jump_ratio(jump_ratio: Callable[[np.ndarray, int, int], float]) -> None:
    """jump_ratio(steps (T - 1,), frame, window) -> step into `frame` / median of the steps beside it."""
    rng = np.random.default_rng(0)
    for num_frames, frame, window in ((30, 13, 4), (30, 13, 2), (30, 2, 4), (30, 28, 4), (12, 1, 3)):
        steps = rng.uniform(5, 15, num_frames - 1)
        steps[frame - 1] = 40.0
        beside = _beside(steps, frame, window)
        right, answer = steps[frame - 1] / np.median(beside), jump_ratio(steps.copy(), frame, window)
        if answer is None or np.ndim(answer) != 0 or not np.isfinite(answer):
            raise Hint(f"frame {frame} of {num_frames}, window {window}: give one finite number back, not {answer!r}")
        if not np.isclose(answer, right):
            where = f"frame {frame} of {num_frames}, window {window}"
            raise Hint(f"{where}: {_wrong_ratio(float(answer), steps, frame, window)}")


def _beside(steps: np.ndarray, frame: int, window: int) -> np.ndarray:
    into = frame - 1
    return np.concatenate([steps[max(0, into - window) : into], steps[into + 1 : into + 1 + window]])


def _wrong_ratio(answer: float, steps: np.ndarray, frame: int, window: int) -> str:
    into, beside = frame - 1, _beside(steps, frame, window)
    if np.isclose(answer, steps[into] / beside.mean()):
        return "this is the mean of the steps beside it; one other outlier there would hide a flash, so take the median"
    with_jump = steps[max(0, into - window) : into + 1 + window]
    if np.isclose(answer, steps[into] / np.median(with_jump)):
        return "the jump itself is not one of the steps beside it"
    if np.isclose(answer, steps[into] / np.median(np.delete(steps, into))):
        return "only the steps within the window count"
    if np.isclose(answer, np.median(beside) / steps[into]):
        return "upside down: a flash should give more than 1"
    if len(steps) > frame and answer < 2:
        return "this is not the step into the frame; steps[i] leads from frame i to frame i + 1"
    return "the jump is right, but not the steps beside it: up to `window` on each side, fewer at the video's ends"
