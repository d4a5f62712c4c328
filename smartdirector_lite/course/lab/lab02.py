"""Checks of notebook 02: where chunks begin, rounded places, joined chunks, pinned frames, and latents to wait for."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from ...timeline import ChunkPlan, Condition
from .core import Hint, exercise

__all__ = [
    "check_chunk_starts",
    "check_join_chunks",
    "check_latents_for",
    "check_pinned_frames",
    "check_rounded_place",
]


def _plans(seed: int, count: int = 12, stride: int = 4) -> list[ChunkPlan]:
    """Return plans with keyframes, clips and cuts: three fixed plans, then random ones.

    The fixed plans have keyframes only, a clip that fills its last latent, and a clip that does not.
    """
    plans = [
        ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], stride),
        ChunkPlan.build(30, [Condition(8, 1 + stride)], stride),
        ChunkPlan.build(30, [Condition(8, 2 + stride)], stride),
    ]
    rng = random.Random(seed)
    while len(plans) < count:
        num_frames = rng.randint(28, 50)
        frames = sorted(rng.sample(range(0, num_frames - 7, 7), rng.randint(1, 3)))
        conditions = [Condition(frame, rng.choice((1, 1, 4, 5, 6))) for frame in frames]
        cuts = [frame + 6 for frame in frames if rng.random() < 0.4]
        plans.append(ChunkPlan.build(num_frames, conditions, stride, cuts))
    return plans


def _pairs(plan: ChunkPlan) -> list[tuple[int, int]]:
    return [(condition.frame_index, condition.num_frames) for condition in plan.conditions]


def _described(plan: ChunkPlan) -> str:
    return f"{plan.num_frames} frames, conditions {_pairs(plan)}, cuts {list(plan.cuts)}"


# -- 02.1 --------------------------------------------------------------------------------------------------------------


@exercise("02.1", 3, "Where chunks begin")
def check_chunk_starts(chunk_starts: Callable[[int, list, list, int], list[int]]) -> None:
    """Check `chunk_starts(num_frames, conditions, cuts, stride)`: the first frames of the chunks, ascending.

    conditions: (first frame, number of frames) of each keyframe and clip.
    """
    plans = [*_plans(1), *_plans(2, 5, stride=2), ChunkPlan.build(14, [Condition(8, 6)])]
    for plan in plans:
        right = [chunk.start for chunk in plan.chunks]
        answer = chunk_starts(plan.num_frames, _pairs(plan), list(plan.cuts), plan.stride)
        if not isinstance(answer, list | tuple):
            raise Hint(f"return a list of frames, not {answer!r}")
        if list(answer) != right:
            raise Hint(f"{_described(plan)}, stride {plan.stride}: {_wrong_starts(list(answer), right, plan)}")


def _wrong_starts(answer: list, right: list[int], plan: ChunkPlan) -> str:
    if sorted(answer) != answer:
        return f"{answer} is not in the order of time"
    if len(set(answer)) != len(answer):
        return f"{answer} has a frame twice; a keyframe may stand at frame 0 or at a cut"
    if plan.num_frames in answer:
        return f"a chunk begins at frame {plan.num_frames}, but the video ends before it"
    missing, extra = sorted(set(right) - set(answer)), sorted(set(answer) - set(right))
    stops = {condition.stop: condition for condition in plan.conditions}
    if 0 in missing:
        return "frame 0 begins a chunk even without a keyframe there"
    if extra and extra[0] in stops:
        return f"no chunk begins at {extra[0]}: the clip before it fills its last latent, so the clip's chunk goes on"
    if missing and missing[0] in plan.cuts:
        return f"nothing begins at frame {missing[0]} in your answer, but there is a cut"
    if missing and missing[0] in stops:
        length = stops[missing[0]].num_frames
        return f"frame {missing[0]} follows a clip of {length} frames; can a new frame go into that clip's last latent?"
    return f"{answer}: " + (f"frame {missing[0]} is missing" if missing else f"no chunk begins at frame {extra[0]}")


# -- 02.2 --------------------------------------------------------------------------------------------------------------


@exercise("02.2", 3, "Where rounding would put a keyframe")
def check_rounded_place(rounded_place: Callable[[int, int, int], int]) -> None:
    """Check `rounded_place(frame, start, stride)`: the nearest b > start for which [start, b) has s k + 1 frames."""
    for stride in (4, 8, 3):
        for start in (0, 6, 15):
            for frame in range(start + 1, start + 4 * stride):
                answer = rounded_place(frame, start, stride)
                if answer is None or isinstance(answer, bool) or int(answer) != answer:
                    raise Hint(f"frame {frame}, start {start}, stride {stride}: return a frame number, not {answer!r}")
                _check_place(int(answer), frame, start, stride)


def _check_place(answer: int, frame: int, start: int, stride: int) -> None:
    places = [start + 1 + stride * k for k in range(6)]
    nearest = min(abs(place - frame) for place in places)
    where = f"frame {frame}, start {start}, stride {stride}: {answer}"
    if answer in places and abs(answer - frame) == nearest:
        return
    if answer <= start:
        raise Hint(f"{where} leaves the chunk before it without a frame")
    if (answer - start) % stride == 0:
        raise Hint(f"{where}: the chunk would have {answer - start} frames, a multiple of s; where is its first frame?")
    if (answer - 1) % stride == 0 and start:
        raise Hint(f"{where}: the length of the chunk counts from the chunk's start, not from frame 0")
    if answer not in places:
        raise Hint(f"{where}: the chunk would have {answer - start} frames, and that is not s k + 1")
    away = abs(answer - frame)
    raise Hint(f"{where} is {away} frames away; a place on the other side is only {nearest} frames away")


# -- 02.3 --------------------------------------------------------------------------------------------------------------


@exercise("02.3", 2, "Joining decoded chunks")
def check_join_chunks(join_chunks: Callable[[list[Tensor], list[tuple[int, int]]], Tensor]) -> None:
    """Check `join_chunks(decoded, spans)`, which returns the video (B, 3, N, H, W).

    decoded: (B, 3, 1 + s (n - 1), H, W) for each chunk of n latents. spans: (start, stop) of each chunk, in frames.
    """
    for plan in _plans(3, 8):
        decoded = []
        for number, chunk in enumerate(plan.chunks):
            frames = torch.arange(chunk.start, chunk.stop + chunk.surplus) + 1000.0 * number
            decoded.append(frames.view(1, 1, -1, 1, 1).expand(2, 3, -1, 2, 2).clone())
        spans = [(chunk.start, chunk.stop) for chunk in plan.chunks]
        kept = [frames[:, :, : stop - start] for frames, (start, stop) in zip(decoded, spans, strict=True)]
        right, answer = torch.cat(kept, dim=2), join_chunks([frames.clone() for frames in decoded], spans)
        if not isinstance(answer, Tensor) or answer.ndim != 5:
            raise Hint("return one tensor with five axes, (B, 3, N, H, W)")
        if answer.shape != right.shape or not torch.equal(answer, right):
            raise Hint(f"{_described(plan)}: {_wrong_join(answer, right, decoded)}")


def _wrong_join(answer: Tensor, right: Tensor, decoded: list[Tensor]) -> str:
    total = sum(frames.shape[2] for frames in decoded)
    if answer.shape[0] != right.shape[0] or answer.shape[3:] != right.shape[3:]:
        return f"the shape is {tuple(answer.shape)}; chunks follow each other in time, and that is axis 2"
    if answer.shape[2] == total > right.shape[2]:
        return f"{total} frames for a video of {right.shape[2]} frames; the surplus is still there"
    if answer.shape[2] != right.shape[2]:
        frames = answer.shape[2]
        return f"{frames} frames for a video of {right.shape[2]} frames; the surplus differs from chunk to chunk"
    wrong = int((answer - right).abs().amax(dim=(0, 1, 3, 4)).nonzero()[0])
    return f"frame {wrong} is not the right one; a chunk has its surplus at its end, and its keyframe at its start"


# -- 02.4 --------------------------------------------------------------------------------------------------------------


@exercise("02.4", 2, "Frames that are pinned")
def check_pinned_frames(pinned_frames: Callable[[ChunkPlan], list[int]]) -> None:
    """Check `pinned_frames(plan)`: the frames that do not depend on the latents that are not anchors."""
    for plan in _plans(4):
        right = sorted(c.frame_index + k for c in plan.conditions for k in range(c.num_frames))
        answer = pinned_frames(plan)
        if not isinstance(answer, list | tuple | set):
            raise Hint(f"return a list of frames, not {answer!r}")
        if sorted(answer) != right:
            raise Hint(f"{_described(plan)}: {_wrong_pins(sorted(answer), right, plan)}")


def _wrong_pins(answer: list[int], right: list[int], plan: ChunkPlan) -> str:
    if answer == [index for index, anchor in enumerate(plan.anchors) if anchor]:
        return "these are the indices of the anchors among the latents; which frames do the anchors show?"
    if answer == sorted(condition.frame_index for condition in plan.conditions):
        return "a clip has more frames than its first, and all of them are given"
    extra = set(answer) - set(right)
    if extra and extra <= {chunk.start for chunk in plan.chunks}:
        return "a chunk that begins at frame 0, at a cut or after a clip may begin without anything given there"
    if extra:
        return f"frame {min(extra)} is not pinned: it comes from a latent that is not an anchor, or it is surplus"
    return f"{answer} lacks frame {min(set(right) - set(answer))}"


# -- 02.5 --------------------------------------------------------------------------------------------------------------


@exercise("02.5", 2, "Latents to wait for")
def check_latents_for(latents_for: Callable[[ChunkPlan, int], int]) -> None:
    """Check `latents_for(plan, frame)`: how many latents, in order, must be there until the frame can be shown."""
    for plan in _plans(5):
        for frame in range(plan.num_frames):
            right = next(i for i, last in enumerate(plan.last_frames) if last >= frame) + 1
            answer = latents_for(plan, frame)
            if answer == right:
                continue
            chunk = next(chunk for chunk in plan.chunks if chunk.start <= frame < chunk.stop)
            where = f"{_described(plan)}, frame {frame}: {answer!r}"
            if chunk.latent_start and answer == 1 + -(-frame // plan.stride):
                raise Hint(f"{where} would be right for one run; here a latent may hold fewer frames than s")
            if answer == chunk.latent_start + 1 + (frame - chunk.start) // plan.stride:
                raise Hint(f"{where} takes groups that begin at the chunk's start; the first latent holds one frame")
            if chunk.latent_start and answer == right - chunk.latent_start:
                raise Hint(f"{where} counts from its chunk's start; the chunks before must be decoded first")
            if answer == right - 1:
                raise Hint(f"{where} is the index of the latent that shows the frame; how many latents are that?")
            raise Hint(f"{where} is not right; count along plan.table(): chunk by chunk, 1 frame and then s at a time")
