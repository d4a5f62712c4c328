"""Train the tiny Director-SR: flow matching from LR to HR latents, HR keyframes as anchors (paper: Director-SR).

`x_t = (1 - t) z_HR + t z_LR`, `v = z_LR - z_HR`. The flow has no noise: it begins at the upsampled LR latents, and most
of the training is there, at t = 1. Anchors are HR latents at timestep 0, and count nothing in the loss.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from ..gen.conditions import VideoCondition
from ..gen.pipeline import DirectorGenPipeline
from ..gen.transformer import DirectorTransformer3DModel
from ..sr.options import check_upsample
from ..sr.pipeline import DirectorSRPipeline
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from .bank import ClipEntry, LatentBank
from .film import FilmShots
from .loop import train
from .optim import make_optimizers
from .pairs import build_pairs, pairs_fingerprint
from .processes import join_processes
from .stage import (
    NUM_TRAIN_TIMESTEPS,
    StageConfig,
    build_transformer,
    check_init,
    compile_blocks,
    draw_anchors,
    make_shards,
    on_device,
    repatch,
)
from .vae import DRAFT, FINAL, load_vae, save_strip


@dataclass
class SRConfig(StageConfig):
    """As StageConfig, but the bank holds LR / HR pairs; and:

    gen: a trained pipeline's folder, for its artefacts; "" leaves them out. upsample: what the flow starts from, as in
    `SROptions`; "pixel" suits a VAE whose latents do not enlarge well. no_anchor: how often a clip has no keyframe at
    all. at_start: how often t is 1; else it is uniform.
    """

    out: str = "runs/sr"
    gen: str = ""
    upsample: str = "latent"
    bank: str = "runs/pairs"
    film_share: float = 0.3
    layers: int = 6
    text_dim: int = 64
    latent_frames: int = 32
    clip_anchor: float = 0.05
    no_anchor: float = 0.3
    at_start: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_upsample(self.upsample)

    @property
    def shares(self) -> tuple[str, ...]:
        return *super().shares, "no_anchor", "at_start"


class TrainedSR(nn.Module):
    """The transformer, trained without a text."""

    def __init__(self, transformer: DirectorTransformer3DModel):
        super().__init__()
        self.transformer = transformer

    def forward(self, latents: Tensor, t: Tensor, tau: Tensor) -> Tensor:
        """latents (B, C, F, h, w), t and tau (B, F) -> velocity z_LR - z_HR, (B, C, F, h, w)."""
        text = latents.new_zeros(len(latents), 1, self.transformer.config.text_dim)
        return self.transformer(latents, t * NUM_TRAIN_TIMESTEPS, text, return_dict=False, tau=tau)[0].float()


def draw_batch(
    config: SRConfig, bank: LatentBank, stride: int, step: int, device: torch.device | str
) -> dict[str, Tensor]:
    """One step's batch, always the same: z_LR and z_HR (B, C, F, h, w), anchors and tau (B, F), t (B,)."""
    rng = np.random.default_rng((config.seed, step))
    batch = as_batch(rng, bank.draw(rng, config.latent_frames), stride, config)
    return on_device(batch, device)


def as_batch(
    rng: np.random.Generator, clips: list[tuple[Tensor, ClipEntry]], stride: int, config: StageConfig
) -> dict[str, Tensor]:
    """What `sr_loss` takes, of clips of pairs with equally many latents. config: with `no_anchor` and `at_start`."""
    plans = [entry.plan(stride) for _, entry in clips]
    anchors = [
        [False] * plan.num_latents if rng.random() < config.no_anchor else draw_anchors(rng, plan, config)
        for plan in plans
    ]
    at_start = rng.random(len(clips)) < config.at_start
    lr, hr = torch.stack([latents for latents, _ in clips]).float().chunk(2, dim=1)
    return {
        "z_lr": lr,
        "z_hr": hr,
        "anchors": torch.tensor(anchors),
        "tau": torch.tensor([plan.tau() for plan in plans]),
        "t": torch.tensor(np.where(at_start, 1.0, rng.random(len(clips))), dtype=torch.float32),
    }


def sr_loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean squared error of the velocity over the latents that are not anchors; 0 if all are. batch: `draw_batch`'s."""
    z_lr, z_hr, anchors = batch["z_lr"], batch["z_hr"], batch["anchors"]
    t = torch.where(anchors, 0.0, batch["t"][:, None])  # (B, F)
    per_frame = t[:, None, :, None, None]
    velocity = model((1 - per_frame) * z_hr + per_frame * z_lr, t, batch["tau"])
    error = (velocity - (z_lr - z_hr)).square().mean(dim=(1, 3, 4))  # (B, F)
    free = (~anchors).float()
    return {"loss": (error * free).sum() / free.sum().clamp(min=1)}


def start_transformer(config: SRConfig, vae: AutoencoderKLWan) -> DirectorTransformer3DModel:
    """The transformer of the pipeline in `config.init`, or a random one that leaves LR latents as they are."""
    if not config.init:
        return build_transformer(config, vae)
    check_init(config.init, "sr")
    pipeline = DirectorSRPipeline.from_pretrained(config.init, vae=None, dtype=torch.float32)
    if pipeline.config.upsample != config.upsample:
        raise ValueError(f"upsample = {config.upsample!r}: init was trained with {pipeline.config.upsample!r}")
    return repatch(pipeline.transformer, config.patch)


def as_pipeline(model: TrainedSR, vae: AutoencoderKLWan | None, upsample: str) -> DirectorSRPipeline:
    """What is sampled from and exported; the VAE is stage one's."""
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=NUM_TRAIN_TIMESTEPS)
    pipeline = DirectorSRPipeline(None, None, vae, scheduler, model.transformer, upsample=upsample)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def open_pairs(config: SRConfig, vae: AutoencoderKLWan) -> LatentBank:
    """Make the shards that are missing, on the GPU if there is one, and read them all."""
    film = FilmShots.load(config.film) if config.film else None
    device = "cuda" if torch.cuda.is_available() else "cpu"

    @functools.cache
    def gen() -> DirectorGenPipeline | None:
        if not config.gen:
            return None
        return DirectorGenPipeline.from_pretrained(config.gen, vae=None, dtype=torch.float32).to(device)

    def make(index: int) -> None:
        options = {"film_share": config.film_share, "seed": config.seed, "upsample": config.upsample}
        build_pairs(vae.to(device), gen(), config.bank, index, film=film, **options)

    make_shards(config, make)
    return LatentBank(config.bank, pairs_fingerprint(vae, config.upsample))


def sample_strip(model: TrainedSR, vae: AutoencoderKLWan, upsample: str, path: Path) -> None:
    """Held-out scenes: bicubic, without and with anchors, the truth; one below the other, as one PNG."""
    pipeline = as_pipeline(model, vae.to(model.transformer.device), upsample)
    columns = []
    for seed in (HELD_OUT_SEED + 3, HELD_OUT_SEED + 8):
        scene = sample_scene(seed, 25, num_shots=1)
        small, large = (render(scene, *size).transpose(0, 1) * 2 - 1 for size in (DRAFT, FINAL))
        rows = [F.interpolate(small.transpose(0, 1), size=FINAL, mode="bicubic").transpose(0, 1), large]
        for frames in ((), (0, 24)):
            conditions = [VideoCondition(image=large[:, frame], frame_index=frame) for frame in frames]
            video = pipeline(small, conditions, num_inference_steps=2, output_type="pt").frames[0]
            rows.insert(-1, video.cpu().transpose(0, 1) * 2 - 1)
        columns.append(torch.cat([row[:, 6::6] for row in rows], dim=-2))
    save_strip(torch.cat(columns, dim=1), path)


def train_sr(config: SRConfig) -> None:
    """Make the pairs where they are missing, train or resume, and export a pipeline folder to `<out>/export`.

    Raises ValueError for bad options, and for a VAE, a film or a bank that is not there or does not fit.
    """
    join_processes()
    vae = load_vae(config.vae, "vae").eval()
    bank, stride = open_pairs(config, vae), vae.config.scale_factor_temporal
    torch.manual_seed(config.seed)
    model = TrainedSR(start_transformer(config, vae))
    core = model.transformer
    if config.compile:
        compile_blocks(core)
    outer = [core.patch_embedding.weight, core.proj_out.weight, *core.condition_embedder.parameters()]
    optimizers = make_optimizers(model, config.lr, config.adam_lr, outer)

    def loss(model: nn.Module, step: int, device: torch.device) -> dict[str, Tensor]:
        return sr_loss(model, draw_batch(config, bank, stride, step, device))

    def sample(model: TrainedSR, folder: Path, step: int) -> None:
        sample_strip(model, vae, config.upsample, folder / f"{step:06d}.png")

    def export(model: TrainedSR, folder: Path) -> None:
        as_pipeline(model, None, config.upsample).save_pretrained(folder)

    train(config, model, optimizers, loss, sample, export)
