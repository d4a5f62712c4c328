"""A film as training footage: decoded once, cut into shots, kept small on disk.

`prepare_film` writes `frames.npy` (uint8, memory-mapped later) and, last of all, `shots.json` to a cache folder;
`FilmShots` serves clips from it. The last fifth of the shots is held out.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..media import atomic_path, probe_video, write_json
from ..media.videos import decoded_frames  # frames as they come, not yet converted to RGB

CUT_THRESHOLD = 0.11  # mean absolute difference of two thumbnails, of 1
MIN_SHOT_SECONDS = 1.0
HELD_OUT_SHARE = 0.2
MIN_SIDE = 16  # pixels; a thumbnail is an eighth of a frame
MAX_FILM_BYTES = 8_000_000_000  # of frames, which are held in memory until the film is cut


def prepare_film(
    path: str | Path,
    cache: str | Path,
    size: tuple[int, int] = (224, 128),
    step: int = 2,
    seconds: tuple[float, float] = (0, 1e9),
) -> Path:
    """Decode a film to `cache` and find its shots; does nothing if that has been done already.

    size: (width, height), cover-cropped. step: keep every step-th frame. seconds: the part of the film to use (titles
    and credits teach nothing). Returns the cache folder. Raises ValueError, naming the file, for a film that is
    missing, unreadable, damaged, too long or without a whole shot, and for a cache that holds something else.
    """
    if min(size) < MIN_SIDE or step < 1 or not 0 <= seconds[0] < seconds[1]:
        raise ValueError(
            f"size = {size}, step = {step}, seconds = {seconds}: give sides of {MIN_SIDE} or more, a step of 1 or "
            "more, and a part that begins at 0 or later and ends after that"
        )
    cache = Path(cache)
    made_from = {"film": Path(path).name, "size": list(size), "step": step, "seconds": list(seconds)}
    if (cache / "shots.json").exists():
        info = _read_info(cache)
        held = {name: info[name] for name in made_from if name in info}  # caches of old name nothing
        if any(made_from[name] != value for name, value in held.items()):
            raise ValueError(f"cache {cache} was made from {held}, not {made_from}: choose another folder or delete it")
        return cache
    fps = probe_video(path).fps / step
    frames = list(_read_frames(path, size, step, seconds))
    if not frames:
        raise ValueError(f"{path}: no frames between {seconds[0]} s and {seconds[1]} s")
    film = np.stack(frames)
    shots = find_shots(film, fps)
    if not shots:
        raise ValueError(f"{path}: no shot of {MIN_SHOT_SECONDS} s or more in {len(film) / fps:.1f} s")
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_path(cache / "frames.npy") as temporary:
        np.save(temporary, film)
    write_json(cache / "shots.json", {**made_from, "fps": fps, "shots": shots})
    return cache


def _read_frames(
    path: str | Path, size: tuple[int, int], step: int, seconds: tuple[float, float]
) -> Iterator[np.ndarray]:
    """Every step-th frame within `seconds`, (H, W, 3) uint8. Those in between are decoded, but not converted."""
    num_bytes = 0
    for index, (time, _, frame) in enumerate(decoded_frames(path)):
        if time >= seconds[1]:
            return
        if index % step == 0 and time >= seconds[0]:
            image = _shrink(frame, size)
            num_bytes += image.nbytes
            if num_bytes > MAX_FILM_BYTES:
                raise ValueError(f"{path}: over {MAX_FILM_BYTES} bytes of frames; use a part of it or a larger step")
            yield image


def _shrink(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """Upright and cover-cropped to `size`, as (H, W, 3) uint8."""
    quarter_turns = round(frame.rotation / 90)
    width, height = size[::-1] if quarter_turns % 2 else size
    scale = max(width / frame.width, height / frame.height)
    wide, high = round(frame.width * scale), round(frame.height * scale)
    image = frame.to_ndarray(width=wide, height=high, format="rgb24", interpolation="AREA")
    left, top = (wide - width) // 2, (high - height) // 2
    return np.ascontiguousarray(np.rot90(image[top : top + height, left : left + width], quarter_turns))


def find_shots(frames: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Split at jumps between neighbouring frames; frames: (T, H, W, 3) uint8. Returns [start, stop) pairs.

    A jump is a cut where it is large and stands out from those around it. Shots under MIN_SHOT_SECONDS are left out.
    """
    thumbs = frames[:, 4::8, 4::8].astype(np.float32) / 255
    jumps = np.abs(np.diff(thumbs, axis=0)).mean(axis=(1, 2, 3))
    around = np.array([np.median(jumps[max(0, i - 6) : i + 7]) for i in range(len(jumps))])
    cuts = [i + 1 for i in range(len(jumps)) if jumps[i] > CUT_THRESHOLD and jumps[i] > 3 * around[i]]
    bounds = [0, *cuts, len(frames)]
    return [(a, b) for a, b in itertools.pairwise(bounds) if b - a >= MIN_SHOT_SECONDS * fps]


def _read_info(cache: Path) -> dict:
    """`shots.json` of a cache. ValueError if it can't be read."""
    try:
        info = json.loads((cache / "shots.json").read_text(encoding="utf-8"))
        return {**info, "shots": [(int(start), int(stop)) for start, stop in info["shots"]], "fps": float(info["fps"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"film {cache}: no prepared film there (shots.json: {error}); run `train film` first"
        ) from error


@dataclass(frozen=True)
class FilmShots:
    """Clips of a prepared film. frames: (T, H, W, 3) uint8. shots: [start, stop) frames. fps: of `frames`."""

    frames: np.ndarray
    shots: list[tuple[int, int]]
    fps: float

    @classmethod
    def load(cls, cache: str | Path, held_out: bool = False) -> "FilmShots":
        """held_out: the last fifth of the shots instead of the first four. ValueError if there is no whole cache."""
        cache = Path(cache)
        info = _read_info(cache)
        first_held_out = round(len(info["shots"]) * (1 - HELD_OUT_SHARE))
        shots = info["shots"][first_held_out:] if held_out else info["shots"][:first_held_out]
        try:
            frames = np.load(cache / "frames.npy", mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"film {cache}: frames.npy can't be read ({error}); delete the folder, prepare it again"
            ) from error
        return cls(frames, shots, info["fps"])

    def __reduce__(self) -> tuple:
        """A pickle of a film on disk names its file, so that a worker process maps it instead of being sent it."""
        on_disk = isinstance(self.frames, np.memmap)
        return _unpickle, (self.frames.filename if on_disk else self.frames, self.shots, self.fps)

    def clip(
        self,
        start: int,
        num_frames: int,
        crop: tuple[int, int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Frames [start, start + num_frames) as (T, 3, H, W) in [0, 1].

        crop: (top, left, rows, columns). size: (height, width) that it then gets, bicubic, smoothed where it shrinks.
        """
        top, left, rows, columns = crop or (0, 0, *self.frames.shape[1:3])
        part = self.frames[start : start + num_frames, top : top + rows, left : left + columns]
        video = torch.from_numpy(np.array(part)).permute(0, 3, 1, 2).float() / 255
        if size is None:
            return video
        return F.interpolate(video, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Start of a random clip of `num_frames` within one shot; None, and no draw, if no shot is that long."""
        rooms = np.array([max(0, stop - start - num_frames + 1) for start, stop in self.shots], dtype=float)
        if rooms.sum() == 0:
            return None
        chosen = rng.choice(len(rooms), p=rooms / rooms.sum())
        return self.shots[chosen][0] + int(rng.integers(int(rooms[chosen])))


def _unpickle(frames: np.ndarray | Path, shots: list[tuple[int, int]], fps: float) -> FilmShots:
    return FilmShots(frames if isinstance(frames, np.ndarray) else np.load(frames, mmap_mode="r"), shots, fps)
