"""What a real Wan model is fine-tuned on: a folder of video files, encoded once.

Each clip goes through the VAE under several random chunk plans, each caption through the text encoder; both are then
out of the way of the transformer. A clip's latents lie in a shard of its own, named by the video's contents, so that a
moved file is found again and a changed one is not mistaken for the old one. Captions are read anew in every run.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from diffusers import AutoencoderKLWan
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from ..gen.pipeline import DirectorGenPipeline
from ..loading.loader import LOADING_ERRORS
from ..media import atomic_path, probe_video, read_video
from ..sr.sizes import FACTOR, upsample_latents
from ..vae.multichunk import decode, encode_video
from .bank import ClipEntry, LatentBank, draw_keyframes, fingerprint, write_shard
from .degrade import degrade
from .film import find_shots
from .pairs import FROM_STAGE_ONE, enlarged
from .precision import fast_dtype

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
TEXT_FILE = "text.safetensors"
MAX_TOKENS = 512  # that a pipeline pads a prompt to
DRAWN_AT = 12  # frames a second that `draw_keyframes` was made for


@dataclass(frozen=True)
class CacheSettings:
    """How clips are encoded. size: (width, height); frames: of a clip, at `fps`; plans: of each; seed: of the plans.

    upsample: None for Director-Gen; for Director-SR's pairs, `SROptions.upsample`, and `size` is then HR's.
    """

    size: tuple[int, int]
    frames: int
    fps: float
    plans: int
    seed: int
    upsample: str | None = None

    def made_by(self, vae: AutoencoderKLWan) -> str:
        """What shards of the same settings and VAE share."""
        digest = hashlib.sha256(json.dumps([fingerprint(vae), dataclasses.astuple(self)]).encode())
        return digest.hexdigest()[:16]


def find_clips(folder: str | Path, settings: CacheSettings) -> list[Path]:
    """The videos of a folder, by name. ValueError where there are none, or one is, by its header, damaged or short."""
    if not Path(folder).is_dir():
        raise ValueError(f"data = {folder}: no such folder; give one of video files")
    clips = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not clips:
        raise ValueError(f"data = {folder}: no clips there; it must hold {', '.join(SUFFIXES)} files")
    for path in clips:
        _check_length(path, math.floor(probe_video(path).duration * settings.fps + 0.5) or settings.frames, settings)
        read_caption(path)
    return clips


def _check_length(path: Path, num_frames: int, settings: CacheSettings) -> None:
    if num_frames < settings.frames:
        raise ValueError(
            f"{path}: {num_frames} frames at {settings.fps:g} fps, but frames = {settings.frames}; "
            "give fewer frames, or leave the clip out"
        )


def read_caption(path: Path) -> str:
    """What the .txt beside a video says; "" without one. ValueError if it is not UTF-8 text."""
    beside = path.with_suffix(".txt")
    try:
        return beside.read_text(encoding="utf-8").strip() if beside.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{beside}: can't be read as UTF-8 text ({error}); write it anew") from error


def find_cuts(frames: np.ndarray, fps: float) -> tuple[int, ...]:
    """First frames of the later shots; frames: (T, H, W, 3) uint8."""
    borders = {border for shot in find_shots(frames, fps) for border in shot}
    return tuple(sorted(borders - {0, len(frames)}))


def place_keyframes(rng: np.random.Generator, num_frames: int, cuts: tuple[int, ...], fps: float) -> tuple[int, ...]:
    """As `draw_keyframes`, as far apart in seconds as there; those at the beginning or at a cut stay exactly there."""
    apart = max(1, round(fps / DRAWN_AT))
    exact = {frame // apart: frame for frame in (0, *cuts)}
    coarse = draw_keyframes(rng, math.ceil(num_frames / apart), tuple(frame for frame in exact if frame))
    drawn = {exact.get(frame, frame * apart + int(rng.integers(apart))) for frame in coarse}
    return tuple(sorted({min(frame, num_frames - 1) for frame in drawn}))


@torch.no_grad()
def encode_pair(rng: np.random.Generator, vae: AutoencoderKLWan, video: Tensor, entry: ClipEntry, upsample: str):
    """LR latents at HR's size, then HR ones, (2C, F, h, w); video: (T, 3, H, W) in [0, 1], the large one.

    The small one is spoilt as the world does it, or by the VAE alone: stage one is not run for it.
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


def encode_plans(
    vae: AutoencoderKLWan, path: Path, name: str, settings: CacheSettings
) -> tuple[list[Tensor], list[ClipEntry]]:
    """A clip's latents, (C, F, h, w) each, or (2C, F, h, w) of a pair, and what is known of them, without captions.

    Every plan has its own part of a clip that is longer than needed. name: what the random numbers depend on.
    """
    frames = read_video(path, size=settings.size, fps=settings.fps)
    _check_length(path, len(frames), settings)
    rng, device = np.random.default_rng((settings.seed, int(name, 16))), next(vae.parameters()).device
    latents, entries = [], []
    for _ in range(settings.plans):
        start = int(rng.integers(len(frames) - settings.frames + 1))
        part = frames[start : start + settings.frames]
        cuts = find_cuts(part, settings.fps)
        entry = ClipEntry(len(part), place_keyframes(rng, len(part), cuts, settings.fps), cuts, "", "")
        video = torch.from_numpy(part).to(device).permute(0, 3, 1, 2).float() / 255
        if settings.upsample is None:
            plan = entry.plan(vae.config.scale_factor_temporal)
            latents.append(encode_video(vae, plan, video.transpose(0, 1)[None] * 2 - 1)[0])
        else:
            latents.append(encode_pair(rng, vae, video, entry, settings.upsample))
        entries.append(entry)
    return latents, entries


class ClipBank(LatentBank):
    """The cached latents of these clips, whatever else the folder holds, with their captions as they are now."""

    def __init__(self, folder: Path, made_by: str, captions: list[tuple[Path, str]]):
        self._captions = captions
        super().__init__(folder, made_by)

    def refresh(self) -> None:
        """Read all shards; each has a caption's first line as its description."""
        for path, caption in self._captions:
            first = len(self.clips)
            self._read(path)
            words = {"caption": caption, "description": caption.partition("\n")[0]}
            self.clips[first:] = [(value, dataclasses.replace(entry, **words)) for value, entry in self.clips[first:]]
        self._captions = []


def open_clips(load_vae: Callable[[], AutoencoderKLWan], clips: list[Path], cache: Path, settings: CacheSettings):
    """The bank of these clips. What is not in the cache is encoded first, each process taking its share.

    The VAE, float32, is gone afterwards. ValueError for clips that can't be read, and for shards of another VAE or of
    other settings.
    """
    cache.mkdir(parents=True, exist_ok=True)
    state, vae = PartialState(), load_vae()
    made_by = settings.made_by(vae)
    names = [_digest(path) for path in clips]
    shards = [cache / f"shard-{name}.safetensors" for name in names]
    for index, (path, name, shard) in enumerate(zip(clips, names, shards, strict=True)):
        if index % state.num_processes == state.process_index and not shard.exists():
            write_shard(shard, made_by, *encode_plans(vae.to(state.device), path, name, settings))
            print(f"{path.name}: encoded ({index + 1} of {len(clips)})", flush=True)
    del vae
    clear_device_cache(garbage_collection=True)
    state.wait_for_everyone()
    return ClipBank(cache, made_by, [(shard, read_caption(path)) for shard, path in zip(shards, clips, strict=True)])


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@dataclass(frozen=True)
class Texts:
    """Embeddings (L, D) of captions, without padding, by `caption_key`. length: what a pipeline pads them to."""

    embeds: dict[str, Tensor]
    length: int

    def batch(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """(B, length, D), padded with zeros, and the mask (B, length), 1 where it is not padding; float32."""
        found = [self.embeds[caption_key(caption)].float() for caption in captions]
        padded = [F.pad(value, (0, 0, 0, self.length - len(value))) for value in found]
        return torch.stack(padded), torch.stack([F.pad(torch.ones(len(v)), (0, self.length - len(v))) for v in found])


def caption_key(caption: str) -> str:
    return hashlib.sha256(caption.encode()).hexdigest()[:32]


def open_texts(base: Path, captions: Iterable[str], cache: Path) -> Texts:
    """The captions' embeddings; those that the cache lacks are computed first.

    ValueError for a cache of another text encoder, and for one that can't be loaded.
    """
    state, path, wanted = PartialState(), cache / TEXT_FILE, {caption_key(text): text for text in captions}
    encoder = _encoder_name(base)
    if state.is_main_process:
        found = _read_texts(path, encoder).embeds if path.exists() else {}
        missing = {key: text for key, text in wanted.items() if key not in found}
        if missing:
            new = _embed(base, missing, state.device)
            with atomic_path(path) as temporary:
                save_file(found | new.embeds, temporary, metadata={"made": json.dumps([encoder, new.length])})
    state.wait_for_everyone()
    return _read_texts(path, encoder)


def _encoder_name(base: Path) -> str:
    """Of a text encoder: its files' sizes and its settings. Its 11 GB are not read for this."""
    files = sorted(path for part in ("text_encoder", "tokenizer") for path in (base / part).glob("*"))
    parts = [(path.name, path.read_text("utf-8") if path.suffix == ".json" else path.stat().st_size) for path in files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _read_texts(path: Path, encoder: str) -> Texts:
    try:
        with safe_open(path, "pt") as file:
            made_by, length = json.loads((file.metadata() or {})["made"])
            names = file.keys()
            found = Texts({name: file.get_tensor(name) for name in names}, length)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: damaged ({error}); delete it") from error
    if made_by != encoder:
        raise ValueError(f"{path}: made by another text encoder; choose another cache folder, or delete it")
    return found


@torch.no_grad()
def _embed(base: Path, texts: dict[str, str], device: torch.device) -> Texts:
    """As the pipeline embeds a prompt; the text encoder, bfloat16 where that is fast, is gone afterwards."""
    try:
        parts = {"vae": None, "transformer": None, "dtype": fast_dtype(device)}
        pipeline = DirectorGenPipeline.from_pretrained(base, local_files_only=True, use_safetensors=True, **parts)
    except LOADING_ERRORS as error:
        raise ValueError(f"{base}: its text encoder can't be loaded ({' '.join(str(error).split())[:200]})") from error
    pipeline.to(device)
    length, found = min(MAX_TOKENS, pipeline.tokenizer.model_max_length), {}
    for key, text in texts.items():
        padded = pipeline.encode_prompt(text, None, False, max_sequence_length=length)[0][0]
        tokens = int(padded.any(dim=1).sum())  # padding is exactly zero
        found[key] = padded[:tokens].cpu().contiguous()
    del pipeline
    clear_device_cache(garbage_collection=True)
    return Texts(found, length)
