"""Overlapping windows in time and tiles in space, blended: a long or large video through a model, part by part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """Latent frames [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True)
class Tile:
    """A part of a latent frame."""

    rows: slice
    columns: slice


def spans(length: int, size: int, overlap: int, multiple: int = 1) -> list[tuple[int, int]]:
    """[start, stop) pairs of at most `size` that cover `length` and overlap by `overlap` or more, evenly spread.

    Starts are multiples of `multiple`, as length and size are.
    """
    if length <= size:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    starts = [round(i * (length - size) / (count - 1) / multiple) * multiple for i in range(count)]
    return [(start, start + size) for start in starts]


def windows(num_latents: int, size: int, overlap: int) -> list[Window]:
    """Windows over latent frames. ValueError unless 0 <= overlap <= size / 2."""
    if size < 1 or not 0 <= 2 * overlap <= size:
        raise ValueError(f"window = {size}, overlap = {overlap}: give a window of 1 or more and at most half of it")
    return [Window(*span) for span in spans(num_latents, size, overlap)]


def tiles(whole: tuple[int, int], side: int | None, patch: tuple[int, int]) -> list[Tile]:
    """Tiles over a latent frame of (height, width) cells, overlapping by a quarter; side None: the whole frame.

    patch: cells of a token, (height, width); tiles begin and end on tokens.
    """
    if side is None:
        return [Tile(slice(0, whole[0]), slice(0, whole[1]))]
    ranges = []
    for length, step in zip(whole, patch, strict=True):
        size = max(step, side // step * step)
        ranges.append(spans(length, size, size // 4 // step * step, step))
    return [Tile(slice(*rows), slice(*columns)) for rows in ranges[0] for columns in ranges[1]]


def ramp(length: int, before: int, after: int) -> Tensor:
    """Weights (length,) that rise over the first `before` places and fall over the last `after`, never 0."""
    place = torch.arange(length, dtype=torch.float32)
    rise = ((place + 1) / (before + 1)).clamp(max=1)
    fall = ((length - place) / (after + 1)).clamp(max=1)
    return rise * fall


def blend_tiles(parts: list[tuple[Tile, Tensor]], whole: tuple[int, int]) -> Tensor:
    """Put restored tiles (B, C, F, h, w) together, weighted by ramps where they overlap."""
    if len(parts) == 1:
        return parts[0][1]
    first = parts[0][1]
    total, weights = first.new_zeros(*first.shape[:3], *whole), first.new_zeros(whole)
    for tile, part in parts:
        height, width = part.shape[-2:]
        down = ramp(height, height // 4 * (tile.rows.start > 0), height // 4 * (tile.rows.stop < whole[0]))
        across = ramp(width, width // 4 * (tile.columns.start > 0), width // 4 * (tile.columns.stop < whole[1]))
        weight = (down[:, None] * across[None]).to(first)
        total[..., tile.rows, tile.columns] += part * weight
        weights[tile.rows, tile.columns] += weight
    return total / weights


def blend_windows(
    spans: list[Window],
    latents: Iterator[Tensor],
    anchors: dict[int, Tensor],
    restore: Callable[[Window, Tensor], Tensor],
) -> Iterator[Tensor]:
    """Restore windows of a stream of latent frames (B, C, 1, h, w) and hand on each frame when it is settled.

    anchors: latents, by index, that stand in for those of the stream. Two windows fade into each other where they
    overlap, on latents that both have restored, so that nothing jumps. Holds about one window at a time.
    """
    held: dict[int, Tensor] = {}  # what was read and is still needed
    settled: dict[int, tuple[Tensor, float]] = {}  # weighted sums of the restored, and their weights
    position = 0
    for number, span in enumerate(spans):
        while position < span.stop:
            latent = next(latents)
            held[position] = anchors.get(position, latent)
            position += 1
        result = restore(span, torch.cat([held[i] for i in range(span.start, span.stop)], dim=2))
        before = spans[number - 1].stop - span.start if number else 0
        after = span.stop - spans[number + 1].start if number + 1 < len(spans) else 0
        weights = ramp(span.stop - span.start, before, after).tolist()
        for k, i in enumerate(range(span.start, span.stop)):
            total, weight = settled.get(i, (0.0, 0.0))
            settled[i] = (total + weights[k] * result[:, :, k : k + 1], weight + weights[k])
        done = spans[number + 1].start if number + 1 < len(spans) else span.stop
        for i in sorted(i for i in settled if i < done):
            total, weight = settled.pop(i)
            yield total / weight
        held = {i: latent for i, latent in held.items() if i >= done}
