"""Train the tiny Director-Gen: flow matching on Multi-Chunk latents, with anchors of every kind (paper: Director-Gen).

`x_t = (1 - t) x_0 + t x_1`, `v = x_1 - x_0`; anchors keep timestep 0 and their clean latents, and count nothing in the
loss.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from ..gen.conditions import VideoCondition
from ..gen.pipeline import DirectorGenPipeline
from ..gen.preconditioning import to_velocity
from ..gen.transformer import DirectorTransformer3DModel
from ..timeline import TAU_SCHEMES
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from .bank import FILM_CAPTION, ClipEntry, LatentBank, build_shard, fingerprint, scene_caption
from .film import FilmShots
from .loop import train, write_folder
from .optim import make_optimizers
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
    zero_head,
)
from .text import build_text_encoder, train_tokenizer
from .vae import DRAFT, load_vae, save_strip

CAPTIONS = 3000  # that the tokenizer learns from


@dataclass
class GenConfig(StageConfig):
    """As StageConfig, and:

    sigma_data: of the skip around the transformer, see `to_velocity`; None for none. text_dropout, description_only:
    how often a clip comes without its caption, or with its holistic part alone. time_mean, time_std: of the normal
    distribution whose sigmoid is t. shift: of the scheduler that is exported. rope: the tau scheme; a model trained
    under another one than frame_time must be called with it (`rope=`). cut_gap: between shots, see `ChunkPlan.tau`.
    """

    out: str = "runs/gen"
    sigma_data: float | None = 0.5
    text_dropout: float = 0.15
    description_only: float = 0.1
    time_mean: float = 1.4  # near noise, where it is decided what happens between keyframes
    time_std: float = 1.2
    shift: float = 3.0
    rope: str = "frame_time"
    cut_gap: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rope not in TAU_SCHEMES:
            raise ValueError(f"rope = {self.rope}: give one of {', '.join(TAU_SCHEMES)}")

    @property
    def shares(self) -> tuple[str, ...]:
        return *super().shares, "text_dropout", "description_only"


class TrainedGen(nn.Module):
    """Text encoder and transformer, trained as one."""

    def __init__(self, text_encoder: nn.Module, transformer: DirectorTransformer3DModel, sigma_data: float | None):
        super().__init__()
        self.text_encoder = text_encoder
        self.transformer = transformer
        self.sigma_data = sigma_data

    def forward(self, latents: Tensor, t: Tensor, tokens: Tensor, mask: Tensor, tau: Tensor) -> Tensor:
        """latents (B, C, F, h, w), t (B, F) in [0, 1], tokens, mask (B, L), tau (B, F) -> velocity (B, C, F, h, w).

        Embeddings of padding are zeroed, as `WanPipeline` does.
        """
        embeds = self.text_encoder(tokens, mask).last_hidden_state * mask[..., None]
        output = self.transformer(latents, t * NUM_TRAIN_TIMESTEPS, embeds, return_dict=False, tau=tau)[0]
        return to_velocity(output, latents, t, self.sigma_data).float()


def caption_of(rng: np.random.Generator, entry: ClipEntry, config: GenConfig) -> str:
    """The caption in full, the holistic part alone, or nothing (for guidance)."""
    chance = rng.random()
    if chance < config.text_dropout:
        return ""
    return entry.description if chance < config.text_dropout + config.description_only else entry.caption


def draw_batch(
    config: GenConfig,
    bank: LatentBank,
    tokenizer: PreTrainedTokenizerFast,
    stride: int,
    step: int,
    device: torch.device | str,
) -> dict[str, Tensor]:
    """One step's batch: x_0 (B, C, F, h, w), anchors and tau (B, F), t (B,), tokens and mask (B, L).

    The same step draws the same batch from the same bank. stride: frames a latent.
    """
    rng = np.random.default_rng((config.seed, step))
    clips = bank.draw(rng, config.latent_frames)
    plans = [entry.plan(stride) for _, entry in clips]
    captions = [caption_of(rng, entry, config) for _, entry in clips]
    text = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")  # as the pipeline pads
    t = torch.sigmoid(torch.tensor(rng.normal(config.time_mean, config.time_std, len(clips)), dtype=torch.float32))
    batch = {
        "x_0": torch.stack([latents for latents, _ in clips]).float(),
        "anchors": torch.tensor([draw_anchors(rng, plan, config) for plan in plans]),
        "tau": torch.tensor([plan.tau(config.rope, config.cut_gap) for plan in plans]),
        "t": t,
        "tokens": text.input_ids,
        "mask": text.attention_mask,
    }
    return on_device(batch, device)


def flow_loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean squared error of the velocity over the latents that are not anchors; 0 if all are. batch: `draw_batch`'s."""
    x_0, anchors = batch["x_0"], batch["anchors"]
    x_1 = torch.randn_like(x_0)
    t = torch.where(anchors, 0.0, batch["t"][:, None])  # (B, F)
    per_frame = t[:, None, :, None, None]
    x_t = (1 - per_frame) * x_0 + per_frame * x_1
    velocity = model(x_t, t, batch["tokens"], batch["mask"], batch["tau"])
    error = (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))  # (B, F)
    free = (~anchors).float()
    loss = (error * free).sum() / free.sum().clamp(min=1)
    return {"loss": loss}


def build_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The run's tokenizer: trained once, then kept in `folder`, or a resumed run might read its text with another."""
    if not folder.exists():
        texts = [scene_caption(sample_scene(seed, 25 + seed % 37)) for seed in range(CAPTIONS)]
        write_folder(folder, train_tokenizer([*texts, FILM_CAPTION]).save_pretrained)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def build_model(config: GenConfig, vae: AutoencoderKLWan) -> tuple[TrainedGen, PreTrainedTokenizerFast]:
    """The model to train, of the pipeline in `config.init` or with random weights, and its tokenizer."""
    if config.init:
        check_init(config.init, "gen")
        pipeline = DirectorGenPipeline.from_pretrained(config.init, vae=None, dtype=torch.float32)
        if pipeline.transformer.config.in_channels != vae.config.z_dim:
            channels = pipeline.transformer.config.in_channels
            raise ValueError(
                f"init = {config.init}: for latents of {channels} channels; the VAE's have {vae.config.z_dim}"
            )
        if pipeline.config.sigma_data != config.sigma_data:  # the same trunk, and a new head for another output
            zero_head(pipeline.transformer)
        transformer = repatch(pipeline.transformer, config.patch)
        model = TrainedGen(pipeline.text_encoder, transformer, config.sigma_data)
        return model, pipeline.tokenizer
    with PartialState().main_process_first():
        tokenizer = build_tokenizer(Path(config.out) / "tokenizer")
    text_encoder = build_text_encoder(len(tokenizer), config.text_dim)
    return TrainedGen(text_encoder, build_transformer(config, vae), config.sigma_data), tokenizer


def as_pipeline(
    config: GenConfig, model: TrainedGen, tokenizer: PreTrainedTokenizerFast, vae: AutoencoderKLWan
) -> DirectorGenPipeline:
    """What is sampled from and exported; it holds the model itself, not a copy.

    Each step of its scheduler guesses x_0 and goes back to the next time with fresh noise. Along the flow's own path a
    small model's errors add up, and figures fall apart into patches; noise that is new covers them.
    """
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=NUM_TRAIN_TIMESTEPS, shift=config.shift, stochastic_sampling=True
    )
    options = {"expand_timesteps": True, "sigma_data": model.sigma_data, "cut_gap": config.cut_gap}
    pipeline = DirectorGenPipeline(tokenizer, model.text_encoder, vae, scheduler, model.transformer, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def open_bank(config: GenConfig, vae: AutoencoderKLWan) -> LatentBank:
    """Make the shards that are missing, on the GPU if there is one, and read them all."""
    film = FilmShots.load(config.film) if config.film else None

    def make(index: int) -> None:
        vae.to("cuda" if torch.cuda.is_available() else "cpu")
        build_shard(vae, config.bank, index, film=film, film_share=config.film_share, size=DRAFT, seed=config.seed)

    make_shards(config, make)
    return LatentBank(config.bank, fingerprint(vae), vae.config.scale_factor_temporal)


def sample_strip(config: GenConfig, model: TrainedGen, tokenizer, vae: AutoencoderKLWan, path: Path) -> None:
    """Two held-out scenes from four keyframes each, below the truth, as one PNG."""
    pipeline = as_pipeline(config, model, tokenizer, vae.to(model.transformer.device))
    rows = []
    for seed in (HELD_OUT_SEED + 3, HELD_OUT_SEED + 8):
        scene = sample_scene(seed, 37)
        truth = render(scene, *DRAFT) * 2 - 1
        video = pipeline(
            scene_caption(scene),
            conditions=[VideoCondition(image=truth[frame], frame_index=frame) for frame in (0, 12, 24, 36)],
            num_frames=scene.num_frames,
            height=DRAFT[0],
            width=DRAFT[1],
            cuts=scene.cuts,
            num_inference_steps=12,
            guidance_scale=1.0,
            output_type="pt",
            generator=torch.Generator().manual_seed(0),
            rope=config.rope,
        ).frames[0]
        rows += [truth.transpose(0, 1)[:, ::3], video.cpu().transpose(0, 1)[:, ::3] * 2 - 1]
    save_strip(torch.cat(rows, dim=-2), path)


def train_gen(config: GenConfig) -> None:
    """Make the bank where it is missing, train or resume, and export a pipeline folder to `<out>/export`.

    Raises ValueError for bad options, and for a VAE, a film or a bank that is not there or does not fit.
    """
    join_processes()
    vae = load_vae(config.vae, "vae").eval()
    bank, stride = open_bank(config, vae), vae.config.scale_factor_temporal
    torch.manual_seed(config.seed)
    model, tokenizer = build_model(config, vae)
    core = model.transformer
    if config.compile:
        compile_blocks(core)
    outer = [core.patch_embedding.weight, core.proj_out.weight, model.text_encoder.shared.weight]
    optimizers = make_optimizers(model, config.lr, config.adam_lr, outer + list(core.condition_embedder.parameters()))

    def loss(model: nn.Module, step: int, device: torch.device) -> dict[str, Tensor]:
        return flow_loss(model, draw_batch(config, bank, tokenizer, stride, step, device))

    def sample(model: TrainedGen, folder: Path, step: int) -> None:
        sample_strip(config, model, tokenizer, vae, folder / f"{step:06d}.png")

    def export(model: TrainedGen, folder: Path) -> None:
        as_pipeline(config, model, tokenizer, vae).save_pretrained(folder)

    train(config, model, optimizers, loss, sample, export)
