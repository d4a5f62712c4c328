"""Curated clips of films as training footage. `smartdirector curate` makes the dataset.

The clips are decoded once, at the rate and size that the model works at, to a file that is memory-mapped later. The
last fifth of the shots is held out. `Footage` says how often a training takes its clips from films, from collages and
from the toy world.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..collage import Collage, sample_collage
from ..curation.shots import MIN_SECONDS, fast_borders
from ..media import atomic_path, read_video
from ..media.files import make_folder
from ..media.size import Size
from ..storyboard import Shot, Storyboard
from ..toyworld import HELD_OUT_SEED
from .curated import LIST, CuratedClip, num_kept, read_dataset
from .tiny import FINAL

FPS = 12.0  # frames a second that are kept
HELD_OUT_SHARE = 0.2
WORK = ".curation"  # the hidden folder of a dataset, where the decoded frames are kept


def find_shots(frames: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Split a clip at its cuts.

    Args:
        frames: (T, H, W, 3) uint8.
        fps: their rate.

    Returns:
        [start, stop) frames of the shots, without those under MIN_SECONDS.
    """
    cuts = [border.start for border in fast_borders(frames[..., 4::8, 4::8, :], fps)]
    bounds = [0, *cuts, len(frames)]
    return [(a, b) for a, b in itertools.pairwise(bounds) if b - a >= MIN_SECONDS * fps]


def decode_dataset(dataset: Path, clips: Sequence[CuratedClip], size: Size) -> tuple[Path, list[int]]:
    """Decode the clips of a dataset to one file beside its records. Nothing is done where that has been done already.

    Returns:
        A .npy file, (T, H, W, 3) uint8 at FPS, and each clip's first frame in it.

    Raises:
        ValueError: a clip can't be read, or is not as long as its line says.
    """
    lengths = [num_kept(clip.num_frames, clip.fps, FPS) for clip in clips]
    *starts, num_frames = itertools.accumulate(lengths, initial=0)
    digest = hashlib.sha256((dataset / LIST).read_bytes() + str(size).encode()).hexdigest()[:16]
    frames = make_folder(dataset / WORK) / f"frames-{digest}.npy"
    if frames.exists():
        return frames, starts
    with atomic_path(frames) as temporary:
        film = np.lib.format.open_memmap(temporary, "w+", np.uint8, (num_frames, size.height, size.width, 3))
        for clip, start, length in zip(clips, starts, lengths, strict=True):
            decoded = read_video(clip.path, size, FPS)
            if len(decoded) != length:
                raise ValueError(f"{clip.path}: {len(decoded)} frames at {FPS:g} a second, where {LIST} says {length}")
            film[start : start + length] = decoded
        film.flush()
        del film  # Windows renames no file that is mapped
    for older in set(frames.parent.glob("frames-*.npy")) - {frames}:
        with contextlib.suppress(OSError):  # another process still reads it
            older.unlink()
    return frames, starts


@dataclass(frozen=True)
class FilmShots:
    """Shots of films, which give clips.

    Attributes:
        frames: (T, H, W, 3) uint8.
        shots: [start, stop) frames of each shot.
        fps: the rate of `frames`.
        clips: for each shot the clip that it is a part of, and this clip's first frame. Without it nothing is known
            of what a shot shows.
    """

    frames: np.ndarray
    shots: list[tuple[int, int]]
    fps: float
    clips: tuple[tuple[CuratedClip, int], ...] = ()

    @classmethod
    def load(cls, dataset: str | Path, held_out: bool = False, size: Size = FINAL) -> "FilmShots":
        """Open a curated dataset: the first four fifths of its shots, or the held-out last one.

        Args:
            size: that the frames are shrunk and cropped to.

        Raises:
            ValueError: there is no whole dataset.
        """
        clips = read_dataset(dataset)
        path, starts = decode_dataset(Path(dataset), clips, size)
        try:
            frames = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{path}: can't be read ({error}); delete it, and it is made again") from error
        found = [
            ((start + first, start + stop), (clip, start))
            for clip, start in zip(clips, starts, strict=True)
            for first, stop in clip.spans(FPS)
        ]
        first_held_out = round(len(found) * (1 - HELD_OUT_SHARE))
        found = found[first_held_out:] if held_out else found[:first_held_out]
        return cls(frames, [span for span, _ in found], FPS, tuple(clip for _, clip in found))

    def storyboard(self, first: int, num_frames: int, mirrored: bool = False) -> Storyboard:
        """Tell what a clip shows, without keyframes.

        Args:
            first: its first frame. It lies within one shot.
            mirrored: whether left and right have changed places in it.
        """
        for (start, stop), (clip, offset) in zip(self.shots, self.clips, strict=bool(self.clips)):
            if start <= first < stop:
                return clip.storyboard(first - offset, first - offset + num_frames, self.fps, mirrored)
        return Storyboard(shots=[Shot()], num_frames=num_frames, fps=self.fps)

    def __reduce__(self) -> tuple:
        """Pickle a film on disk by the name of its file. A worker process then maps the file, and is not sent it."""
        on_disk = isinstance(self.frames, np.memmap)
        frames = self.frames.filename if on_disk else self.frames
        return _unpickle, (frames, self.shots, self.fps, self.clips)

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

    def picture(self, rng: np.random.Generator, size: Size) -> Tensor:
        """Draw a part of a frame, (3, H, W) in [0, 1], as high as a half of the frame or more."""
        first, mirrored = self.sample(rng, 1), rng.random() < 0.5
        height, width = self.frames.shape[1:3]
        rows = round(rng.uniform(0.5, 1) * min(height, width * size.height / size.width))
        columns = min(width, round(rows * size.width / size.height))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        picture = self.clip(first, 1, (top, left, rows, columns), size)[0]
        return picture.flip(-1) if mirrored else picture

    def apart(self, num_frames: int, count: int) -> list[int]:
        """Return the first frames of clips of this length that lie within one shot and share no frame.

        Args:
            count: how many; evenly spread over all that there are, or all of them where there are fewer.
        """
        bounds = ((start, stop - num_frames + 1) for start, stop in self.shots)
        firsts = [first for start, end in bounds for first in range(start, end, num_frames)]
        return [firsts[round(k)] for k in np.linspace(0, len(firsts) - 1, min(count, len(firsts)))]

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Draw the first frame of a clip within one shot. None, and no draw, if no shot is that long."""
        rooms = np.array([max(0, stop - start - num_frames + 1) for start, stop in self.shots], dtype=float)
        if rooms.sum() == 0:
            return None
        chosen = rng.choice(len(rooms), p=rooms / rooms.sum())
        return self.shots[chosen][0] + int(rng.integers(int(rooms[chosen])))


def _unpickle(frames: np.ndarray | Path, *values: object) -> FilmShots:
    return FilmShots(frames if isinstance(frames, np.ndarray) else np.load(frames, mmap_mode="r"), *values)


@dataclass(frozen=True)
class Footage:
    """Where a training's clips come from: the toy world, a film where there is one, and collages.

    Attributes:
        film: None for no film.
        share: how often a clip is the film's, from 0 to 1.
        collage_share: how often a clip that is not the film's is a collage, from 0 to 1.
    """

    film: FilmShots | None = None
    share: float = 0.0
    collage_share: float = 0.0

    @classmethod
    def open(cls, folder: str, share: float, collage_share: float = 0.0) -> "Footage":
        """Make one of the options `film` ("" for none), `film_share` and `collage_share`."""
        return cls(FilmShots.load(folder) if folder else None, share, collage_share)

    @property
    def captions(self) -> list[str]:
        """The captions of the film's shots."""
        shots = self.film.shots if self.film else []
        return [self.film.storyboard(start, stop - start).caption() for start, stop in shots]

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Draw the first frame of a clip of the film. None where the clip is to come from the toy world."""
        if self.film is None or rng.random() >= self.share:
            return None
        return self.film.sample(rng, num_frames)

    def collage(self, rng: np.random.Generator, num_frames: int) -> Collage | None:
        """Draw a collage, whose pictures may be the film's. None where the clip is to come from the toy world.

        Without a share nothing is drawn, so that the toy clips of a seed stay as they were before there were collages.
        """
        if not self.collage_share or rng.random() >= self.collage_share:
            return None
        brought = self.film.picture if self.film else None
        return sample_collage(int(rng.integers(HELD_OUT_SEED)), num_frames, FPS, brought)
