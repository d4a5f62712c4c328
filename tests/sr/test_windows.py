"""Windows in time and tiles in space: what they cover, and how the parts are blended."""

import itertools
import weakref
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import noise
from torch.testing import assert_close

from smartdirector_lite.sr.windows import blend_tiles, blend_windows, cover, ramp, tiles, windows


@st.composite
def window_sizes(draw) -> tuple[int, int, int]:
    """(length, size, overlap) as `windows` takes them."""
    size = draw(st.integers(1, 12))
    return draw(st.integers(1, 40)), size, draw(st.integers(0, size // 2))


def numbers(values) -> Iterator[torch.Tensor]:
    """A stream of latent frames with one cell, (1, 1, 1, 1, 1) each."""
    return (torch.full((1, 1, 1, 1, 1), float(value)) for value in values)


# ---------------------------------------------------------------- where they lie


@given(st.data(), st.integers(1, 4), st.integers(1, 12), st.integers(1, 60))
def test_ranges_cover_the_length_with_as_few_of_the_size_as_the_overlap_allows(data, multiple, size, length):
    overlap = multiple * data.draw(st.integers(0, size - 1))
    size, length = multiple * size, multiple * length
    made = cover(length, size, overlap, multiple)
    assert made[0].start == 0 and made[-1].stop == length
    assert all(len(part) == min(size, length) for part in made)
    assert all(part.start % multiple == 0 and part.stop % multiple == 0 for part in made)
    shared = [one.stop - two.start for one, two in itertools.pairwise(made)]
    assert all(overlap <= places < size for places in shared)
    assert max(shared, default=0) - min(shared, default=0) <= multiple  # evenly spread
    reach = [n * size - (n - 1) * overlap for n in (len(made) - 1, len(made))]
    assert reach[0] < length <= max(reach[1], size) or len(made) == 1


def test_cover_by_hand():
    assert cover(10, 6, 2) == windows(10, 6, 2) == [range(6), range(4, 10)]
    assert cover(6, 6, 2) == cover(6, 9, 2) == [range(6)]
    assert cover(12, 8, 2, multiple=2) == [range(8), range(4, 12)]
    assert cover(49, 24, 4) == [range(24), range(12, 36), range(25, 49)]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (-1, 0), (4, -1), (4, 3), (1, 1)])
def test_windows_with_too_large_an_overlap_are_refused(size, overlap):
    with pytest.raises(ValueError, match=f"window = {size}, overlap = {overlap}: give a window of 1 or more"):
        windows(10, size, overlap)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 16), st.sampled_from([(1, 1), (2, 2), (2, 1)]))
def test_tiles_cover_every_cell_and_end_on_tokens(rows, columns, side, patch):
    whole = rows * patch[0], columns * patch[1]
    seen = torch.zeros(whole)
    for tile in tiles(whole, side, patch):
        seen[tile] += 1
        for cells, step in zip(tile, patch, strict=True):
            assert cells.start % step == cells.stop % step == 0 and cells.stop - cells.start <= max(side, step)
    assert seen.min() >= 1


def test_without_a_side_there_is_one_tile():
    assert tiles((4, 6), None, (2, 2)) == tiles((4, 6), 99, (2, 2)) == [(slice(0, 4), slice(0, 6))]


# ---------------------------------------------------------------- weights


def test_ramps_by_hand():
    assert_close(ramp(6, 2, 1), torch.tensor([1 / 3, 2 / 3, 1, 1, 1, 1 / 2]))
    assert_close(ramp(3, 0, 0), torch.ones(3))
    assert_close(ramp(2, 2, 2), torch.tensor([1 / 3 * 2 / 3, 2 / 3 * 1 / 3]))


@given(st.integers(1, 30), st.data())
def test_a_rise_and_the_fall_beside_it_add_up_to_one_and_no_weight_is_zero(length, data):
    overlap = data.draw(st.integers(1, length))
    rise, fall = ramp(length, overlap, 0), ramp(length, 0, overlap)
    assert_close(rise[:overlap] + fall[length - overlap :], torch.ones(overlap))
    assert (rise[overlap:] == 1).all() and (fall[: length - overlap] == 1).all()
    assert (ramp(length, overlap, overlap) > 0).all()


# ---------------------------------------------------------------- windows over a stream


@given(window_sizes(), st.sets(st.integers(0, 39)))
def test_a_flow_that_changes_nothing_gives_back_the_stream_with_the_anchors_in_it(sizes, places):
    anchors = {i: next(numbers([-100 - i])) for i in places}
    expected = [-100.0 - i if i in places else float(i) for i in range(sizes[0])]
    seen: dict[range, list[float]] = {}

    def identity(window: range, latents: torch.Tensor) -> torch.Tensor:
        seen[window] = latents.flatten().tolist()
        return latents

    blended = blend_windows(windows(*sizes), numbers(range(sizes[0])), anchors, identity)
    assert_close(torch.cat(list(blended), dim=2).flatten(), torch.tensor(expected))
    assert seen == {window: expected[window.start : window.stop] for window in windows(*sizes)}


@given(window_sizes())
def test_a_latent_frame_comes_as_soon_as_the_last_window_that_holds_it_is_read(sizes):
    made, read = windows(*sizes), []

    def stream() -> Iterator[torch.Tensor]:
        for i, latent in enumerate(numbers(range(sizes[0]))):
            read.append(i)
            yield latent

    blended = blend_windows(made, stream(), {}, lambda window, latents: latents)
    assert read == []
    for i, latent in enumerate(blended):
        assert latent.shape == (1, 1, 1, 1, 1)
        assert len(read) == max(window.stop for window in made if window.start <= i)
    assert i == sizes[0] - 1


def test_no_more_latents_than_a_window_are_held():
    alive = weakref.WeakSet()

    def stream() -> Iterator[torch.Tensor]:
        for latent in numbers(range(60)):
            alive.add(latent)
            yield latent

    held = []
    for _ in blend_windows(windows(60, 8, 3), stream(), {}, lambda window, latents: latents):
        held.append(len(alive))
    assert len(held) == 60 and max(held) <= 8 + 1  # the stream itself holds one more


def test_two_windows_that_disagree_fade_in_equal_steps():
    """The first window gives 0 everywhere, the second one 1."""
    blended = blend_windows(
        windows(10, 6, 2), numbers([9] * 10), {}, lambda window, x: torch.full_like(x, window.start > 0)
    )
    expected = [0.0] * 4 + [1 / 3, 2 / 3] + [1.0] * 4
    assert_close(torch.cat(list(blended)).flatten(), torch.tensor(expected))


@given(st.integers(2, 12), st.data())
def test_steps_between_two_windows_are_as_small_as_the_overlap_allows(size, data):
    overlap = data.draw(st.integers(0, size // 2))
    length = data.draw(st.integers(size + 1, 2 * size - overlap))
    shared = 2 * size - length
    blended = blend_windows(
        windows(length, size, overlap),
        numbers([9] * length),
        {},
        lambda window, x: torch.full_like(x, window.start > 0),
    )
    steps = torch.cat(list(blended)).flatten().diff()
    assert steps.min() >= 0 and steps.max() <= 1 / (shared + 1) + 1e-6 and shared >= overlap


@given(window_sizes())
def test_any_number_of_windows_fade_monotonically(sizes):
    made = windows(*sizes)
    blended = blend_windows(
        made, numbers([9] * sizes[0]), {}, lambda window, x: torch.full_like(x, float(made.index(window)))
    )
    values = torch.cat(list(blended)).flatten()
    assert (values.diff() >= -1e-6).all() and values[0] == 0 and values[-1] == len(made) - 1


# ---------------------------------------------------------------- tiles


@given(st.integers(1, 14), st.integers(1, 14), st.integers(1, 12), st.sampled_from([(1, 1), (2, 2)]))
def test_unchanged_tiles_make_the_whole_again(rows, columns, side, patch):
    latents = noise(1, 2, 3, rows * patch[0], columns * patch[1])
    whole = latents.shape[-2:]
    parts = [(tile, latents[(..., *tile)]) for tile in tiles(whole, side, patch)]
    assert_close(blend_tiles(parts, whole), latents)


@pytest.mark.parametrize("across", [False, True])
def test_two_tiles_that_disagree_fade_in_equal_steps(across):
    whole = (4, 14) if across else (14, 4)
    latents = torch.zeros(1, 1, 1, *whole)
    parts = [(tile, latents[(..., *tile)] + i) for i, tile in enumerate(tiles(whole, 8, (2, 2)))]
    blended = blend_tiles(parts, whole)[0, 0, 0]
    line = torch.tensor([0.0] * 6 + [1 / 3, 2 / 3] + [1.0] * 6)
    assert_close(blended, line.expand(4, 14) if across else line[:, None].expand(14, 4))
