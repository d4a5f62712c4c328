"""A long or large video goes through a model part by part: in windows of time and tiles of space that are blended.

Axes: B batch, C channels, F latent frames, h, w latent height and width. A cell is one place of a latent frame.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Tile = tuple[slice, slice]  # the rows and the columns of a part of a latent frame


def cover(length: int, size: int, overlap: int, multiple: int = 1) -> list[range]:
    """Cover `length` places with as few ranges of `size` places as an overlap of at least `overlap` allows.

    The ranges are evenly spread, and their starts are multiples of `multiple`, as all arguments must be. If one range
    is enough, it has `length` places.
    """
    if length <= size:
        return [range(length)]
    count = -(-(length - overlap) // (size - overlap))
    starts = [round(i * (length - size) / (count - 1) / multiple) * multiple for i in range(count)]
    return [range(start, start + size) for start in starts]


def windows(num_latents: int, size: int, overlap: int) -> list[range]:
    """Cover latent frames with windows of `size` latent frames.

    Raises:
        ValueError: the size is below 1, or the overlap is negative or more than half of the size.
    """
    if size < 1 or not 0 <= 2 * overlap <= size:
        raise ValueError(f"window = {size}, overlap = {overlap}: give a window of 1 or more and at most half of it")
    return cover(num_latents, size, overlap)


def tiles(whole: tuple[int, int], side: int | None, patch: tuple[int, int]) -> list[Tile]:
    """Cover a latent frame with tiles that overlap by a quarter of their side.

    Args:
        whole: rows and columns of the latent frame, in cells.
        side: the largest side of a tile, in cells; None makes one tile of the whole frame.
        patch: rows and columns of a token, in cells. Tiles begin and end with whole tokens.
    """
    if side is None:
        return [(slice(0, whole[0]), slice(0, whole[1]))]

    def slices(length: int, step: int) -> list[slice]:
        size = max(step, side // step * step)
        return [slice(part.start, part.stop) for part in cover(length, size, size // 4 // step * step, step)]

    return [(rows, columns) for rows in slices(whole[0], patch[0]) for columns in slices(whole[1], patch[1])]


def ramp(length: int, before: int, after: int) -> Tensor:
    """Weights (length,) that rise over the first `before` places and fall over the last `after`. None of them is 0."""
    place = torch.arange(length, dtype=torch.float32)
    rise = ((place + 1) / (before + 1)).clamp(max=1)
    fall = ((length - place) / (after + 1)).clamp(max=1)
    return rise * fall


def blend_tiles(parts: Sequence[tuple[Tile, Tensor]], whole: tuple[int, int]) -> Tensor:
    """Put tiles together that a model has worked on, and let them fade into each other where they overlap.

    Args:
        parts: each tile with its latents (B, C, F, rows, columns).
        whole: h and w, in cells.

    Returns:
        Latents (B, C, F, h, w).
    """
    if len(parts) == 1:
        return parts[0][1]
    first = parts[0][1]
    total, weights = first.new_zeros(*first.shape[:3], *whole), first.new_zeros(whole)
    for (rows, columns), part in parts:
        height, width = part.shape[-2:]
        down = ramp(height, height // 4 * (rows.start > 0), height // 4 * (rows.stop < whole[0]))
        across = ramp(width, width // 4 * (columns.start > 0), width // 4 * (columns.stop < whole[1]))
        weight = (down[:, None] * across[None]).to(first)
        total[..., rows, columns] += part * weight
        weights[rows, columns] += weight
    return total / weights


def blend_windows(
    spans: Sequence[range],
    latents: Iterator[Tensor],
    anchors: dict[int, Tensor],
    flow: Callable[[range, Tensor], Tensor],
) -> Iterator[Tensor]:
    """Take a stream of latent frames through Director-SR's flow, window by window.

    Two windows fade into each other where they overlap, on latent frames that both have worked on, so that nothing
    jumps. About one window of latents is held at a time.

    Args:
        spans: the windows, from `windows`.
        latents: the stream of latent frames, (B, C, 1, h, w) each.
        anchors: latent frames, by their index, that take the place of those in the stream.
        flow: takes a window and its latents (B, C, F, h, w), and returns new latents of the same shape.

    Returns:
        An iterator over the new latent frames. Each one comes as soon as no later window can change it.
    """
    held: dict[int, Tensor] = {}  # latent frames that were read and are still needed
    sums: dict[int, tuple[Tensor, float]] = {}  # the weighted sum of each new latent frame, and the sum of the weights
    for number, span in enumerate(spans):
        shared_until = spans[number - 1].stop if number else 0
        settled_until = spans[number + 1].start if number + 1 < len(spans) else span.stop
        for i in range(shared_until, span.stop):
            latent = next(latents)
            held[i] = anchors.get(i, latent)
        result = flow(span, torch.cat([held[i] for i in span], dim=2))
        weights = ramp(len(span), shared_until - span.start, span.stop - settled_until).tolist()
        for i, weight, part in zip(span, weights, result.split(1, dim=2), strict=True):
            total, weight_before = sums.get(i, (0.0, 0.0))
            sums[i] = total + weight * part, weight_before + weight
        for i in range(span.start, settled_until):
            del held[i]
            total, weight = sums.pop(i)
            yield total / weight
