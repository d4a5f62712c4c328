"""Train the tiny Wan-2.2-shaped VAE on the toy world and on a film."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from ..loading.cpu import prepare_for_cpu
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from ..vae.causal import pad_tail
from .film import Footage
from .loop import train_stage
from .optim import make_optimizers
from .options import Channels, Count, LoopConfig, Natural, Rate, Share, Weight
from .precision import fast_autocast
from .processes import join_processes
from .stage import Stage, save_strip
from .tiny import DRAFT
from .vae_clips import VideoBatches, draw_videos, end_anywhere
from .whole_sequence import decode_whole, encode_whole

MOVES = 0.06  # change of a pixel in [-1, 1], from one frame to the next, from which it counts as moving
STANDS_STILL = 0.02  # change up to which it counts as standing still
STATISTICS_FROM = 10**9  # number of the first batch that the latents are measured on; no step has it
STATISTICS_BATCHES = 24


@dataclass
class VAEConfig(LoopConfig):
    """The options of `train vae`."""

    out: str = "runs/vae"  # the run's folder
    film: str = ""  # a dataset made by `curate`; nothing for the toy world alone
    film_share: Share = 0.4  # share of the clips that come from the film
    collage_share: Share = 0.0  # share of the others that are collages
    init: str = ""  # a VAE's folder to start from, whose sizes then count; nothing for random weights
    freeze_encoder: bool = False  # train the decoder alone, so that latents made earlier stay valid
    freeze_decoder: bool = False  # train the encoder alone
    keep_weight: Weight = 0.0  # weight of the squared distance between the new latents and those of the VAE in init
    workers: Natural = 0  # processes that draw batches ahead; 0 is right on a GPU
    batch: Count = 1  # how many times as many clips a step has as usual, for a GPU
    lr: Rate = 2e-3  # Muon's learning rate
    adam_lr: Rate = 1e-3  # AdamW's learning rate
    base_dim: Channels = 64  # channels of the encoder, as in AutoencoderKLWan
    decoder_base_dim: Channels = 48  # channels of the decoder
    z_dim: Channels = 48  # channels of the latents
    kl_weight: Weight = 3e-4  # weight of the distance between the latents and a standard normal distribution
    edge_weight: Weight = 0.3  # weight of the differences between neighbouring pixels, in space and time
    motion_weight: Weight = 2.0  # how much more a moving pixel counts
    flicker_weight: Weight = 0.0  # how much more a change in time counts where the video stands still
    equivariance: Share = 0.25  # how often a step decodes latents of half the size, which teaches them to scale

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("freeze_encoder", "freeze_decoder", "keep_weight"):
            if getattr(self, name) and not self.init:
                raise ValueError(f"{name} needs init: random weights are not worth keeping")
        if self.freeze_encoder and self.freeze_decoder:
            raise ValueError("freeze_encoder and freeze_decoder: nothing is left to train; give one of them")


class TrainedVAE(nn.Module):
    """The VAE with its training pass as `forward`."""

    def __init__(self, vae: AutoencoderKLWan, freeze_encoder: bool = False):
        super().__init__()
        self.vae = vae
        self.freeze_encoder = freeze_encoder

    def forward(self, video: Tensor, halve: bool = False) -> tuple[Tensor, DiagonalGaussianDistribution]:
        """Encode and decode clips.

        Args:
            video: (B, 3, T, H, W) in [-1, 1], T = s k + 1.
            halve: decode the latents after averaging them over 2 x 2 cells. The target is then the video averaged
                likewise. Latents learn to scale as pictures do (EQ-VAE, Kouzelis et al. 2025), and Director-SR
                enlarges them.

        Returns:
            The reconstruction (B, 3, T, H, W), or (B, 3, T, H / 2, W / 2), and the latents' posterior.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_encoder):
            posterior = DiagonalGaussianDistribution(encode_whole(self.vae, video).float())
        latents = posterior.sample()
        return decode_whole(self.vae, halved(latents) if halve else latents).float(), posterior


def halved(video: Tensor) -> Tensor:
    """Average (B, C, T, H, W) over 2 x 2 pixels or cells."""
    return F.avg_pool3d(video, (1, 2, 2))


def build_vae(config: VAEConfig) -> AutoencoderKLWan:
    """Make the VAE to train: that of `config.init`, or a small one of Wan 2.2's shape (8x in space, 4x in time)."""
    if config.init:
        return load_vae(config.init, "init")
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
    """Load a VAE from its folder; the hub is not asked.

    Raises:
        ValueError: no VAE is there. The message has the `name` of the option.
    """
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"{name} = {folder}: no VAE there (no config.json); give the export folder of `train vae`")
    return AutoencoderKLWan.from_pretrained(folder)


def kl_divergence(posterior: DiagonalGaussianDistribution) -> Tensor:
    """The divergence from the standard normal distribution, as the mean over latent values."""
    return 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()


def reconstruction_loss(output: Tensor, video: Tensor, config: VAEConfig) -> Tensor:
    """L1 and L2 on pixels, and L1 on the differences between neighbouring pixels.

    A pixel that moves counts 1 + motion_weight times. It moves if it changes from or to a neighbouring frame. L2 joins
    L1 because L1 alone leaves what is far off, mostly outlines that move, as it is. Neighbours are those in space
    (edges) and in time (flicker). A difference in time counts 1 + flicker_weight times where the video stands still.

    Args:
        output, video: (B, 3, T, H, W) in [-1, 1].
    """
    moving, error = torch.zeros_like(video[:, :1]), output - video
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    if video.shape[2] > 1:
        change = video.diff(dim=2).abs().amax(dim=1, keepdim=True)
        moves, still = (change > MOVES).float(), (change < STANDS_STILL).float()
        moving[:, :, 1:] = moves
        moving[:, :, :-1] = torch.maximum(moving[:, :, :-1], moves)
        edges = edges + ((1 + config.flicker_weight * still) * error.diff(dim=2).abs()).mean()
    loss = ((1 + config.motion_weight * moving) * (0.5 * error.abs() + 4 * error.square())).mean()
    return loss + config.edge_weight * edges


class VAEStage(Stage):
    """The training of the VAE."""

    uneven = True  # a single frame has no use for what resamples time

    def __init__(self, config: VAEConfig):
        torch.manual_seed(config.seed)
        self.config, self.vae = config, build_vae(config)
        self.before = load_vae(config.init, "init") if config.keep_weight else None
        for coder in filter(None, (self.vae, self.before)):
            prepare_for_cpu(coder)  # the faster norms serve a GPU too
        self.vae.encoder.requires_grad_(not config.freeze_encoder)
        self.vae.quant_conv.requires_grad_(not config.freeze_encoder)
        self.vae.decoder.requires_grad_(not config.freeze_decoder)
        self.vae.post_quant_conv.requires_grad_(not config.freeze_decoder)
        self.batches = VideoBatches(config, Footage.open(config.film, config.film_share, config.collage_share))
        self.stride = self.vae.config.scale_factor_temporal
        self.model = TrainedVAE(self.vae, config.freeze_encoder)
        self.optimizers = make_optimizers(self.model, config.lr, config.adam_lr)

    def batch(self, number: int, device: torch.device | str) -> tuple[Tensor, bool]:
        """Clips (B, 3, T, H, W) in [-1, 1] that may end anywhere, and whether their latents are halved."""
        rng = np.random.default_rng((self.config.seed, number, 1))
        halve = rng.random() < self.config.equivariance
        return end_anywhere(self.batches.take(number, device), rng, self.stride), halve

    def loss(self, model: nn.Module, batch: tuple[Tensor, bool]) -> dict[str, Tensor]:
        """The reconstruction's loss, with the weighted divergence and drift of the latents."""
        shown, halve = batch
        video = pad_tail(shown, self.stride)
        output, posterior = model(video, halve)
        output = output[:, :, : shown.shape[2]]  # the frames that padding added do not count
        shown, kl = halved(shown) if halve else shown, kl_divergence(posterior)
        values = {"loss": reconstruction_loss(output, shown, self.config) + self.config.kl_weight * kl, "kl": kl}
        if self.before is not None:
            values["drift"] = (posterior.mean - self._latents_before(video)).square().mean()
            values["loss"] = values["loss"] + self.config.keep_weight * values["drift"]
        mse = (output.detach() - shown).square().mean() / 4  # of pixels in [0, 1]
        return values | {"psnr": -10 * mse.log10()}

    @torch.no_grad()
    def _latents_before(self, video: Tensor) -> Tensor:
        """The means that the VAE in `init` gives for the same clips, (B, C, F, h, w), at training's precision."""
        with fast_autocast(video.device):
            return encode_whole(self.before.to(video.device), video)[:, : self.vae.config.z_dim].float()

    def sample(self, folder: Path, step: int) -> None:
        """Draw a held-out clip over its reconstruction."""
        scene = sample_scene(HELD_OUT_SEED + 7, 49, num_shots=2)
        video = render(scene, DRAFT, device=self.vae.device)[None].transpose(1, 2) * 2 - 1
        latents = encode_whole(self.vae, video)[:, : self.vae.config.z_dim]
        output = decode_whole(self.vae, latents).clamp(-1, 1)
        save_strip(torch.cat([video, output], dim=-2)[0, :, ::8], folder / f"{step:06d}.png")

    def export(self, folder: Path) -> None:
        """Write the VAE's folder. New latents get new statistics, unless they are to be read as the old ones are."""
        if not self.config.freeze_encoder and self.before is None:
            mean, std = self._measure_latents()
            self.vae.register_to_config(latents_mean=mean, latents_std=std)
        self.vae.save_pretrained(folder)

    def _measure_latents(self) -> tuple[list[float], list[float]]:
        """The mean and the standard deviation of each channel over training batches: the VAE's normalisation."""
        means, squares = [], []
        for number in range(STATISTICS_FROM, STATISTICS_FROM + STATISTICS_BATCHES):
            moments = encode_whole(self.vae, draw_videos(self.config, self.batches.footage, number, self.vae.device))
            latents = moments[:, : self.vae.config.z_dim].float()
            means.append(latents.mean(dim=(0, 2, 3, 4)))
            squares.append(latents.square().mean(dim=(0, 2, 3, 4)))
        mean = torch.stack(means).mean(dim=0)
        std = (torch.stack(squares).mean(dim=0) - mean.square()).sqrt()
        return mean.tolist(), std.tolist()


def train_vae(config: VAEConfig) -> None:
    """Run or resume the training, and export a diffusers folder to `<out>/export`. ValueError for bad options."""
    join_processes()
    config.check_out(config.init, config.film)
    train_stage(VAEStage(config))
