"""How much of the given frames' detail the frames between them keep, where the picture moves.

A model that can't tell what happens between two keyframes shows a soft mixture of both: things melt. The picture as a
whole may be as sharp as before, since most of it stands still, so that only places count that change. True footage
keeps 94 % or more there (eight films of the toy world and one drawn film, keyframes every 12 frames of 224 x 128); the
page's three examples, in which characters melt, keep 75 to 82 %.
"""

import itertools
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

SOFT = 0.9  # below this share of the detail, people see that the film is softer than the pictures
CELLS = 16  # cells across the height; a place is one cell
CHANGED = 8.0  # levels by which a cell differs from a given frame where something moves
FEW = 0.01  # share of the cells below which nothing moves
LOOKED_AT = 5  # frames between two given ones


def detail_kept(frames: NDArray, given: Collection[int], cuts: Collection[int] = ()) -> float | None:
    """The share of the given frames' detail that is kept between them; of the gap where it is the least.

    Args:
        frames: uint8 (T, H, W, 3).
        given: the frames that were given.
        cuts: the first frames of the shots, without the film's first frame.

    Returns:
        1 for as much detail, or None where nothing moves or no frame lies between.
    """
    kept = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(frames)]):
        inside = [frame for frame in sorted(given) if start <= frame < stop]
        ends = [start - 1, *inside, stop]
        kept += [_kept(frames, *gap, set(inside)) for gap in itertools.pairwise(ends) if inside]
    return min((share for share in kept if share is not None), default=None)


def _kept(frames: NDArray, before: int, after: int, given: Collection[int]) -> float | None:
    """The share in one gap. One of its ends may be no given frame, but the end of the shot."""
    if after - before < 2:
        return None
    between = {int(i) for i in np.linspace(before + 1, after - 1, LOOKED_AT)}
    ends = [frames[i] for i in (before, after) if i in given]
    changes = [np.abs(frames[i].astype(np.int16) - end).mean(axis=-1) for i in between for end in ends]
    moves = np.max([_cells(change) for change in changes], axis=0) > CHANGED
    if moves.mean() < FEW:
        return None
    wanted = np.mean([_cells(_detail(end))[moves].mean() for end in ends])
    return float(np.mean([_cells(_detail(frames[i]))[moves].mean() for i in between]) / max(wanted, 1e-6))


def _detail(image: NDArray) -> NDArray:
    """The absolute Laplacian of the brightness of a uint8 image (H, W, 3), as (H, W); 0 at the edge."""
    y = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    result = np.zeros_like(y)
    result[1:-1, 1:-1] = np.abs(4 * y[1:-1, 1:-1] - y[:-2, 1:-1] - y[2:, 1:-1] - y[1:-1, :-2] - y[1:-1, 2:])
    return result


def _cells(values: NDArray) -> NDArray:
    """The means of square cells of (H, W) values; what is left at the right and at the bottom is left out."""
    side = max(2, values.shape[0] // CELLS)
    rows, columns = (length // side for length in values.shape)
    return values[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))
