"""The clips that a real Wan model is fine-tuned on: a folder of video files or a curated dataset, encoded once.

Each clip goes through the VAE under several random chunk plans. Its latents lie in a shard of its own, which is named
by the video's contents: a moved file is found again, and a changed one is not mistaken for the old one. The captions of
a folder are read anew in every run. Those of a dataset tell what each part of a clip shows, so they lie in the shards.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoTokenizer

from ..loading.text import LazyTextEncoder, TextCache
from ..media import probe_video, read_video
from ..media.files import make_folder
from ..media.size import Size
from ..sr.frames import FACTOR, upsample_latents
from ..vae import decode, encode_video
from .bank import ClipBank, read_clips, write_clips
from .clips import ClipData, ClipEntry, draw_keyframes, vae_fingerprint
from .curated import LIST, CuratedClip, num_kept, read_dataset
from .degrade import degrade
from .film import find_shots
from .pairs import FROM_STAGE_ONE, enlarged
from .precision import fast_dtype
from .shards import fingerprint, shard_path
from .tiny import FPS

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")


@dataclass(frozen=True)
class CacheSettings:
    """How clips are encoded.

    Attributes:
        size: of the frames; HR's for Director-SR.
        frames: of a clip.
        fps: their rate.
        plans: in how many ways each clip is cut into chunks.
        seed: of the plans.
        upsample: see `SROptions`, for Director-SR's pairs; None for Director-Gen.
    """

    size: Size
    frames: int
    fps: float
    plans: int
    seed: int
    upsample: str | None = None

    def made_by(self, vae: AutoencoderKLWan) -> str:
        """Return the fingerprint that shards of these settings and this VAE have."""
        return fingerprint(json.dumps([vae_fingerprint(vae), astuple(self)]))


@dataclass(frozen=True)
class Source:
    """A clip to train on.

    Attributes:
        path: its video file.
        curated: what its dataset tells of it; None for a file of a folder.
    """

    path: Path
    curated: CuratedClip | None = None

    @property
    def name(self) -> str:
        """16 hexadecimal digits that stand for the file's contents and what is told of them."""
        name = _digest(self.path)
        if self.curated is None:
            return name
        told = replace(self.curated, path=Path(name))
        return fingerprint(repr(told))


def find_clips(folder: str | Path, settings: CacheSettings) -> list[Source]:
    """List the clips of a curated dataset that are long enough; or all videos of a folder, by name.

    Raises:
        ValueError: there are none; or a file of a folder is damaged, too short, or has a caption that can't be read.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"data = {folder}: no such folder; give one of video files")
    if (Path(folder) / LIST).exists():
        curated = read_dataset(folder)
        long = [clip for clip in curated if num_kept(clip.num_frames, clip.fps, settings.fps) >= settings.frames]
        if not long:
            raise ValueError(
                f"data = {folder}: none of its {len(curated)} clips has {settings.frames} frames at "
                f"{settings.fps:g} fps; give fewer frames"
            )
        print(f"{folder}: {len(long)} of {len(curated)} clips have {settings.frames} frames at {settings.fps:g} fps")
        return [Source(clip.path, clip) for clip in long]
    clips = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not clips:
        raise ValueError(f"data = {folder}: no clips there; it must hold {', '.join(SUFFIXES)} files")
    for path in clips:
        _check_length(path, math.floor(probe_video(path).duration * settings.fps + 0.5), settings)
        read_caption(path)
    return [Source(path) for path in clips]


def _check_length(path: Path, num_frames: int, settings: CacheSettings) -> None:
    if num_frames < settings.frames:
        raise ValueError(
            f"{path}: {num_frames} frames at {settings.fps:g} fps, but frames = {settings.frames}; "
            "give fewer frames, or leave the clip out"
        )


def read_caption(path: Path) -> str:
    """Read the .txt beside a video; "" where there is none. ValueError if it is not UTF-8 text."""
    beside = path.with_suffix(".txt")
    try:
        return beside.read_text(encoding="utf-8").strip() if beside.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{beside}: can't be read as UTF-8 text ({error}); write it anew") from error


def find_cuts(frames: np.ndarray, fps: float) -> tuple[int, ...]:
    """Find the first frames of the later shots. frames: (T, H, W, 3) uint8."""
    borders = {border for shot in find_shots(frames, fps) for border in shot}
    return tuple(sorted(borders - {0, len(frames)}))


def place_keyframes(rng: np.random.Generator, num_frames: int, cuts: tuple[int, ...], fps: float) -> tuple[int, ...]:
    """Draw keyframes as `draw_keyframes` does, as far apart in seconds as at the tiny model's frame rate.

    Keyframes at frame 0 and at cuts stay exactly there.
    """
    apart = max(1, round(fps / FPS))
    exact = {frame // apart: frame for frame in (0, *cuts)}
    coarse = draw_keyframes(rng, math.ceil(num_frames / apart), tuple(frame for frame in exact if frame))
    drawn = {exact.get(frame, frame * apart + int(rng.integers(apart))) for frame in coarse}
    return tuple(sorted({min(frame, num_frames - 1) for frame in drawn}))


@torch.no_grad()
def encode_pair(
    rng: np.random.Generator, vae: AutoencoderKLWan, video: Tensor, entry: ClipEntry, upsample: str
) -> Tensor:
    """Make an LR clip out of an HR one, and encode both.

    The LR clip is spoilt as the world does it, or by the VAE alone: stage one is not run for it.

    Args:
        video: the HR clip, (T, 3, H, W) in [0, 1].
        upsample: see `SROptions`.

    Returns:
        LR latents at HR's size, then HR latents, (2C, F, h, w).
    """
    plan = entry.plan(vae.config.scale_factor_temporal)

    def encode(frames: Tensor) -> Tensor:
        return encode_video(vae, plan, frames.transpose(0, 1)[None] * 2 - 1)

    small = F.avg_pool2d(video, FACTOR)
    if rng.random() < FROM_STAGE_ONE:
        small = ((decode(vae, plan, encode(small))[0].transpose(0, 1) + 1) / 2).clamp(0, 1)
    else:
        small = degrade(rng, small)
    lr = encode(enlarged(small)) if upsample == "pixel" else upsample_latents(encode(small))
    return torch.cat([lr, encode(video)], dim=1)[0]


def encode_plans(vae: AutoencoderKLWan, source: Source, name: str, settings: CacheSettings) -> list[ClipData]:
    """Encode a video under `settings.plans` plans. A video that is longer than needed gives each plan its own part.

    Args:
        name: hexadecimal digits that seed the random numbers.

    Returns:
        For each plan latents (C, F, h, w), or (2C, F, h, w) for a pair, and an entry, which has a caption if the clip
        is curated.
    """
    frames = read_video(source.path, size=settings.size, fps=settings.fps)
    _check_length(source.path, len(frames), settings)
    rng, device = np.random.default_rng((settings.seed, int(name, 16))), next(vae.parameters()).device
    clips = []
    for _ in range(settings.plans):
        start = int(rng.integers(len(frames) - settings.frames + 1))
        part = frames[start : start + settings.frames]
        if source.curated is None:
            cuts, caption, description = find_cuts(part, settings.fps), "", ""
        else:
            storyboard = source.curated.storyboard(start, start + len(part), settings.fps)
            cuts, caption, description = storyboard.cuts, storyboard.caption(), storyboard.description
        entry = ClipEntry(len(part), place_keyframes(rng, len(part), cuts, settings.fps), cuts, caption, description)
        video = torch.from_numpy(part).to(device).permute(0, 3, 1, 2).float() / 255
        if settings.upsample is None:
            plan = entry.plan(vae.config.scale_factor_temporal)
            latents = encode_video(vae, plan, video.transpose(0, 1)[None] * 2 - 1)[0]
        else:
            latents = encode_pair(rng, vae, video, entry, settings.upsample)
        clips.append((latents, entry))
    return clips


def open_clips(
    load_vae: Callable[[], AutoencoderKLWan], clips: list[Source], cache: Path, settings: CacheSettings
) -> ClipBank:
    """Read the latents of these clips, with their captions. Processes share the work of encoding what is missing.

    Args:
        load_vae: loads the VAE in float32. It is gone afterwards.
        clips: from `find_clips`.
        cache: the folder of shards, which may hold others too.

    Raises:
        ValueError: clips that can't be read; shards of another VAE or of other settings.
    """
    make_folder(cache)
    state, vae = PartialState(), load_vae()
    made_by = settings.made_by(vae)
    names = [source.name for source in clips]
    for index, (source, name) in enumerate(zip(clips, names, strict=True)):
        shard = shard_path(cache, name)
        if index % state.num_processes == state.process_index and not shard.exists():
            write_clips(shard, made_by, encode_plans(vae.to(state.device), source, name, settings))
            print(f"{source.path.name}: encoded ({index + 1} of {len(clips)})", flush=True)
    del vae
    clear_device_cache(garbage_collection=True)
    state.wait_for_everyone()
    bank = ClipBank()
    for source, name in zip(clips, names, strict=True):
        found = read_clips(shard_path(cache, name), made_by)
        if source.curated is None:
            caption = read_caption(source.path)
            words = {"caption": caption, "description": caption.partition("\n")[0]}  # its first line
            found = [(value, replace(entry, **words)) for value, entry in found]
        bank.add(found)
    return bank


def _digest(path: Path) -> str:
    """Hash a file's contents, to 16 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


class Captions:
    """The captions of clips, embedded once and kept on disk."""

    def __init__(self, base: Path, texts: Iterable[str], cache: Path):
        """Embed the texts that the cache lacks, one by one. The main process does so, and the others wait.

        Args:
            base: the folder of a Wan pipeline.

        Raises:
            ValueError: a text encoder that can't be loaded.
        """
        state = PartialState()
        tokenizer = AutoTokenizer.from_pretrained(base / "tokenizer", local_files_only=True)
        encoder = LazyTextEncoder(base, tokenizer, fast_dtype(state.device), state.device)
        self.embed = TextCache(cache / "texts", encoder, encoder.made_by)
        missing = [text for text in texts if not self.embed.path(text).exists()]
        if state.is_main_process and missing:
            self.embed(missing)
            clear_device_cache(garbage_collection=True)
        state.wait_for_everyone()

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, L, D), float32, zero for padding, and their mask (B, L), true for tokens."""
        embeds = self.embed(texts).float()
        return embeds, embeds.any(dim=2)
