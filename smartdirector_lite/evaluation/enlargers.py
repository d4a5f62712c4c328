"""Filmers that enlarge an item's small frames by 2: the second stage of a director, and bicubic enlargement."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ..gen.conditions import VideoCondition
from ..media.size import Size
from ..training.shards import fingerprint
from .benchmark import Item

if TYPE_CHECKING:
    from ..director import Director


def resized(footage: Tensor, size: Size, mode: str) -> Tensor:
    """Bring footage to another size.

    Args:
        footage: (T, 3, H, W) in [0, 1].
        mode: "area" takes means of the pixels that a new one covers; "bilinear" and "bicubic" look between pixels.

    Returns:
        (T, 3, size.height, size.width) in [0, 1].
    """
    align = None if mode == "area" else False
    return F.interpolate(footage, size=(size.height, size.width), mode=mode, align_corners=align).clamp(0, 1)


def enlarge(director: "Director", small: Tensor, keyframes: Mapping[int, Tensor], **options) -> Tensor:
    """Enlarge footage by 2 with the second stage of a director.

    Args:
        director: with a second stage.
        small: (T, 3, H, W) in [0, 1].
        keyframes: the anchors, (3, 2H, 2W) in [0, 1], by frame; {} for none.
        options: of `DirectorSRPipeline`'s call, such as `num_inference_steps` and `cuts`.

    Returns:
        (T, 3, 2H, 2W) in [0, 1], on the CPU.
    """
    director.sr.set_progress_bar_config(disable=True)
    conditions = [VideoCondition(image=image * 2 - 1, frame_index=frame) for frame, image in keyframes.items()]
    video = small.transpose(0, 1) * 2 - 1
    return director.sr(video, conditions, output_type="pt", **options).frames[0].float().cpu()


class SRFilmer:
    """Enlarges with the second stage of a director, which is told the cuts.

    Args:
        director: what `load_director` gives.
        name: what tables call it.
        anchors: whether the second stage gets the item's keyframes in their large size.
        steps: None takes the model's own.
        rope: a scheme of `ChunkPlan.tau`; None takes that of the weights.

    Raises:
        ValueError: the director has no second stage.
    """

    def __init__(
        self, director: "Director", name: str, anchors: bool, steps: int | None = None, rope: str | None = None
    ) -> None:
        if director.sr is None:
            raise ValueError(f"model {name} has no second stage (director-sr); train one (`train sr`) or name one")
        self.director, self.name, self.anchors = director, name, anchors
        self._call = {
            "num_inference_steps": director.defaults.sr_steps if steps is None else steps,
            "rope": director.sr.config.tau_scheme if rope is None else rope,
        }
        parts = [part for part in (director.sr.transformer, director.sr.vae, director.sr.restorer) if part is not None]
        # Weights that are offloaded are not at hand; a model is then known by its name alone.
        at_hand = not any(tensor.is_meta for part in parts for tensor in part.parameters())
        weights = fingerprint("", *parts) if at_hand else ""
        self.settings: Mapping[str, object] = {"weights": weights, "anchors": anchors, **self._call}

    def __call__(self, item: Item) -> Tensor:
        keyframes = item.given if self.anchors else {}
        return enlarge(self.director, item.small, keyframes, cuts=item.cuts, **self._call).clamp(0, 1)


class BicubicFilmer:
    """Enlarges frame by frame with bicubic interpolation, and knows neither keyframes nor cuts."""

    name = "bicubic"
    settings: Mapping[str, object] = {}

    def __call__(self, item: Item) -> Tensor:
        return resized(item.small, item.size, "bicubic")


def matched(large: Tensor, small: Tensor) -> Tensor:
    """Bring the colours of enlarged frames back to those of the small ones.

    In each frame, each channel is moved and stretched until the mean and the spread of its shrunk form are the small
    frame's.

    Args:
        large: (T, 3, H, W) in [0, 1].
        small: (T, 3, h, w) in [0, 1].

    Returns:
        (T, 3, H, W) in [0, 1].
    """
    shrunk = F.interpolate(large, size=small.shape[2:], mode="area")
    mean, spread = (shrunk.mean(dim=(2, 3), keepdim=True), shrunk.std(dim=(2, 3), keepdim=True))
    wanted, wanted_spread = (small.mean(dim=(2, 3), keepdim=True), small.std(dim=(2, 3), keepdim=True))
    stretch = torch.where(spread > 1e-3, wanted_spread / spread.clamp(min=1e-3), 1.0)  # a plain frame has no spread
    return ((large - mean) * stretch + wanted).clamp(0, 1)
