"""A film as training footage: decoded once, cut into shots, kept small on disk.

`prepare_film` writes `frames.npy` (uint8, memory-mapped later) and `shots.json` to a cache folder; `FilmShots` serves
clips from it. The last fifth of the shots is held out.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

CUT_THRESHOLD = 0.11  # mean absolute difference of two thumbnails, of 1
MIN_SHOT_SECONDS = 1.0
HELD_OUT_SHARE = 0.2


def prepare_film(
    path: str | Path, cache: str | Path, size: tuple[int, int] = (224, 128), step: int = 2, seconds: tuple[float, float] = (0, 1e9)
) -> Path:  # fmt: skip
    """Decode a film to `cache` and find its shots; does nothing if the cache is there already.

    size: (width, height), cover-cropped. step: keep every step-th frame. seconds: the part of the film to use (titles
    and credits teach nothing). Returns the cache folder.
    """
    cache = Path(cache)
    if (cache / "shots.json").exists():
        return cache
    cache.mkdir(parents=True, exist_ok=True)
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        scale = max(size[0] / stream.width, size[1] / stream.height)
        width, height = round(stream.width * scale), round(stream.height * scale)
        left, top = (width - size[0]) // 2, (height - size[1]) // 2
        fps = float(stream.average_rate) / step
        for index, frame in enumerate(container.decode(stream)):
            if index % step == 0 and seconds[0] <= frame.time < seconds[1]:
                image = frame.to_ndarray(width=width, height=height, format="rgb24", interpolation="AREA")
                frames.append(image[top : top + size[1], left : left + size[0]])
            if frame.time >= seconds[1]:
                break
    if not frames:
        raise ValueError(f"film {path} has no frames between {seconds[0]} s and {seconds[1]} s")
    film = np.stack(frames)
    np.save(cache / "frames.npy", film)
    (cache / "shots.json").write_text(json.dumps({"fps": fps, "shots": find_shots(film, fps)}))
    return cache


def find_shots(frames: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Split at jumps between neighbouring frames; frames: (T, H, W, 3) uint8. Returns [start, stop) pairs."""
    thumbs = frames[:, 4::8, 4::8].astype(np.float32) / 255
    jumps = np.abs(np.diff(thumbs, axis=0)).mean(axis=(1, 2, 3))
    around = np.array([np.median(jumps[max(0, i - 6) : i + 7]) for i in range(len(jumps))])
    cuts = [i + 1 for i in range(len(jumps)) if jumps[i] > CUT_THRESHOLD and jumps[i] > 3 * around[i]]
    bounds = [0, *cuts, len(frames)]
    return [(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if b - a >= MIN_SHOT_SECONDS * fps]


@dataclass(frozen=True)
class FilmShots:
    """Clips of a prepared film's shots."""

    frames: np.ndarray
    shots: list[tuple[int, int]]
    fps: float

    @classmethod
    def load(cls, cache: str | Path, held_out: bool = False) -> "FilmShots":
        """held_out: the last fifth of the shots instead of the first four."""
        info = json.loads((Path(cache) / "shots.json").read_text())
        first_held_out = round(len(info["shots"]) * (1 - HELD_OUT_SHARE))
        shots = info["shots"][first_held_out:] if held_out else info["shots"][:first_held_out]
        return cls(np.load(Path(cache) / "frames.npy", mmap_mode="r"), [tuple(shot) for shot in shots], info["fps"])

    def clip(self, start: int, num_frames: int, crop: tuple[int, int, int, int] | None = None) -> Tensor:
        """Frames [start, start + num_frames) as (T, 3, H, W) in [0, 1]; crop = (top, left, rows, columns)."""
        top, left, rows, columns = crop or (0, 0, *self.frames.shape[1:3])
        part = self.frames[start : start + num_frames, top : top + rows, left : left + columns]
        return torch.from_numpy(np.array(part)).permute(0, 3, 1, 2).float() / 255

    def sample(self, rng: np.random.Generator, num_frames: int) -> int | None:
        """Start of a random clip of `num_frames` within one shot; None if no shot is that long."""
        rooms = np.array([max(0, b - a - num_frames + 1) for a, b in self.shots], dtype=float)
        if rooms.sum() == 0:
            return None
        a, _ = self.shots[rng.choice(len(rooms), p=rooms / rooms.sum())]
        return a + int(rng.integers(int(rooms[[s[0] for s in self.shots].index(a)])))
