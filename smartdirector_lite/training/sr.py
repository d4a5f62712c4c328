"""Train the tiny Director-SR: flow matching from LR to HR latents, HR keyframes as anchors (paper: Director-SR).

The path, the loss and the anchors' part in them are those of `flow`: x_0 is z_HR, the latents of a clip in full size,
and x_1 is z_LR, the enlarged latents of the small clip. The flow has no noise. It begins at z_LR, and most of the
training is there, at t = 1.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from .. import flow
from ..gen import DirectorGenPipeline, DirectorTransformer3DModel, VideoCondition
from ..gen.transformer import trained_with
from ..sr.pipeline import UPSAMPLING, DirectorSRPipeline
from ..timeline import check_one_of
from .bank import LatentBank
from .clips import ClipData
from .film import Footage
from .loop import train_stage
from .options import Channels, Count, LoopConfig, Share
from .pairs import build_pairs, pairs_fingerprint
from .precision import encoding_device
from .processes import join_processes
from .shards import make_shards
from .stage import Stage, check_init, on_device, sample_pairs, save_strip
from .transformer import (
    TrainedTransformer,
    TransformerConfig,
    build_transformer,
    draw_anchors,
    repatch,
    run_transformer,
    transformer_optimizers,
)
from .vae import load_vae


@dataclass
class SRConfig(TransformerConfig):
    """The options of `train sr`."""

    out: str = "runs/sr"  # the run's folder
    gen: str = ""  # a trained Director-Gen's folder, whose artefacts LR clips get; nothing leaves them out
    upsample: str = "latent"  # what the flow starts from: enlarged latents, or encoded enlarged frames (pixel)
    bank: str = "runs/pairs"  # the folder of encoded LR / HR pairs
    film_share: Share = 0.3  # share of the pairs that come from the film
    layers: Count = 6  # blocks
    text_dim: Channels = 64  # channels of a text's embedding, which is zero here
    latent_frames: Count = 32  # latent frames of a batch, in all its clips together
    clip_anchor: Share = 0.05  # how often a keyframe that stays becomes a clip
    no_anchor: Share = 0.3  # how often a clip has no keyframe at all
    at_start: Share = 0.5  # how often t is 1; else it is uniform

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("upsample", self.upsample, UPSAMPLING)


class TrainedSR(TrainedTransformer):
    """The transformer, trained without a text: it reads one zero vector, as `DirectorSRPipeline` gives it."""

    def forward(self, latents: Tensor, t: Tensor, tau: Tensor) -> Tensor:
        """Predict the velocity z_LR - z_HR, (B, C, F, h, w).

        Args:
            latents: x_t, (B, C, F, h, w).
            t: (B, F) in [0, 1].
            tau: (B, F).
        """
        text = latents.new_zeros(len(latents), 1, self.transformer.config.text_dim)
        return run_transformer(self.transformer, latents, t, text, tau).float()


def sr_batch(
    rng: np.random.Generator, clips: list[ClipData], stride: int, config: LoopConfig, scheme: str
) -> dict[str, Tensor]:
    """Make what `sr_loss` takes, of clips with equally many latents.

    Args:
        clips: pairs of latents (2C, F, h, w), LR at HR's size before HR, with their entries.
        stride: frames a latent.
        config: has the options of `SRConfig` that say how anchors and times are drawn.
        scheme: of tau, one of TAU_SCHEMES.

    Returns:
        z_lr and z_hr (B, C, F, h, w), anchors and tau (B, F), t (B,).
    """
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
        "tau": torch.tensor([plan.tau(scheme) for plan in plans]),
        "t": torch.tensor(np.where(at_start, 1.0, rng.random(len(clips))), dtype=torch.float32),
    }


def sr_loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Compute Director-SR's loss, `flow.loss` from HR to LR latents, under the name "loss". batch: from `sr_batch`."""

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        return model(x_t, t, batch["tau"])

    return {"loss": flow.loss(predict, batch["z_hr"], batch["z_lr"], batch["t"], batch["anchors"])}


def start_transformer(config: SRConfig, vae: AutoencoderKLWan) -> DirectorTransformer3DModel:
    """Make the transformer to train: that of `config.init`, or a random one, which leaves LR latents as they are."""
    if not config.init:
        return build_transformer(config, vae)
    check_init(config.init, "sr")
    pipeline = DirectorSRPipeline.from_pretrained(config.init, vae=None, dtype=torch.float32)
    if pipeline.config.upsample != config.upsample:
        raise ValueError(f"upsample = {config.upsample!r}: init was trained with {pipeline.config.upsample!r}")
    return repatch(pipeline.transformer, config.patch)


def open_pairs(config: SRConfig, vae: AutoencoderKLWan) -> LatentBank:
    """Make the shards that are missing, on a GPU if there is one, and read them all."""
    footage, device = Footage.open(config.film, config.film_share, config.collage_share), encoding_device()

    def make(index: int) -> None:
        gen = None
        if config.gen:
            gen = DirectorGenPipeline.from_pretrained(config.gen, vae=None, dtype=torch.float32).to(device)
        options = {"footage": footage, "seed": config.seed, "upsample": config.upsample}
        build_pairs(vae.to(device), gen, config.bank, index, **options)

    make_shards(config.bank, config.shards, make)
    return LatentBank(config.bank, pairs_fingerprint(vae, config.upsample))


class SRStage(Stage):
    """The training of Director-SR."""

    loss = staticmethod(sr_loss)

    def __init__(self, config: SRConfig, vae: AutoencoderKLWan, bank: LatentBank):
        torch.manual_seed(config.seed)
        self.config, self.vae, self.bank, self.stride = config, vae, bank, vae.config.scale_factor_temporal
        self.model = TrainedSR(start_transformer(config, vae))
        # Nothing was measured for stage two: new weights get Wan's scheme, and those of init keep theirs.
        self.scheme = trained_with(self.model.transformer)["tau_scheme"]
        self.model.transformer.register_to_config(upsample=config.upsample, tau_scheme=self.scheme)
        self.optimizers = transformer_optimizers(config, self.model)

    def batch(self, number: int, device: torch.device | str) -> dict[str, Tensor]:
        """Draw what `sr_loss` takes."""
        rng = self.rng(number)
        clips = self.bank.draw(rng, self.config.latent_frames)
        return on_device(sr_batch(rng, clips, self.stride, self.config, self.scheme), device)

    def pipeline(self, vae: AutoencoderKLWan | None) -> DirectorSRPipeline:
        """What is sampled from, and exported without the VAE, which is stage one's."""
        parts = (None, None, vae, FlowMatchEulerDiscreteScheduler(), self.model.transformer)
        pipeline = DirectorSRPipeline(*parts)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def sample(self, folder: Path, step: int) -> None:
        """Draw held-out scenes in four rows: enlarged, upscaled without and with anchors, and the truth."""
        pipeline, columns = self.pipeline(self.vae.to(self.model.transformer.device)), []
        for small, large in sample_pairs(25):
            enlarged = F.interpolate(small.transpose(0, 1), size=large.shape[-2:], mode="bicubic").transpose(0, 1)
            rows = [enlarged, large]
            for frames in ((), (0, 24)):
                conditions = [VideoCondition(image=large[:, frame], frame_index=frame) for frame in frames]
                video = pipeline(small, conditions, num_inference_steps=2, output_type="pt").frames[0]
                rows.insert(-1, video.cpu().transpose(0, 1) * 2 - 1)
            columns.append(torch.cat([row[:, 6::6] for row in rows], dim=-2))
        save_strip(torch.cat(columns, dim=1), folder / f"{step:06d}.png")

    def export(self, folder: Path) -> None:
        """Write the pipeline's folder."""
        self.pipeline(None).save_pretrained(folder)


def train_sr(config: SRConfig) -> None:
    """Make the pairs where they are missing, train or resume, and export a pipeline's folder to `<out>/export`.

    Raises:
        ValueError: bad options; a VAE, a film or a bank that is not there or does not fit.
    """
    join_processes()
    config.check_out(config.init, config.vae, config.gen, config.film, config.bank)
    vae = load_vae(config.vae, "vae").eval()
    train_stage(SRStage(config, vae, open_pairs(config, vae)))
