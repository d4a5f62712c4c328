"""Checks of notebook 04: the straight path, Euler's steps, shifted times, anchors, guidance, and the sampling loop."""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...flow import spread
from .core import CLOSE, Hint, ask, draw, exercise, generator, is_close, shape_of

__all__ = [
    "check_euler_path",
    "check_guide",
    "check_place_anchors",
    "check_sample",
    "check_shift_time",
    "check_straight_path",
]

def _straight_path(x_0: Tensor, x_1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    share = t.view(-1, *[1] * (x_0.ndim - 1))
    return (1 - share) * x_0 + share * x_1, x_1 - x_0


@exercise("04.1", 3, "The straight path", reference=_straight_path)
def check_straight_path(straight_path: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `straight_path(x_0, x_1, t)`, which returns x_t and v.

    x_0, x_1, x_t, v: (B, ...); t: (B,) in [0, 1].
    """
    random = generator(4)
    for shape in ((4, 4), (3, 2), (1, 2), (3, 2, 5, 2, 2)):
        x_0, x_1 = 2 * torch.randn(2, *shape, generator=random)
        t = torch.rand(shape[0], generator=random)
        if len(t) > 2:
            t[0], t[-1] = 0.0, 1.0  # the ends of the path
        answer = ask(straight_path, x_0, x_1, t)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two things: x_t and v")
        right = _straight_path(x_0, x_1, t)
        for name, got, wanted in zip(("x_t", "v"), answer, right, strict=True):
            if not isinstance(got, Tensor) or got.shape != wanted.shape:
                raise Hint(f"x_0 has shape {shape}: {name} has that shape too; yours has shape {shape_of(got)}")
        if is_close(answer[0], right[1]) and is_close(answer[1], right[0]):
            raise Hint("the two results have changed places: x_t comes first, then v")
        if not is_close(answer[0], right[0]):
            raise Hint(f"x_t of shape {shape}: {_wrong_path(answer[0], x_0, x_1, t)}")
        if not is_close(answer[1], right[1]):
            raise Hint(f"v of shape {shape}: {_wrong_velocity(answer[1], x_0, x_1, right[0])}")


def _wrong_path(answer: Tensor, x_0: Tensor, x_1: Tensor, t: Tensor) -> str:
    if is_close(answer, _straight_path(x_1, x_0, t)[0]):
        return "data and noise have changed places; at t = 0 it is the data"
    if x_0.shape[-1] in (1, len(t)) and is_close(answer, (1 - t) * x_0 + t * x_1):
        return "each sample has its own t, but t was spread over the last axis; give t axes of size 1 at its end"
    if any(is_close(answer, _straight_path(x_0, x_1, one.expand(len(t)))[0]) for one in (*t, t.mean())):
        return "all samples got the same t; each sample has its own"
    if is_close(answer, _straight_path(x_0, x_1, t.square())[0]):
        return "t was squared on its way; the share of the noise is t itself"
    share = t.view(-1, *[1] * (x_0.ndim - 1))
    if is_close(answer, (1 - share).sqrt() * x_0 + share.sqrt() * x_1):
        return "square roots belong to other diffusion models; this path is a straight line"
    for end, name, time in ((x_0, "x_0", 0), (x_1, "x_1", 1)):
        if not is_close(answer[t == time], end[t == time]):
            return f"at t = {time}, x_t must be {name} just as it was given, and yours is something else"
    return "the ends are right, but between them x_t does not lie on the straight line from x_0 to x_1"


def _wrong_velocity(answer: Tensor, x_0: Tensor, x_1: Tensor, x_t: Tensor) -> str:
    if is_close(answer, x_0 - x_1):
        return "your v points from the noise to the data; v is the change of x_t when t grows"
    if is_close(answer, x_1 - x_t) or is_close(answer, x_t - x_0):
        return "that is only a part of the way; v is the derivative of x_t by t, the same at every t"
    if is_close(answer, x_t):
        return "that is x_t once more; v says how x_t changes"
    return "take the derivative of x_t by t"


def _euler(velocity: Callable, x_1: Tensor, times: Sequence[float], sign: int = 1, late: bool = False) -> Tensor:
    x = x_1
    for now, then in itertools.pairwise(times):
        x = x + sign * (then - now) * velocity(x, then if late else now)
    return x


@exercise("04.2", 3, "Euler's steps", reference=_euler)
def check_euler_path(euler: Callable[[Callable, Tensor, Sequence[float]], Tensor]) -> None:
    """Check `euler(velocity, x_1, times)`, which returns x at the last of the times.

    velocity: a function of x and t; times: descending.
    """
    a, b = draw(1, 1.5, 2.5), draw(2, 0.3, 0.7)
    fields: tuple[Callable[[Tensor, float], Tensor], ...] = (
        lambda x, t: torch.full_like(x, a),  # the same everywhere and at all times
        lambda x, t: torch.full_like(x, a) * t,  # depends on the time alone
        lambda x, t: x * (b + t),  # depends on the place and the time
    )
    start = torch.randn(3, 2, generator=generator(2))
    middle = round(draw(3, 0.3, 0.6), 2)
    for times in ((1.0, 0.9, middle, 0.0), (1.0, 0.75, 0.5, 0.25, 0.0), (0.8, middle), (1.0, 0.0)):
        for velocity in fields:
            answer = ask(euler, velocity, start, list(times))
            if not isinstance(answer, Tensor) or answer.shape != start.shape:
                raise Hint(f"return the last x, of shape {tuple(start.shape)}; yours has shape {shape_of(answer)}")
            if not is_close(answer, _euler(velocity, start, times)):
                raise Hint(f"times {list(times)}: {_wrong_steps(answer, velocity, start, times)}")


def _wrong_steps(answer: Tensor, velocity: Callable, start: Tensor, times: Sequence[float]) -> str:
    count = len(times) - 1
    if is_close(answer, start):
        return "x has not moved"
    if is_close(answer, _euler(velocity, start, times, sign=-1)):
        return "x went the wrong way: time runs down, so a step of t is negative"
    if is_close(answer, _euler(velocity, start, times, late=True)):
        return "your function asks for the velocity at the end of each step; ask for it where x stands now"
    if count > 1 and is_close(answer, _euler(velocity, start, times[:2])):
        return "only the first step was taken; does your `return` stand inside the loop?"
    if count > 1 and is_close(answer, _euler(lambda x, t: velocity(start, t), start, times)):
        return "each step asks for the velocity at the start, x_1; ask for it at the x that the last step came to"
    even = [times[0] + (times[-1] - times[0]) * i / count for i in range(count + 1)]
    unit = [1 - i / count for i in range(count + 1)]
    if any(is_close(answer, _evenly(velocity, start, times, line)) for line in (even, unit)):
        return "the steps have different lengths here: each is the difference of two neighbouring times"
    if any(is_close(answer, _euler(velocity, start, line)) for line in (even, unit)):
        return "you made times of your own; use the ones that are given, also where they are not evenly spaced"
    if is_close(answer, _euler(velocity, start, times[:-1])):
        return "the last step is missing; there are as many steps as gaps between the times"
    if is_close(answer, _euler(velocity, start, times[1:])):
        return "the first step is missing; there are as many steps as gaps between the times"
    if times[-1] > 0 and is_close(answer, _euler(velocity, start, (*times, 0.0))):
        return "there is a step too many: the path ends at the last of the times, which need not be 0"
    return "x at the next time is x plus (next time - this time) times the velocity here"


def _evenly(velocity: Callable, x: Tensor, times: Sequence[float], even: Sequence[float]) -> Tensor:
    """Take steps of one length, with the velocity at the given times."""
    for t in times[:-1]:
        x = x + (even[1] - even[0]) * velocity(x, t)
    return x


def _shift_time(t: float | Tensor, shift: float) -> float | Tensor:
    return shift * t / (1 + (shift - 1) * t)


@exercise("04.3", 2, "Shifted times", reference=_shift_time)
def check_shift_time(shift_time: Callable[[float | Tensor, float], float | Tensor]) -> None:
    """Check `shift_time(t, shift)`: shift t / (1 + (shift - 1) t), for a number t and for a tensor of them."""
    for shift in (round(draw(1, 2.5, 5.0), 2), 2.0, 1.0, 0.5):
        for t in (1.0, 0.0, round(draw(2, 0.3, 0.7), 3), 0.25, round(draw(3, 0.8, 0.95), 3)):
            answer, right = _as_number(ask(shift_time, t, shift)), _shift_time(t, shift)
            if not math.isclose(answer, right, rel_tol=CLOSE, abs_tol=1e-9):
                raise Hint(f"t = {t:g}, shift = {shift:g}: {_wrong_shift(answer, t, shift)}")
    t = torch.rand(5, dtype=torch.float64, generator=generator(3))
    if not is_close(ask(shift_time, t, 3.0), _shift_time(t, 3.0)):
        raise Hint("single numbers are right, but t may also be a tensor of times, and then a tensor comes back")


def _as_number(answer: object) -> float:
    try:
        return float(answer)
    except (TypeError, ValueError, RuntimeError):
        raise Hint(f"return one number for one t, not a {type(answer).__name__}") from None


def _wrong_shift(answer: float, t: float, shift: float) -> str:
    if math.isclose(answer, t):
        return "t comes back unchanged"
    if math.isclose(answer, t / (shift - (shift - 1) * t), rel_tol=CLOSE):
        return "that shifts the other way; a shift of more than 1 keeps t near the noise for longer"
    if math.isclose(answer, _shift_time(t, shift), abs_tol=0.05) and 0 < t < 1:
        return f"{answer:g} is nearly right; do not round"
    if answer > 1 + CLOSE:
        return f"{answer:g} is more than 1, and times stay between 0 and 1; what is the numerator divided by?"
    if t == 1:
        return f"t = 1 gives {answer:g}, and pure noise must stay pure noise; look at the factor in the denominator"
    if t == 0:
        return f"t = 0 gives {answer:g}, and data must stay data; what is the numerator?"
    return f"{answer:g} is not right; read the formula from left to right, and mind its brackets"


def _place(noise: Tensor, encoded: Tensor, anchors: Tensor, t: float) -> tuple[Tensor, Tensor]:
    return torch.where(spread(anchors), encoded, noise), torch.where(anchors, 0.0, 1000.0 * t).expand(len(noise), -1)


@exercise("04.4", 4, "Anchors into the noise", reference=_place)
def check_place_anchors(place: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> None:
    """Check `place(noise, encoded, anchors, t)`, which returns the latents to start from and their timesteps.

    noise, encoded, and the returned latents: (B, C, F, h, w); anchors: (F,) bools; t: in [0, 1]; the returned
    timesteps: (B, F) from 0 to 1000.
    """
    cases = (([1, 0, 0, 1, 0], (5, 5)), ([0, 1, 1, 0], (3, 4)), ([0, 0, 0], (2, 2)), ([1, 1], (2, 2)))
    for number, (marks, size) in enumerate(cases):
        anchors = torch.tensor(marks, dtype=torch.bool)
        for t in (1.0, draw(number, 0.2, 0.9)):
            noise, encoded = torch.randn(2, 2, 3, len(marks), *size, generator=generator(number))
            answer = ask(place, noise, encoded, anchors, t)
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Hint("return two things: the latents, and the timesteps")
            where = f"anchors {marks}, t = {t:g}"
            if wrong := _wrong_start(answer[0], noise, encoded, anchors):
                raise Hint(f"{where}: {wrong}")
            if wrong := _wrong_timesteps(answer[1], anchors, t, len(noise)):
                raise Hint(f"{where}: {wrong}")


def _wrong_start(x: object, noise: Tensor, encoded: Tensor, anchors: Tensor) -> str | None:
    mask = spread(anchors)
    if not isinstance(x, Tensor) or x.shape != noise.shape:
        return f"the latents have shape {tuple(noise.shape)}; yours have shape {shape_of(x)}"
    if torch.equal(x, torch.where(mask, encoded, noise)):
        return None
    if torch.equal(x, torch.where(mask, noise, encoded)):
        return "the wrong latents are noise: an anchor is what was encoded"
    for axis, wrong in (("last axis, the width", anchors), ("axis before the last, the height", anchors[:, None])):
        if len(anchors) == x.shape[-wrong.ndim] and torch.equal(x, torch.where(wrong, encoded, noise)):
            return f"the mask was spread over the {axis}; the latent frames are axis 2"
    if torch.equal(x, noise):
        return "there is no anchor in your latents"
    if torch.equal(x, encoded):
        return "every latent frame is the encoded one; only the anchors are known, the others begin as noise"
    if torch.equal(x[:, :, anchors], encoded[:, :, anchors]):
        return "the anchors are right; every other latent frame is the noise, just as it was given"
    if torch.equal(x[:, :, ~anchors], noise[:, :, ~anchors]):
        return "an anchor is clean: it is what was encoded, and it has no noise"
    return "every latent frame is either wholly the encoded one or wholly the noise"


def _wrong_timesteps(timestep: object, anchors: Tensor, t: float, batch: int) -> str | None:
    right = torch.where(anchors, 0.0, 1000.0 * t).expand(batch, -1)
    wanted = f"({batch}, {len(anchors)})"
    if not isinstance(timestep, Tensor):
        return f"the timesteps are a tensor (B, F), here {wanted}"
    if timestep.shape == right.shape[1:]:
        return f"there is one row of timesteps in all; each sample needs its own, {wanted}"
    if timestep.shape != right.shape:
        return f"the timesteps have shape {wanted}, one for each latent frame; yours have shape {shape_of(timestep)}"
    timestep = timestep.double()
    if is_close(timestep, right):
        return None
    if is_close(timestep * 1000, right):
        return "the transformer counts timesteps from 0 to 1000, not to 1"
    if is_close(timestep, torch.full_like(right, 1000.0 * t)):
        return "an anchor is clean, and its timestep must say so"
    if is_close(timestep, torch.where(anchors, 1000.0 * t, 0.0).expand(batch, -1)):
        return "the timesteps say that the anchors are noisy and all others clean"
    if (timestep[:, anchors] == 0).all() and (timestep - right).abs().max() <= 100:
        return f"the timesteps are rounded; 1000 t is {1000 * t:.2f} here, and it need not be a whole number"
    got = [round(value, 2) for value in timestep[0].tolist()]
    return f"an anchor has the timestep of clean latents, and all others have that of t; you returned {got}"


def _guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    return unconditional + scale * (conditional - unconditional)


@exercise("04.5", 2, "Guidance", reference=_guide)
def check_guide(guide: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `guide(conditional, unconditional, scale)`: the guided velocity. Scale 1 gives the conditional one."""
    conditional, unconditional = torch.randn(2, 2, 3, 4, 2, 2, generator=generator(5))
    for scale in (round(draw(5, 0.2, 0.4), 2), round(draw(6, 2.5, 4.5), 2), 1.0, 0.0, 7.5):
        answer = ask(guide, conditional, unconditional, scale)
        if not isinstance(answer, Tensor) or answer.shape != conditional.shape:
            raise Hint(f"return a velocity of shape {tuple(conditional.shape)}; yours has shape {shape_of(answer)}")
        if not is_close(answer, _guide(conditional, unconditional, scale)):
            raise Hint(f"scale {scale:g}: {_wrong_guidance(answer, conditional, unconditional, scale)}")


def _wrong_guidance(answer: Tensor, conditional: Tensor, unconditional: Tensor, scale: float) -> str:
    difference = conditional - unconditional
    if scale > 1 and is_close(answer, conditional):  # scales below 1 are right
        return "the scale was held at 1; guidance goes further than that"
    for value, said in (
        (conditional, "that is the conditional velocity at every scale; where is `scale` used?"),
        (conditional + scale * difference, "scale 1 must give the conditional velocity; where does the arrow start?"),
        (unconditional + (scale - 1) * difference, "the way is one length too short: scale 1 must lead to conditional"),
        (conditional - scale * difference, "this leads away from the text; the two velocities changed places"),
        (scale * conditional, "the unconditional velocity is missing"),
        (scale * difference, "that is the difference alone; the difference is added to something"),
        (unconditional - scale * difference, "the difference is taken the wrong way round"),
        (scale * conditional + (1 + scale) * unconditional, "the two shares, scale and 1 - scale, must add up to 1"),
        (scale * conditional + unconditional, "the two shares, scale and 1 - scale, must add up to 1"),
    ):
        if is_close(answer, value):
            return said
    return "start at the unconditional velocity, and go `scale` times the way to the conditional one"


def _sample(
    velocity: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    encoded: Tensor,
    anchors: Tensor,
    times: Sequence[float],
    renew: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    x, timesteps = _place(noise, encoded, anchors, times[0])
    for now, then in itertools.pairwise(times):
        v = velocity(x, timesteps)
        if renew is None:
            x = x + (then - now) * v
        else:
            x = (1 - then) * (x - now * v) + then * renew(x)
        x, timesteps = _place(x, encoded, anchors, then)
    return x


@exercise("04.6", 5, "The sampling loop", reference=_sample)
def check_sample(sample: Callable) -> None:
    """Check `sample(velocity, noise, encoded, anchors, times, renew=None)`, which returns the latents at the last time.

    velocity: takes latents and timesteps (B, F), returns a velocity; renew: takes latents, returns new noise; noise,
    encoded and all latents: (B, C, F, h, w); anchors: (F,) bools; times: K + 1 falling numbers.
    """
    for number, (marks, count) in enumerate((([1, 0, 0, 1, 0], 4), ([0, 1, 0], 1), ([0, 0], 3))):
        anchors, random = torch.tensor(marks, dtype=torch.bool), generator(number)
        noise, encoded = torch.randn(2, 2, 3, len(marks), 4, 5, generator=random)
        fresh = torch.randn(count, *noise.shape, generator=random)
        inner = sorted(
            (0.05 + 0.9 * torch.rand(count - 1, generator=random, dtype=torch.float64)).tolist(), reverse=True
        )
        times = [1.0, *inner, 0.0]
        for renews in (False, True):
            said = f"anchors {marks}, {count} step{'s' * (count > 1)}, {'with' if renews else 'without'} fresh noise"
            if wrong := _wrong_sample(sample, (noise, encoded, anchors, times), fresh if renews else None):
                raise Hint(f"{said}: {wrong}")


def _wrong_sample(sample: Callable, given: tuple, fresh: Tensor | None) -> str | None:
    """Return what is wrong with the loop for one case, or None."""
    noise, encoded, anchors, times = given
    asked: list[tuple[Tensor, Tensor]] = []
    drawn: list[int] = []

    def field(x: Tensor, timesteps: Tensor) -> Tensor:
        """Depends on x, on all latent frames together, and on the time."""
        return 0.5 * x - 0.3 * x.mean(dim=2, keepdim=True) + spread(timesteps) / 2000

    def velocity(x: Tensor, timesteps: Tensor) -> Tensor:
        row = (len(noise), len(anchors))
        if shape_of(x) != shape_of(noise) or shape_of(timesteps) != str(row):
            wanted = f"latents {shape_of(noise)} and timesteps {row}"
            raise Hint(f"velocity takes {wanted}; yours have shapes {shape_of(x)} and {shape_of(timesteps)}")
        asked.append((x.clone(), timesteps.clone()))
        return field(x, timesteps)

    def renew(x: Tensor) -> Tensor:
        drawn.append(1)
        return fresh[min(len(drawn), len(fresh)) - 1].clone()

    answer = ask(sample, velocity, *given, *([] if fresh is None else [renew]))
    if not isinstance(answer, Tensor) or answer.shape != noise.shape:
        return f"return the latents, of shape {tuple(noise.shape)}; yours have shape {shape_of(answer)}"
    steps = len(times) - 1
    if len(asked) != steps:
        return f"the velocity was asked for {len(asked)} times; {steps + 1} times are {steps} steps, and each asks once"
    for number, ((x, timesteps), now) in enumerate(zip(asked, times, strict=False)):
        if not torch.equal(x[:, :, anchors], encoded[:, :, anchors]):
            which = "the first step begins without" if number == 0 else f"after step {number} the latents have lost"
            return f"{which} the anchors; they must be in place whenever the velocity is asked for"
        if wrong := _wrong_timesteps(timesteps, anchors, now, len(noise)):
            return f"step {number + 1}, from t = {now:.3f}: {wrong}"
    if is_close(answer, _sample(field, *given, None if fresh is None else _in_order(fresh))):
        return None
    if not torch.equal(answer[:, :, anchors], encoded[:, :, anchors]):
        return "the anchors are lost in the last step; put them back after every step"
    if fresh is None:
        first, second = asked[0][0], [*(x for x, _ in asked), answer][1]
        back = _place(first - (times[1] - times[0]) * field(*asked[0]), encoded, anchors, 1.0)[0]
        if is_close(second, back):
            return "x goes the wrong way: t falls, so a step from `now` to `then` is negative"
        return "the timesteps and anchors are right, but x moves by another step than (then - now) times the velocity"
    if is_close(answer, _sample(field, *given)):
        return "your loop follows the path, but `renew` was given: mix the guess of x_0 with fresh noise"
    if len(drawn) not in (steps, steps - 1):  # the noise of the last step counts nothing
        return f"fresh noise was drawn {len(drawn)} times in {steps} steps; each step draws it once"
    return "with fresh noise, the guess x - t v is mixed with the noise of the *next* time, on the straight path"


def _in_order(fresh: Tensor) -> Callable[[Tensor], Tensor]:
    left = iter(fresh)
    return lambda x: next(left)
