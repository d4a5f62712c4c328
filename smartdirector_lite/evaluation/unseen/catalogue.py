"""The held-out set of the unseen: COUNT clips of each kind, by number."""

from collections.abc import Callable, Sequence

from ...media.size import Size
from .clips import ALL_FRAMES, UnseenClip
from .drawings import film_drawing
from .landscapes import film_landscape
from .stilllifes import film_still_life

COUNT = 24  # clips of each kind; generators take any number


def film_photograph(index: int, size: Size, frames: Sequence[int] = ALL_FRAMES) -> UnseenClip:
    """Render clip number `index` that looks like a photograph: two still lifes, then a landscape, and so on."""
    group, place = divmod(index, 3)
    if place == 2:
        return film_landscape(group, size, frames)
    return film_still_life(2 * group + place, size, frames)


# Each makes clip number k in a size: (k, size, frames) -> clip; without frames a whole clip.
UNSEEN: dict[str, Callable[..., UnseenClip]] = {"drawings": film_drawing, "photo-like": film_photograph}
