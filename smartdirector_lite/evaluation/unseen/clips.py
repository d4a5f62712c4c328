"""What a held-out clip of the unseen kinds is."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

FPS = 12
ALL_FRAMES: Sequence[int] = range(37)  # of a whole clip


@dataclass(frozen=True, eq=False)
class UnseenClip:
    """A single shot of pictures of a kind that no training here uses.

    Attributes:
        caption: what it shows.
        frames: (T, 3, H, W) in [0, 1].
    """

    caption: str
    frames: Tensor
