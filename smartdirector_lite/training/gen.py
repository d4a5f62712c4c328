"""Train the tiny Director-Gen: flow matching on Multi-Chunk latents, with anchors of every kind (paper: Director-Gen).

The path, the loss and the anchors' part in them are those of `flow`: x_0 is a clip's latents, x_1 is noise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from accelerate import PartialState
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from .. import flow
from ..gen import DirectorGenPipeline, DirectorTransformer3DModel, VideoCondition
from ..gen.transformer import trained_with
from ..timeline import TAU_SCHEMES
from ..toyworld import render, sample_scene
from .bank import LatentBank, build_shard
from .clips import ClipData, ClipEntry, scene_caption, vae_fingerprint
from .film import Footage
from .loop import train_stage
from .options import LoopConfig, Range, Rate, Real, Share, Weight
from .precision import encoding_device
from .processes import join_processes, write_folder
from .shards import make_shards
from .stage import SAMPLE_SEEDS, Stage, check_init, on_device, save_strip
from .text import HEAD_DIM, build_text_encoder, train_tokenizer
from .tiny import DRAFT
from .transformer import (
    TransformerConfig,
    build_transformer,
    draw_anchors,
    repatch,
    run_transformer,
    transformer_optimizers,
    zero_head,
)
from .vae import load_vae

CAPTIONS = 3000  # how many captions the tokenizer learns from
NEW_SCHEME = "continuous"  # of random weights: trained alike, it errs less than the others (`bench/ablation.py`)


@dataclass
class GenConfig(TransformerConfig):
    """The options of `train gen`."""

    out: str = "runs/gen"  # the run's folder
    text_dim: Annotated[int, Range(HEAD_DIM, 65_536, step=HEAD_DIM)] = 192  # channels of a text's embedding
    sigma_data: Rate | None = 0.5  # spread of the latents, for the skip around the transformer; None for no skip
    text_dropout: Share = 0.15  # how often a clip comes without its caption
    description_only: Share = 0.1  # how often it comes with the holistic part of its caption alone
    time_mean: Real = 1.4  # mean of the normal number whose sigmoid is t; near noise it is decided what happens
    time_std: Rate = 1.2  # standard deviation of that number
    shift: Rate = 3.0  # shift of the scheduler that is exported
    rope: str | None = None  # tau scheme; None for that of init, and for continuous with random weights
    cut_gap: Weight = 2.0  # how far a cut sets the next shot apart, in tau

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rope is not None and self.rope not in TAU_SCHEMES:
            raise ValueError(f"rope = {self.rope}: give one of {', '.join(TAU_SCHEMES)}")


class TrainedGen(nn.Module):
    """Text encoder and transformer, trained as one."""

    def __init__(self, text_encoder: nn.Module, transformer: DirectorTransformer3DModel, sigma_data: float | None):
        super().__init__()
        self.text_encoder = text_encoder
        self.transformer = transformer
        self.sigma_data = sigma_data

    def forward(self, latents: Tensor, t: Tensor, tokens: Tensor, mask: Tensor, tau: Tensor) -> Tensor:
        """Predict the velocity, (B, C, F, h, w). Embeddings of padding are zeroed, as in `WanPipeline`.

        Args:
            latents: x_t, (B, C, F, h, w).
            t: (B, F) in [0, 1].
            tokens: (B, L) of the captions.
            mask: (B, L), 1 for a token and 0 for padding.
            tau: (B, F).
        """
        embeds = self.text_encoder(tokens, mask).last_hidden_state * mask[..., None]
        output = run_transformer(self.transformer, latents, t, embeds, tau)
        return flow.precondition(output, latents, t, self.sigma_data).float()


def caption_of(rng: np.random.Generator, entry: ClipEntry, config: LoopConfig) -> str:
    """Draw a clip's text: the whole caption, its holistic part alone, or nothing (for guidance).

    Args:
        config: has `text_dropout` and `description_only`.
    """
    chance = rng.random()
    if chance < config.text_dropout:
        return ""
    return entry.description if chance < config.text_dropout + config.description_only else entry.caption


def gen_batch(
    rng: np.random.Generator,
    clips: list[ClipData],
    stride: int,
    config: LoopConfig,
    read_texts: Callable[[list[str]], tuple[Tensor, Tensor]],
    own: Mapping[str, object],
) -> dict[str, Tensor]:
    """Make what `flow_loss` takes, of clips with equally many latents.

    Args:
        clips: latents (C, F, h, w) with their entries.
        stride: frames a latent.
        config: has the options of `GenConfig` that say how captions, anchors and times are drawn.
        read_texts: makes `tokens` and `mask` of texts.
        own: how the transformer is trained, from `trained_with`; its scheme and its gap make tau.

    Returns:
        x_0 (B, C, F, h, w), anchors and tau (B, F), t (B,), tokens and mask (B, L).
    """
    plans = [entry.plan(stride) for _, entry in clips]
    tokens, mask = read_texts([caption_of(rng, entry, config) for _, entry in clips])
    t = torch.sigmoid(torch.tensor(rng.normal(config.time_mean, config.time_std, len(clips)), dtype=torch.float32))
    return {
        "x_0": torch.stack([latents for latents, _ in clips]).float(),
        "anchors": torch.tensor([draw_anchors(rng, plan, config) for plan in plans]),
        "tau": torch.tensor([plan.tau(own["tau_scheme"], own["cut_gap"]) for plan in plans]),
        "t": t,
        "tokens": tokens,
        "mask": mask,
    }


def flow_loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Compute Director-Gen's loss, `flow.loss` towards new noise, under the name "loss". batch: from `gen_batch`."""

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        return model(x_t, t, batch["tokens"], batch["mask"], batch["tau"])

    x_0 = batch["x_0"]
    return {"loss": flow.loss(predict, x_0, torch.randn_like(x_0), batch["t"], batch["anchors"])}


def build_tokenizer(folder: Path, captions: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Return the run's tokenizer. It is trained once and kept in `folder`, because a resumed run must use the same.

    Args:
        captions: of a film, which it learns beside those of the toy world.
    """
    if not folder.exists():
        texts = [scene_caption(sample_scene(seed, 25 + seed % 37)) for seed in range(CAPTIONS)]
        write_folder(folder, train_tokenizer([*texts, *captions]).save_pretrained)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def build_gen(config: GenConfig, vae: AutoencoderKLWan) -> tuple[TrainedGen, PreTrainedTokenizerFast]:
    """Make the model to train, from the pipeline in `config.init` or with random weights, and its tokenizer."""
    if config.init:
        check_init(config.init, "gen")
        pipeline = DirectorGenPipeline.from_pretrained(config.init, vae=None, dtype=torch.float32)
        channels = pipeline.transformer.config.in_channels
        if channels != vae.config.z_dim:
            raise ValueError(
                f"init = {config.init}: for latents of {channels} channels; the VAE's have {vae.config.z_dim}"
            )
        if pipeline.config.sigma_data != config.sigma_data:  # the same trunk, and a new head for another output
            zero_head(pipeline.transformer)
        transformer = repatch(pipeline.transformer, config.patch)
        return TrainedGen(pipeline.text_encoder, transformer, config.sigma_data), pipeline.tokenizer
    with PartialState().main_process_first():
        captions = Footage.open(config.film, config.film_share).captions
        tokenizer = build_tokenizer(Path(config.out) / "tokenizer", captions)
    text_encoder = build_text_encoder(len(tokenizer), config.text_dim)
    return TrainedGen(text_encoder, build_transformer(config, vae), config.sigma_data), tokenizer


def open_bank(config: GenConfig, vae: AutoencoderKLWan) -> LatentBank:
    """Make the shards that are missing, on a GPU if there is one, and read them all."""
    footage = Footage.open(config.film, config.film_share, config.collage_share)

    def make(index: int) -> None:
        build_shard(vae.to(encoding_device()), config.bank, index, footage=footage, seed=config.seed)

    make_shards(config.bank, config.shards, make)
    return LatentBank(config.bank, vae_fingerprint(vae), vae.config.scale_factor_temporal)


class GenStage(Stage):
    """The training of Director-Gen."""

    loss = staticmethod(flow_loss)

    def __init__(self, config: GenConfig, vae: AutoencoderKLWan, bank: LatentBank):
        torch.manual_seed(config.seed)
        self.config, self.vae, self.bank, self.stride = config, vae, bank, vae.config.scale_factor_temporal
        self.model, self.tokenizer = build_gen(config, vae)
        transformer = self.model.transformer
        scheme = trained_with(transformer)["tau_scheme"] if config.init else NEW_SCHEME
        # These are the weights' own from now on, also where they were trained differently before.
        transformer.register_to_config(
            sigma_data=config.sigma_data,
            cut_gap=config.cut_gap,
            tau_scheme=scheme if config.rope is None else config.rope,
        )
        self.own = trained_with(transformer)
        self.optimizers = transformer_optimizers(config, self.model, self.model.text_encoder.shared.weight)

    def batch(self, number: int, device: torch.device | str) -> dict[str, Tensor]:
        """Draw what `flow_loss` takes."""
        rng = self.rng(number)
        clips = self.bank.draw(rng, self.config.latent_frames)
        return on_device(gen_batch(rng, clips, self.stride, self.config, self._tokens, self.own), device)

    def _tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Tokens and their mask, (B, L) each, padded as the pipeline pads."""
        text = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return text.input_ids, text.attention_mask

    def pipeline(self) -> DirectorGenPipeline:
        """What is sampled from and exported. It holds the model itself, not a copy.

        Each step of its scheduler guesses x_0 and goes back to the next time with fresh noise. Along the flow's own
        path the errors of a small model add up, and figures fall apart into patches. New noise covers them.
        """
        scheduler = FlowMatchEulerDiscreteScheduler(shift=self.config.shift, stochastic_sampling=True)
        parts = (self.tokenizer, self.model.text_encoder, self.vae, scheduler, self.model.transformer)
        pipeline = DirectorGenPipeline(*parts, expand_timesteps=True)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def sample(self, folder: Path, step: int) -> None:
        """Draw two held-out scenes from four keyframes each, below the truth."""
        self.vae.to(self.model.transformer.device)
        pipeline, rows = self.pipeline(), []
        for seed in SAMPLE_SEEDS:
            scene = sample_scene(seed, 37)
            truth = render(scene, DRAFT) * 2 - 1
            video = pipeline(
                scene_caption(scene),
                conditions=[VideoCondition(image=truth[frame], frame_index=frame) for frame in (0, 12, 24, 36)],
                num_frames=scene.num_frames,
                height=DRAFT.height,
                width=DRAFT.width,
                cuts=scene.cuts,
                num_inference_steps=12,
                guidance_scale=1.0,
                output_type="pt",
                generator=torch.Generator().manual_seed(0),
            ).frames[0]
            rows += [truth.transpose(0, 1)[:, ::3], video.cpu().transpose(0, 1)[:, ::3] * 2 - 1]
        save_strip(torch.cat(rows, dim=-2), folder / f"{step:06d}.png")

    def export(self, folder: Path) -> None:
        """Write the pipeline's folder."""
        self.pipeline().save_pretrained(folder)


def train_gen(config: GenConfig) -> None:
    """Make the bank where it is missing, train or resume, and export a pipeline's folder to `<out>/export`.

    Raises:
        ValueError: bad options; a VAE, a film or a bank that is not there or does not fit.
    """
    join_processes()
    config.check_out(config.init, config.vae, config.film, config.bank)
    vae = load_vae(config.vae, "vae").eval()
    train_stage(GenStage(config, vae, open_bank(config, vae)))
