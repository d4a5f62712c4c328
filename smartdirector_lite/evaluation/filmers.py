"""Filmers of a benchmark's items: a director, and two that need no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..media import to_image
from ..storyboard import Keyframe, Storyboard
from ..training.shards import fingerprint
from .baselines import cross_fade, hold_nearest
from .benchmark import Filmer, Item
from .borders import as_levels

if TYPE_CHECKING:
    from ..director import Director


class DirectorFilmer:
    """Films drafts with the first stage of a director.

    Args:
        director: what `load_director` gives.
        name: what tables call it.
        steps, guidance_scale: None takes the model's own.
        rope: a scheme of `ChunkPlan.tau`; None takes that of the weights.
    """

    def __init__(
        self,
        director: "Director",
        name: str,
        steps: int | None = None,
        guidance_scale: float | None = None,
        rope: str | None = None,
    ) -> None:
        self.director, self.name, defaults = director, name, director.defaults
        self._call = {
            "steps": defaults.steps if steps is None else steps,
            "guidance_scale": defaults.guidance_scale if guidance_scale is None else guidance_scale,
            "rope": director.gen.config.tau_scheme if rope is None else rope,
        }
        parts = director.gen.transformer, director.gen.vae
        # Weights that are offloaded are not at hand; a model is then known by its name alone.
        at_hand = not any(tensor.is_meta for part in parts for tensor in part.parameters())
        self.settings: Mapping[str, object] = {"weights": fingerprint("", *parts) if at_hand else "", **self._call}

    def __call__(self, item: Item) -> Tensor:
        pictures = as_levels(torch.stack(list(item.given.values())))
        keyframes = tuple(
            Keyframe(image=to_image(picture), frame=frame)
            for picture, frame in zip(pictures, item.keyframes, strict=True)
        )
        return self.film(replace(item.storyboard, keyframes=keyframes, size=item.size), item.seed)

    def film(self, storyboard: Storyboard, seed: int) -> Tensor:
        """Film the draft of a storyboard: (T, 3, H, W) in [0, 1]."""
        result = self.director(storyboard, seed=seed, stage="gen", progress=False, **self._call)
        return torch.from_numpy(result.frames).permute(0, 3, 1, 2).float() / 255


@dataclass(frozen=True)
class BlendFilmer:
    """Makes frames of the keyframes alone.

    Attributes:
        name: what tables call it.
        blend: `cross_fade` or `hold_nearest`.
        settings: none.
    """

    name: str
    blend: Callable[[Tensor, Sequence[int], int], Tensor]
    settings: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, item: Item) -> Tensor:
        return self.blend(torch.stack(list(item.given.values())), item.keyframes, item.num_frames)


BASELINES: dict[str, Callable[[], Filmer]] = {  # made when they are asked for, since some need a package
    "cross-fade": lambda: BlendFilmer("cross-fade", cross_fade),
    "hold": lambda: BlendFilmer("hold", hold_nearest),
}
