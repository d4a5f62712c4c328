"""Curated clips of films as training footage. `smartdirector curate` makes the dataset.

The clips are decoded once, at the rate that the model works at, to a file that is memory-mapped later. The last fifth of
the shots is held out. `Footage` says how often a training takes its clips from films rather than from the toy world.
"""

import hashlib
import itertools
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..curation.shots import MIN_SECONDS, fast_borders
from ..media import atomic_path, read_video, write_json
from ..media.size import Size
from ..storyboard import Shot, Storyboard
from .tiny import FINAL

FPS = 12.0  # frames a second that are kept
HELD_OUT_SHARE = 0.2
WORK = ".curation"  # the hidden folder of a dataset, where the decoded frames are kept
MIRRORED = {"pan left": "pan right", "pan right": "pan left"}  # what a camera does in a mirrored clip


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


def decode_dataset(dataset: Path, entries: list[dict], digest: str) -> tuple[Path, dict]:
    """Decode the clips of a dataset to one file beside its records. Nothing is done where that has been done already.

    Args:
        entries: the lines of its metadata.jsonl.
        digest: of that file. Frames that were decoded for another one are decoded anew.

    Returns:
        A .npy file, (T, H, W, 3) uint8, and the contents of its index: `starts`, each clip's first frame in it.

    Raises:
        ValueError: a clip can't be read, or the clips differ in size.
    """
    frames, index = dataset / WORK / f"frames-{digest[:16]}.npy", dataset / WORK / f"frames-{digest[:16]}.json"
    if index.exists() and frames.exists():
        return frames, json.loads(index.read_text(encoding="utf-8"))
    (dataset / WORK).mkdir(exist_ok=True)
    lengths = [max(1, math.floor(entry["num_frames"] / entry["fps"] * FPS + 0.5)) for entry in entries]
    starts, size = [0, *itertools.accumulate(lengths)], None
    with atomic_path(frames) as temporary:
        film = None
        for entry, start, length in zip(entries, starts, lengths, strict=False):
            clip = read_video(dataset / entry["file_name"], fps=FPS)
            if film is None:
                size = clip.shape[1:]
                film = np.lib.format.open_memmap(temporary, "w+", np.uint8, (starts[-1], *size))
            if clip.shape != (length, *size):
                raise ValueError(
                    f"film {dataset}: {entry['file_name']} has the shape {clip.shape}, not {(length, *size)}; curate "
                    "all films at one size, into a folder of their own"
                )
            film[start : start + length] = clip
        film.flush()
        del film  # Windows renames no file that is mapped
    made = {"starts": starts[:-1]}
    write_json(index, made)
    return frames, made


def first_kept(frame: int, fps: float) -> int:
    """The first frame at FPS that shows `frame` of a clip at `fps`, or a later one; `read_video` takes the nearest."""
    return math.floor((frame - 0.5) * FPS / fps) + 1 if frame else 0


@dataclass(frozen=True)
class FilmShots:
    """Shots of films, which give clips.

    Attributes:
        frames: (T, H, W, 3) uint8.
        shots: [start, stop) frames of each shot.
        fps: the rate of `frames`.
        texts: what is told of each shot.
        descriptions: the holistic description of the clip that each shot is a part of.
    """

    frames: np.ndarray
    shots: list[tuple[int, int]]
    fps: float
    texts: tuple[Shot, ...] = ()
    descriptions: tuple[str, ...] = ()

    @classmethod
    def load(cls, dataset: str | Path, held_out: bool = False) -> "FilmShots":
        """Open a curated dataset: the first four fifths of its shots, or the held-out last one.

        Raises:
            ValueError: if there is no whole dataset.
        """
        dataset = Path(dataset)
        try:
            lines = (dataset / "metadata.jsonl").read_bytes()
            entries = [json.loads(line) for line in lines.decode("utf-8").splitlines()]
            if not entries:
                raise ValueError("it lists no clip")
            path, index = decode_dataset(dataset, entries, hashlib.sha256(lines).hexdigest())
            frames = np.load(path, mmap_mode="r")
            found = [
                shot for entry, start in zip(entries, index["starts"], strict=True) for shot in _shots(entry, start)
            ]
        except (OSError, ValueError, TypeError, KeyError, EOFError) as error:
            raise ValueError(f"film {dataset}: no curated dataset ({error}); make one with `curate`") from error
        first_held_out = round(len(found) * (1 - HELD_OUT_SHARE))
        found = found[first_held_out:] if held_out else found[:first_held_out]
        spans, texts, descriptions = zip(*found, strict=True) if found else ((), (), ())
        return cls(frames, list(spans), FPS, texts, descriptions)

    def caption(self, first: int, num_frames: int, mirrored: bool = False) -> tuple[str, str]:
        """Say what a clip within one shot shows.

        Args:
            first: its first frame.
            mirrored: whether left and right have changed places in it.

        Returns:
            The structured caption, in the words that a storyboard uses, and its description alone.
        """
        number = next((i for i, (start, stop) in enumerate(self.shots) if start <= first < stop), None)
        text = Shot() if number is None or not self.texts else self.texts[number]
        description = self.descriptions[number] if number is not None and self.descriptions else ""
        if mirrored:
            text = replace(text, camera=MIRRORED.get(text.camera, text.camera))
        storyboard = Storyboard(description=description, shots=[text], num_frames=num_frames, fps=self.fps)
        return storyboard.caption(), description or text.description

    def __reduce__(self) -> tuple:
        """Pickle a film on disk by the name of its file. A worker process then maps the file, and is not sent it."""
        on_disk = isinstance(self.frames, np.memmap)
        frames = self.frames.filename if on_disk else self.frames
        return _unpickle, (frames, self.shots, self.fps, self.texts, self.descriptions)

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


def _unpickle(frames: np.ndarray | Path, *values: object) -> FilmShots:
    return FilmShots(frames if isinstance(frames, np.ndarray) else np.load(frames, mmap_mode="r"), *values)


def _shots(entry: dict, offset: int) -> list[tuple[tuple[int, int], Shot, str]]:
    """The shots of a line of metadata.jsonl: their frames, what is told of them, and the clip's description."""
    borders = [first_kept(frame, entry["fps"]) for frame in (0, *entry["cuts"], entry["num_frames"])]
    texts = [
        Shot(description=shot["description"], camera=shot["camera"], characters=tuple(shot["characters"]))
        for shot in entry["shots"]
    ]
    spans = [(offset + start, offset + stop) for start, stop in itertools.pairwise(borders)]
    return [(span, text, entry["description"]) for span, text in zip(spans, texts, strict=True)]


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
        film = FilmShots.load(folder) if folder else None
        if film and film.frames.shape[1:3] != FINAL[::-1]:
            size = Size(*film.frames.shape[2:0:-1])
            raise ValueError(f"film {folder}: clips of {size}; curate the film with --size {FINAL}")
        return cls(film, share)

    @property
    def captions(self) -> list[str]:
        """The captions of the film's shots, as long as each is."""
        return [self.film.caption(start, stop - start)[0] for start, stop in self.film.shots] if self.film else []

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Draw the first frame of a clip of the film. None where the clip is to come from the toy world."""
        if self.film is None or rng.random() >= self.share:
            return None
        return self.film.sample(rng, num_frames)
