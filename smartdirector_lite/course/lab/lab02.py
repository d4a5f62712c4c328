"""Checks of notebook 02: where chunks begin, rounded places, joined chunks, pinned frames, and latents to wait for."""

import random
import reprlib
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from ...timeline import ChunkPlan, Condition
from .core import Hint, ask, exercise, seed

__all__ = [
    "check_chunk_starts",
    "check_join_chunks",
    "check_latents_for",
    "check_pinned_frames",
    "check_rounded_place",
]

def _plans(number: int, count: int = 6) -> list[ChunkPlan]:
    """Return plans with keyframes, clips and cuts, for two strides of the VAE: three of a kind, then random ones."""
    plans, dice = [], random.Random(seed(number))
    for stride in (4, 2, 3):
        plans += [
            ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], stride),
            ChunkPlan.build(30, [Condition(8, 1 + stride)], stride),  # a clip that fills its last latent
            ChunkPlan.build(30, [Condition(8, 2 + stride)], stride),  # a clip that does not
        ]
        for _ in range(count):
            num_frames = dice.randint(28, 50)
            frames = dice.sample(range(0, num_frames - 7, 7), dice.randint(1, 3))
            conditions = [Condition(frame, dice.choice((1, 1, 4, 5, 6))) for frame in frames]
            cuts = [frame + 6 for frame in frames if dice.random() < 0.4]
            plans.append(ChunkPlan.build(num_frames, conditions, stride, cuts))
    return plans


def _pairs(plan: ChunkPlan) -> list[tuple[int, int]]:
    return [(condition.frame_index, condition.num_frames) for condition in plan.conditions]


def _described(plan: ChunkPlan) -> str:
    cuts = f", cuts {list(plan.cuts)}" if plan.cuts else ""
    return f"{plan.num_frames} frames, conditions (frame, length) {_pairs(plan)}{cuts}, stride {plan.stride}"


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _frames(answer: object) -> list[int]:
    """Return an answer that must be a list of frames."""
    if not isinstance(answer, list | tuple) or not all(map(_whole, answer)):
        raise Hint(f"return a list of frames, which are ints, not {reprlib.repr(answer)}")
    return list(answer)


# -- 02.1 --------------------------------------------------------------------------------------------------------------


def chunk_starts(num_frames: int, conditions: Collection[tuple[int, int]], cuts: Collection[int], stride: int) -> list:
    """Return the first frames of all chunks, in ascending order."""
    placed = [Condition(frame, length) for frame, length in conditions]
    return [chunk.start for chunk in ChunkPlan.build(num_frames, placed, stride, cuts).chunks]


@exercise("02.1", 3, "Where chunks begin", reference=chunk_starts)
def check_chunk_starts(answer: Callable[[int, list, list, int], list[int]]) -> None:
    """Check `chunk_starts(num_frames, conditions, cuts, stride)`: the first frames of the chunks, ascending.

    conditions: (first frame, number of frames) of each keyframe and clip.
    """
    for plan in [*_plans(21), ChunkPlan.build(14, [Condition(8, 6)])]:
        right = [chunk.start for chunk in plan.chunks]
        given = _frames(ask(answer, plan.num_frames, _pairs(plan), list(plan.cuts), plan.stride))
        if given != right:
            raise Hint(f"{_described(plan)}: {_wrong_starts(given, right, plan)}")


def _wrong_starts(answer: list, right: list[int], plan: ChunkPlan) -> str:
    if sorted(answer) != answer:
        return f"{answer} is not in the order of time"
    if len(set(answer)) != len(answer):
        return f"{answer} has a frame twice; a keyframe may stand at frame 0 or at a cut"
    swapped = [(length, frame) for frame, length in _pairs(plan)]
    if answer == _collected(swapped, plan, lambda length: (length - 1) % plan.stride):
        return f"{answer} takes the pairs the other way round; a condition is (first frame, length), in this order"
    if answer == _collected(_pairs(plan), plan, lambda length: length % plan.stride):
        return f"{answer}: a clip fills its last latent if its length is s k + 1, and not s k; a keyframe's length is 1"
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
    if missing and missing[0] in [frame for frame, _ in _pairs(plan)]:
        return f"nothing begins at frame {missing[0]} in your answer, but a condition stands there"
    if missing and missing[0] in stops:
        length = stops[missing[0]].num_frames
        return f"frame {missing[0]} follows a clip of {length} frames; can a new frame go into that clip's last latent?"
    return f"{answer}: " + (f"frame {missing[0]} is missing" if missing else f"no chunk begins at frame {extra[0]}")


def _collected(pairs: list[tuple[int, int]], plan: ChunkPlan, is_open: Callable[[int], int]) -> list[int]:
    """Return the chunks' starts if conditions are these pairs, and a chunk follows one whose length is open."""
    starts = {0, *plan.cuts, *(frame for frame, _ in pairs)}
    follow = {frame + length for frame, length in pairs if is_open(length)}
    return sorted(starts | {frame for frame in follow if frame < plan.num_frames})


# -- 02.2 --------------------------------------------------------------------------------------------------------------


def rounded_place(frame: int, start: int, stride: int) -> int:
    """Return the nearest frame b > start for which [start, b) has s k + 1 frames."""
    return start + 1 + stride * max(0, round((frame - start - 1) / stride))


@exercise("02.2", 3, "Where rounding would put a keyframe", reference=rounded_place)
def check_rounded_place(answer: Callable[[int, int, int], int]) -> None:
    """Check `rounded_place(frame, start, stride)`: the nearest b > start for which [start, b) has s k + 1 frames."""
    dice = random.Random(seed(22))
    for stride in (4, 8, 3, dice.randint(5, 12)):
        for start in (0, 6, 15, dice.randint(16, 50)):
            for frame in range(start + 1, start + 4 * stride):
                given = ask(answer, frame, start, stride)
                if not _whole(given):
                    where = f"frame {frame}, start {start}, stride {stride}"
                    raise Hint(f"{where}: return a frame number, an int, not {reprlib.repr(given)}")
                _check_place(given, frame, start, stride)


def _check_place(answer: int, frame: int, start: int, stride: int) -> None:
    places = [start + 1 + stride * k for k in range(6)]
    nearest = min(abs(place - frame) for place in places)
    where = f"frame {frame}, start {start}, stride {stride}: {answer}"
    if answer in places and abs(answer - frame) == nearest:
        return
    if start and answer + start in places:
        raise Hint(f"{where} counts from the chunk's start; return the frame's number in the video")
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


def join_chunks(decoded: list[Tensor], spans: list[tuple[int, int]]) -> Tensor:
    """Return the video (B, 3, N, H, W) of decoded chunks, without their surplus."""
    return torch.cat(
        [frames[:, :, : stop - start] for frames, (start, stop) in zip(decoded, spans, strict=True)], dim=2
    )


@exercise("02.3", 2, "Joining decoded chunks", reference=join_chunks)
def check_join_chunks(answer: Callable[[list[Tensor], list[tuple[int, int]]], Tensor]) -> None:
    """Check `join_chunks(decoded, spans)`, which returns the video (B, 3, N, H, W).

    decoded: (B, 3, 1 + s (n - 1), H, W) for each chunk of n latents. spans: (start, stop) of each chunk, in frames.
    """
    for plan in [ChunkPlan.build(31, [Condition(0), Condition(5)]), *_plans(23, count=3)]:
        decoded = []
        for number, chunk in enumerate(plan.chunks):
            frames = torch.arange(chunk.start, chunk.stop + chunk.surplus) + 1000.0 * (number + 1)
            decoded.append(frames.view(1, 1, -1, 1, 1).expand(2, 3, -1, 2, 2).clone())
        spans = [(chunk.start, chunk.stop) for chunk in plan.chunks]
        right, given = join_chunks(decoded, spans), ask(answer, decoded, spans)
        if not isinstance(given, Tensor) or given.ndim != 5:
            raise Hint("return one tensor with five axes, (B, 3, N, H, W)")
        if given.shape != right.shape or not torch.equal(given, right):
            raise Hint(f"{_described(plan)}: {_wrong_join(given, right, decoded, spans)}")


def _wrong_join(answer: Tensor, right: Tensor, decoded: list[Tensor], spans: list[tuple[int, int]]) -> str:
    total = sum(frames.shape[2] for frames in decoded)
    if answer.shape[0] != right.shape[0] or answer.shape[3:] != right.shape[3:] or answer.shape[1] != right.shape[1]:
        return f"the shape is {tuple(answer.shape)}; chunks follow each other in time, and that is axis 2"
    pairs = list(zip(decoded, spans, strict=True))
    for keep, said in (
        (
            lambda d, a, b: d[:, :, a:b],
            "each decoded chunk counts its own frames from 0; `start` is where it goes, not where it begins inside",
        ),
        (
            lambda d, a, b: d[:, :, : b - a - 1],
            "stop is the first frame after the chunk, so the chunk has stop - start "
            "frames; the last one of each chunk is missing",
        ),
        (
            lambda d, a, b: d[:, :, 1:],
            "the keyframe is the first frame of its chunk, and it is kept; the surplus is at the chunk's end",
        ),
        (lambda d, a, b: d[:, :, : b - a + 1], "one frame too many of each chunk; it has stop - start frames"),
    ):
        if _same(answer, torch.cat([keep(d, a, b) for d, (a, b) in pairs], dim=2)):
            return said
    if answer.shape[2] == total > right.shape[2]:
        return f"{total} frames for a video of {right.shape[2]} frames; the surplus is still there"
    if answer.shape[2] == pairs[0][1][1]:
        return f"{answer.shape[2]} frames are the first chunk alone; does a `return` stand inside the loop?"
    if answer.shape[2] != right.shape[2]:
        frames = answer.shape[2]
        return f"{frames} frames for a video of {right.shape[2]} frames; the surplus differs from chunk to chunk"
    wrong = int((answer - right).abs().amax(dim=(0, 1, 3, 4)).nonzero()[0])
    if _same(answer, torch.cat([d[:, :, : b - a] for d, (a, b) in pairs[::-1]], dim=2)):
        return f"frame {wrong} is not the right one; the chunks come in another order than they were given"
    return f"frame {wrong} is not the right one; a chunk has its surplus at its end, and its keyframe at its start"


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


# -- 02.4 --------------------------------------------------------------------------------------------------------------


def pinned_frames(plan: ChunkPlan) -> list[int]:
    """Return the frames that stay the same while all latents change except the anchors."""
    return sorted(plan.given_frames)


@exercise("02.4", 2, "Frames that are pinned", reference=pinned_frames)
def check_pinned_frames(answer: Callable[[ChunkPlan], list[int]]) -> None:
    """Check `pinned_frames(plan)`: the frames that do not depend on the latents that are not anchors, ascending."""
    for plan in _plans(24):
        right, given = pinned_frames(plan), _frames(ask(answer, plan))
        if given != right:
            raise Hint(f"{_described(plan)}: {_wrong_pins(given, right, plan)}")


def _wrong_pins(answer: list[int], right: list[int], plan: ChunkPlan) -> str:
    if sorted(answer) == right:
        return f"{answer} are the right frames, but not in ascending order"
    if sorted(set(answer)) == right:
        return f"{answer} has a frame twice"
    anchored = [chunk for chunk in plan.chunks if chunk.num_anchors]
    if answer == [index for index, anchor in enumerate(plan.anchors) if anchor]:
        return "these are the indices of the anchors among the latents; which frames do the anchors show?"
    for stride in {2, 3, 4} - {plan.stride}:
        assumed = [f for c in anchored for f in range(c.start, c.start + 1 + stride * (c.num_anchors - 1))]
        if plan.stride != 4 and answer in (assumed, sorted(set(assumed) & set(range(plan.num_frames)))):
            return f"a latent holds {stride} frames in your answer; plan.stride says {plan.stride}"
    if answer == sorted(condition.frame_index for condition in plan.conditions):
        return "a clip pins more frames than its first"
    past = [f for c in anchored for f in range(c.start, c.start + 1 + plan.stride * (c.num_anchors - 1))]
    if answer == past:
        return f"frame {min(set(past) - set(right))} is surplus of the chunk before; it is dropped, and not this frame"
    extra, lacks = sorted(set(answer) - set(right)), sorted(set(right) - set(answer))
    if extra and extra[0] in {chunk.start for chunk in plan.chunks if not chunk.num_anchors}:
        return f"frame {extra[0]} begins a chunk without anything given, so it is not pinned"
    if extra and extra[0] in {condition.stop for condition in plan.conditions}:
        return f"frame {extra[0]} is the first frame after a condition, so it is not pinned"
    if extra:
        return f"frame {extra[0]} is not pinned; it comes from a latent that is not an anchor"
    return f"{answer} lacks frame {lacks[0]}"


# -- 02.5 --------------------------------------------------------------------------------------------------------------


def latents_for(plan: ChunkPlan, frame: int) -> int:
    """Return how many latents, counted from the start, must be decoded until a frame can be shown."""
    return next(index for index, last in enumerate(plan.last_frames) if last >= frame) + 1


@exercise("02.5", 2, "Latents to wait for", reference=latents_for)
def check_latents_for(answer: Callable[[ChunkPlan, int], int]) -> None:
    """Check `latents_for(plan, frame)`: how many latents, in order, must be there until the frame can be shown."""
    for plan in _plans(25, count=2):
        answers = [ask(answer, plan, frame) for frame in range(plan.num_frames)]
        right = [latents_for(plan, frame) for frame in range(plan.num_frames)]
        for frame, (given, needed) in enumerate(zip(answers, right, strict=True)):
            where = f"{_described(plan)}, frame {frame}: {reprlib.repr(given)}"
            if not _whole(given):
                raise Hint(f"{where}: return a number of latents, an int")
            if given != needed:
                raise Hint(f"{where} {_wrong_wait(answers, right, frame, plan)}")


def _wrong_wait(answers: list[int], right: list[int], frame: int, plan: ChunkPlan) -> str:
    """Say what is wrong at a frame, which is the first wrong one; the whole row of answers tells the cause."""
    s, chunks = plan.stride, [next(c for c in plan.chunks if f < c.stop) for f in range(plan.num_frames)]
    frames = range(plan.num_frames)

    def row(formula: Callable) -> list[int]:
        return [formula(f, c) for f, c in zip(frames, chunks, strict=True)]

    before = [next(c for c in plan.chunks if f <= c.stop) for f in frames]
    late = [c.latent_start + 1 + -(-(f - c.start) // s) for f, c in zip(frames, before, strict=True)]
    for values, said in (
        ([value - 1 for value in right], "is the index of the latent that shows the frame; how many latents are that?"),
        (row(lambda f, c: 1 + -(-f // s)), "would be right for one run; here a latent may hold fewer frames than s"),
        (
            row(lambda f, c: c.latent_start + 1 + (f - c.start) // s),
            "takes groups that begin at the chunk's start; the first latent holds one frame",
        ),
        (
            row(lambda f, c: 1 + -(-(f - c.start) // s)),
            "counts from its chunk's start; the chunks before must be decoded first",
        ),
        (late, "takes the chunk before: a chunk covers start, ..., stop - 1, and its stop belongs to the next chunk"),
        (
            row(lambda f, c: c.latent_start + c.num_latents),
            "waits for the whole chunk, but inside a chunk frames come latent by latent",
        ),
        (
            row(lambda f, c: c.latent_start + 1 + -(-f // s)),
            "counts frames from the start of the video; inside a chunk they count from the chunk's start",
        ),
        ([plan.num_latents] * len(right), "waits for the whole video; frames come latent by latent"),
        ([frame + 1 for frame in frames], "is a number of frames; one latent holds up to s frames"),
        *(
            (
                row(lambda f, c, t=t: c.latent_start + 1 + -(-(f - c.start) // t)),
                f"takes {t} frames for each latent; plan.stride says {s}",
            )
            for t in {2, 3, 4} - {s}
        ),
    ):
        if answers == values:
            return said
    return "is not right; count along plan.table(): chunk by chunk, 1 frame and then s at a time"
