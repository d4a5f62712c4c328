"""Checks of notebook 05: a video of half the size, the start of the flow, Euler's steps, distances to keyframes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .core import CLOSE, Hint, exercise, is_close, shape_of

__all__ = ["check_euler", "check_half_size", "check_keyframe_distance", "check_start_of_flow"]


@exercise("05.1", 2, "Half the size")
def check_half_size(half_size: Callable[[Tensor], Tensor]) -> None:
    """Check `half_size(video)`: (T, 3, H, W) in [0, 1], with even H and W, gives (T, 3, H / 2, W / 2)."""
    for seed, (frames, height, width) in enumerate(((4, 6, 8), (6, 4, 10))):
        video = torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(seed))
        half = half_size(video.clone())
        if not isinstance(half, Tensor):
            raise Hint(f"return a tensor, not a {type(half).__name__}")
        if len(half) != frames:
            raise Hint(f"{len(half)} of {frames} frames are left; the first axis is time, and it keeps its length")
        wanted = F.avg_pool2d(video, 2)
        if half.shape != wanted.shape:
            shapes = f"shape {shape_of(video)} became {shape_of(half)}"
            raise Hint(f"{shapes}; height and width, the last two axes, are halved")
        if is_close(half, 4 * wanted):
            raise Hint("four pixels are added up, so a white frame becomes four times as bright as white")
        if any(is_close(half, video[..., i::2, j::2]) for i in (0, 1) for j in (0, 1)):
            raise Hint("every second pixel is picked, so a thin line may vanish; each new pixel covers four old ones")
        if any(is_close(half, x) for x in _one_way(video)):
            raise Hint("the mean is over one axis alone; each new pixel covers two rows and two columns")
        if not is_close(half, wanted):
            raise Hint("the shape is right, but a new pixel is the mean of the 2 x 2 old ones that it covers")


def _one_way(video: Tensor) -> list[Tensor]:
    """Return the video averaged along one axis and picked along the other, in all four ways."""
    down, across = (video[..., ::2, :] + video[..., 1::2, :]) / 2, (video[..., ::2] + video[..., 1::2]) / 2
    return [down[..., ::2], down[..., 1::2], across[..., ::2, :], across[..., 1::2, :]]


@exercise("05.2", 2, "Where the flow starts")
def check_start_of_flow(start_of_flow: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `start_of_flow(z_lr, z_hr, anchors)`, which returns where the flow starts, and the time of each latent.

    z_lr, z_hr, and the returned start: (B, C, F, h, w); anchors: (B, F) bools; the returned times: (B, F).
    """
    anchors = torch.tensor([[True, False, False, True], [False, True, False, False], [False] * 4])
    for seed in (0, 1):
        z_lr, z_hr = torch.randn(2, 3, 2, 4, 4, 6, generator=torch.Generator().manual_seed(seed))
        answer = start_of_flow(z_lr.clone(), z_hr.clone(), anchors.clone())
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Hint("return two tensors: the start, and the time of each latent frame")
        start, times = answer
        if not isinstance(start, Tensor) or start.shape != z_lr.shape:
            raise Hint(f"the start has shape {shape_of(start)}, not that of z_lr; which axis do the anchors belong to?")
        mask = anchors[:, None, :, None, None]
        if is_close(start, torch.where(mask, z_lr, z_hr)):
            raise Hint("this is the wrong way round: only the keyframes are known in full size")
        if is_close(start, z_lr):
            raise Hint("the keyframes are not in it: the latent of an anchor is that of the large original")
        if not is_close(start, torch.where(mask, z_hr, z_lr)):
            raise Hint("each latent frame comes untouched from z_lr, or untouched from z_hr")
        if not isinstance(times, Tensor) or times.shape != anchors.shape:
            raise Hint(f"the times have shape {shape_of(times)}; each latent frame of each clip has one, (B, F)")
        if is_close(times.float(), anchors.float()):
            raise Hint("the times are the wrong way round: t = 1 is LR, and 0 is what needs no change")
        if bool((times.float()[anchors] != 0).any()):
            raise Hint("an anchor is clean from the start: its time is 0")
        if not is_close(times.float(), (~anchors).float()):
            raise Hint("the flow starts at LR; which time t is that?")


@exercise("05.3", 3, "The flow in Euler steps")
def check_euler(euler: Callable[[Callable[[Tensor, float], Tensor], Tensor, int], Tensor]) -> None:
    """Check `euler(velocity, z_lr, steps)`, which returns x at t = 0. velocity: a function of x and t."""
    z_lr, z_hr = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    for steps in (4, 1, 7):
        asked: list[float] = []

        def straight(x: Tensor, t: float, asked: list[float] = asked) -> Tensor:
            asked.append(float(t))
            return z_lr - z_hr

        end = euler(straight, z_lr.clone(), steps)
        if len(asked) != steps:
            raise Hint(f"the velocity was asked for {len(asked)} times in {steps} steps; each step asks once")
        if not isinstance(end, Tensor) or end.shape != z_lr.shape:
            raise Hint(f"the result has shape {shape_of(end)}; it should have that of z_lr")
        if is_close(end, 2 * z_lr - z_hr):
            raise Hint("x went the wrong way: v leads from HR to LR, and t falls")
        if not is_close(end, z_hr):
            raise Hint(f"a straight flow must end at z_HR in any number of steps, also in {steps}; how long is one?")
        _check_times(asked, steps)
    curved = euler(lambda x, t: x * t, torch.ones(2), 2)
    if not is_close(curved, torch.full((2,), 0.375)):  # 1 - 0.5 x 1, then 0.5 - 0.5 x 0.5 x 0.5
        raise Hint("your steps are right for a constant v; each step must take v at the x that the last one came to")


def _check_times(asked: Sequence[float], steps: int) -> None:
    wanted = [1 - k / steps for k in range(steps)]
    if all(abs(a - b) < CLOSE for a, b in zip(asked, wanted, strict=True)):
        return
    shown = [round(t, 2) for t in asked]
    if max(asked) <= 1 - 1 / steps + CLOSE and max(asked) == asked[0]:
        raise Hint(f"v was asked for at t = {shown}; a step takes v where the step begins, not where it ends")
    if asked[0] < asked[-1]:
        raise Hint(f"v was asked for at t = {shown}; the flow runs from LR, t = 1, to HR, t = 0")
    raise Hint(f"v was asked for at t = {shown} in {steps} equal steps; the first step begins at 1, and none at 0")


CASES = [  # number of frames, keyframes, distances
    (7, [3], [3, 2, 1, 0, 1, 2, 3]),
    (9, [0, 8], [0, 1, 2, 3, 4, 3, 2, 1, 0]),
    (6, [4, 1], [1, 0, 1, 1, 0, 1]),
    (5, [0], [0, 1, 2, 3, 4]),
]


@exercise("05.4", 2, "How far the nearest keyframe is")
def check_keyframe_distance(keyframe_distance: Callable[[int, list[int]], list[int]]) -> None:
    """Check `keyframe_distance(num_frames, keyframes)`: for each frame, how far the nearest keyframe is, in frames."""
    for num_frames, keyframes, wanted in CASES:
        found = [int(value) for value in keyframe_distance(num_frames, list(keyframes))]
        if found == wanted:
            continue
        what = f"{num_frames} frames, keyframes {keyframes}: {found}"
        if len(found) != num_frames:
            raise Hint(f"{what}. Return one number for each frame, from frame 0 to frame {num_frames - 1}")
        if min(found) < 0:
            raise Hint(f"{what}. A distance is never negative")
        if len(keyframes) > 1 and found == [abs(frame - keyframes[0]) for frame in range(num_frames)]:
            raise Hint(f"{what}. That is the distance to the first keyframe given; look at all of them")
        if found == [max(abs(frame - key) for key in keyframes) for frame in range(num_frames)]:
            raise Hint(f"{what}. That is the distance to the farthest keyframe")
        if all(a == b for a, b in zip(found[min(keyframes) :], _since(num_frames, keyframes), strict=True)):
            raise Hint(f"{what}. The nearest keyframe may also come later")
        raise Hint(f"{what}. How far is each frame from each keyframe, and which distance is least?")


def _since(num_frames: int, keyframes: list[int]) -> list[int]:
    """Return, for each frame from the first keyframe on, the number of frames since the last keyframe."""
    return [min(frame - key for key in keyframes if key <= frame) for frame in range(min(keyframes), num_frames)]
