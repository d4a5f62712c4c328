"""LR / HR pairs of latents: what Director-SR trains on.

A toy scene is drawn at both sizes, and a film's frames are halved. The small clip is then spoilt, as the world does it
(`degrade`), or as stage one does it: it passes through the VAE, or through a part of Director-Gen's denoising. A shard
has the bank's form, with the LR latents, at HR's size, in the first C channels and the HR latents in the others.
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.nn import functional as F

from .. import flow
from ..collage import render_collage
from ..gen import DirectorGenPipeline
from ..media.size import Size
from ..sr.frames import FACTOR, resize, upsample_latents
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from ..vae import decode, denormalize_latents
from .bank import write_clips
from .clips import (
    ClipData,
    ClipEntry,
    collage_entry,
    draw_keyframes,
    encode_clips,
    film_entry,
    scene_entry,
    vae_fingerprint,
)
from .degrade import degrade
from .film import Footage
from .precision import fast_autocast
from .shards import shard_path
from .tiny import DRAFT, FINAL
from .whole_sequence import decode_whole

FRAMES = (9, 30)  # a clip has at least 9 and fewer than 30 frames
FROM_STAGE_ONE = 0.5  # share of the clips that have a draft's artefacts rather than the world's
THROUGH_VAE = 0.4  # share of those that only pass through the VAE; Director-Gen redraws the others
REDRAWN = (0.15, 0.65)  # the time that a clip is noised to before Director-Gen denoises it again
REDRAW_STEPS = 3


def draw_pair(
    rng: np.random.Generator, footage: Footage, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, ClipEntry]:
    """Draw a clip in both sizes, not spoilt yet: the small and the large one, (T, 3, H, W) in [0, 1] each."""
    num_frames = int(rng.integers(*FRAMES))
    first = footage.sample(rng, num_frames)
    if first is not None:
        large = footage.film.clip(first, num_frames).to(device)
        entry = film_entry(footage.film, first, num_frames, draw_keyframes(rng, num_frames, ()))
        return F.avg_pool2d(large, FACTOR), large, entry
    collage = footage.collage(rng, num_frames)
    if collage is not None:
        large = render_collage(collage, FINAL, device=device)
        entry = collage_entry(collage, draw_keyframes(rng, num_frames, collage.cuts))
        return F.avg_pool2d(large, FACTOR), large, entry
    scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), num_frames)
    entry = scene_entry(scene, draw_keyframes(rng, num_frames, scene.cuts))
    large = render(scene, FINAL, device=device)
    small = render(scene, DRAFT, device=device) if rng.random() < 0.5 else F.avg_pool2d(large, FACTOR)
    return small, large, entry


@torch.no_grad()
def through_vae(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode and decode a video (T, 3, H, W) in [0, 1] as one run."""
    (latents,) = encode_clips(vae, [(video, ClipEntry(len(video), (), (), "", ""))])
    shown = decode_whole(vae, denormalize_latents(vae, latents[None]))[0].transpose(0, 1)
    return ((shown.float() + 1) / 2).clamp(0, 1)[: len(video)]


@torch.no_grad()
def redraw(rng: np.random.Generator, gen: DirectorGenPipeline, latents: Tensor, entry: ClipEntry) -> Tensor:
    """Noise a clip's latents, and let Director-Gen denoise them again: this is what its drafts look like.

    Args:
        latents: (1, C, F, h, w), normalised.

    Returns:
        (C, F, h, w), in which the anchors are as they were.
    """
    plan = entry.plan(gen.vae_scale_factor_temporal)
    device, scale = latents.device, gen.scheduler.config.num_train_timesteps
    t = rng.uniform(*REDRAWN)
    noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(device)
    tau = plan.tau(gen.config.tau_scheme, gen.config.cut_gap)
    state = flow.State(latents, torch.tensor(plan.anchors, device=device), tau)
    state = state.moved(flow.path(latents, noise, t))
    embeds = gen.encode_prompt(entry.caption, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]
    rotary = gen.transformer.rotary(state.tau, *latents.shape[-2:], device=device)
    for now, then in itertools.pairwise(np.linspace(t, 0, REDRAW_STEPS + 1).tolist()):
        times = state.times(now)
        output = gen.transformer(state.latents, times * scale, embeds, return_dict=False, rotary_emb=rotary)[0]
        velocity = flow.precondition(output, state.latents, times, gen.config.sigma_data)
        state = state.euler_step(velocity, now, then)
    return state.latents[0]


def enlarged(video: Tensor) -> Tensor:
    """Enlarge (T, 3, H, W) in [0, 1] to (T, 3, 2H, 2W), as Director-SR enlarges frames."""
    size = Size(video.shape[-1], video.shape[-2]).times(FACTOR)
    return (resize(video.transpose(0, 1)[None] * 2 - 1, size)[0].transpose(0, 1) + 1) / 2


@torch.no_grad()
def lr_latents(
    rng: np.random.Generator,
    vae: AutoencoderKLWan,
    gen: DirectorGenPipeline | None,
    small: ClipData,
    upsample: str,
    drafted: bool,
) -> Tensor:
    """Encode a small clip to what the flow starts from, at HR's size, (C, F, 2h, 2w).

    Args:
        gen: stage one; None leaves its denoising out.
        small: (T, 3, H, W) in [0, 1], with its entry.
        upsample: see `SROptions`.
        drafted: whether the clip is spoilt first, as stage one does it.
    """
    video, entry = small
    latents = None
    if drafted and (gen is None or rng.random() < THROUGH_VAE):
        video = through_vae(vae, video)
    elif drafted:
        latents = redraw(rng, gen, encode_clips(vae, [small])[0][None], entry)
    if upsample == "pixel":
        if latents is not None:
            drawn = decode(vae, entry.plan(vae.config.scale_factor_temporal), latents[None].float())
            video = (drawn[0].transpose(0, 1).float() + 1) / 2
        return encode_clips(vae, [(enlarged(video), entry)])[0].float()
    if latents is None:
        (latents,) = encode_clips(vae, [(video, entry)])
    return upsample_latents(latents[None].float())[0]


@torch.no_grad()
def build_pairs(
    vae: AutoencoderKLWan,
    gen: DirectorGenPipeline | None,
    folder: str | Path,
    index: int,
    clips: int = 64,
    footage: Footage | None = None,
    seed: int = 0,
    upsample: str = "latent",
) -> Path:
    """Draw, spoil, encode and save a shard of pairs. The same index and seed give the same clips.

    Args:
        gen: stage one, for its artefacts; None leaves its denoising out.
        index: the shard's number.
        clips: how many clips it holds.
        footage: None for the toy world alone.
        upsample: see `SROptions`.

    Returns:
        The path of the shard.
    """
    rng, device = np.random.default_rng((seed, index, 2)), next(vae.parameters()).device
    pairs: list[ClipData] = []
    for _ in range(clips):
        small, large, entry = draw_pair(rng, footage or Footage(), device)
        drafted = rng.random() < FROM_STAGE_ONE
        if not drafted:
            small = degrade(rng, small)  # not under autocast: resampling has no bfloat16 kernel on a CPU
        with fast_autocast(device):
            lr = lr_latents(rng, vae, gen, (small, entry), upsample, drafted)
            (hr,) = encode_clips(vae, [(large, entry)])
        pairs.append((torch.cat([lr, hr.float()]), entry))
    return write_clips(shard_path(folder, index), pairs_fingerprint(vae, upsample), pairs)


def pairs_fingerprint(vae: AutoencoderKLWan, upsample: str) -> str:
    """Name what made a shard of pairs: the VAE, and the way in which small clips are enlarged."""
    return f"{vae_fingerprint(vae)}-{upsample}"
