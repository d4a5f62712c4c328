"""Checks of notebook 05: halving a video, where the flow starts, its Euler steps, the distance to a keyframe."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .core import Hint, exercise

__all__ = ["check_euler", "check_half_size", "check_keyframe_distance", "check_start_of_flow"]


def _like(a: object, b: Tensor) -> bool:
    """Whether an answer is this tensor, to within rounding."""
    return isinstance(a, Tensor) and a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5)


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"of a {type(value).__name__}"


@exercise("05.1", 2, "Half the size")
def check_half_size(half_size: Callable[[Tensor], Tensor]) -> None:
    """half_size((T, 3, H, W) in [0, 1], H and W even) -> (T, 3, H / 2, W / 2)."""
    for seed, (frames, height, width) in enumerate(((4, 6, 8), (6, 4, 10))):
        video = torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(seed))
        half = half_size(video.clone())
        if not isinstance(half, Tensor):
            raise Hint(f"give a tensor back, not a {type(half).__name__}")
        if len(half) != frames:
            raise Hint(f"{len(half)} of {frames} frames are left; time, the first axis, keeps its length")
        wanted = F.avg_pool2d(video, 2)
        if half.shape != wanted.shape:
            raise Hint(f"shape {_shape(half)} of {_shape(video)}; height and width are halved, the last two axes")
        if _like(half, 4 * wanted):
            raise Hint("four pixels were added up; a white frame would come out four times as bright as white")
        if any(_like(half, video[..., i::2, j::2]) for i in (0, 1) for j in (0, 1)):
            raise Hint("every second pixel was picked; a line one pixel wide may vanish. Each new pixel covers four")
        if any(_like(half, x) for x in _one_way(video)):
            raise Hint("averaged along one axis alone; each new pixel covers two rows and two columns")
        if not _like(half, wanted):
            raise Hint("right in shape; but a new pixel is the mean of the 2 x 2 old ones that it covers")


def _one_way(video: Tensor) -> list[Tensor]:
    """Averaged along one axis, picked along the other."""
    down, across = (video[..., ::2, :] + video[..., 1::2, :]) / 2, (video[..., ::2] + video[..., 1::2]) / 2
    return [down[..., ::2], down[..., 1::2], across[..., ::2, :], across[..., 1::2, :]]


@exercise("05.2", 2, "Where the flow starts")
def check_start_of_flow(start_of_flow: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """start_of_flow(z_lr, z_hr (B, C, F, h, w), anchors (B, F)) -> start (B, C, F, h, w), times (B, F)."""
    anchors = torch.tensor([[True, False, False, True], [False, True, False, False], [False] * 4])
    for seed in (0, 1):
        z_lr, z_hr = torch.randn(2, 3, 2, 4, 4, 6, generator=torch.Generator().manual_seed(seed))
        answer = start_of_flow(z_lr.clone(), z_hr.clone(), anchors.clone())
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("give two tensors back: the start, and the time of each latent frame")
        start, times = answer
        if not isinstance(start, Tensor) or start.shape != z_lr.shape:
            raise Hint(f"the start has shape {_shape(start)}; it has that of z_lr. Which axis are the anchors of?")
        mask = anchors[:, None, :, None, None]
        if _like(start, torch.where(mask, z_lr, z_hr)):
            raise Hint("the wrong way round: what is known in full size are the keyframes, and nothing else")
        if _like(start, z_lr):
            raise Hint("the keyframes are not in: an anchor's latent is the large original's")
        if not _like(start, torch.where(mask, z_hr, z_lr)):
            raise Hint("each latent frame is either z_lr's, untouched, or z_hr's, untouched")
        if not isinstance(times, Tensor) or times.shape != anchors.shape:
            raise Hint(f"the times have shape {_shape(times)}; one for each latent frame of each clip is (B, F)")
        if _like(times.float(), anchors.float()):
            raise Hint("the times are the wrong way round: t = 1 is LR, and 0 is what needs no change")
        if bool((times.float()[anchors] != 0).any()):
            raise Hint("an anchor is clean from the start: its time is 0")
        if not _like(times.float(), (~anchors).float()):
            raise Hint("the flow starts at LR; which t is that?")


@exercise("05.3", 3, "The flow in Euler steps")
def check_euler(euler: Callable[[Callable[[Tensor, float], Tensor], Tensor, int], Tensor]) -> None:
    """euler(velocity, z_lr, steps): velocity(x, t) -> like x; the result is x at t = 0."""
    z_lr, z_hr = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    for steps in (4, 1, 7):
        asked: list[float] = []

        def straight(x: Tensor, t: float, asked: list[float] = asked) -> Tensor:
            asked.append(float(t))
            return z_lr - z_hr

        end = euler(straight, z_lr.clone(), steps)
        if len(asked) != steps:
            raise Hint(f"the velocity was asked for {len(asked)} times in {steps} steps; once a step")
        if not isinstance(end, Tensor) or end.shape != z_lr.shape:
            raise Hint(f"the result has shape {_shape(end)}; it has that of z_lr")
        if _like(end, 2 * z_lr - z_hr):
            raise Hint("it went the wrong way: v leads from HR to LR, and t falls")
        if not _like(end, z_hr):
            raise Hint(
                f"a straight flow must end at z_HR in any number of steps, and does not in {steps}; how long is one?"
            )
        _check_times(asked, steps)
    curved = euler(lambda x, t: x * t, torch.ones(2), 2)
    if not _like(curved, torch.full((2,), 0.375)):  # 1 - 0.5 x 1, then 0.5 - 0.5 x 0.5 x 0.5
        raise Hint("right where v is the same everywhere; but each step asks for v at the x that the last one came to")


def _check_times(asked: Sequence[float], steps: int) -> None:
    wanted = [1 - k / steps for k in range(steps)]
    if all(abs(a - b) < 1e-4 for a, b in zip(asked, wanted, strict=True)):
        return
    shown = [round(t, 2) for t in asked]
    if max(asked) <= 1 - 1 / steps + 1e-4 and max(asked) == asked[0]:
        raise Hint(f"v was asked for at t = {shown}; a step takes it where the step begins, not where it ends")
    if asked[0] < asked[-1]:
        raise Hint(f"v was asked for at t = {shown}; the flow runs from LR, t = 1, to HR, t = 0")
    raise Hint(f"v was asked for at t = {shown} in {steps} equal steps; the first is at 1, and none at 0")


CASES = [  # number of frames, keyframes, distances
    (7, [3], [3, 2, 1, 0, 1, 2, 3]),
    (9, [0, 8], [0, 1, 2, 3, 4, 3, 2, 1, 0]),
    (6, [4, 1], [1, 0, 1, 1, 0, 1]),
    (5, [0], [0, 1, 2, 3, 4]),
]


@exercise("05.4", 2, "How far the nearest keyframe is")
def check_keyframe_distance(keyframe_distance: Callable[[int, list[int]], list[int]]) -> None:
    """keyframe_distance(num_frames, keyframes, in any order) -> num_frames whole numbers of frames."""
    for num_frames, keyframes, wanted in CASES:
        found = [int(value) for value in keyframe_distance(num_frames, list(keyframes))]
        if found == wanted:
            continue
        what = f"{num_frames} frames, keyframes {keyframes}: {found}"
        if len(found) != num_frames:
            raise Hint(f"{what}. One number for each frame, from 0 to {num_frames - 1}")
        if min(found) < 0:
            raise Hint(f"{what}. A distance has no sign")
        if len(keyframes) > 1 and found == [abs(frame - keyframes[0]) for frame in range(num_frames)]:
            raise Hint(f"{what}. That is the distance to the first one given; look at all of them")
        if found == [max(abs(frame - key) for key in keyframes) for frame in range(num_frames)]:
            raise Hint(f"{what}. That is the farthest keyframe")
        if all(a == b for a, b in zip(found[min(keyframes) :], _since(num_frames, keyframes), strict=True)):
            raise Hint(f"{what}. The nearest keyframe may also come later")
        raise Hint(f"{what}. For each frame: how far to each keyframe, and which is least?")


def _since(num_frames: int, keyframes: list[int]) -> list[int]:
    """From the first keyframe on: frames since the last one."""
    return [min(frame - key for key in keyframes if key <= frame) for frame in range(min(keyframes), num_frames)]
