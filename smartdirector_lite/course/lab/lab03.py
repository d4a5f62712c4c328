"""Checks of notebook 03: turned pairs, their periods, a token's angles, the temporal index, and the paper's figure."""

import itertools
import math
import random
import reprlib
from collections.abc import Callable

import torch
from diffusers.models.embeddings import apply_rotary_emb, get_1d_rotary_pos_embed
from torch import Tensor

from ...timeline import ChunkPlan, Condition
from .core import CLOSE, Hint, ask, exercise, generator, seed

__all__ = [
    "check_figure_numbers",
    "check_frame_time",
    "check_rotate",
    "check_token_angles",
    "check_turning_period",
]

def _same(answer: Tensor, right: Tensor) -> bool:
    return answer.shape == right.shape and torch.allclose(answer.double(), right.double(), rtol=CLOSE, atol=CLOSE)


def _number(answer: object, where: str) -> float:
    """Return an answer that must be one finite number."""
    single = isinstance(answer, int | float) or (isinstance(answer, Tensor) and answer.ndim == 0)
    if isinstance(answer, bool) or not single or not math.isfinite(answer):
        raise Hint(f"{where}: return one finite number, not {reprlib.repr(answer)}")
    return float(answer)


# -- 03.1 --------------------------------------------------------------------------------------------------------------


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Return x (S, D) with neighbouring values turned together by angles (S, D / 2)."""
    even, odd = x[:, 0::2], x[:, 1::2]
    return _laid(even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos())


def _laid(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack([a, b], dim=-1).flatten(1)


@exercise("03.1", 3, "Turning pairs", reference=rotate)
def check_rotate(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `rotate(x, angles)`, which turns neighbouring values of x together, as a pair.

    x: (S, D); angles: (S, D / 2). It returns (S, D).
    """
    random_ = generator(31)
    for tokens, dim in ((1, 2), (5, 8), (4, 24)):
        x = torch.randn(tokens, dim, generator=random_)
        angles = 3 * torch.randn(tokens, dim // 2, generator=random_)
        tables = angles.cos().repeat_interleave(2, dim=-1), angles.sin().repeat_interleave(2, dim=-1)
        right, given = apply_rotary_emb(x[None, None], tables)[0, 0], ask(answer, x, angles)
        if not isinstance(given, Tensor) or given.shape != x.shape:
            shape = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise Hint(f"x has shape {tuple(x.shape)}: return a tensor of that shape, not {shape}")
        if not _same(given, right):
            raise Hint(f"D = {dim}: {_wrong_rotation(given, right, x, angles)}")


def _wrong_rotation(answer: Tensor, right: Tensor, x: Tensor, angles: Tensor) -> str:
    cos, sin = angles.cos(), angles.sin()
    even, odd = x[:, 0::2], x[:, 1::2]
    one, two = x.chunk(2, dim=-1)
    for values, said in (
        (
            _laid(even * cos + odd * sin, odd * cos - even * sin),
            "the pairs turn the other way: at an angle of 90 degrees, (1, 0) must become (0, 1)",
        ),
        (
            _laid(even * cos + odd * sin, even * sin + odd * cos),
            "both results have a plus sign; look at the formula again: which of its four products has a minus sign?",
        ),
        (
            _laid(even * cos - odd * sin, even * sin - odd * cos),
            "both results have a minus sign; look at the formula again: only one of its four products has one",
        ),
        (_laid(even * sin + odd * cos, even * cos - odd * sin), "the two values of each pair have changed places"),
        (_laid(even * sin - odd * cos, even * cos + odd * sin), "the sine and the cosine have changed places"),
        (_laid(even * cos, odd * cos), "the products with the sine are missing"),
        (
            _laid(
                *(
                    torch.deg2rad(angles).cos() * v + torch.deg2rad(angles).sin() * w
                    for v, w in ((even, -odd), (odd, even))
                )
            ),
            "the angles are in radians already",
        ),
        (x, "nothing has turned: this is x itself"),
    ):
        if _same(answer, values):
            return said
    if x.shape[-1] > 2 and _same(answer, torch.cat([one * cos - two * sin, one * sin + two * cos], dim=-1)):
        return "your pairs come from the two halves of the vector; a pair is two neighbours, such as values 0 and 1"
    if x.shape[-1] > 2 and _same(answer, torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)):
        return "the pairs are turned rightly, but put back in another order: the values of a pair stay neighbours"
    first = angles[:, :1].expand_as(angles)
    if _same(answer, _laid(even * first.cos() - odd * first.sin(), even * first.sin() + odd * first.cos())):
        return "every pair has an angle of its own; here the first angle turns them all"
    if not _same(answer.norm(dim=-1), x.norm(dim=-1)):
        return "the length of a vector has changed, which a rotation keeps; is a value used after it was overwritten?"
    shown = f"yours is {answer[0].tolist()}, and diffusers' apply_rotary_emb gives {right[0].tolist()}"
    return f"the first token is not right: {shown}"


# -- 03.2 --------------------------------------------------------------------------------------------------------------


def turning_period(pair: int, dim: int, theta: float) -> float:
    """Return how far tau must go until a pair has turned once around."""
    return 2 * math.pi * theta ** (2 * pair / dim)


@exercise("03.2", 2, "Once around", reference=turning_period)
def check_turning_period(answer: Callable[[int, int, float], float]) -> None:
    """Check `turning_period(pair, dim, theta)`: how far tau must go until the pair has turned once around."""
    dice = random.Random(seed(32))
    cases = [(0, 24, 10000.0), (1, 24, 10000.0), (11, 24, 10000.0), (3, 20, 10000.0), (2, 8, 500.0)]
    cases.append((dice.randint(2, 15), 2 * dice.randint(16, 40), float(dice.randint(50, 5000))))
    for pair, dim, theta in cases:
        where = f"pair {pair} of D = {dim}, theta = {theta:g}"
        given = _number(ask(answer, pair, dim, theta), where)
        if not math.isclose(given, turning_period(pair, dim, theta), rel_tol=CLOSE):
            raise Hint(f"{where}: {_wrong_period(given, pair, dim, theta)}")


def _wrong_period(answer: float, pair: int, dim: int, theta: float) -> str:
    turn = 2 * math.pi
    for value, said in (
        (theta ** (2 * pair / dim), "that is how long one radian takes; a full turn is more than one radian"),
        (360 * theta ** (2 * pair / dim), "omega is in radians, not degrees"),
        (math.pi * theta ** (2 * pair / dim), "that is half a turn"),
        (theta ** (-2 * pair / dim) / turn, "that is turns per step of tau; turn it the other way round"),
        (theta ** (2 * pair / dim) / turn, "divide by omega, and not the full turn's 2 pi by it twice: 2 pi is on top"),
        (turn * theta ** (-2 * pair / dim), "later pairs turn more slowly, so their turn takes longer"),
        (theta ** (-2 * pair / dim), "that is omega, the angle of one step of tau"),
        (turn * theta ** (pair / dim), "what is the exponent? There are D / 2 pairs, and the last is near theta"),
        (turn * theta ** (4 * pair / dim), "what is the exponent? `pair` counts pairs already, so the 2 comes in once"),
        (turn * theta ** (2 * pair // dim), "divide with /, not //: the exponent is a fraction"),
        (turn * theta * 2 * pair / dim, "theta is raised to a power; it is not multiplied by it"),
        (turn * 10000.0 ** (2 * pair / dim), "theta is given; it need not be 10,000"),
        (turn * theta ** (2 * (pair + 1) / dim), "pairs are counted from 0; pair 0 turns by one radian a step"),
    ):
        if math.isclose(answer, value, rel_tol=CLOSE):
            return said
    return f"{answer:g} is not right; for which tau is omega * tau a full turn?"


# -- 03.3 --------------------------------------------------------------------------------------------------------------


def token_angles(tau: float, row: float, column: float, head_dim: int) -> Tensor:
    """Return the (head_dim / 2,) angles of one token: time, then height, then width."""
    side = 2 * (head_dim // 6)
    return torch.cat([_axis(head_dim - 2 * side, tau), _axis(side, row), _axis(side, column)])


def _axis(dim: int, position: float) -> Tensor:
    """Return the (dim / 2,) angles of an axis of `dim` values, from the frequencies of diffusers' table."""
    tables = get_1d_rotary_pos_embed(dim, torch.ones(1, dtype=torch.float64), freqs_dtype=torch.float64)
    return position * torch.angle(tables[0].to(torch.complex128))


@exercise("03.3", 3, "The angles of one token", reference=token_angles)
def check_token_angles(answer: Callable[[float, int, int, int], Tensor]) -> None:
    """Check `token_angles(tau, row, column, head_dim)`: (head_dim / 2,) angles of time, then height, then width."""
    dice = random.Random(seed(33))
    cases = [(3.25, 0, 0, 64), (0.0, 2, 0, 64), (0.0, 0, 5, 64), (12.5, 3, 6, 64), (-0.5, 1, 2, 128), (7.0, 1, 4, 24)]
    cases.append((dice.randint(4, 90) / 4, dice.randint(2, 9), dice.randint(10, 20), 2 * dice.randint(20, 60)))
    for tau, row, column, dim in cases:
        given, right = ask(answer, tau, row, column, dim), token_angles(tau, row, column, dim)
        where = f"tau {tau:g}, row {row}, column {column}, head_dim {dim}"
        if not isinstance(given, Tensor) or given.shape != right.shape:
            shape = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise Hint(f"{where}: there is one angle for a pair, so {dim // 2} in all; you returned {shape}")
        if not _same(given, right):
            raise Hint(f"{where}: {_wrong_angles(given, tau, row, column, dim)}")


def _wrong_angles(answer: Tensor, tau: float, row: int, column: int, dim: int) -> str:
    side = 2 * (dim // 6)
    t, h, w = dim - 2 * side, side, side
    if _same(answer, token_angles(tau, column, row, dim)):
        return "height and width have changed places: the row is the place in height, and height comes first"
    for parts in (
        [_axis(h, row), _axis(w, column), _axis(t, tau)],
        [_axis(w, column), _axis(h, row), _axis(t, tau)],
    ):
        if _same(answer, torch.cat(parts)):
            return "time comes first, then height, then width"
    if tau != int(tau) and any(_same(answer, token_angles(cut, row, column, dim)) for cut in (int(tau), round(tau))):
        return "tau was cut to a whole number; tau may be a fraction, and MC-RoPE needs its fractions"
    if _same(answer, token_angles(math.degrees(tau), math.degrees(row), math.degrees(column), dim)):
        return "the angles are in radians, not degrees"
    if any(_same(answer, token_angles(a, b, c, dim)) for a, b, c in ((-tau, -row, -column), (tau, -row, -column))):
        return "a place has turned the other way; the angles are positions times omega, without a minus sign"
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


def frame_time(num_frames: int, keyframes: list[int], stride: int) -> list[float]:
    """Return tau of every latent of a video with these keyframes."""
    return ChunkPlan.build(num_frames, [Condition(frame) for frame in keyframes], stride).tau()


@exercise("03.4", 4, "The temporal index", reference=frame_time)
def check_frame_time(answer: Callable[[int, list[int], int], list[float]]) -> None:
    """Check `frame_time(num_frames, keyframes, stride)`: tau of every latent."""
    dice = random.Random(seed(34))
    cases = [(13, [0], 4), (30, [0, 13, 23], 4), (30, [7], 4), (17, [0, 16], 4), (20, [0, 5], 8)]
    for _ in range(8):
        num_frames = dice.randint(10, 50)
        keyframes = sorted(dice.sample(range(num_frames), dice.randint(1, 4)))
        cases.append((num_frames, keyframes, dice.choice((2, 4, 4, 8))))
    for num_frames, keyframes, stride in cases:
        plan = ChunkPlan.build(num_frames, [Condition(frame) for frame in keyframes], stride)
        given = ask(answer, num_frames, keyframes, stride)
        where = f"{num_frames} frames, keyframes {keyframes}, s = {stride}"
        if isinstance(given, Tensor) and given.ndim == 1:
            given = given.tolist()
        if not isinstance(given, list | tuple):
            raise Hint(f"{where}: return a list of numbers, one for each latent, not {reprlib.repr(given)}")
        given = [_number(value, where) for value in given]
        if len(given) != plan.num_latents:
            raise Hint(f"{where}: {len(given)} numbers for {plan.num_latents} latents; {_wrong_count(given, plan)}")
        if not _near(given, plan.tau()):
            raise Hint(f"{where}: {_wrong_index(given, plan)}")


def _near(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and all(math.isclose(x, y, abs_tol=1e-6) for x, y in zip(a, b, strict=True))


def _wrong_count(answer: list[float], plan: ChunkPlan) -> str:
    lengths = [chunk.num_frames for chunk in plan.chunks]
    if len(answer) == plan.num_frames:
        return "tau has one number for each latent, not for each frame"
    if len(answer) == plan.chunks[0].num_latents:
        return "these are the first chunk's alone; does a `return` stand inside the loop?"
    if len(answer) == sum(1 + (length - 1) // plan.stride for length in lengths):
        return "a chunk's first frame has a latent of its own, and so has each group of s frames after it, full or not"
    if len(answer) == plan.num_latents - plan.chunks[-1].num_latents:
        return "the last chunk is missing; it ends at num_frames"
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
        ([value * s / 4 for value in tau], f"the stride 4 is written in; here it is {s}"),
        (tau[::-1], "the latents are in the order of time"),
    ):
        if _near(answer, values) and not _near(values, tau):
            return said
    index = next(i for i, (a, b) in enumerate(zip(answer, tau, strict=True)) if not math.isclose(a, b, abs_tol=1e-6))
    chunk = plan.latent_chunks[index]
    return f"latent {index}, which is in chunk {chunk}, has {answer[index]:g}; which frame does it show last?"


# -- 03.5 --------------------------------------------------------------------------------------------------------------


def figure_numbers(f: list[int], stride: int) -> tuple[list[float], float]:
    """Return where the keyframes of the paper's figure stand, and where the video ends, in latents."""
    ends = list(itertools.accumulate(latents + 1 / stride for latents in f))
    return [0.0, *ends[:-1]], ends[-1]


@exercise("03.5", 2, "The numbers of the paper's figure", reference=figure_numbers)
def check_figure_numbers(answer: Callable[[list[int], int], tuple[list[float], float]]) -> None:
    """Check `figure_numbers(f, stride)`: (where each keyframe stands, where the video ends), in latents.

    f: for each chunk, how many latents follow its keyframe.
    """
    dice = random.Random(seed(35))
    cases = [([5, 3, 2, 4], 4), ([3], 4), ([1, 6], 4), ([2, 2, 2], 8)]
    cases += [([dice.randint(1, 9) for _ in range(dice.randint(3, 6))], dice.choice((2, 4, 5, 8))) for _ in range(4)]
    asked = [(f, stride, ask(answer, f, stride)) for f, stride in cases]
    for f, stride, given in asked:
        where = f"f = {f}, s = {stride}"
        if not isinstance(given, tuple | list) or len(given) != 2 or not isinstance(given[0], list | tuple):
            raise Hint(f"{where}: return a list and a number, (keyframes, end), not {reprlib.repr(given)}")
        (keyframes, _), places = figure_numbers(f, stride), [_number(value, where) for value in given[0]]
        if len(places) != len(f):
            raise Hint(f"{where}: {len(places)} places for {len(f)} keyframes; {_wrong_places(places, f, stride)}")
        if not _near(places, keyframes):
            raise Hint(f"{where}, keyframes {places}: {_wrong_figure(places, f, stride)}")
    ends = [_number(given[1], f"f = {f}, s = {stride}") for f, stride, given in asked]
    for end, (f, stride) in zip(ends, cases, strict=True):
        if not _near([end], [figure_numbers(f, stride)[1]]):
            raise Hint(f"f = {f}, s = {stride}, end {end:g}: {_wrong_end(ends, cases)}")


def _wrong_places(places: list[float], f: list[int], stride: int) -> str:
    keyframes, end = figure_numbers(f, stride)
    if _near(places, keyframes[1:]):
        return "the first keyframe stands at 0"
    if _near(places, [*keyframes, end]):
        return "the end is no keyframe"
    return "every chunk has one keyframe"


def _wrong_figure(places: list[float], f: list[int], stride: int) -> str:
    before = [0, *itertools.accumulate(f)][:-1]
    for values, said in (
        (
            [b + i for i, b in enumerate(before)],
            "a keyframe is one frame, but here it takes the time of a whole latent",
        ),
        (before, "a keyframe takes time too: how much of a latent's time is one frame?"),
        (
            [b + (i > 0) / stride for i, b in enumerate(before)],
            "every keyframe before takes its share, not only the first",
        ),
        (
            [b + i / 4 for i, b in enumerate(before)],
            f"a quarter is one frame of four; here a latent has {stride} frames",
        ),
        (
            [b + (i + 1) / stride for i, b in enumerate(before)],
            "the keyframe itself comes after its place; the first is at 0",
        ),
        ([stride * b + i for i, b in enumerate(before)], "those are frames; the figure counts in latents"),
        (
            [b + (i - 0.5) * (i > 0) for i, b in enumerate(before)],
            "the figure adds one frame's share, and not half a latent",
        ),
        (
            [f[i - 1] + 1 / stride if i else 0 for i in range(len(f))],
            "each chunk follows the one before; add up all of them",
        ),
        (
            [b + (i + 1) / stride for i, b in enumerate(itertools.accumulate(f))],
            "those are the ends of the chunks; a keyframe stands where its chunk begins",
        ),
    ):
        if _near(places, values):
            return said
    return "a chunk takes its f latents and one keyframe's share; where does the next chunk begin?"


def _wrong_end(ends: list[float], cases: list[tuple[list[int], int]]) -> str:
    """Say what is wrong with the ends of all cases; their whole row tells the cause."""
    for formula, said in (
        (lambda f, s: sum(f), "the keyframes take time too"),
        (lambda f, s: sum(f) + (len(f) - 1) / s, "that is the time of the last latent; the video ends one frame later"),
        (lambda f, s: sum(f) + len(f), "a keyframe is one frame, but here it takes the time of a whole latent"),
        (
            lambda f, s: sum(f[:-1]) + (len(f) - 1) / s,
            "that is where the last keyframe stands; its chunk comes after it",
        ),
        (lambda f, s: sum(f) + 1, "the figure has four keyframes of a quarter each, which make 1; how many are here?"),
        (lambda f, s: sum(f) + len(f) / 4, "a quarter is one frame of four; a latent need not have four frames"),
        (lambda f, s: s * sum(f) + len(f), "that is the number of frames; the figure counts in latents"),
    ):
        if _near(ends, [float(formula(*case)) for case in cases]):
            return said
    return "the video ends where the last chunk ends"
