"""A bank of encoded clips: what Director-Gen trains on.

Rendering and encoding a clip costs more than a training step on it, so clips are encoded once, under a random chunk
plan, and used several times with other noise and other anchors. A shard is one safetensors file whose metadata holds
the clips' captions and plans, and which VAE encoded them. Shards may be made by one process and read by another as they
appear.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..media import atomic_path
from ..storyboard.schema import Shot, Storyboard
from ..timeline import ChunkPlan, Condition
from ..toyworld import HELD_OUT_SEED, Scene, render, sample_scene
from ..vae.multichunk import normalize_latents
from .film import FilmShots
from .parallel_vae import encode_moments
from .precision import fast_dtype

FILM_CAPTION = "A scene of an animated film about a big rabbit in a green forest."
FILM_FRAMES = 40  # at most, of a film clip: few shots of a film are longer
CLOSEST = 0.5  # the least share of a film's height and width that a clip shows: half of a final frame is a whole draft
SPARSE = 0.45  # of the clips have few keyframes, see `draw_keyframes`
ENCODING = "surplus from the frames that follow"  # to be changed with `encode_clips`, so that no old shard is read
CLIPS_AT_ONCE = 16  # rendered, then encoded together
REFRESH_EVERY = 200  # batches, after which new shards are looked for


@dataclass(frozen=True)
class ClipEntry:
    """What is known of a clip. keyframes, cuts: frames. caption: in full. description: its holistic part alone."""

    num_frames: int
    keyframes: tuple[int, ...]
    cuts: tuple[int, ...]
    caption: str
    description: str

    def plan(self, stride: int) -> ChunkPlan:
        """The chunks that the clip is encoded in: one begins at every keyframe and every cut."""
        return ChunkPlan.build(self.num_frames, [Condition(frame) for frame in self.keyframes], stride, self.cuts)


def scene_caption(scene: Scene) -> str:
    """The structured caption of a toy scene, in the words that a storyboard uses."""
    shots = [Shot(**scene.shot_caption(i)) for i in range(len(scene.shots))]
    return Storyboard(description=scene.description, shots=shots, num_frames=scene.num_frames, fps=scene.fps).caption()


def draw_keyframes(
    rng: np.random.Generator, num_frames: int, cuts: tuple[int, ...], sparse: float = SPARSE
) -> tuple[int, ...]:
    """Keyframes of every kind: about evenly spaced, one or two anywhere, one a shot, none. Sorted, each once.

    sparse: how often they are of the last three kinds, where the text decides what happens.
    """
    kind = rng.choice(4, p=[1 - sparse, 0.4 * sparse, sparse / 3, 4 * sparse / 15])
    if kind == 0:
        gap, frame, frames = int(rng.integers(8, 17)), 0 if rng.random() < 0.8 else int(rng.integers(1, 6)), []
        while frame < num_frames:
            frames.append(frame)
            frame += gap + int(rng.integers(-2, 3)) * int(rng.random() < 0.5)
        if rng.random() < 0.5:
            frames.append(num_frames - 1)
    elif kind == 1:
        frames = rng.choice(num_frames, size=int(rng.integers(1, 3)), replace=False).tolist()
    elif kind == 2:
        frames = [f + (int(rng.integers(0, 4)) if rng.random() < 0.3 else 0) for f in (0, *cuts)]
    else:
        frames = []
    return tuple(sorted({min(int(frame), num_frames - 1) for frame in frames}))


def draw_clip(
    rng: np.random.Generator,
    film: FilmShots | None,
    film_share: float,
    size: tuple[int, int],
    device: torch.device | str = "cpu",
    sparse: float = SPARSE,
) -> tuple[Tensor, ClipEntry]:
    """A training clip of 13 to 73 frames, (T, 3, H, W) in [0, 1]: of one or more toy shots, or of one of the film's.

    film_share: how often it is the film's. size: (height, width). sparse: see `draw_keyframes`.
    """
    lengths = [rng.integers(13, 26), rng.integers(24, 50), rng.integers(24, 50), rng.integers(49, 74)]
    num_frames = int(rng.choice(lengths))
    if film is not None and rng.random() < film_share:
        first = film.sample(rng, min(num_frames, FILM_FRAMES))
        if first is not None:
            num_frames = min(num_frames, FILM_FRAMES)
            video = film_clip(rng, film, first, num_frames, size).to(device)
            keyframes = draw_keyframes(rng, num_frames, (), sparse)
            return video, ClipEntry(num_frames, keyframes, (), FILM_CAPTION, FILM_CAPTION)
    scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), num_frames)
    keyframes = draw_keyframes(rng, num_frames, scene.cuts, sparse)
    entry = ClipEntry(num_frames, keyframes, scene.cuts, scene_caption(scene), scene.description)
    return render(scene, *size, device=device), entry


def film_clip(rng: np.random.Generator, film: FilmShots, first: int, num_frames: int, size: tuple[int, int]) -> Tensor:
    """Frames [first, first + num_frames) of a film at `size`, (T, 3, H, W) in [0, 1].

    A film is short: half of its clips show a part of the frame, down to CLOSEST of it, and half are mirrored.
    """
    share = 1.0 if rng.random() < 0.5 else rng.uniform(CLOSEST, 1)
    height, width = film.frames.shape[1:3]
    rows, columns = round(share * height), round(share * width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    video = film.clip(first, num_frames, (top, left, rows, columns), size)
    return video.flip(-1) if rng.random() < 0.5 else video


def encode_clips(
    vae: AutoencoderKLWan, clips: list[tuple[Tensor, ClipEntry]], latents_at_once: int = 60
) -> list[Tensor]:
    """Normalised latents (C, F, h, w) of each clip, (T, 3, H, W) in [0, 1], under its own plan.

    What `multichunk.encode_video` gives, faster: all chunks of all clips go through the whole-sequence encoder in a few
    padded batches. The VAE is causal, so what pads a chunk's end does not change the latents before it.
    latents_at_once: latent frames in a batch.
    """
    stride = vae.config.scale_factor_temporal
    chunks = [(i, chunk) for i, (_, entry) in enumerate(clips) for chunk in entry.plan(stride).chunks]
    order = sorted(range(len(chunks)), key=lambda k: chunks[k][1].num_latents)
    pieces: dict[int, Tensor] = {}
    while order:
        longest = chunks[order[-1]][1].num_latents
        batch = [order.pop() for _ in range(min(len(order), max(1, latents_at_once // longest)))]
        length = 1 + stride * (longest - 1)
        videos = []
        for k in batch:
            i, chunk = chunks[k]
            video = clips[i][0][chunk.start : chunk.stop + chunk.overrun]
            videos.append(torch.cat([video, video[-1:].expand(length - len(video), -1, -1, -1)]))
        moments = encode_moments(vae, torch.stack(videos).transpose(1, 2) * 2 - 1)
        latents = normalize_latents(vae, moments[:, : vae.config.z_dim])
        for k, latent in zip(batch, latents, strict=True):
            pieces[k] = latent[:, : chunks[k][1].num_latents]
    joined: list[list[Tensor]] = [[] for _ in clips]
    for k, (i, _) in enumerate(chunks):
        joined[i].append(pieces[k])
    return [torch.cat(parts, dim=1) for parts in joined]


def fingerprint(vae: AutoencoderKLWan) -> str:
    """The same for two VAEs whose latents are the same: a hash of the encoder's weights and of the normalisation.

    Of how clips are encoded, too (`ENCODING`).
    """
    digest = hashlib.sha256(json.dumps([ENCODING, vae.config.latents_mean, vae.config.latents_std]).encode())
    for module in (vae.encoder, vae.quant_conv):
        for tensor in module.state_dict().values():
            digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def shard_path(folder: str | Path, index: int) -> Path:
    return Path(folder) / f"shard-{index:05d}.safetensors"


@torch.no_grad()
def build_shard(
    vae: AutoencoderKLWan,
    folder: str | Path,
    index: int,
    clips: int = 128,
    film: FilmShots | None = None,
    film_share: float = 0.2,
    size: tuple[int, int] = (64, 112),
    seed: int = 0,
    precision: torch.dtype | None = None,
    sparse: float = SPARSE,
) -> Path:
    """Render, encode and save one shard; the same index and seed give the same clips. Returns its path.

    clips: how many. size: (height, width). precision: of the encoder's autocast, by default bfloat16 where that is
    fast; latents are saved in float16. sparse: see `draw_keyframes`.
    """
    rng = np.random.default_rng((seed, index))
    device = next(vae.parameters()).device
    precision = precision or fast_dtype(device)
    tensors: list[Tensor] = []
    entries: list[ClipEntry] = []
    for start in range(0, clips, CLIPS_AT_ONCE):
        count = min(clips - start, CLIPS_AT_ONCE)
        group = [draw_clip(rng, film, film_share, size, device, sparse) for _ in range(count)]
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            encoded = encode_clips(vae, group)
        tensors += encoded
        entries += [entry for _, entry in group]
    return write_shard(shard_path(folder, index), fingerprint(vae), tensors, entries)


def write_shard(path: Path, made_by: str, latents: list[Tensor], entries: list[ClipEntry]) -> Path:
    """Save clips' latents (C, F, h, w) in float16, with what is known of them. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = json.dumps({"vae": made_by, "entries": [asdict(entry) for entry in entries]})
    tensors = {str(k): value.half().cpu().contiguous() for k, value in enumerate(latents)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"contents": contents})  # one key: the order of several is not fixed
    return path


def excerpts(latents: Tensor, entry: ClipEntry, stride: int) -> Iterator[tuple[Tensor, ClipEntry]]:
    """Parts of a clip of one shot, each a clip itself: a chunk alone, and one or two with the keyframe that ends them.

    They teach what follows a keyframe, and what happens between two, for a fraction of the whole clip's attention.
    Nothing is encoded again: a chunk's latents know nothing of those before it, and of those after it only what their
    surplus shows, which is dropped. latents: (C, F, h, w), of which views are
    given.
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


class LatentBank:
    """The clips of a folder of shards, in memory, by number of latents (clips of a batch need the same number).

    made_by: the `fingerprint` of the VAE that must have encoded them. stride: frames a latent, to take the clips'
    `excerpts` too; None for whole clips alone. ValueError for a shard of another VAE, for a damaged one, and for a
    folder that holds none.
    """

    def __init__(self, folder: str | Path, made_by: str, stride: int | None = None):
        self.folder, self.made_by, self.stride = Path(folder), made_by, stride
        self.clips: list[tuple[Tensor, ClipEntry]] = []
        self.by_length: dict[int, list[int]] = {}
        self._seen: set[Path] = set()
        self._drawn = 0
        self.refresh()
        if not self.clips:
            raise ValueError(
                f"bank = {folder}: no clips there; make shards with `train bank`, or give shards = 1 or more"
            )

    def refresh(self) -> None:
        """Read the shards that have come since."""
        for path in sorted(self.folder.glob("shard-*.safetensors")):
            if path not in self._seen:
                self._read(path)
                self._seen.add(path)

    def _read(self, path: Path) -> None:
        try:
            with safe_open(path, "pt") as file:
                contents = json.loads((file.metadata() or {})["contents"])
                made_by, entries = contents["vae"], [_entry(values) for values in contents["entries"]]
                tensors = [file.get_tensor(str(k)) for k in range(len(entries))]
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: damaged, or no shard of clips ({error}); delete it") from error
        if made_by != self.made_by:
            raise ValueError(
                f"{path}: encoded by another VAE or in another way; choose another bank folder, or delete it"
            )
        for latents, entry in zip(tensors, entries):
            parts = () if self.stride is None else excerpts(latents, entry, self.stride)
            for clip in ((latents, entry), *parts):
                self.by_length.setdefault(clip[0].shape[1], []).append(len(self.clips))
                self.clips.append(clip)

    def draw(self, rng: np.random.Generator, latent_frames: int) -> list[tuple[Tensor, ClipEntry]]:
        """A batch of clips with equally many latents, about `latent_frames` in all; a clip may come more than once."""
        self._drawn += 1
        if self._drawn % REFRESH_EVERY == 0:
            self.refresh()
        lengths = sorted(self.by_length)
        weights = np.array([len(self.by_length[n]) * n for n in lengths], dtype=float)
        length = int(rng.choice(lengths, p=weights / weights.sum()))
        count = max(1, latent_frames // length)
        return [self.clips[k] for k in rng.choice(self.by_length[length], size=count)]


def _entry(values: dict) -> ClipEntry:
    """Undo `asdict` and JSON, which turns tuples into lists."""
    return ClipEntry(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
