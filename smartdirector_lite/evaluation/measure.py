"""All figures of one filmed item: what is measured, in which unit, and which way is better."""

from typing import NamedTuple

from torch import Tensor

from .adherence import caption_adherence
from .benchmark import Item
from .borders import as_levels, border_excess, count_events, exact_cuts, frozen_share, keyframe_errors
from .identity import identity, look_for_characters
from .metrics import PooledError, flicker, motion_mask, ssim, warping_error
from .motion import step_agreement, timing_error, track_errors


class Quantity(NamedTuple):
    """A figure of an item.

    Attributes:
        name: its key in records.
        unit: "" for a share or a ratio.
        best: the value that the true video itself has.
    """

    name: str
    unit: str
    best: float


QUANTITIES = (
    *(Quantity(f"keyframe L1, {place}", "levels", 0) for place in ("first", "middle", "last")),
    *(Quantity(f"keyframe PSNR, {place}", "dB", 60) for place in ("first", "middle", "last")),
    Quantity("border jump", "", 1),
    Quantity("flashes", "a video", 0),
    Quantity("colour shifts", "a video", 0),
    Quantity("frozen", "", 0),
    Quantity("cuts", "", 1),
    Quantity("eyes", "", 1),
    Quantity("outline", "", 1),
    Quantity("colour", "", 1),
    Quantity("identity", "", 1),
    Quantity("track error", "pixels", 0),
    Quantity("jitter", "pixels", 0),
    Quantity("timing", "frames", 0),
    Quantity("steps", "", 1),
    Quantity("caption colours", "", 1),
    Quantity("caption walks", "", 1),
    Quantity("caption cameras", "", 1),
    Quantity("flicker", "", 1),
    Quantity("warping error", "", 1),
    Quantity("PSNR, moving", "dB", 60),
    Quantity("SSIM", "", 1),
)


def measure(video: Tensor, item: Item, warping: bool = True) -> dict[str, float]:
    """Measure a video against its item.

    Args:
        video: (T, 3, H, W) in [0, 1], of the item's length and size.
        warping: also take the warping error, which takes three quarters of the time.

    Returns:
        Values of QUANTITIES by name. What the item has nothing of, such as a cut or a creature, is left out.

    Raises:
        ValueError: the video has another shape.
    """
    if video.shape != item.frames.shape:
        wanted, found = list(item.frames.shape), list(video.shape)
        raise ValueError(f"{item.name}: the video is {found}, where the item is {wanted}; film the item's own size")
    own, true, cuts = as_levels(video), as_levels(item.frames), item.cuts
    likenesses = look_for_characters(video, item.frames, item.truth())
    pooled = PooledError()
    between = [frame for frame in range(item.num_frames) if frame not in item.keyframes]
    pooled.add(video[between], item.frames[between], motion_mask(item.frames)[between])
    found = {
        **keyframe_errors(own, true, item.keyframes),
        "border jump": border_excess(own, true, item.keyframes[1:], cuts),
        **count_events(own, true, cuts),
        "frozen": frozen_share(video, item.frames, cuts),
        "cuts": exact_cuts(video, item.frames, cuts),
        **identity(likenesses),
        **track_errors(likenesses),
        "timing": timing_error(video, item.frames, item.shots),
        "steps": step_agreement(video, item.frames, cuts),
        **caption_adherence(video, item),
        "flicker": flicker(video, item.frames),
        "warping error": warping_error(video, item.frames) if warping else None,
        "PSNR, moving": min(pooled.psnr, 60.0) if pooled.count else None,
        "SSIM": ssim(video, item.frames),
    }
    return {name: float(value) for name, value in found.items() if value is not None}
