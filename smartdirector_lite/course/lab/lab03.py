"""Checks of notebook 03: rotated pairs, their periods, one token's angles, the temporal index, and a wrong index."""

import math
import random
from collections.abc import Callable

import torch
from diffusers.models.embeddings import apply_rotary_emb, get_1d_rotary_pos_embed
from torch import Tensor

from ...timeline import ChunkPlan, Condition
from .core import CLOSE, Hint, exercise

__all__ = [
    "check_believed_gap",
    "check_frame_time",
    "check_rotate",
    "check_token_angles",
    "check_turning_period",
]


def _same(answer: Tensor, right: Tensor) -> bool:
    return answer.shape == right.shape and torch.allclose(answer.double(), right.double(), rtol=CLOSE, atol=CLOSE)


# -- 03.1 --------------------------------------------------------------------------------------------------------------


@exercise("03.1", 3, "Turning pairs")
def check_rotate(rotate: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `rotate(x, angles)`, which turns neighbouring values of x together, as a pair.

    x: (S, D); angles: (S, D / 2). It returns (S, D).
    """
    generator = torch.Generator().manual_seed(3)
    for tokens, dim in ((1, 2), (5, 8), (4, 24)):
        x = torch.randn(tokens, dim, generator=generator)
        angles = 3 * torch.randn(tokens, dim // 2, generator=generator)
        tables = angles.cos().repeat_interleave(2, dim=-1), angles.sin().repeat_interleave(2, dim=-1)
        right, kept = apply_rotary_emb(x[None, None], tables)[0, 0], x.clone()
        answer = rotate(x, angles)
        if not torch.equal(x, kept):
            raise Hint("your function changes x itself; return a new tensor")
        if not isinstance(answer, Tensor) or answer.shape != x.shape:
            shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise Hint(f"x has shape {tuple(x.shape)}: return a tensor of that shape, not {shape}")
        if not _same(answer, right):
            raise Hint(f"D = {dim}: {_wrong_rotation(answer, right, x, angles)}")


def _wrong_rotation(answer: Tensor, right: Tensor, x: Tensor, angles: Tensor) -> str:
    cos, sin = angles.cos(), angles.sin()
    even, odd = x[:, 0::2], x[:, 1::2]
    one, two = x.chunk(2, dim=-1)

    def laid(a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([a, b], dim=-1).flatten(1)

    if _same(answer, laid(even * cos + odd * sin, odd * cos - even * sin)):
        return "the pairs turn the other way: at an angle of 90 degrees, (1, 0) must become (0, 1)"
    if x.shape[-1] > 2 and _same(answer, torch.cat([one * cos - two * sin, one * sin + two * cos], dim=-1)):
        return "your pairs come from the two halves of the vector; a pair is two neighbours, such as values 0 and 1"
    if x.shape[-1] > 2 and _same(answer, torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)):
        return "the pairs are turned rightly, but put back in another order: the values of a pair stay neighbours"
    if not _same(answer.norm(dim=-1), x.norm(dim=-1)):
        return "the length of a vector has changed, which a rotation keeps; is a value used after it was overwritten?"
    shown = f"yours is {answer[0].tolist()}, and diffusers' apply_rotary_emb gives {right[0].tolist()}"
    return f"the first token is not right: {shown}"


# -- 03.2 --------------------------------------------------------------------------------------------------------------


@exercise("03.2", 2, "Once around")
def check_turning_period(turning_period: Callable[[int, int, float], float]) -> None:
    """Check `turning_period(pair, dim, theta)`: how far tau must go until the pair has turned once around."""
    for pair, dim, theta in ((0, 24, 10000.0), (1, 24, 10000.0), (11, 24, 10000.0), (3, 20, 10000.0), (2, 8, 100.0)):
        answer, right = float(turning_period(pair, dim, theta)), 2 * math.pi * theta ** (2 * pair / dim)
        if math.isclose(answer, right, rel_tol=CLOSE):
            continue
        raise Hint(f"pair {pair} of D = {dim}, theta = {theta:g}: {_wrong_period(answer, pair, dim, theta)}")


def _wrong_period(answer: float, pair: int, dim: int, theta: float) -> str:
    turn = 2 * math.pi
    for value, said in (
        (theta ** (2 * pair / dim), "that is how long one radian takes; a full turn is more than one radian"),
        (360 * theta ** (2 * pair / dim), "omega is in radians, not degrees"),
        (theta ** (-2 * pair / dim) / turn, "that is turns per step of tau; turn it the other way round"),
        (turn * theta ** (-2 * pair / dim), "later pairs turn more slowly, so their turn takes longer"),
        (theta ** (-2 * pair / dim), "that is omega, the angle of one step of tau"),
        (turn * theta ** (pair / dim), "what is the exponent? There are D / 2 pairs, and the last is near theta"),
    ):
        if math.isclose(answer, value, rel_tol=CLOSE):
            return said
    return f"{answer:g} is not right; for which tau is omega * tau a full turn?"


# -- 03.3 --------------------------------------------------------------------------------------------------------------


@exercise("03.3", 3, "The angles of one token")
def check_token_angles(token_angles: Callable[[float, int, int, int], Tensor]) -> None:
    """Check `token_angles(tau, row, column, head_dim)`: (head_dim / 2,) angles of time, then height, then width."""
    cases = ((3.25, 0, 0, 64), (0.0, 2, 0, 64), (0.0, 0, 5, 64), (12.5, 3, 6, 64), (-0.5, 1, 2, 128), (7.0, 1, 4, 24))
    for tau, row, column, dim in cases:
        answer = token_angles(tau, row, column, dim)
        right = _token_angles(tau, row, column, dim)
        where = f"tau {tau:g}, row {row}, column {column}, head_dim {dim}"
        if not isinstance(answer, Tensor) or answer.ndim != 1 or len(answer) != dim // 2:
            shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise Hint(f"{where}: there is one angle for a pair, so {dim // 2} in all; you returned {shape}")
        if not _same(answer, right):
            raise Hint(f"{where}: {_wrong_angles(answer, tau, row, column, dim)}")


def _token_angles(tau: float, row: float, column: float, dim: int) -> Tensor:
    side = 2 * (dim // 6)
    return torch.cat([_axis(dim - 2 * side, tau), _axis(side, row), _axis(side, column)])


def _axis(dim: int, position: float) -> Tensor:
    """Return the (dim / 2,) angles of an axis of `dim` values, from the frequencies of diffusers' table."""
    tables = get_1d_rotary_pos_embed(dim, torch.ones(1, dtype=torch.float64), freqs_dtype=torch.float64)
    return position * torch.angle(tables[0].to(torch.complex128))


def _wrong_angles(answer: Tensor, tau: float, row: int, column: int, dim: int) -> str:
    side = 2 * (dim // 6)
    t, h, w = dim - 2 * side, side, side
    if _same(answer, _token_angles(tau, column, row, dim)):
        return "height and width have changed places: the row is the place in height, and height comes first"
    for parts in (
        [_axis(h, row), _axis(w, column), _axis(t, tau)],
        [_axis(w, column), _axis(h, row), _axis(t, tau)],
    ):
        if _same(answer, torch.cat(parts)):
            return "time comes first, then height, then width"
    if tau != int(tau) and _same(answer, _token_angles(int(tau), row, column, dim)):
        return "tau was cut to a whole number; tau may be a fraction, and MC-RoPE needs its fractions"
    if dim > 24 and _shared_clock(answer, tau, row, column, (t, h, w), dim):
        return "every axis has its own clocks: the exponent is 2 i / (size of that axis), not of the whole head"
    if not _same(answer[: t // 2], _axis(t, tau)):
        return f"the first {t // 2} angles are those of time, and should be {tau:g} times omega of {t} values"
    return f"time is right; height and width have {side // 2} angles each, which depend on the row or the column alone"


def _shared_clock(answer: Tensor, tau: float, row: int, column: int, sizes: tuple[int, ...], dim: int) -> bool:
    """Return whether all frequencies are those of the whole head, shared out among the axes or repeated for each."""
    omega = _axis(dim, 1.0)
    positions = torch.cat([torch.full((n // 2,), float(p)) for n, p in zip(sizes, (tau, row, column), strict=True)])
    anew = torch.cat([omega[: size // 2] for size in sizes])
    return _same(answer, positions * omega) or _same(answer, positions * anew)


# -- 03.4 --------------------------------------------------------------------------------------------------------------


@exercise("03.4", 4, "The temporal index")
def check_frame_time(frame_time: Callable[[int, list[int], int], list[float]]) -> None:
    """Check `frame_time(num_frames, keyframes, stride)`: tau of every latent."""
    rng = random.Random(3)
    cases = [(13, [0], 4), (30, [0, 13, 23], 4), (30, [7], 4), (17, [0, 16], 4), (20, [0, 5], 8)]
    for _ in range(8):
        num_frames = rng.randint(10, 50)
        cases.append((num_frames, sorted(rng.sample(range(num_frames), rng.randint(1, 4))), rng.choice((2, 4, 4, 8))))
    for num_frames, keyframes, stride in cases:
        plan = ChunkPlan.build(num_frames, [Condition(frame) for frame in keyframes], stride)
        answer = frame_time(num_frames, list(keyframes), stride)
        if not isinstance(answer, list | tuple | Tensor):
            raise Hint(f"return a list of numbers, one for each latent, not {answer!r}")
        answer, where = [float(value) for value in answer], f"{num_frames} frames, keyframes {keyframes}, s = {stride}"
        if len(answer) != plan.num_latents:
            raise Hint(f"{where}: {len(answer)} numbers for {plan.num_latents} latents; {_wrong_count(answer, plan)}")
        if not _near(answer, plan.tau()):
            raise Hint(f"{where}: {_wrong_index(answer, plan)}")


def _near(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and all(math.isclose(x, y, abs_tol=1e-6) for x, y in zip(a, b, strict=True))


def _wrong_count(answer: list[float], plan: ChunkPlan) -> str:
    if len(answer) == plan.num_frames:
        return "tau has one number for each latent, not for each frame"
    if len(answer) == sum(1 + (chunk.num_frames - 1) // plan.stride for chunk in plan.chunks):
        return "a group that is not full has a latent too"
    if 0 not in [condition.frame_index for condition in plan.conditions]:
        return "a chunk begins at frame 0, with or without a keyframe"
    return "each chunk of L frames has 1 + ceil((L - 1) / s) latents"


def _wrong_index(answer: list[float], plan: ChunkPlan) -> str:
    tau, s = plan.tau(), plan.stride
    unclipped = [(c.start + s * i) / s for c in plan.chunks for i in range(c.num_latents)]
    first = [(c.start + max(0, s * (i - 1) + 1)) / s for c in plan.chunks for i in range(c.num_latents)]
    past = [min(c.start + s * i, c.stop) / s for c in plan.chunks for i in range(c.num_latents)]
    for values, said in (
        (plan.tau("continuous"), "that counts latents on and on; which frame does each latent show last?"),
        (plan.tau("restart"), "that begins at 0 in every chunk; at which time does the chunk begin?"),
        (unclipped, "the last latent of a chunk is counted past the chunk's end, but its surplus is never shown"),
        (past, "a chunk's last frame is the one before its stop, not the stop itself"),
        (first, "that is the first frame each latent shows; tau is made from the last one"),
        ([value * s for value in tau], "those are frames; tau is counted in latents of s frames"),
        ([float(value // 1) for value in tau], "the fractions of tau are lost; divide with /, not //"),
    ):
        if _near(answer, values) and not _near(values, tau):
            return said
    index = next(i for i, (a, b) in enumerate(zip(answer, tau, strict=True)) if not math.isclose(a, b, abs_tol=1e-6))
    chunk = plan.latent_chunks[index]
    return f"latent {index}, which is in chunk {chunk}, has {answer[index]:g}; which frame does it show last?"


# -- 03.5 --------------------------------------------------------------------------------------------------------------


@exercise("03.5", 2, "What a running count believes")
def check_believed_gap(answer: float) -> None:
    """Check how many frames apart `continuous` takes frames 12 and 13 to be, of 30 with keyframes at 0, 13 and 23."""
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
    border = plan.chunks[1].latent_start
    step = plan.tau("continuous")[border] - plan.tau("continuous")[border - 1]
    if math.isclose(answer, step * plan.stride):
        return
    if math.isclose(answer, step):
        raise Hint("that is the step in tau, or the true distance; how many frames is one step of tau?")
    if math.isclose(answer, plan.tau()[border] - plan.tau()[border - 1]):
        raise Hint("that is the step in tau of another scheme, frame_time; read the row of continuous")
    if answer <= 0:
        raise Hint("a running count goes forwards; a step back would belong to another scheme")
    raise Hint("print tau of both latents, subtract one from the other, and turn latents into frames")
