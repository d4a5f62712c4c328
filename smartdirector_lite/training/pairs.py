"""LR / HR pairs of latents: what Director-SR trains on.

A toy scene is drawn at both sizes, a film's frames are halved; the small clip is then degraded as the world does it
(`degrade`) or as stage one does it: through the VAE, and through a part of Director-Gen's denoising. A shard is one of
the bank's, with the LR latents, at HR's size, in the first C channels and the HR latents in the others.
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.nn import functional as F

from ..gen.pipeline import DirectorGenPipeline
from ..gen.preconditioning import to_velocity
from ..sr.sizes import FACTOR, resize, upsample_latents
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from ..vae.multichunk import decode, denormalize_latents
from .bank import (
    FILM_CAPTION,
    ClipEntry,
    draw_keyframes,
    encode_clips,
    fingerprint,
    scene_caption,
    shard_path,
    write_shard,
)
from .degrade import degrade
from .film import FilmShots
from .parallel_vae import decode_frames
from .precision import fast_dtype
from .vae import DRAFT, FINAL

FRAMES = (9, 30)  # of a clip
FROM_STAGE_ONE = 0.5  # of the clips have the draft's artefacts rather than the world's
REDRAWN = (0.15, 0.65)  # the time t that a clip is noised to before Director-Gen denoises it again
REDRAW_STEPS = 3


def draw_pair(
    rng: np.random.Generator, film: FilmShots | None, film_share: float, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, ClipEntry]:
    """A clip in both sizes, (T, 3, H, W) in [0, 1], small and large, not degraded yet."""
    num_frames = int(rng.integers(*FRAMES))
    first = film.sample(rng, num_frames) if film is not None and rng.random() < film_share else None
    if first is not None:
        large = film.clip(first, num_frames).to(device)
        entry = ClipEntry(num_frames, draw_keyframes(rng, num_frames, ()), (), FILM_CAPTION, FILM_CAPTION)
        return F.avg_pool2d(large, 2), large, entry
    scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), num_frames)
    entry = ClipEntry(
        num_frames, draw_keyframes(rng, num_frames, scene.cuts), scene.cuts, scene_caption(scene), scene.description
    )
    large = render(scene, *FINAL, device=device)
    small = render(scene, *DRAFT, device=device) if rng.random() < 0.5 else F.avg_pool2d(large, 2)
    return small, large, entry


@torch.no_grad()
def through_vae(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """(T, 3, H, W) in [0, 1], encoded and decoded as one run."""
    stride = vae.config.scale_factor_temporal
    missing = -(len(video) - 1) % stride
    padded = torch.cat([video, video[-1:].expand(missing, -1, -1, -1)]).transpose(0, 1)[None]
    latents = encode_clips(vae, [(padded[0].transpose(0, 1), ClipEntry(len(video) + missing, (), (), "", ""))])[0]
    shown = decode_frames(vae, denormalize_latents(vae, latents[None]))[0].transpose(0, 1)
    return ((shown.float() + 1) / 2).clamp(0, 1)[: len(video)]


@torch.no_grad()
def redraw(rng: np.random.Generator, gen: DirectorGenPipeline, latents: Tensor, entry: ClipEntry) -> Tensor:
    """Noise a clip's latents (C, F, h, w) and let Director-Gen denoise them again: what its drafts look like."""
    plan = entry.plan(gen.vae_scale_factor_temporal)
    device, scale = latents.device, gen.scheduler.config.num_train_timesteps
    anchored = torch.tensor(plan.anchors, device=device).view(1, 1, -1, 1, 1)
    t = rng.uniform(*REDRAWN)
    noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(device)
    x = torch.where(anchored, latents, (1 - t) * latents + t * noise)
    embeds = gen.encode_prompt(entry.caption, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]
    rotary = gen.transformer.rotary(plan.tau(cut_gap=gen.config.cut_gap), *latents.shape[-2:], device=device)
    times = np.linspace(t, 0, REDRAW_STEPS + 1)
    for now, then in itertools.pairwise(times):
        per_frame = (~anchored).view(1, -1) * float(now)
        output = gen.transformer(x, per_frame * scale, embeds, return_dict=False, rotary_emb=rotary)[0]
        velocity = to_velocity(output, x, per_frame, gen.config.sigma_data)
        x = torch.where(anchored, latents, x - float(now - then) * velocity)
    return x[0]


def enlarged(video: Tensor) -> Tensor:
    """(T, 3, H, W) in [0, 1] -> (T, 3, 2H, 2W), as Director-SR enlarges frames."""
    height, width = video.shape[-2:]
    large = resize(video.transpose(0, 1)[None] * 2 - 1, (FACTOR * height, FACTOR * width))
    return (large[0].transpose(0, 1) + 1) / 2


@torch.no_grad()
def lr_latents(
    rng: np.random.Generator,
    vae: AutoencoderKLWan,
    gen: DirectorGenPipeline | None,
    small: Tensor,
    entry: ClipEntry,
    upsample: str,
    drafted: bool,
) -> Tensor:
    """What the flow starts from: a small clip, (T, 3, H, W) in [0, 1], encoded, (C, F, 2h, 2w).

    drafted: after it was spoilt as stage one does it.
    """
    latents = None
    if drafted and (gen is None or rng.random() < 0.4):
        small = through_vae(vae, small)
    elif drafted:
        latents = redraw(rng, gen, encode_clips(vae, [(small, entry)])[0][None], entry)
    if upsample == "pixel":
        if latents is not None:
            drawn = decode(vae, entry.plan(vae.config.scale_factor_temporal), latents[None].float())
            small = (drawn[0].transpose(0, 1).float() + 1) / 2
        return encode_clips(vae, [(enlarged(small), entry)])[0].float()
    if latents is None:
        (latents,) = encode_clips(vae, [(small, entry)])
    return upsample_latents(latents[None].float())[0]


@torch.no_grad()
def build_pairs(
    vae: AutoencoderKLWan,
    gen: DirectorGenPipeline | None,
    folder: str | Path,
    index: int,
    clips: int = 64,
    film: FilmShots | None = None,
    film_share: float = 0.3,
    seed: int = 0,
    upsample: str = "latent",
) -> Path:
    """Render, spoil, encode and save one shard of pairs; the same index and seed give the same clips.

    gen: stage one, for its artefacts; None leaves its denoising out. upsample: as in `SROptions`.
    """
    rng, device = np.random.default_rng((seed, index, 2)), next(vae.parameters()).device
    latents, entries = [], []
    for _ in range(clips):
        small, large, entry = draw_pair(rng, film, film_share, device)
        drafted = rng.random() < FROM_STAGE_ONE
        if not drafted:
            small = degrade(rng, small)  # not under autocast: resampling has no bfloat16 kernel on a CPU
        with torch.autocast(device.type, fast_dtype(device), enabled=fast_dtype(device) != torch.float32):
            lr = lr_latents(rng, vae, gen, small, entry, upsample, drafted)
            (hr,) = encode_clips(vae, [(large, entry)])
        latents.append(torch.cat([lr, hr.float()]))
        entries.append(entry)
    return write_shard(shard_path(folder, index), pairs_fingerprint(vae, upsample), latents, entries)


def pairs_fingerprint(vae: AutoencoderKLWan, upsample: str) -> str:
    """As the bank's `fingerprint`, and of how the small clips were enlarged."""
    return f"{fingerprint(vae)}-{upsample}"
