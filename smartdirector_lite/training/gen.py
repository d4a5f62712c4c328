"""Train the tiny Director-Gen: flow matching on Multi-Chunk latents, with anchors of every kind (paper: Director-Gen).

`x_t = (1 - t) x_0 + t x_1`, `v = x_1 - x_0`; anchors keep timestep 0 and their clean latents, and count nothing in the loss.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from ..pipelines import DirectorGenPipeline, VideoCondition
from ..timeline import ChunkPlan
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from ..transformer import DirectorTransformer3DModel
from .bank import FILM_CAPTION, ClipEntry, LatentBank, build_shard, scene_caption
from .film import FilmShots
from .loop import LoopConfig, train
from .optim import make_optimizers
from .text import MAX_TOKENS, build_text_encoder, train_tokenizer
from .vae import DRAFT, save_strip

NUM_TRAIN_TIMESTEPS = 1000


@dataclass
class GenConfig(LoopConfig):
    """vae: the trained VAE's folder. bank: the folder of encoded clips; `shards` of them are made first where they are missing.

    latent_frames: latent frames in a batch. init: a pipeline folder to start from, instead of random weights.
    """

    out: str = "runs/gen"
    vae: str = "runs/vae/export"
    bank: str = "runs/bank"
    shards: int = 8
    film: str = ""
    film_share: float = 0.2
    init: str = ""
    lr: float = 2e-3
    adam_lr: float = 1e-3
    heads: int = 4
    head_dim: int = 64
    layers: int = 10
    ffn_dim: int = 1024
    text_dim: int = 192
    latent_frames: int = 120
    text_dropout: float = 0.15
    description_only: float = 0.1
    drop_anchor: float = 0.15
    clip_anchor: float = 0.1
    time_mean: float = 0.2
    time_std: float = 1.1
    shift: float = 2.0


class TrainedGen(nn.Module):
    """Text encoder and transformer, trained as one."""

    def __init__(self, text_encoder: nn.Module, transformer: DirectorTransformer3DModel):
        super().__init__()
        self.text_encoder = text_encoder
        self.transformer = transformer

    def forward(self, latents: Tensor, timestep: Tensor, tokens: Tensor, mask: Tensor, tau: Tensor) -> Tensor:
        """latents (B, C, F, h, w), timestep (B, F), tokens and mask (B, L), tau (B, F) -> velocity (B, C, F, h, w).

        Embeddings of padding are zeroed, as `WanPipeline` does.
        """
        embeds = self.text_encoder(tokens, mask).last_hidden_state * mask[..., None]
        return self.transformer(latents, timestep, embeds, return_dict=False, tau=tau)[0]


def draw_anchors(rng: np.random.Generator, plan: ChunkPlan, config: GenConfig) -> list[bool]:
    """Which latents are anchors in this step.

    Where a chunk would begin anyway (frame 0, a cut) its keyframe is sometimes left out; elsewhere a keyframe sometimes
    becomes a clip, of which the first latents are anchors.
    """
    anchors = list(plan.anchors)
    for chunk in plan.chunks:
        if chunk.condition is None:
            continue
        natural = chunk.start == 0 or chunk.start in plan.cuts
        if natural and rng.random() < config.drop_anchor:
            anchors[chunk.latent_start] = False
        elif chunk.num_latents > 1 and rng.random() < config.clip_anchor:
            for j in range(int(rng.integers(2, chunk.num_latents + 1))):
                anchors[chunk.latent_start + j] = True
    return anchors


def caption_of(rng: np.random.Generator, entry: ClipEntry, config: GenConfig) -> str:
    """The caption in full, the holistic part alone, or nothing (for guidance)."""
    chance = rng.random()
    if chance < config.text_dropout:
        return ""
    return entry.description if chance < config.text_dropout + config.description_only else entry.caption


def draw_batch(config: GenConfig, bank: LatentBank, tokenizer, stride: int, step: int, device: torch.device) -> dict[str, Tensor]:
    """One step's batch: x_0 (B, C, F, h, w), anchors and tau (B, F), t (B,), tokens and mask (B, L)."""
    rng = np.random.default_rng((config.seed, step))
    clips = bank.draw(rng, config.latent_frames)
    plans = [entry.plan(stride) for _, entry in clips]
    text = tokenizer(
        [caption_of(rng, entry, config) for _, entry in clips],
        padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt",
    )  # fmt: skip
    t = torch.sigmoid(torch.tensor(rng.normal(config.time_mean, config.time_std, len(clips)), dtype=torch.float32))
    batch = {
        "x_0": torch.stack([latents for latents, _ in clips]).float(),
        "anchors": torch.tensor([draw_anchors(rng, plan, config) for plan in plans]),
        "tau": torch.tensor([plan.tau() for plan in plans]),
        "t": t, "tokens": text.input_ids, "mask": text.attention_mask,
    }  # fmt: skip
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def flow_loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean squared error of the velocity over the latents that are not anchors."""
    x_0, anchors = batch["x_0"], batch["anchors"]
    x_1 = torch.randn_like(x_0)
    t = torch.where(anchors, 0.0, batch["t"][:, None])  # (B, F)
    per_frame = t[:, None, :, None, None]
    x_t = (1 - per_frame) * x_0 + per_frame * x_1
    velocity = model(x_t, t * NUM_TRAIN_TIMESTEPS, batch["tokens"], batch["mask"], batch["tau"]).float()
    error = (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))  # (B, F)
    free = (~anchors).float()
    loss = (error * free).sum() / free.sum().clamp(min=1)
    return {"loss": loss}


def build_model(config: GenConfig, vae: AutoencoderKLWan) -> tuple[TrainedGen, PreTrainedTokenizerFast]:
    if config.init:
        pipeline = DirectorGenPipeline.from_pretrained(config.init, vae=None)
        return TrainedGen(pipeline.text_encoder, pipeline.transformer), pipeline.tokenizer
    texts = [scene_caption(sample_scene(seed, 25 + seed % 37)) for seed in range(3000)]
    tokenizer = train_tokenizer([*texts, FILM_CAPTION])
    transformer = DirectorTransformer3DModel(
        num_attention_heads=config.heads, attention_head_dim=config.head_dim, in_channels=vae.config.z_dim,
        out_channels=vae.config.z_dim, text_dim=config.text_dim, freq_dim=256, ffn_dim=config.ffn_dim, num_layers=config.layers,
    )  # fmt: skip
    nn.init.zeros_(transformer.proj_out.weight)
    return TrainedGen(build_text_encoder(len(tokenizer), config.text_dim), transformer), tokenizer


def as_pipeline(config: GenConfig, model: TrainedGen, tokenizer, vae: AutoencoderKLWan) -> DirectorGenPipeline:
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=NUM_TRAIN_TIMESTEPS, shift=config.shift)
    pipeline = DirectorGenPipeline(tokenizer, model.text_encoder, vae, scheduler, model.transformer)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def train_gen(config: GenConfig) -> None:
    """Make the bank where it is missing, train or resume, and export a pipeline folder to `<out>/export`."""
    vae = AutoencoderKLWan.from_pretrained(config.vae).eval()
    film = FilmShots.load(config.film) if config.film else None
    for index in range(config.shards):
        if not (Path(config.bank) / f"shard-{index:05d}.safetensors").exists():
            vae.to("cuda" if torch.cuda.is_available() else "cpu")
            build_shard(vae, Path(config.bank), index, film=film, film_share=config.film_share, size=DRAFT, seed=config.seed)
    bank, stride = LatentBank(config.bank), vae.config.scale_factor_temporal
    torch.manual_seed(config.seed)
    model, tokenizer = build_model(config, vae)
    core = model.transformer
    outer = [core.patch_embedding.weight, core.proj_out.weight, model.text_encoder.shared.weight]
    optimizers = make_optimizers(model, config.lr, config.adam_lr, outer + list(core.condition_embedder.parameters()))

    def loss(model: nn.Module, step: int, device: torch.device) -> dict[str, Tensor]:
        if step % 200 == 0:
            bank.refresh()
        return flow_loss(model, draw_batch(config, bank, tokenizer, stride, step, device))

    def sample(model: TrainedGen, folder: Path, step: int) -> None:
        pipeline = as_pipeline(config, model, tokenizer, vae.to(model.transformer.device))
        rows = []
        for seed in (HELD_OUT_SEED + 3, HELD_OUT_SEED + 8):
            scene = sample_scene(seed, 37)
            truth = render(scene, *DRAFT) * 2 - 1
            conditions = [VideoCondition(image=truth[frame], frame_index=frame) for frame in (0, 12, 24, 36)]
            video = pipeline(
                scene_caption(scene), conditions=conditions, num_frames=37, height=DRAFT[0], width=DRAFT[1], num_inference_steps=12,
                guidance_scale=1.0, cuts=scene.cuts, output_type="pt", generator=torch.Generator().manual_seed(0),
            ).frames[0].cpu()  # fmt: skip
            rows += [truth.transpose(0, 1)[:, ::3], video.transpose(0, 1)[:, ::3] * 2 - 1]
        save_strip(torch.cat(rows, dim=-2), folder / f"{step:06d}.png")

    def export(model: TrainedGen, folder: Path) -> None:
        as_pipeline(config, model, tokenizer, vae).save_pretrained(folder)

    train(config, model, optimizers, loss, sample, export)
