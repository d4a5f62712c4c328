"""Checks of notebook 05: a video of half the size, the start of the flow, the sampler, distances to keyframes."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...flow import spread
from .core import Hint, ask, draw_from, exercise, generator, is_close, shape_of

__all__ = ["check_half_size", "check_integrate", "check_keyframe_distance", "check_start_of_flow"]

# -- 05.1 --------------------------------------------------------------------------------------------------------------


class _Called(TorchFunctionMode):
    """Collects the names of the torch functions that are called inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        self.names.add(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def _half_size(video: Tensor) -> Tensor:
    rows = video[..., ::2, :] + video[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


@exercise("05.1", 2, "Half the size", reference=_half_size)
def check_half_size(half_size: Callable[[Tensor], Tensor]) -> None:
    """Check `half_size(video)`: (T, 3, H, W) in [0, 1], with even H and W, gives (T, 3, H / 2, W / 2)."""
    for number, (frames, height, width) in enumerate(((4, 6, 8), (6, 4, 10))):
        video = torch.rand(frames, 3, height, width, generator=generator(number))
        with _Called() as called:
            half = ask(half_size, video)
        if not isinstance(half, Tensor):
            raise Hint(f"return a tensor, not a {type(half).__name__}")
        wanted = _half_size(video)
        if half.ndim != 4:
            raise Hint(f"the result has shape {shape_of(half)}; a video has four axes, (T, 3, H / 2, W / 2)")
        if len(half) != frames:
            raise Hint(f"{len(half)} of {frames} frames are left; the first axis is time, and it keeps its length")
        if half.shape != wanted.shape:
            shapes = f"shape {shape_of(video)} became {shape_of(half)}"
            raise Hint(f"{shapes}; height and width, the last two axes, are halved")
        if is_close(half, 4 * wanted):
            raise Hint("four pixels are added up, so a white frame becomes four times as bright as white")
        if is_close(half, 2 * wanted):
            raise Hint("a white frame becomes twice as bright as white; how many pixels are in a mean?")
        if any(is_close(half, video[..., i::2, j::2]) for i in (0, 1) for j in (0, 1)):
            raise Hint("every second pixel is picked, so a thin line may vanish; each new pixel covers four old ones")
        if any(is_close(half, x) for x in _one_way(video)):
            raise Hint("the mean is over one axis alone; each new pixel covers two rows and two columns")
        if any(is_close(half, x) for x in (wanted.flip(-1), wanted.flip(-2), wanted.flip(-1, -2))):
            raise Hint("the means are right, but the picture is turned over; keep the order of rows and columns")
        if is_close(half, wanted.mean(dim=1, keepdim=True).expand_as(wanted)):
            raise Hint("the three colours were averaged, too; the mean is over rows and columns alone")
        if not is_close(half, wanted):
            raise Hint("the shape is right, but a new pixel is the mean of the 2 x 2 old ones that it covers")
        if ready := sorted(name for name in called.names if "pool" in name or name == "interpolate"):
            raise Hint(f"the values are right, but {ready[0]} does all the work; write it with slices or a reshape")


def _one_way(video: Tensor) -> list[Tensor]:
    """Return the video averaged along one axis and picked along the other, in all four ways."""
    down, across = (video[..., ::2, :] + video[..., 1::2, :]) / 2, (video[..., ::2] + video[..., 1::2]) / 2
    return [down[..., ::2], down[..., 1::2], across[..., ::2, :], across[..., 1::2, :]]


# -- 05.2 --------------------------------------------------------------------------------------------------------------


def _start_of_flow(z_lr: Tensor, z_hr: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(spread(anchors), z_hr, z_lr), (~anchors).float()


@exercise("05.2", 2, "Where the flow starts", reference=_start_of_flow)
def check_start_of_flow(start_of_flow: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `start_of_flow(z_lr, z_hr, anchors)`, which returns where the flow starts, and the time of each latent.

    z_lr, z_hr, and the returned start: (B, C, F, h, w); anchors: (B, F) bools; the returned times: (B, F) floats.
    """
    cases = ([[1, 0, 0, 1], [0, 1, 0, 0], [0] * 4], [[0, 0, 1, 0]], [[1, 1, 1, 1], [0, 0, 1, 1]])
    for number, marks in enumerate(cases):
        anchors = torch.tensor(marks, dtype=torch.bool)
        z_lr, z_hr = torch.randn(2, len(anchors), 2, 4, 4, 6, generator=generator(number))
        answer = ask(start_of_flow, z_lr, z_hr, anchors)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two tensors: the start, and the time of each latent frame")
        start, times = answer
        if not isinstance(start, Tensor) or start.shape != z_lr.shape:
            raise Hint(f"the start has shape {shape_of(start)}, not that of z_lr; which axis do the anchors belong to?")
        if not is_close(start, _start_of_flow(z_lr, z_hr, anchors)[0]):
            raise Hint(_wrong_start(start, z_lr, z_hr, anchors))
        if not isinstance(times, Tensor) or times.shape != anchors.shape:
            raise Hint(f"the times have shape {shape_of(times)}; each latent frame of each clip has one, (B, F)")
        if not times.dtype.is_floating_point:
            raise Hint(f"the times are of type {times.dtype}; a time lies anywhere between 0 and 1, so it is a float")
        if is_close(times, anchors.float()):
            raise Hint("the times are the wrong way round: t = 1 is LR, and 0 is what needs no change")
        if bool((times[anchors] != 0).any()):
            raise Hint("an anchor is clean from the start: its time is 0")
        if not is_close(times, (~anchors).float()):
            raise Hint("the flow starts at LR; which time t is that?")


def _wrong_start(start: Tensor, z_lr: Tensor, z_hr: Tensor, anchors: Tensor) -> str:
    if is_close(start, torch.where(spread(anchors), z_lr, z_hr)):
        return "this is the wrong way round: only the keyframes are known in full size"
    if is_close(start, z_lr):
        return "the keyframes are not in it: the latent of an anchor is that of the large original"
    if is_close(start, z_hr):
        return "everything comes from z_hr, but only the anchors are known in full size"
    if is_close(start, torch.where(spread(anchors[:1]), z_hr, z_lr)):
        return "every clip got the anchors of the first one; each clip has its own"
    return "each latent frame comes untouched from z_lr, or untouched from z_hr"


# -- 05.3 --------------------------------------------------------------------------------------------------------------


def _integrate(velocity: Callable, z_lr: Tensor, z_hr: Tensor, anchors: Tensor, steps: int) -> Tensor:
    x, moving = _start_of_flow(z_lr, z_hr, anchors)
    for k in range(steps):
        x = x - velocity(x, (1 - k / steps) * moving) / steps
        x = torch.where(spread(anchors), z_hr, x)
    return x


@exercise("05.3", 4, "The sampler of Director-SR", reference=_integrate)
def check_integrate(integrate: Callable[[Callable, Tensor, Tensor, Tensor, int], Tensor]) -> None:
    """Check `integrate(velocity, z_lr, z_hr, anchors, steps)`, which returns x at t = 0.

    velocity: takes x and times (B, F); z_lr, z_hr, x: (B, C, F, h, w), of z_hr only the anchors are known; anchors:
    (B, F) bools; steps: how many equal steps are taken.
    """
    for number, (marks, steps) in enumerate((([[0, 1, 0], [1, 0, 0]], 4), ([[0, 0, 1]], 1), ([[0, 0]], 7))):
        anchors = torch.tensor(marks, dtype=torch.bool)
        z_lr, z_hr = torch.randn(2, len(anchors), 3, len(marks[0]), 4, 5, generator=generator(number))
        if wrong := _wrong_sampler(integrate, z_lr, z_hr, anchors, steps):
            raise Hint(f"anchors {marks}, {steps} step{'s' * (steps > 1)}: {wrong}")


def _wrong_sampler(integrate: Callable, z_lr: Tensor, z_hr: Tensor, anchors: Tensor, steps: int) -> str | None:
    asked: list[tuple[Tensor, Tensor]] = []

    def field(x: Tensor, times: Tensor) -> Tensor:
        """Depends on x, on all latent frames together, and on the times."""
        return 0.5 * x - 0.3 * x.mean(dim=2, keepdim=True) + spread(times)

    def velocity(x: Tensor, times: Tensor) -> Tensor:
        if not isinstance(times, Tensor) or times.shape != anchors.shape or shape_of(x) != shape_of(z_lr):
            wanted = f"x {shape_of(z_lr)} and times {shape_of(anchors)}"
            raise Hint(f"velocity takes {wanted}; yours have shapes {shape_of(x)} and {shape_of(times)}")
        asked.append((x.clone(), times.clone()))
        return field(x, times)

    end = ask(integrate, velocity, z_lr, z_hr, anchors, steps)
    if not isinstance(end, Tensor) or end.shape != z_lr.shape:
        return f"the result has shape {shape_of(end)}; it should have that of z_lr"
    if len(asked) != steps:
        return f"the velocity was asked for {len(asked)} times; each step asks once"
    mask = spread(anchors).expand_as(z_lr)
    for k, (x, times) in enumerate(asked):
        if not torch.equal(x[mask], z_hr[mask]):
            when = "at the start" if k == 0 else f"after step {k}"
            return f"{when} the anchors are not in their places; they come from z_hr, and no step moves them"
        if wrong := _wrong_times(times, anchors, k, steps):
            return wrong
    if is_close(end, _integrate(field, z_lr, z_hr, anchors, steps)):
        return None
    if not torch.equal(end[mask], z_hr[mask]):
        return "the anchors are lost in the last step; put them back after every step"
    x, times = asked[0]
    if is_close(torch.where(mask, 0, x), torch.where(mask, 0, z_hr)):
        return "the flow starts at z_lr; of z_hr only the anchors are known"
    if not is_close(torch.where(mask, 0, x), torch.where(mask, 0, z_lr)):
        return "the flow starts at z_lr where there is no anchor"
    if steps > 1:
        moved = torch.where(mask, x, x - field(x, times) / steps)
        if is_close(asked[1][0], moved):
            return (
                "the first step is right, and a later one is not; each step goes on from the x that the last one left"
            )
        if is_close(asked[1][0], torch.where(mask, x, x - field(x, times))):
            return "each of your steps goes the whole way; it is only one of several"
        if is_close(asked[1][0], torch.where(mask, x, x + field(x, times) / steps)):
            return "x went the wrong way: v leads from HR to LR, and t falls"
    return "the times and anchors are right, but a step moves x by something else than its length times v"


def _wrong_times(times: Tensor, anchors: Tensor, k: int, steps: int) -> str | None:
    t = 1 - k / steps
    if is_close(times.float(), t * (~anchors).float()):
        return None
    if bool((times[anchors] != 0).any()):
        return f"step {k + 1}: the time of an anchor is 0 in every step, and yours is not"
    shown = sorted({round(value, 2) for value in times[~anchors].tolist()})
    if is_close(times.float(), (t - 1 / steps) * (~anchors).float()):
        return f"step {k + 1} asks for v at t = {shown}; a step takes v where the step begins, not where it ends"
    if is_close(times.float(), 1000 * t * (~anchors).float()):
        return f"step {k + 1} asks for v at t = {shown}; here t runs from 1 to 0"
    if k == 0:
        return f"the first step asks for v at t = {shown}; the flow runs from LR, t = 1, to HR, t = 0"
    return f"step {k + 1} of {steps} equal steps asks for v at t = {shown}; the first begins at 1, and none at 0"


# -- 05.4 --------------------------------------------------------------------------------------------------------------


def _keyframe_distance(num_frames: int, keyframes: list[int]) -> list[int]:
    return [min(abs(frame - key) for key in keyframes) for frame in range(num_frames)]


@exercise("05.4", 2, "How far the nearest keyframe is", reference=_keyframe_distance)
def check_keyframe_distance(keyframe_distance: Callable[[int, list[int]], list[int]]) -> None:
    """Check `keyframe_distance(num_frames, keyframes)`: for each frame, how far the nearest keyframe is, in frames."""
    drawn = draw_from(4, range(1, 19), 3)
    for num_frames, keyframes in ((7, [3]), (9, [0, 8]), (6, [4, 1]), (5, [0]), (20, drawn), (20, sorted(drawn)[::-1])):
        answer = ask(keyframe_distance, num_frames, keyframes)
        where = f"{num_frames} frames, keyframes {keyframes}"
        try:
            found = [float(value) for value in answer]
        except (TypeError, ValueError, RuntimeError):
            raise Hint(f"{where}: return a list of numbers, not {answer!r:.60}") from None
        if wrong := _wrong_distances(found, num_frames, keyframes):
            raise Hint(f"{where}: {[round(value, 1) for value in found]}. {wrong}")


def _wrong_distances(found: list[float], num_frames: int, keyframes: list[int]) -> str | None:
    wanted = _keyframe_distance(num_frames, keyframes)
    if found == wanted:
        return None
    frames = range(num_frames)
    if len(found) != num_frames:
        return f"Return one number for each frame, from frame 0 to frame {num_frames - 1}"
    if min(found) < 0:
        return "A distance is never negative"
    if any(value != int(value) for value in found):
        return "A distance in frames is a whole number"
    if len(keyframes) > 1 and found == [abs(frame - keyframes[0]) for frame in frames]:
        return "That is the distance to the first keyframe given; look at all of them"
    if len(keyframes) > 1 and found == [abs(frame - keyframes[-1]) for frame in frames]:
        return "That is the distance to the last keyframe given; look at all of them"
    if len(keyframes) > 1 and found == [max(abs(frame - key) for key in keyframes) for frame in frames]:
        return "That is the distance to the farthest keyframe"
    since = [min((frame - key for key in keyframes if key <= frame), default=None) for frame in frames]
    if all(a == b for a, b in zip(found, since, strict=True) if b is not None):
        return "The nearest keyframe may also come later"
    until = [min((key - frame for key in keyframes if key >= frame), default=None) for frame in frames]
    if all(a == b for a, b in zip(found, until, strict=True) if b is not None):
        return "The nearest keyframe may also have come before"
    if any(found[key] for key in keyframes):
        return "A keyframe is no frame away from itself"
    return "How far is each frame from each keyframe, and which distance is least?"
