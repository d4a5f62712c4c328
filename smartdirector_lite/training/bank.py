"""A bank of encoded clips: what Director-Gen trains on.

Drawing and encoding a clip costs more than a training step on it. So clips are encoded once, under a random chunk plan,
and are used several times with other noise and other anchors.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ..media.files import check_folder
from .clips import SPARSE, ClipData, ClipEntry, draw_clip, encode_clips, vae_fingerprint
from .film import Footage
from .options import Count, Natural, Options, Seed, Share
from .precision import encoding_device, fast_autocast
from .shards import read_shard, shard_path, shard_paths, write_shard
from .tiny import DRAFT
from .vae import load_vae

CLIPS_AT_ONCE = 16  # clips that are drawn, then encoded together
REFRESH_EVERY = 200  # batches after which a bank looks for new shards


@dataclass
class BankConfig(Options):
    """The options of `train bank`. A value out of range raises a ValueError."""

    bank: str = "runs/bank"  # the folder of shards
    vae: str = "runs/vae/export"  # the trained VAE's folder
    film: str = ""  # a dataset made by `curate`; nothing for no film
    film_share: Share = 0.2  # share of the clips that come from the film
    collage_share: Share = 0.0  # share of the others that are collages; the rest comes from the toy world
    first: Natural = 0  # the number of the first shard
    count: Count = 8  # how many shards are made
    seed: Seed = 0  # the same seed gives the same clips
    sparse: Share = SPARSE  # share of the clips with few keyframes or none, where only the text says what happens


def build_bank(config: BankConfig) -> None:
    """Make the shards that the options ask for, and print the path of each."""
    check_folder(config.bank)
    vae = load_vae(config.vae, "vae").eval()
    footage = Footage.open(config.film, config.film_share, config.collage_share)
    for index in range(config.first, config.first + config.count):
        shard = build_shard(
            vae.to(encoding_device()), config.bank, index, footage=footage, seed=config.seed, sparse=config.sparse
        )
        print(shard, flush=True)


@torch.no_grad()
def build_shard(
    vae: AutoencoderKLWan,
    folder: str | Path,
    index: int,
    clips: int = 128,
    footage: Footage | None = None,
    seed: int = 0,
    sparse: float = SPARSE,
) -> Path:
    """Draw, encode and save a shard of clips of draft size. The same index and seed give the same clips.

    Args:
        index: the shard's number.
        clips: how many clips it holds.
        footage: None for the toy world alone.
        sparse: see `draw_keyframes`.

    Returns:
        The path of the shard.
    """
    rng = np.random.default_rng((seed, index))
    device = next(vae.parameters()).device
    encoded: list[ClipData] = []
    for start in range(0, clips, CLIPS_AT_ONCE):
        count = min(clips - start, CLIPS_AT_ONCE)
        group = [draw_clip(rng, footage or Footage(), DRAFT, device, sparse) for _ in range(count)]
        with fast_autocast(device):
            latents = encode_clips(vae, group)
        encoded += zip(latents, [entry for _, entry in group], strict=True)
    return write_clips(shard_path(folder, index), vae_fingerprint(vae), encoded)


def write_clips(path: Path, made_by: str, clips: list[ClipData]) -> Path:
    """Save clips' latents (C, F, h, w) as a shard, in float16. Returns the path."""
    tensors = {str(k): latents.half() for k, (latents, _) in enumerate(clips)}
    return write_shard(path, made_by, tensors, [asdict(entry) for _, entry in clips])


def read_clips(path: Path, made_by: str) -> list[ClipData]:
    """Read what `write_clips` wrote. ValueError for a damaged shard, and for one of another VAE."""

    def parse(tensors: dict[str, Tensor], entries: list[dict]) -> list[ClipData]:
        return [(tensors[str(k)], _entry(values)) for k, values in enumerate(entries)]

    return read_shard(path, made_by, parse)


def _entry(values: dict) -> ClipEntry:
    """Undo `asdict` and JSON, which turns tuples into lists."""
    return ClipEntry(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def excerpts(latents: Tensor, entry: ClipEntry, stride: int) -> Iterator[ClipData]:
    """Give parts of a clip of one shot: each chunk alone, and one or two chunks with the keyframe that ends them.

    They teach what follows a keyframe, and what happens between two, for a fraction of the whole clip's attention.
    Nothing is encoded again: a chunk's latents know nothing of the chunks before it, and of those after it only what
    their surplus shows, which is dropped.

    Args:
        latents: (C, F, h, w); the parts are views of it.
    """
    chunks = () if entry.cuts else entry.plan(stride).chunks
    alone = chunks if len(chunks) > 1 else ()
    spans = [(chunk.start, chunk.stop, chunk.latent_start, chunk.latent_start + chunk.num_latents) for chunk in alone]
    for length in (1, 2):
        for first, end in zip(chunks, chunks[length:]):  # `end` begins at a keyframe: nothing else parts a shot
            spans.append((first.start, end.start + 1, first.latent_start, end.latent_start + 1))
    for start, stop, latent_start, latent_stop in spans:
        frames = tuple(frame - start for frame in entry.keyframes if start <= frame < stop)
        yield latents[:, latent_start:latent_stop], replace(entry, num_frames=stop - start, keyframes=frames)


class ClipBank:
    """Clips in memory.

    Attributes:
        clips: all of them.
        by_length: their indices by the number of latents, because the clips of a batch need equally many.
    """

    def __init__(self) -> None:
        self.clips: list[ClipData] = []
        self.by_length: dict[int, list[int]] = {}

    def add(self, clips: Iterable[ClipData]) -> None:
        """Hold these clips too."""
        for latents, entry in clips:
            self.by_length.setdefault(latents.shape[1], []).append(len(self.clips))
            self.clips.append((latents, entry))

    def draw_alike(self, rng: np.random.Generator, count: int) -> list[ClipData]:
        """Draw one clip, and `count` - 1 others with as many latents. A clip may come more than once."""
        first = int(rng.integers(len(self.clips)))
        alike = self.by_length[self.clips[first][0].shape[1]]
        return [self.clips[k] for k in (first, *rng.choice(alike, size=count - 1))]


class LatentBank(ClipBank):
    """The clips of a folder of shards. Shards may still be made while clips are drawn."""

    def __init__(self, folder: str | Path, made_by: str, stride: int | None = None):
        """Read the shards that are there.

        Args:
            folder: the shards' folder.
            made_by: the `vae_fingerprint` of the VAE that must have encoded them.
            stride: frames a latent, where the clips' `excerpts` are wanted too; None for whole clips alone.

        Raises:
            ValueError: a damaged shard, one of another VAE, and a folder that holds none.
        """
        super().__init__()
        self.folder, self.made_by, self.stride = Path(folder), made_by, stride
        self._seen: set[Path] = set()
        self._drawn = 0
        self.refresh()
        if not self.clips:
            raise ValueError(
                f"bank = {folder}: no clips there; make shards with `train bank`, or give shards = 1 or more"
            )

    def refresh(self) -> None:
        """Read the shards that have come since the last time."""
        for path in shard_paths(self.folder):
            if path not in self._seen:
                for latents, entry in read_clips(path, self.made_by):
                    self.add([(latents, entry)])
                    if self.stride is not None:
                        self.add(excerpts(latents, entry, self.stride))
                self._seen.add(path)

    def draw(self, rng: np.random.Generator, latent_frames: int) -> list[ClipData]:
        """Draw clips with equally many latents, about `latent_frames` in all. A clip may come more than once."""
        self._drawn += 1
        if self._drawn % REFRESH_EVERY == 0:
            self.refresh()
        lengths = sorted(self.by_length)
        weights = np.array([len(self.by_length[n]) * n for n in lengths], dtype=float)
        length = int(rng.choice(lengths, p=weights / weights.sum()))
        count = max(1, latent_frames // length)
        return [self.clips[k] for k in rng.choice(self.by_length[length], size=count)]
