"""Checks of notebook 08: jumps, cuts, transitions, scenes, and the similarity that points move by."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from .core import Hint, ask, draw, exercise, seed

__all__ = [
    "check_find_cuts",
    "check_find_transitions",
    "check_fit_similarity",
    "check_frame_jumps",
    "check_scene_numbers",
]

SHORT = 3  # frames at most of a run that is a cut


def _array(answer: object, shape: tuple[int, ...], of: str) -> NDArray:
    """Return an answer as an array of that shape."""
    try:
        found = np.asarray(answer, dtype=float)
    except (TypeError, ValueError, RuntimeError):
        raise Hint(f"return {of}, not a {type(answer).__name__}") from None
    if found.shape != shape:
        raise Hint(f"the result has shape {found.shape}, not {shape}; return {of}")
    return found


def _whole(answer: object, of: str) -> list:
    """Return an answer as a list of whole numbers."""
    if not isinstance(answer, list | tuple | np.ndarray):
        raise Hint(f"return {of}, not a {type(answer).__name__}")
    found = np.asarray(answer).tolist() if isinstance(answer, np.ndarray) else list(answer)
    if any(isinstance(item, bool | np.bool_) for item in found):
        raise Hint(f"return {of}, not True and False")
    if any(isinstance(item, list | tuple) for item in found):
        raise Hint(f"return {of}, not a list of pairs")
    return [int(item) for item in found]


def _close(one: NDArray, other: NDArray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True))


def _tell(found: object, cases: Iterable[tuple[object, str]], otherwise: str) -> Hint:
    """Return the hint of the first wrong way whose result is the one that was found, or else the last one."""
    for value, said in cases:
        same = _close(found, value) if isinstance(found, np.ndarray) else found == value
        if same:
            return Hint(said)
    return Hint(otherwise)


# -- 08.1 --------------------------------------------------------------------------------------------------------------


def _frame_jumps(frames: NDArray) -> NDArray:
    return np.append(0, np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3)) / 255)


@exercise("08.1", 1, "How much each frame differs", reference=_frame_jumps)
def check_frame_jumps(frame_jumps: Callable[[NDArray], NDArray]) -> None:
    """Check `frame_jumps(frames)`: uint8 (T, H, W, 3) to (T,), the mean absolute difference to the frame before."""
    frames = np.random.default_rng(seed(1)).integers(0, 256, (7, 4, 6, 3), dtype=np.uint8)
    found = ask(frame_jumps, frames)
    length = getattr(found, "shape", None) or np.shape(found)
    if length == (6,):
        raise Hint("there are 7 frames and 6 numbers; frame 0 has no frame before it, so put a 0 there")
    found, values = _array(found, (7,), "one number for each frame"), frames.astype(float)
    wanted, step = _frame_jumps(frames), np.diff(values, axis=0)
    if _close(found, wanted):
        return
    bytes_, axes = np.diff(frames, axis=0), (1, 2, 3)
    squares = (step / 255 * step / 255).mean(axis=axes)
    raise _tell(
        found,
        [
            (np.append(0, bytes_.mean(axis=axes) / 255), "bytes have no negative numbers: 3 - 5 is 254; convert first"),
            (np.append(0, bytes_.mean(axis=axes)), "bytes have no negative numbers: 3 - 5 is 254; convert first"),
            (255 * wanted, "a full change, from black to white, is 1; divide by 255"),
            (np.append(0, step.mean(axis=axes) / 255), "brighter and darker pixels cancel out; take absolute values"),
            (np.append(0, np.abs(step.mean(axis=axes)) / 255), "take the absolute value of each pixel, then the mean"),
            (np.append(0, squares), "the differences are squared; take absolute values"),
            (np.append(0, squares**0.5), "that is the root of a mean of squares; take the mean of absolute values"),
            (np.append(0, np.abs(step).sum(axis=axes) / 255), "that is the sum; the mean does not depend on the size"),
            (np.append(0, np.abs(step).max(axis=axes) / 255), "that is the largest difference; take the mean"),
            (np.append(wanted[1:], 0), "each jump stands one frame too early: it belongs to the later frame"),
            (np.abs(values - values[0]).mean(axis=axes) / 255, "that compares with frame 0, not with the one before"),
        ],
        "for two frames, one black and one white, the result is [0, 1]; try smaller and smaller examples",
    )


# -- 08.2 --------------------------------------------------------------------------------------------------------------


def _find_cuts(jumps: NDArray, threshold: float = 0.11, ratio: float = 3.0, around: int = 6) -> list[int]:
    return _cuts(jumps, threshold, ratio, around)


def _cuts(
    jumps: NDArray, threshold: float, ratio: float, around: int, clip: bool = True, shift: int = 0, both: Callable = all
) -> list[int]:
    """Find cuts by the rule, or by one that is wrong in one place."""
    found = []
    for i, jump in enumerate(jumps):
        window = jumps[max(0, i - around) if clip else i - around : i + around + 1]
        if both((jump > threshold, jump > ratio * np.median(window) if len(window) else False)):
            found.append(i + shift)
    return found


def _drawn_jumps(number: int) -> NDArray:
    """Return a quiet signal with cuts, and a fast movement."""
    rng = np.random.default_rng(seed(number))
    jumps = rng.uniform(0.01, 0.03, 60)
    jumps[0] = 0
    jumps[[3, 15, 57]] = rng.uniform(0.3, 0.5, 3)
    jumps[28:40] = rng.uniform(0.14, 0.2, 12)  # a fast movement
    jumps[45] = 0.09  # stands out, and is small
    return jumps


@exercise("08.2", 2, "Cuts stand out", reference=_find_cuts)
def check_find_cuts(find_cuts: Callable[..., list[int]]) -> None:
    """Check `find_cuts(jumps, threshold, ratio, around)`: the frames at which a new shot begins."""
    with np.errstate(all="ignore"):
        for number in range(3):
            jumps = _drawn_jumps(number)
            given = jumps, 0.11, 3.0, 6
            found, wanted = _whole(ask(find_cuts, *given), "a list of frames"), _cuts(*given)
            if found != wanted:
                raise _tell(
                    found,
                    [
                        ([], "nothing was found; is the list filled, and is it returned after the loop?"),
                        (wanted[:1], "only the first cut was found; does the function return inside the loop?"),
                        (_cuts(*given, shift=1), "each place is one too late; jumps[i] already belongs to frame i"),
                        (_cuts(*given, shift=-1), "each place is one too early; the cut is the new shot's first frame"),
                        (_cuts(*given, both=any), "one condition is enough for you; both must hold"),
                        (_cuts(jumps, 0.11, 0.0, 6), "a fast movement counts as many cuts; compare with jumps around"),
                        (_cuts(jumps, 0.0, 3.0, 6), "a small jump counts as a cut; it must also exceed the threshold"),
                        (_cuts(*given, clip=False), "near the start your slice begins below 0; use max(0, ...)"),
                    ],
                    f"for this signal the cuts are {wanted}, and you found {found}",
                )
    jumps = np.full(30, 0.02)
    jumps[10], jumps[12:15] = 0.4, 0.2  # a cut into a fast movement
    for given, said in (
        ((jumps, 0.11, 3.0, 6), "use the median, which a few large jumps cannot lift, and frames on both sides"),
        ((jumps, 0.11, 3.0, 2), "`around` is 2 here; is it used on both sides?"),
        ((jumps, 0.11, 12.0, 6), "`ratio` is 12 here; is it used?"),
        ((jumps, 0.3, 3.0, 6), "`threshold` is 0.3 here; is it used?"),
    ):
        found, wanted = _whole(ask(find_cuts, *given), "a list of frames"), _cuts(*given)
        if found != wanted:
            raise Hint(f"{said} (the cuts are {wanted}, and you found {found})")


# -- 08.3 --------------------------------------------------------------------------------------------------------------


def _runs(marked: NDArray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _find_transitions(single: NDArray, many: NDArray, low: float = 0.1, high: float = 0.3) -> list[tuple[int, int]]:
    borders = []
    for start, stop in _runs((single > low) | (many > high)):
        peak = start + int(np.argmax(single[start:stop]))
        if single[peak] > low:
            borders.append((peak + 1, peak + 1) if stop - start <= SHORT else (start, stop))
    return borders


def _drawn_curves(number: int) -> tuple[NDArray, NDArray]:
    """Return two curves: a cut, a dissolve, a run that the first output does not mark, and a cut of one frame."""
    a, b = draw(10 + number, 8, 12), draw(20 + number, 6, 9)
    single, many = np.full(80, 0.02), np.full(80, 0.03)
    single[a - 1 : a + 2], many[a - 1 : a + 2] = (0.2, 0.9, 0.3), (0.1, 0.6, 0.5)
    middle = 25 + b // 2
    many[25 : 25 + b], single[middle - 2 : middle + 2], single[middle] = 0.8, 0.3, 0.4
    many[45:51] = 0.5  # no frame of it is marked by `single`
    single[60] = 0.7
    single[78], many[74:80] = 0.5, 0.9  # a transition up to the film's end
    return single, many


@exercise("08.3", 3, "Two curves become borders", reference=_find_transitions)
def check_find_transitions(find_transitions: Callable[..., list[tuple[int, int]]]) -> None:
    """Check `find_transitions(single, many, low, high)`: (start, stop) of each border; both are one for a cut."""
    for number in range(3):
        single, many = _drawn_curves(number)
        found = ask(find_transitions, single, many, 0.1, 0.3)
        if not isinstance(found, list | tuple | np.ndarray):
            raise Hint(f"return a list of pairs (start, stop), not a {type(found).__name__}")
        if any(not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2 for pair in found):
            raise Hint("return a list of pairs (start, stop), a cut as a pair of the same frame twice")
        found = [(int(pair[0]), int(pair[1])) for pair in found]
        if found != (wanted := _find_transitions(single, many, 0.1, 0.3)):
            raise _wrong_borders(found, wanted, single, many)
    single, many = _drawn_curves(3)
    found = [tuple(map(int, pair)) for pair in ask(find_transitions, single, many, 0.8, 0.7)]
    if found != _find_transitions(single, many, 0.8, 0.7):
        raise Hint("with low = 0.1 and high = 0.3 all is right, and with other thresholds it is not; are both used?")


def _wrong_borders(found: list, wanted: list, single: NDArray, many: NDArray) -> Hint:
    runs = _runs((single > 0.1) | (many > 0.3))
    peaks = [start + int(np.argmax(single[start:stop])) for start, stop in runs]
    true = [place for place, peak in enumerate(peaks) if single[peak] > 0.1]
    after_peak = "a cut stands after the run's highest value of `single`"
    shorts = [runs[place][1] - runs[place][0] <= SHORT for place in true]

    def each(cut: Callable[[int], int], stop: int = 0) -> list[tuple[int, int]]:
        return [
            (cut(place),) * 2 if short else (runs[place][0], runs[place][1] + stop)
            for place, short in zip(true, shorts)
        ]

    return _tell(
        found,
        [
            ([], "nothing was found; is the list filled and returned?"),
            ([(peaks[p] + 1,) * 2 for p in true], "a run of more than 3 frames is a transition; its pair is the run"),
            (wanted[:1], "only the first border was found; does the function return inside the loop?"),
            (wanted[:-1], "the border at the film's end is lost; a run may last until the last frame"),
            ([runs[place] for place in true], "a run of at most 3 frames is a cut; give its pair the same frame twice"),
            (each(lambda p: peaks[p]), "at the peak is the OLD shot's last frame; the cut is the frame after it"),
            (each(lambda p: runs[p][0]), f"{after_peak}, not at its start"),
            (each(lambda p: runs[p][0] + 1), f"{after_peak}, not at its start"),
            (each(lambda p: runs[p][1]), f"{after_peak}, not at its end"),
            (each(lambda p: peaks[p] + 1, -1), "`stop` is the first frame AFTER the transition"),
            (_find_transitions(single, single, 0.1, 0.1), "`many` is not used, so a dissolve is only its middle"),
            (_find_transitions(many, many, 0.3, 0.3), "`single` is not used; a run without it is no border"),
            (
                [(peaks[k] + 1,) * 2 if b - a <= SHORT else (a, b) for k, (a, b) in enumerate(runs)],
                "a run counts only if `single` is above `low` somewhere in it",
            ),
            (_find_transitions(many, single, 0.3, 0.1), "`single` and `many` have changed places"),
        ],
        f"for these curves the borders are {wanted}, and you found {found}",
    )


# -- 08.4 --------------------------------------------------------------------------------------------------------------


def _scene_numbers(distances: NDArray, near: float = 0.3, later: float = 0.13) -> list[int]:
    return _scenes(np.asarray(distances), near, later)


def _scenes(distances: NDArray, near: float, later: float, limit: float | None = None, first: int = 0) -> list[int]:
    """Number scenes by links from each shot to the next two; `limit` takes the place of `later` where it is given."""
    numbers, scene, reach = [], first, 0
    for i in range(len(distances)):
        scene += i > reach
        numbers.append(scene)
        for ahead, most in ((1, near), (2, later if limit is None else limit)):
            if i + ahead < len(distances) and distances[i, i + ahead] < most:
                reach = max(reach, i + ahead)
        reach = max(reach, i)
    return numbers


def _drawn_distances(number: int) -> NDArray:
    """Return distances of nine shots: a pair, a view and its reverse view by turns, one that is alone, and a pair."""
    n = 9
    distances = np.full((n, n), 0.6) + np.random.default_rng(seed(number)).uniform(0, 0.1, (n, n))
    for i, j, value in ((0, 1, 0.1), (2, 4, 0.05), (3, 5, 0.1), (7, 8, 0.25), (5, 7, 0.2), (1, 4, 0.02)):
        distances[i, j] = value
    distances = np.triu(distances, 1)
    return distances + distances.T


@exercise("08.4", 3, "Shots become scenes", reference=_scene_numbers)
def check_scene_numbers(scene_numbers: Callable[[NDArray, float, float], list[int]]) -> None:
    """Check `scene_numbers(distances, near, later)`: the number of each shot's scene."""
    distances = _drawn_distances(30)
    found = _whole(ask(scene_numbers, distances, 0.3, 0.13), "a list of the scenes' numbers")
    wanted = _scenes(distances, 0.3, 0.13)
    if len(found) != len(wanted):
        raise Hint(f"there are {len(wanted)} shots and {len(found)} numbers; each shot has one")
    if found != wanted:
        alike = [sum(int(distances[k, k + 1] >= 0.3) for k in range(i)) for i in range(9)]
        own, pairs = [*range(9)], _scenes(distances, 0.13, 0.13)
        cases = [
            ([0] * 9, "all shots are in one scene; the number rises where no link leads on, and SMALL distances link"),
            (own, "each shot has a scene of its own; are the links looked at?"),
            ([number + 1 for number in wanted], "the scenes are counted from 0"),
            (alike, "a view and its reverse view take turns: look also at the shot after the next one"),
            (_scenes(distances, 0.3, 0.13, 0.3), "the shot after the next one has a limit of its own, `later`"),
            (pairs, "the next shot has the limit `near`, not `later`"),
            (_scenes(distances, 0.13, 0.3), "`near` and `later` have changed places"),
            (_scenes(distances, 0.0, 0.13), "the next shot is not looked at, only the one after it"),
            (_jumps_back(distances), "a scene has no holes: if 2 links to 4, shot 3 between them is of it"),
            (_far(distances), "look at the next two shots only, not at all later ones"),
        ]
        raise _tell(found, cases, f"the links 0-1, 2-4, 3-5, 7-8 give {wanted}, and you found {found}")
    for number in range(8):
        count = 1 + number
        distances = np.random.default_rng(seed(40 + number)).uniform(0, 1, (count, count))
        distances = (distances + distances.T) / 2
        wanted = _scenes(distances, 0.45, 0.35)
        if (found := _whole(ask(scene_numbers, distances, 0.45, 0.35), "a list of numbers")) != wanted:
            raise Hint(f"for {count} shots, near = 0.45 and later = 0.35 it is {wanted}, and you found {found}")


def _jumps_back(distances: NDArray) -> list[int]:
    """Give each shot the scene of the one that it is linked to, and leave out what lies between."""
    numbers: list[int] = []
    for i in range(len(distances)):
        if i and distances[i - 1, i] < 0.3:
            numbers.append(numbers[i - 1])
        elif i > 1 and distances[i - 2, i] < 0.13:
            numbers.append(numbers[i - 2])
        else:
            numbers.append(max(numbers, default=-1) + 1)
    return numbers


def _far(distances: NDArray) -> list[int]:
    """Look from each shot at all later ones."""
    numbers, scene, reach = [], 0, 0
    for i in range(len(distances)):
        scene += i > reach
        numbers.append(scene)
        links = [j for j in range(i + 1, len(distances)) if distances[i, j] < (0.3 if j == i + 1 else 0.13)]
        reach = max([reach, i, *links])
    return numbers


# -- 08.5 --------------------------------------------------------------------------------------------------------------


def _fit_similarity(before: NDArray, after: NDArray) -> NDArray:
    x, y = before.astype(float).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate([np.stack([x, -y, one, zero], axis=1), np.stack([y, x, zero, one], axis=1)])
    a, b, left, down = np.linalg.lstsq(rows, np.concatenate(after.astype(float).T), rcond=None)[0]
    return np.array([[a, -b, left], [b, a, down]])


def _fit_affine(before: NDArray, after: NDArray) -> NDArray:
    return np.linalg.lstsq(np.column_stack([before, np.ones(len(before))]), after, rcond=None)[0].T


@exercise("08.5", 3, "The camera from points", reference=_fit_similarity)
def check_fit_similarity(fit_similarity: Callable[[NDArray, NDArray], NDArray]) -> None:
    """Check `fit_similarity(before, after)`, both (N, 2), which returns [[a, -b, tx], [b, a, ty]]."""
    for number, count in enumerate((2, 12, 40)):
        rng = np.random.default_rng(seed(50 + number))
        before = rng.uniform(0, 100, (count, 2)) + (60, 10)
        scale, turn, shift = rng.uniform(1.1, 1.4), rng.uniform(0.2, 0.5), rng.uniform(-9, 9, 2)
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        after = before @ matrix.T + shift + (rng.normal(0, 1.0, (count, 2)) if number else 0)
        found, wanted = ask(fit_similarity, before, after), _fit_similarity(before, after)
        if np.shape(found) == (3, 2):
            raise Hint("the matrix is turned over; row 0 makes x, and row 1 makes y, so it is (2, 3)")
        found = _array(found, (2, 3), "a matrix (2, 3)")
        if not np.allclose(found, wanted, rtol=1e-4, atol=1e-4):
            raise _wrong_fit(found, wanted, before, after)


def _wrong_fit(found: NDArray, wanted: NDArray, before: NDArray, after: NDArray) -> Hint:
    turned, shift = found[:, :2], after.mean(axis=0) - before.mean(axis=0)
    if np.allclose(found, np.column_stack([np.eye(2), shift]), atol=1e-4):
        return Hint("that is the mean shift alone; a zoom changes the scale, too")
    if np.allclose(turned, wanted[:, :2], rtol=1e-4, atol=1e-4):
        return Hint("scale and turn are right and the shift is not; it is what is left after them, not before")
    if np.allclose(found, _fit_similarity(after, before), rtol=1e-4, atol=1e-4):
        return Hint("that leads from `after` back to `before`; turn the two round")
    if np.allclose(turned.T, wanted[:, :2], rtol=1e-4, atol=1e-4):
        return Hint("the turn has the wrong sign: x becomes a x - b y + tx, and y becomes b x + a y + ty")
    if len(before) > 2 and np.allclose(found, _fit_similarity(before[:2], after[:2]), rtol=1e-3, atol=1e-3):
        return Hint("the fit uses the first two points alone; two equations come from each point")
    if not np.isclose(turned[0, 0], turned[1, 1], rtol=1e-4) or not np.isclose(turned[0, 1], -turned[1, 0], rtol=1e-4):
        affine = np.allclose(found, _fit_affine(before, after), rtol=1e-3, atol=1e-3)
        said = "that matrix has six free numbers" if affine else "that is no similarity"
        return Hint(f"{said}; a similarity has four: a stands twice, and b stands twice with two signs")
    if np.allclose(turned[0, 1], 0, atol=1e-9):
        return Hint("the turn is missing: b is one of the four unknowns")
    if np.allclose(found[:, 2], 0, atol=1e-9):
        return Hint("the shift is missing: tx and ty are two of the four unknowns")
    if np.isclose(np.hypot(*turned[0]), 1, rtol=1e-4):
        return Hint("the scale is 1; a zoom makes it larger or smaller")
    errors = [float(np.linalg.norm(before @ m[:, :2].T + m[:, 2] - after, axis=1).mean()) for m in (found, wanted)]
    return Hint(
        f"your matrix leaves the points {errors[0]:.2f} pixels away on average, and the best one {errors[1]:.2f}; "
        "check the rows of the equations"
    )
