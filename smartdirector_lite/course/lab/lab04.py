"""Checks of notebook 04: the straight path, Euler's steps, shifted times, anchors in the noise, and guidance."""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .core import CLOSE, Hint, exercise

__all__ = [
    "check_euler_path",
    "check_guide",
    "check_place_anchors",
    "check_shift_time",
    "check_straight_path",
]


def _same(answer: object, right: Tensor) -> bool:
    return isinstance(answer, Tensor) and answer.shape == right.shape and torch.allclose(answer, right, CLOSE, CLOSE)


def _shape(answer: object) -> str:
    return str(tuple(answer.shape)) if isinstance(answer, Tensor) else f"a {type(answer).__name__}"


# -- 04.1 --------------------------------------------------------------------------------------------------------------


@exercise("04.1", 3, "The straight path")
def check_straight_path(straight_path: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `straight_path(x_0, x_1, t)`, which returns x_t and v.

    x_0, x_1, x_t, v: (B, ...); t: (B,) in [0, 1].
    """
    generator = torch.Generator().manual_seed(4)
    for shape in ((1, 2), (3, 2), (4, 4), (2, 3, 5, 2, 2)):
        x_0, x_1 = torch.randn(2, *shape, generator=generator)
        t = torch.rand(shape[0], generator=generator)
        answer = straight_path(x_0, x_1, t)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two things: x_t and v")
        share = t.view(-1, *[1] * (len(shape) - 1))
        right = (1 - share) * x_0 + share * x_1, x_1 - x_0
        for name, got, wanted in zip(("x_t", "v"), answer, right, strict=True):
            if not isinstance(got, Tensor) or got.shape != wanted.shape:
                raise Hint(f"x_0 has shape {shape}: {name} has that shape too, not {_shape(got)}")
        if not _same(answer[0], right[0]):
            raise Hint(f"x_t of shape {shape}: {_wrong_path(answer[0], x_0, x_1, t, share)}")
        if not _same(answer[1], right[1]):
            raise Hint(f"v of shape {shape}: {_wrong_velocity(answer[1], x_0, x_1, right[0])}")


def _wrong_path(answer: Tensor, x_0: Tensor, x_1: Tensor, t: Tensor, share: Tensor) -> str:
    if _same(answer, share * x_0 + (1 - share) * x_1):
        return "data and noise have changed places; at t = 0 it is the data"
    if x_0.ndim > 1 and x_0.shape[-1] == len(t) and _same(answer, (1 - t) * x_0 + t * x_1):
        return "each sample has its own t, but t was spread over the last axis; give t axes of size 1 at its end"
    if _same(answer, (1 - share).sqrt() * x_0 + share.sqrt() * x_1):
        return "square roots belong to other diffusion models; this path is a straight line"
    return "x_t is a share of 1 - t of the data, and a share of t of the noise"


def _wrong_velocity(answer: Tensor, x_0: Tensor, x_1: Tensor, x_t: Tensor) -> str:
    if _same(answer, x_0 - x_1):
        return "your v points from the noise to the data; v is the change of x_t when t grows"
    if _same(answer, x_1 - x_t) or _same(answer, x_t - x_0):
        return "that is only a part of the way; v is the derivative of x_t by t, the same at every t"
    return "take the derivative of x_t by t"


# -- 04.2 --------------------------------------------------------------------------------------------------------------

FIELDS: tuple[Callable[[Tensor, float], Tensor], ...] = (
    lambda x, t: torch.full_like(x, 2.0),  # the same everywhere and at all times
    lambda x, t: torch.full_like(x, 3.0) * t,  # depends on the time alone
    lambda x, t: x * (0.5 + t),  # depends on the place and the time
)


def _euler(velocity: Callable, x: Tensor, times: Sequence[float], sign: int = 1, late: bool = False) -> Tensor:
    for now, then in itertools.pairwise(times):
        x = x + sign * (then - now) * velocity(x, then if late else now)
    return x


@exercise("04.2", 3, "Euler's steps")
def check_euler_path(euler: Callable[[Callable, Tensor, Sequence[float]], Tensor]) -> None:
    """Check `euler(velocity, x_1, times)`, which returns x at the last of the times.

    velocity: a function of x and t; times: descending.
    """
    start = torch.tensor([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0]])
    for times in ((1.0, 0.0), (1.0, 0.75, 0.5, 0.25, 0.0), (1.0, 0.9, 0.5, 0.0), (0.8, 0.5)):
        for velocity in FIELDS:
            right, given = _euler(velocity, start, times), start.clone()
            answer = euler(velocity, given, list(times))
            if not torch.equal(given, start):
                raise Hint("your function changes the noise that it was given; make a new tensor in each step")
            if not isinstance(answer, Tensor) or answer.shape != start.shape:
                raise Hint(f"return the last x, of shape {tuple(start.shape)}, not {_shape(answer)}")
            if not _same(answer, right):
                raise Hint(f"times {list(times)}: {_wrong_steps(answer, velocity, start, times)}")


def _wrong_steps(answer: Tensor, velocity: Callable, start: Tensor, times: Sequence[float]) -> str:
    count = len(times) - 1
    if _same(answer, start):
        return "x has not moved"
    if _same(answer, _euler(velocity, start, times, sign=-1)):
        return "x went the wrong way: time runs down, so a step of t is negative"
    if _same(answer, _euler(velocity, start, times, late=True)):
        return "your function asks for the velocity at the end of each step; ask for it where x stands now"
    even = [times[0] + (times[-1] - times[0]) * i / count for i in range(count + 1)]
    unit = [1 - i / count for i in range(count + 1)]
    if _same(answer, _evenly(velocity, start, times, even)) or _same(answer, _evenly(velocity, start, times, unit)):
        return "the steps have different lengths here: each is the difference of two neighbouring times"
    if _same(answer, _euler(velocity, start, times[:-1])):
        return "the last step is missing; there are as many steps as gaps between the times"
    return "x at the next time is x plus (next time - this time) times the velocity here"


def _evenly(velocity: Callable, x: Tensor, times: Sequence[float], even: Sequence[float]) -> Tensor:
    """Take steps of one length, with the velocity at the given times."""
    for t in times[:-1]:
        x = x + (even[1] - even[0]) * velocity(x, t)
    return x


# -- 04.3 --------------------------------------------------------------------------------------------------------------


@exercise("04.3", 2, "Shifted times")
def check_shift_time(shift_time: Callable[[float, float], float]) -> None:
    """Check `shift_time(t, shift)`: shift t / (1 + (shift - 1) t)."""
    for shift in (2.0, 5.0, 1.0, 0.5):
        for t in (1.0, 0.0, 0.5, 0.25, 0.9):
            answer, right = float(shift_time(t, shift)), shift * t / (1 + (shift - 1) * t)
            if not math.isclose(answer, right, rel_tol=CLOSE, abs_tol=1e-9):
                raise Hint(f"t = {t:g}, shift = {shift:g}: {_wrong_shift(answer, t, shift)}")


def _wrong_shift(answer: float, t: float, shift: float) -> str:
    if math.isclose(answer, t):
        return "t comes back unchanged"
    if math.isclose(answer, t / (shift - (shift - 1) * t), rel_tol=CLOSE):
        return "that shifts the other way; a shift of more than 1 keeps t near the noise for longer"
    if answer > 1 + CLOSE:
        return f"{answer:g} is more than 1, and times stay between 0 and 1; what is the numerator divided by?"
    if t == 1:
        return f"t = 1 gives {answer:g}, and pure noise must stay pure noise; look at the factor in the denominator"
    return f"{answer:g} is not right; read the formula from left to right, and mind its brackets"


# -- 04.4 --------------------------------------------------------------------------------------------------------------


@exercise("04.4", 4, "Anchors into the noise")
def check_place_anchors(place: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> None:
    """Check `place(noise, encoded, anchors, t)`, which returns the latents to start from and their timesteps.

    noise, encoded, and the returned latents: (B, C, F, h, w); anchors: (F,) bools; t: in [0, 1]; the returned
    timesteps: (B, F) from 0 to 1000.
    """
    generator = torch.Generator().manual_seed(4)
    cases = (([1, 0, 0, 1, 0], (5, 5)), ([0, 1, 1, 0], (3, 4)), ([0, 0, 0], (2, 2)), ([1, 1], (2, 2)))
    for marks, size in cases:
        anchors = torch.tensor(marks, dtype=torch.bool)
        for t in (1.0, 0.4):
            noise, encoded = torch.randn(2, 2, 3, len(marks), *size, generator=generator)
            answer = place(noise.clone(), encoded.clone(), anchors.clone(), t)
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Hint("return two things: the latents to start from, and the timesteps")
            where = f"anchors {marks}, t = {t:g}"
            if wrong := _wrong_start(answer[0], noise, encoded, anchors):
                raise Hint(f"{where}: {wrong}")
            if wrong := _wrong_timesteps(answer[1], anchors, t, len(noise)):
                raise Hint(f"{where}: {wrong}")


def _wrong_start(x: object, noise: Tensor, encoded: Tensor, anchors: Tensor) -> str | None:
    mask = anchors.view(1, 1, -1, 1, 1)
    if not isinstance(x, Tensor) or x.shape != noise.shape:
        return f"the latents have shape {tuple(noise.shape)}; you returned {_shape(x)}"
    if torch.equal(x, torch.where(mask, encoded, noise)):
        return None
    if torch.equal(x, torch.where(mask, noise, encoded)):
        return "the wrong latents are noise: an anchor is what was encoded"
    if len(anchors) == x.shape[-1] and torch.equal(x, torch.where(anchors, encoded, noise)):
        return "the mask was spread over the last axis, the width; the latent frames are axis 2"
    if torch.equal(x, noise):
        return "there is no anchor in your latents"
    if (x != noise)[:, :, anchors].any() and torch.equal(x[:, :, ~anchors], noise[:, :, ~anchors]):
        return "an anchor is clean: it is what was encoded, and it has no noise"
    return "every latent frame is either wholly the encoded one or wholly the noise"


def _wrong_timesteps(timestep: object, anchors: Tensor, t: float, batch: int) -> str | None:
    right = torch.where(anchors, 0.0, 1000.0 * t).expand(batch, -1)
    if not isinstance(timestep, Tensor):
        return "the timesteps are a tensor (B, F)"
    if timestep.shape == right.shape[1:]:
        return f"there is one row of timesteps in all; each sample needs its own, ({batch}, {len(anchors)})"
    if timestep.shape != right.shape:
        shape = f"({batch}, {len(anchors)})"
        return f"the timesteps have shape {shape}, one for each latent frame; you returned {_shape(timestep)}"
    timestep = timestep.float()
    if _same(timestep, right):
        return None
    if _same(timestep * 1000, right):
        return "the transformer counts timesteps from 0 to 1000, not to 1"
    if _same(timestep, torch.full_like(right, 1000.0 * t)):
        return "an anchor is clean, and its timestep must say so"
    if _same(timestep, torch.where(anchors, 1000.0 * t, 0.0).expand(batch, -1)):
        return "the timesteps say that the anchors are noisy and all others clean"
    got = timestep[0].tolist()
    return f"an anchor has the timestep of clean latents, and all others have that of t; you returned {got}"


# -- 04.5 --------------------------------------------------------------------------------------------------------------


@exercise("04.5", 2, "Guidance")
def check_guide(guide: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `guide(conditional, unconditional, scale)`: the guided velocity. Scale 1 gives the conditional one."""
    generator = torch.Generator().manual_seed(5)
    conditional, unconditional = torch.randn(2, 1, 3, 4, 2, 2, generator=generator)
    for scale in (1.0, 0.0, 3.0, 7.5):
        answer = guide(conditional.clone(), unconditional.clone(), scale)
        if not isinstance(answer, Tensor) or answer.shape != conditional.shape:
            raise Hint(f"return a velocity of shape {tuple(conditional.shape)}, not {_shape(answer)}")
        if not _same(answer, unconditional + scale * (conditional - unconditional)):
            raise Hint(f"scale {scale:g}: {_wrong_guidance(answer, conditional, unconditional, scale)}")


def _wrong_guidance(answer: Tensor, conditional: Tensor, unconditional: Tensor, scale: float) -> str:
    difference = conditional - unconditional
    for value, said in (
        (conditional + scale * difference, "scale 1 must give the conditional velocity; where does the arrow start?"),
        (conditional - scale * difference, "this leads away from the text; the two velocities changed places"),
        (scale * conditional, "the unconditional velocity is missing"),
        (scale * difference, "that is the difference alone; the difference is added to something"),
        (unconditional - scale * difference, "the difference is taken the wrong way round"),
    ):
        if _same(answer, value):
            return said
    return "start at the unconditional velocity, and go `scale` times the way to the conditional one"
