"""Frames, conditions and cuts -> chunks, latents, anchors and temporal indices. Pure Python, no torch.

A causal video VAE encodes a run of frames as one latent for the first frame and one for each further `stride` frames.
Multi-Chunk (SmartDirector, arXiv 2605.27891, section 3) lets every condition begin such a run of its own, a chunk, so
that a keyframe is always "a first latent", wherever it stands. A `ChunkPlan` says where the chunks lie and gives every
latent its place in time. All other modules read it, and none works out frame numbers of its own.
"""

import itertools
import math
import numbers
import reprlib
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

TAU_SCHEMES = ("frame_time", "continuous", "restart", "midpoint")
MAX_INDEX = 1_000_000  # frames of a video, eleven hours at 24 a second; a plan of many more fills the memory
MAX_SHOWN = 12  # temporal indices of a chunk that the table prints; of more, the middle is left out


def check_int(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return a whole number from `low` to `high` as an int; raise a ValueError for anything else.

    JSON tools write 12 as 12.0 and the other way round, and numpy and torch have numbers of their own. All are taken.
    """
    found = _plain(value)
    if not isinstance(found, numbers.Real) or isinstance(found, bool) or not math.isfinite(found) or found % 1:
        raise ValueError(f"{name} must be a whole number, got {_short(value)} ({type(value).__name__})")
    found = int(found)
    if found < low or (high is not None and found > high):
        wanted = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {wanted}, got {_short(found)}")
    return found


def frame_in(name: str, index: object, num_frames: int) -> int:
    """Return the frame that an index means in a video of `num_frames`, where -1 is the last one; else a ValueError."""
    found = check_int(name, index, -MAX_INDEX, MAX_INDEX)
    if not -num_frames <= found < num_frames:
        raise ValueError(f"{name} must be from 0 to {num_frames - 1}, or negative to count from the end, got {found}")
    return found % num_frames


def check_number(name: str, value: object, low: float, high: float = math.inf) -> float:
    """Return a finite number from `low` to `high` as a Python number; raise a ValueError for anything else."""
    found = _plain(value)
    is_number = isinstance(found, numbers.Real) and not isinstance(found, bool)
    if not is_number or not low <= found <= high or found == math.inf:
        wanted = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"{name} must be a number {wanted}, got {_short(value)}")
    return int(found) if isinstance(found, numbers.Integral) else float(found)


def _plain(value: object) -> object:
    """The Python number in an array or a tensor without axes; other things as they are."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _short(value: object) -> str:
    """A value for a message of one line."""
    return " ".join(reprlib.repr(value).split())


def as_list(given: object) -> list:
    """Return the items of a sequence; none for None, and one for what is no sequence."""
    try:
        return [] if given is None else list(given)
    except TypeError:
        return [given]


def check_one_of(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a ValueError unless `value` is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {_short(value)}")


@dataclass(frozen=True)
class Condition:
    """A keyframe (one frame) or a clip (several frames) that is given, placed at `frame_index` (0-based).

    A negative index counts from the end of the video, as in a Python list; -1 is the last frame.
    """

    frame_index: int
    num_frames: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_index", check_int("frame_index", self.frame_index, -MAX_INDEX, MAX_INDEX))
        object.__setattr__(self, "num_frames", check_int("num_frames of a condition", self.num_frames, 1))

    @property
    def stop(self) -> int:
        """The first frame after the condition."""
        return self.frame_index + self.num_frames

    @property
    def span(self) -> str:
        """The frames that the condition covers, for a message."""
        return f"frames {self.frame_index} to {self.stop - 1}"


@dataclass(frozen=True)
class Chunk:
    """Frames [start, stop) of the video, which the VAE encodes and decodes on their own.

    Attributes:
        start: the first frame.
        stop: the first frame after the chunk.
        latent_start: the index of the chunk's first latent in the whole sequence.
        num_latents: the number of latents.
        surplus: the number of frames that the last latent decodes past `stop`; they are dropped.
        num_anchors: how many of the leading latents come from the condition that begins here; 0 where none does.
        condition: the index of that condition in the list that the caller gave, or None.
        overrun: how many real frames after `stop` fill the surplus when a whole video is encoded. It is smaller than
            `surplus` where the shot ends.
    """

    start: int
    stop: int
    latent_start: int
    num_latents: int
    surplus: int
    num_anchors: int = 0
    condition: int | None = None
    overrun: int = 0

    @property
    def num_frames(self) -> int:
        """Frames of the chunk, without the surplus."""
        return self.stop - self.start


def num_latents_for(num_frames: int, stride: int) -> int:
    """Return how many latents hold `num_frames` frames: n = 1 + ceil((L - 1) / s)."""
    return 1 + -(-(num_frames - 1) // stride)


def place_conditions(
    num_frames: int,
    conditions: Sequence[Condition] | Condition | None,
    cuts: Sequence[int] | int | None,
    names: Sequence[str] | None = None,
) -> tuple[tuple[Condition, ...], tuple[int, ...]]:
    """Check that all conditions lie in the video, apart from each other, with no cut inside one.

    Args:
        num_frames: frames of the video.
        conditions: in any order.
        cuts: the first frames of shots 2, 3, ..., in any order.
        names: what to call each condition in a message; `conditions[i]` when not given.

    Returns:
        The conditions, in the same order, with negative indices counted from the end, and the cuts, sorted.

    Raises:
        ValueError: naming the first condition or cut that does not fit.
    """
    conditions, cuts = as_list(conditions), as_list(cuts)
    names = [f"conditions[{i}]" for i in range(len(conditions))] if names is None else names
    placed = []
    for name, condition in zip(names, conditions, strict=True):
        if not isinstance(condition, Condition):
            raise ValueError(f"{name} must be a Condition, got {condition!r}; write Condition(frame_index)")
        start = frame_in(f"{name}: frame_index", condition.frame_index, num_frames)
        placed.append(replace(condition, frame_index=start))
        if placed[-1].stop > num_frames:
            raise ValueError(f"{name} covers {placed[-1].span}, but the video ends at frame {num_frames - 1}; trim it")
    cuts = sorted(check_int("cut", cut, 1, num_frames - 1) for cut in cuts)
    ordered = sorted(zip(placed, names, strict=True), key=lambda pair: pair[0].frame_index)
    for (one, one_name), (two, two_name) in itertools.pairwise(ordered):
        if one.frame_index == two.frame_index:
            raise ValueError(f"{one_name} and {two_name} both stand at frame {one.frame_index}; move one of them")
        if one.stop > two.frame_index:
            raise ValueError(f"{one_name} ({one.span}) overlaps {two_name} ({two.span}); move or trim one of them")
    for cut in cuts:
        for condition, name in ordered:
            if condition.frame_index < cut < condition.stop:
                raise ValueError(f"the cut at frame {cut} lies inside {name} ({condition.span}); split the clip there")
    if len(set(cuts)) != len(cuts):
        raise ValueError(f"cuts must differ from each other, got {cuts}")
    return tuple(placed), tuple(cuts)


@dataclass(frozen=True)
class ChunkPlan:
    """How a video of `num_frames` frames is cut into chunks. Make one with `ChunkPlan.build`.

    Attributes:
        conditions: in the caller's order.
        cuts: sorted.
        chunks: in time order; every frame lies in exactly one.
    """

    num_frames: int
    stride: int
    conditions: tuple[Condition, ...]
    cuts: tuple[int, ...]
    chunks: tuple[Chunk, ...]

    @classmethod
    def build(
        cls,
        num_frames: int,
        conditions: Sequence[Condition] | Condition | None = None,
        stride: int = 4,
        cuts: Sequence[int] | int | None = None,
    ) -> "ChunkPlan":
        """Plan the chunks.

        A chunk begins at frame 0, at each condition, at each cut, and right after a clip whose length is not
        `stride * k + 1`. The last latent of such a clip is not full, so no new frame may follow it in the same chunk.

        Args:
            num_frames: frames of the video.
            conditions: keyframes and clips, in any order.
            stride: frames for each latent of the VAE.
            cuts: the first frames of shots 2, 3, ...

        Raises:
            ValueError: naming the first condition or cut that does not fit.
        """
        num_frames, stride = check_int("num_frames", num_frames, 1, MAX_INDEX), check_int("stride", stride, 1)
        conditions, cuts = place_conditions(num_frames, conditions, cuts)
        starts = {0, *cuts}
        for condition in conditions:
            starts.add(condition.frame_index)
            if (condition.num_frames - 1) % stride and condition.stop < num_frames:
                starts.add(condition.stop)
        begins_at = {condition.frame_index: index for index, condition in enumerate(conditions)}
        borders, shot_ends = [*sorted(starts), num_frames], [*cuts, num_frames]
        chunks, latent_start = [], 0
        for start, stop in itertools.pairwise(borders):
            index = begins_at.get(start)
            num_latents = num_latents_for(stop - start, stride)
            num_anchors = 0 if index is None else num_latents_for(conditions[index].num_frames, stride)
            surplus = 1 + stride * (num_latents - 1) - (stop - start)
            # A chunk that a clip fills is encoded as when generating, where nothing is known of what follows.
            shot_end = stop if num_anchors == num_latents else shot_ends[bisect_left(shot_ends, stop)]
            overrun = min(surplus, shot_end - stop)
            chunks.append(Chunk(start, stop, latent_start, num_latents, surplus, num_anchors, index, overrun))
            latent_start += num_latents
        return cls(num_frames, stride, conditions, cuts, tuple(chunks))

    @property
    def num_latents(self) -> int:
        """Latents of all chunks."""
        return self.chunks[-1].latent_start + self.chunks[-1].num_latents

    @property
    def given_frames(self) -> set[int]:
        """Every frame that a condition shows."""
        return {frame for condition in self.conditions for frame in range(condition.frame_index, condition.stop)}

    @property
    def anchors(self) -> list[bool]:
        """For each latent, whether it comes from a condition (clean, timestep 0, never noised)."""
        return [i < chunk.num_anchors for chunk in self.chunks for i in range(chunk.num_latents)]

    @property
    def latent_chunks(self) -> list[int]:
        """For each latent, the index of its chunk."""
        return [index for index, chunk in enumerate(self.chunks) for _ in range(chunk.num_latents)]

    @property
    def last_frames(self) -> list[int]:
        """For each latent, the last frame that it shows inside its chunk."""
        places = ((chunk, i) for chunk in self.chunks for i in range(chunk.num_latents))
        return [min(chunk.start + self.stride * i, chunk.stop - 1) for chunk, i in places]

    def tau(self, scheme: str = "frame_time", cut_gap: float = 0.0) -> list[float]:
        """Return the temporal RoPE index of each latent (MC-RoPE); all schemes but "restart" rise strictly.

        Args:
            scheme: one of TAU_SCHEMES.
                frame_time: the last frame that the latent shows, over the stride. An ordinary video gets 0, 1, 2, ...
                    as in Wan. This is the scheme of Wan's weights, and the paper's for chunks of any length.
                continuous: 0, 1, 2, ... over all latents. New trainings of Director-Gen take it.
                restart: from 0 in each chunk.
                midpoint: 0, 1, 2, ... over the latents that are not anchors. An anchor stands half-way between its
                    neighbours, and m anchors in a row divide their unit evenly. An anchor at the start gets -0.5.
            cut_gap: what the index gains at each cut. Without a gap, the shot before a cut drifts towards the
                keyframe at the cut.

        Raises:
            ValueError: for another scheme.
        """
        check_one_of("tau scheme", scheme, TAU_SCHEMES)
        if scheme == "frame_time":
            values = [frame / self.stride for frame in self.last_frames]
        elif scheme == "continuous":
            values = [float(i) for i in range(self.num_latents)]
        elif scheme == "restart":
            values = [float(i) for chunk in self.chunks for i in range(chunk.num_latents)]
        else:
            values = _midpoint(self.anchors)
        starts = [chunk.latent_start for chunk in self.chunks if chunk.start in self.cuts]
        return [value + cut_gap * sum(start <= i for start in starts) for i, value in enumerate(values)]

    def table(self, scheme: str = "frame_time", cut_gap: float = 0.0) -> str:
        """Return the plan as an aligned text table, one line for each chunk; the options are those of `tau`."""
        tau = self.tau(scheme, cut_gap)
        rows = [("chunk", "frames", "latents", "surplus", "anchors", "tau")]
        for index, chunk in enumerate(self.chunks):
            values = [f"{value:.6g}" for value in tau[chunk.latent_start : chunk.latent_start + chunk.num_latents]]
            if len(values) > MAX_SHOWN:
                values = [*values[:6], "...", *values[-3:]]
            frames = f"{chunk.start}-{chunk.stop - 1}"
            counts = (chunk.num_latents, chunk.surplus, chunk.num_anchors)
            rows.append((str(index), frames, *map(str, counts), " ".join(values)))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[5]]) for row in rows]
        total = f"{self.num_frames} frames, {len(self.chunks)} chunks, {self.num_latents} latents"
        rule = f"{scheme}, {cut_gap:g} more from each cut" if cut_gap else scheme
        return "\n".join([*lines, f"{total} ({sum(self.anchors)} anchors), stride {self.stride}, tau: {rule}"])


def _midpoint(anchors: Sequence[bool]) -> list[float]:
    """The scheme "midpoint": integers for latents that are not anchors, fractions between them for anchors."""
    tau, integer = [], 0
    for anchored, run in itertools.groupby(anchors):
        count = len(list(run))
        if anchored:
            tau += [integer - 1 + (i + 1) / (count + 1) for i in range(count)]
        else:
            tau += [float(integer + i) for i in range(count)]
            integer += count
    return tau
