"""Train the tiny Wan-2.2-shaped VAE on the toy world and on a film.

Each step draws one of several layouts with about the same number of pixels: single frames (every anchor is one), short
clips, and long ones (a causal decoder that has only seen short clips drifts when it runs on). Clips end anywhere in a
group of frames, as chunks do, and are padded as chunks are: a VAE that has never seen motion stop smears the last frame
before a keyframe. Half of the crops come from draft-size frames, half from final-size ones, so that both stages share
the model. Few, large crops: near its edges a clip lacks half of what surrounds a pixel, and whole frames have fewer.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from ..loading.cpu import prepare_for_cpu
from ..media import write_image
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from ..vae.causal import pad_tail
from .film import FilmShots
from .loop import LoopConfig, Prefetch, train
from .optim import make_optimizers
from .parallel_vae import decode_frames, encode_moments
from .precision import fast_dtype
from .processes import join_processes
from .widen import widen_encoder

DRAFT, FINAL = (64, 112), (128, 224)  # height, width; a prepared film has the final size
LAYOUTS = (  # weight early, weight late, batch, frames, crop height, crop width
    (0.45, 0.15, 16, 1, 64, 112),
    (0.40, 0.25, 7, 5, 64, 96),
    (0.15, 0.35, 3, 13, 64, 96),
    (0.00, 0.15, 2, 29, 64, 80),
    (0.00, 0.10, 2, 61, 48, 48),
)
STILLS, STILLS_APART = 4, 8  # single frames come by the scene, so many of each, so many frames apart
EARLY = 0.4  # the share of the steps, from random weights, spent mostly on pictures and short clips: space before time
MOVES = 0.06  # change of a pixel in [-1, 1], from one frame to the next, from which it counts as moving
STILL = 0.02  # and up to which it stands still


@dataclass
class VAEConfig(LoopConfig):
    """As LoopConfig, and: film: a folder made by `prepare_film`, or "" for the toy world alone.

    film_share: of the clips. init: a VAE's folder to start from, whose sizes then count; "" for random weights.
    widen_encoder: channels of the encoder, more than `init` has; 0 for as many. freeze_encoder: train the decoder
    alone, so that latents made earlier stay valid; freeze_decoder: the encoder alone. keep_weight: of the squared
    distance between latents and those of `init`, a softer way to the first one's end. batch: times as many clips a
    step as LAYOUTS say, for a GPU. lr: Muon's rate; adam_lr: AdamW's. base_dim, decoder_base_dim, z_dim: as
    AutoencoderKLWan's. *_weight: of the parts of the loss. equivariance: how often a step decodes latents of half the
    size, see `TrainedVAE`.
    """

    uneven: ClassVar[bool] = True  # a single frame has no use for what resamples time
    out: str = "runs/vae"
    film: str = ""
    film_share: float = 0.4
    init: str = ""
    widen_encoder: int = 0
    freeze_encoder: bool = False
    freeze_decoder: bool = False
    keep_weight: float = 0.0
    batch: int = 1
    lr: float = 2e-3
    adam_lr: float = 1e-3
    base_dim: int = 64
    decoder_base_dim: int = 48
    z_dim: int = 48
    kl_weight: float = 3e-4
    edge_weight: float = 0.3
    motion_weight: float = 2.0
    flicker_weight: float = 0.0
    equivariance: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("film_share", "equivariance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)}: give 0 to 1")
        if self.batch < 1:
            raise ValueError(f"batch = {self.batch}: give 1 or more")
        for name in ("widen_encoder", "freeze_encoder", "freeze_decoder", "keep_weight"):
            if getattr(self, name) and not self.init:
                raise ValueError(f"{name} needs init: random weights are not worth keeping")
        if self.freeze_encoder and self.freeze_decoder:
            raise ValueError("freeze_encoder and freeze_decoder: nothing is left to train; give one of them")


class TrainedVAE(nn.Module):
    """The VAE with its training pass as `forward`, so that accelerate's wrappers see it.

    A pass with `halve` decodes the latents after averaging them over 2 x 2 cells, and its target is the video averaged
    likewise, so that latents may scale as pictures do (EQ-VAE, Kouzelis et al. 2025): Director-SR upsamples them.
    """

    def __init__(self, vae: AutoencoderKLWan, freeze_encoder: bool = False):
        super().__init__()
        self.vae = vae
        self.freeze_encoder = freeze_encoder

    def forward(self, video: Tensor, halve: bool = False) -> tuple[Tensor, DiagonalGaussianDistribution]:
        """video: (B, 3, T, H, W) in [-1, 1]. Returns the reconstruction and the posterior of the latents."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_encoder):
            posterior = DiagonalGaussianDistribution(encode_moments(self.vae, video).float())
        latents = posterior.sample()
        if halve:
            latents = halved(latents)
        return decode_frames(self.vae, latents).float(), posterior


def halved(video: Tensor) -> Tensor:
    """Average (B, C, T, H, W) over 2 x 2 pixels or cells."""
    return F.avg_pool3d(video, (1, 2, 2))


def build_vae(config: VAEConfig) -> AutoencoderKLWan:
    """A Wan-2.2-shaped VAE: 8x in space (patches of 2, then two halvings), 4x in time."""
    if config.init:
        vae = load_vae(config.init, "init")
        return widen_encoder(vae, config.widen_encoder) if config.widen_encoder else vae
    vae = AutoencoderKLWan(
        base_dim=config.base_dim,
        decoder_base_dim=config.decoder_base_dim,
        z_dim=config.z_dim,
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        latents_mean=[0.0] * config.z_dim,
        latents_std=[1.0] * config.z_dim,
    )
    with torch.no_grad():  # begin almost without sampling noise, which would drown the first, small latents
        vae.quant_conv.bias[config.z_dim :] = -6.0
    return vae


def load_vae(folder: str | Path, name: str) -> AutoencoderKLWan:
    """A VAE from its folder. ValueError, with the option's `name`, if there is none; the hub is not asked."""
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"{name} = {folder}: no VAE there (no config.json); give the export folder of `train vae`")
    return AutoencoderKLWan.from_pretrained(folder)


@torch.no_grad()
def draw_batch(config: VAEConfig, film: FilmShots | None, step: int, device: torch.device) -> Tensor:
    """One step's clips, (B, 3, T, H, W) in [-1, 1]; the same step always draws the same batch."""
    rng = np.random.default_rng((config.seed, step))
    late = bool(config.init) or step > EARLY * config.steps
    weights = np.array([layout[late] for layout in LAYOUTS])
    _, _, batch, frames, rows, columns = LAYOUTS[rng.choice(len(LAYOUTS), p=weights / weights.sum())]
    batch *= config.batch
    stills = frames == 1  # these come by the scene: setting one up costs more than its pixels
    count, per_clip, apart = (batch // STILLS, STILLS, STILLS_APART) if stills else (batch, frames, 1)
    clips = []
    for _ in range(count):
        height, width = DRAFT if rng.random() < 0.5 else FINAL
        crop = (int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1)), rows, columns)
        clips.append(_draw_clip(config, film, rng, (height, width), crop, per_clip, apart, device))
    video = torch.stack(clips)  # (B, T, 3, H, W)
    video = video.flatten(0, 1)[:, :, None] if stills else video.transpose(1, 2)
    return video * 2 - 1


def _draw_clip(
    config: VAEConfig,
    film: FilmShots | None,
    rng: np.random.Generator,
    size: tuple[int, int],
    crop: tuple[int, int, int, int],
    frames: int,
    step: int,
    device: torch.device,
) -> Tensor:
    """`frames` frames, `step` apart, of the film or of a toy scene: (T, 3, rows, columns) in [0, 1].

    size: (height, width) of the whole frames, DRAFT or FINAL; crop: (top, left, rows, columns) in them.
    """
    span = (frames - 1) * step + 1
    start = film.sample(rng, span) if film is not None and rng.random() < config.film_share else None
    if start is None:
        scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), max(span, 24), num_shots=1)
        first = int(rng.integers(scene.num_frames - span + 1))
        return render(scene, *size, crop, slice(first, first + span, step), device)
    if size == DRAFT:
        return F.avg_pool2d(film.clip(start, span, tuple(2 * c for c in crop))[::step], 2).to(device)
    return film.clip(start, span, crop)[::step].to(device)


def end_anywhere(video: Tensor, rng: np.random.Generator, stride: int) -> Tensor:
    """Drop up to stride - 1 of the last frames of (B, 3, s k + 1, H, W), but not the only one."""
    return video[:, :, : max(1, video.shape[2] - int(rng.integers(stride)))]


def kl_divergence(posterior: DiagonalGaussianDistribution) -> Tensor:
    """From the standard normal distribution, the mean per latent value."""
    return 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()


def reconstruction_loss(output: Tensor, video: Tensor, config: VAEConfig) -> Tensor:
    """L1 and L2 on pixels, where those that move count 1 + motion_weight times, and L1 on their differences.

    output, video: (B, 3, T, H, W) in [-1, 1]. A pixel moves if it changes from or to a neighbouring frame. L1 alone
    would let what is far off, mostly outlines that move, stay so. Differences are those between neighbours in space
    (edges) and in time (flicker), where those of pixels that stand still count 1 + flicker_weight times.
    """
    moving, error = torch.zeros_like(video[:, :1]), output - video
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    if video.shape[2] > 1:
        change = video.diff(dim=2).abs().amax(dim=1, keepdim=True)
        moves, still = (change > MOVES).float(), (change < STILL).float()
        moving[:, :, 1:] = moves
        moving[:, :, :-1] = torch.maximum(moving[:, :, :-1], moves)
        edges = edges + ((1 + config.flicker_weight * still) * error.diff(dim=2).abs()).mean()
    loss = ((1 + config.motion_weight * moving) * (0.5 * error.abs() + 4 * error.square())).mean()
    return loss + config.edge_weight * edges


def measure_latents(
    vae: AutoencoderKLWan, config: VAEConfig, film: FilmShots | None, device: torch.device, batches: int = 24
) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation of the latents over training batches: the VAE's normalisation."""
    means, squares = [], []
    for step in range(batches):
        latents = encode_moments(vae, draw_batch(config, film, 10**9 + step, device))[:, : vae.config.z_dim].float()
        means.append(latents.mean(dim=(0, 2, 3, 4)))
        squares.append(latents.square().mean(dim=(0, 2, 3, 4)))
    mean = torch.stack(means).mean(dim=0)
    std = (torch.stack(squares).mean(dim=0) - mean.square()).sqrt()
    return mean.tolist(), std.tolist()


@torch.no_grad()
def latents_before(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """The means of the latents of another VAE for the same clips, (B, C, n, h, w), at training's precision."""
    dtype = fast_dtype(video.device)
    with torch.autocast(video.device.type, dtype, enabled=dtype != torch.float32):
        return encode_moments(vae, video)[:, : vae.config.z_dim].float()


def train_vae(config: VAEConfig) -> None:
    """Run or resume the training; exports a diffusers folder to `<out>/export`. ValueError for bad options."""
    join_processes()
    film = FilmShots.load(config.film) if config.film else None
    torch.manual_seed(config.seed)
    vae = build_vae(config)
    before = load_vae(config.init, "init") if config.keep_weight else None
    for coder in filter(None, (vae, before)):
        prepare_for_cpu(coder)  # its norms serve a GPU too
    model, stride = TrainedVAE(vae, config.freeze_encoder), vae.config.scale_factor_temporal
    nn.ModuleList([vae.encoder, vae.quant_conv]).requires_grad_(not config.freeze_encoder)
    nn.ModuleList([vae.decoder, vae.post_quant_conv]).requires_grad_(not config.freeze_decoder)
    optimizers = make_optimizers(model, config.lr, config.adam_lr)
    batches = Prefetch(partial(draw_batch, config, film), config.steps, config.workers)

    def loss(model: nn.Module, step: int, device: torch.device) -> dict[str, Tensor]:
        rng = np.random.default_rng((config.seed, step, 1))
        halve = rng.random() < config.equivariance
        shown = end_anywhere(batches.take(step, device), rng, stride)
        video = pad_tail(shown, stride)
        output, posterior = model(video, halve)
        output = output[:, :, : shown.shape[2]]
        shown, kl = halved(shown) if halve else shown, kl_divergence(posterior)
        mse = (output.detach() - shown).square().mean() / 4  # of pixels in [0, 1]
        values = {"loss": reconstruction_loss(output, shown, config) + config.kl_weight * kl, "kl": kl}
        if before is not None:
            values["drift"] = (posterior.mean - latents_before(before.to(device), video)).square().mean()
            values["loss"] = values["loss"] + config.keep_weight * values["drift"]
        return values | {"psnr": -10 * mse.log10()}

    def sample(model: TrainedVAE, folder: Path, step: int) -> None:
        device = next(model.parameters()).device
        scene = sample_scene(HELD_OUT_SEED + 7, 49, num_shots=2)
        video = render(scene, *DRAFT, device=device)[None].transpose(1, 2) * 2 - 1
        output = decode_frames(model.vae, encode_moments(model.vae, video)[:, : model.vae.config.z_dim]).clamp(-1, 1)
        save_strip(torch.cat([video, output], dim=-2)[0, :, ::8], folder / f"{step:06d}.png")

    def export(model: TrainedVAE, folder: Path) -> None:
        if not config.freeze_encoder and before is None:  # else what reads these latents knows them by the old ones
            mean, std = measure_latents(model.vae, config, film, next(model.parameters()).device)
            model.vae.register_to_config(latents_mean=mean, latents_std=std)
        model.vae.save_pretrained(folder)

    train(config, model, optimizers, loss, sample, export)


def save_strip(video: Tensor, path: Path) -> None:
    """Frames side by side as one PNG; video: (3, T, H, W) in [-1, 1]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = ((video.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(2, 1, 3, 0).flatten(1, 2)
    write_image(path, pixels.cpu().numpy())
