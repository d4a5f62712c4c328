"""A film as training footage: decoded once, cut into shots, kept small on disk.

`prepare_film` writes `frames.npy` (uint8, memory-mapped later) and, last of all, `shots.json` to a cache folder.
`FilmShots` gives clips from the folder. The last fifth of the shots is held out. `Footage` says how often a training
takes its clips from a film rather than from the toy world.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..media import atomic_path, decoded_frames, frame_pixels, probe_video, write_json
from ..media.files import check_folder, make_folder
from ..media.size import Size
from .options import Options, Range
from .tiny import FINAL

CUT_THRESHOLD = 0.11  # mean absolute difference of two thumbnails with values in [0, 1]
STANDS_OUT = 3  # how many times the jumps around it a cut is
AROUND = 6  # jumps on either side that count as around one
MIN_SHOT_SECONDS = 1.0
HELD_OUT_SHARE = 0.2
MIN_SIDE = 16  # pixels; a thumbnail is an eighth of a frame
LONGEST = 1_000_000_000  # seconds; JSON, where the part that was used is noted, has no infinity
MAX_FILM_BYTES = 8_000_000_000  # of frames, which are held in memory until the film is cut


@dataclass
class FilmConfig(Options):
    """The options of `train film`."""

    movie: Path  # the film's file
    cache: str = "runs/film"  # the folder that is written
    start: Annotated[float, Range(0, LONGEST)] = 0.0  # the second at which to begin, after the titles
    stop: Annotated[float, Range(0, LONGEST, above=True)] = LONGEST  # the second at which to end, before the credits


def cut_film(config: FilmConfig) -> None:
    """Prepare a film as the options say, and print how many shots there are."""
    prepare_film(config.movie, config.cache, seconds=(config.start, config.stop))
    training, held_out = FilmShots.load(config.cache), FilmShots.load(config.cache, held_out=True)
    print(f"{config.cache}: {len(training.shots)} shots to train on, {len(held_out.shots)} held out")


def prepare_film(
    path: str | Path, cache: str | Path, size: Size = FINAL, step: int = 2, seconds: tuple[float, float] = (0, LONGEST)
) -> Path:
    """Decode a film to a cache folder and find its shots. Nothing is done where that has been done already.

    Args:
        path: the film's file.
        cache: the folder.
        size: that frames are cover-cropped to.
        step: every step-th frame is kept.
        seconds: the part of the film to use; titles and credits teach nothing.

    Returns:
        The cache folder.

    Raises:
        ValueError: a film that is missing, unreadable, damaged, too long or without a whole shot; a cache that holds
            something else; and options out of range.
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
        held = {name: info[name] for name in made_from if name in info}  # old caches don't name them
        if any(made_from[name] != value for name, value in held.items()):
            raise ValueError(f"cache {cache} was made from {held}, not {made_from}: choose another folder or delete it")
        return cache
    check_folder(cache)
    fps = probe_video(path).fps / step
    frames, thumbs = _read_film(path, size, step, seconds)
    if not frames:
        raise ValueError(f"{path}: no frames between {seconds[0]} s and {seconds[1]} s")
    film = np.stack(frames)
    # Cuts are looked for in all frames: between two that are kept, a fast camera goes too far.
    shots = _long_shots([-(-cut // step) for cut in _find_jumps(np.stack(thumbs))], len(film), fps)
    if not shots:
        raise ValueError(f"{path}: no shot of {MIN_SHOT_SECONDS} s or more in {len(film) / fps:.1f} s")
    make_folder(cache)
    with atomic_path(cache / "frames.npy") as temporary:
        np.save(temporary, film)
    write_json(cache / "shots.json", {**made_from, "fps": fps, "shots": shots})
    return cache


def _read_film(
    path: str | Path, size: Size, step: int, seconds: tuple[float, float]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read the frames within `seconds`: every step-th one, (H, W, 3) uint8, and the thumbnails of all."""
    frames, thumbs, num_bytes = [], [], 0
    for time, _, frame in decoded_frames(path):
        if time >= seconds[1]:
            break
        if time >= seconds[0]:
            image = frame_pixels(frame, size)
            if len(thumbs) % step == 0:
                frames.append(image)
                num_bytes += image.nbytes
            thumbs.append(_thumbnail(image))
            if num_bytes > MAX_FILM_BYTES:
                raise ValueError(f"{path}: over {MAX_FILM_BYTES} bytes of frames; use a part of it or a larger step")
    return frames, thumbs


def _thumbnail(frames: np.ndarray) -> np.ndarray:
    """Every eighth pixel of frames (..., H, W, 3), both ways."""
    return frames[..., 4::8, 4::8, :].copy()


def find_shots(frames: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Split a film at jumps between neighbouring frames.

    Args:
        frames: (T, H, W, 3) uint8.
        fps: their rate.

    Returns:
        [start, stop) frames of the shots, without those under MIN_SHOT_SECONDS.
    """
    return _long_shots(_find_jumps(_thumbnail(frames)), len(frames), fps)


def _long_shots(cuts: list[int], num_frames: int, fps: float) -> list[tuple[int, int]]:
    """[start, stop) frames of the shots between cuts, without those under MIN_SHOT_SECONDS."""
    bounds = [0, *cuts, num_frames]
    return [(a, b) for a, b in itertools.pairwise(bounds) if b - a >= MIN_SHOT_SECONDS * fps]


def _find_jumps(thumbs: np.ndarray) -> list[int]:
    """Find the frames that begin a shot.

    A large jump is a cut in two cases. It is STANDS_OUT times the median of the jumps around it. Or it ends a fast
    motion: none of those before it is larger, and it is STANDS_OUT times each of the next two.

    Args:
        thumbs: (T, h, w, 3) uint8.
    """
    jumps = np.array([np.abs(b.astype(np.float32) - a).mean() for a, b in itertools.pairwise(thumbs)]) / 255
    beside = np.minimum(np.append(0, jumps)[:-1], np.append(jumps, 0)[1:])
    motion = np.where(10 * jumps < beside, np.nan, jumps)  # animation often shows each picture twice: no jump, no rest
    cuts = []
    for i in np.flatnonzero(jumps > CUT_THRESHOLD):
        stands_out = jumps[i] > STANDS_OUT * np.nanmedian(motion[max(0, i - AROUND) : i + AROUND + 1])
        before, after = jumps[max(0, i - AROUND) : i], jumps[i + 1 : i + 3]
        if stands_out or (len(after) and jumps[i] >= max(before, default=0) and jumps[i] > STANDS_OUT * max(after)):
            cuts.append(int(i) + 1)
    return cuts


def _read_info(cache: Path) -> dict:
    """Read the `shots.json` of a cache. ValueError if it can't be read."""
    try:
        info = json.loads((cache / "shots.json").read_text(encoding="utf-8"))
        return {**info, "shots": [(int(start), int(stop)) for start, stop in info["shots"]], "fps": float(info["fps"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"film {cache}: no prepared film there (shots.json: {error}); run `train film` first"
        ) from error


@dataclass(frozen=True)
class FilmShots:
    """A prepared film, which gives clips.

    Attributes:
        frames: (T, H, W, 3) uint8.
        shots: [start, stop) frames of each shot.
        fps: the rate of `frames`.
    """

    frames: np.ndarray
    shots: list[tuple[int, int]]
    fps: float

    @classmethod
    def load(cls, cache: str | Path, held_out: bool = False) -> "FilmShots":
        """Open a cache folder: its first four fifths of the shots, or the held-out last one.

        Raises:
            ValueError: if there is no whole cache.
        """
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
        """Pickle a film on disk by the name of its file. A worker process then maps the file, and is not sent it."""
        on_disk = isinstance(self.frames, np.memmap)
        return _unpickle, (self.frames.filename if on_disk else self.frames, self.shots, self.fps)

    def clip(
        self, start: int, num_frames: int, crop: tuple[int, int, int, int] | None = None, size: Size | None = None
    ) -> Tensor:
        """Return frames [start, start + num_frames) as (T, 3, H, W) in [0, 1].

        Args:
            crop: (top, left, rows, columns) of the part to take.
            size: the size that this part is then brought to, bicubic, and smoothed where it shrinks.
        """
        top, left, rows, columns = crop or (0, 0, *self.frames.shape[1:3])
        part = self.frames[start : start + num_frames, top : top + rows, left : left + columns]
        video = torch.from_numpy(np.array(part)).permute(0, 3, 1, 2).float() / 255
        if size is None:
            return video
        sides = (size.height, size.width)
        return F.interpolate(video, size=sides, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Draw the first frame of a clip within one shot. None, and no draw, if no shot is that long."""
        rooms = np.array([max(0, stop - start - num_frames + 1) for start, stop in self.shots], dtype=float)
        if rooms.sum() == 0:
            return None
        chosen = rng.choice(len(rooms), p=rooms / rooms.sum())
        return self.shots[chosen][0] + int(rng.integers(int(rooms[chosen])))


def _unpickle(frames: np.ndarray | Path, shots: list[tuple[int, int]], fps: float) -> FilmShots:
    return FilmShots(frames if isinstance(frames, np.ndarray) else np.load(frames, mmap_mode="r"), shots, fps)


@dataclass(frozen=True)
class Footage:
    """Where a training's clips come from: the toy world and, where there is one, a film.

    Attributes:
        film: None for the toy world alone.
        share: how often a clip is the film's, from 0 to 1.
    """

    film: FilmShots | None = None
    share: float = 0.0

    @classmethod
    def open(cls, folder: str, share: float) -> "Footage":
        """Make one of the options `film` ("" for none) and `film_share`."""
        return cls(FilmShots.load(folder) if folder else None, share)

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Draw the first frame of a clip of the film. None where the clip is to come from the toy world."""
        if self.film is None or rng.random() >= self.share:
            return None
        return self.film.sample(rng, num_frames)
