"""What a step of fine-tuning a real Wan model sees: its options, its batches, and the transformer around them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..gen.transformer import DirectorTransformer3DModel
from ..sr.options import check_upsample
from .bank import ClipEntry, LatentBank
from .finetune_data import Texts
from .gen import caption_of
from .loop import LoopConfig
from .sr import as_batch
from .stage import NUM_TRAIN_TIMESTEPS, check_options, draw_anchors

LOWEST = {"lora_rank": 0, "frames": 1, "plans": 1, "batch": 1, "accumulate": 1}


@dataclass
class FinetuneConfig(LoopConfig):
    """As LoopConfig (without workers: batches come from memory), and:

    base: the folder of a Wan text-to-video pipeline, in the hub's layout. lora_rank: of the LoRA on attention and
    feed-forward; 0 trains the whole transformer. data: a folder of videos, each with its caption in a .txt beside it.
    cache: where their latents are kept; "" for `cache` in `out`. size: width and height; frames, fps: of a clip.
    plans: in how many ways each clip is cut into chunks. batch: clips of a batch, in each process. accumulate: batches
    of a step. lr: AdamW's rate. weight_decay: AdamW's. drop_anchor, clip_anchor: see `draw_anchors`.
    """

    base: str = ""
    lora_rank: int = 16
    data: str = "clips"
    cache: str = ""
    size: tuple[int, int] = (832, 480)
    frames: int = 81
    fps: float = 24.0
    plans: int = 4
    batch: int = 1
    accumulate: int = 1
    lr: float = 1e-4
    weight_decay: float = 0.0
    drop_anchor: float = 0.15
    clip_anchor: float = 0.1
    minutes: float = 100_000.0
    ema: float = 0.0
    save_minutes: float = 20.0
    log_every: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, LOWEST)
        for name in ("lr", "fps"):
            if not 0 < getattr(self, name) <= 1000:
                raise ValueError(f"{name} = {getattr(self, name)}: give more than 0, at most 1000")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay = {self.weight_decay}: give 0 or more")

    @property
    def shares(self) -> tuple[str, ...]:
        """The options that are shares or probabilities."""
        return "drop_anchor", "clip_anchor"


@dataclass
class GenFinetune(FinetuneConfig):
    """As FinetuneConfig, and: text_dropout, description_only: how often a clip comes without its caption, or with its
    first line alone. time_mean, time_std, shift: t is the sigmoid of a normal number, shifted as a scheduler's `shift`
    does it.
    """

    out: str = "runs/wan-lora"
    text_dropout: float = 0.1
    description_only: float = 0.1
    time_mean: float = 0.0
    time_std: float = 1.0
    shift: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("time_std", "shift"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}: give more than 0")

    @property
    def shares(self) -> tuple[str, ...]:
        return *super().shares, "text_dropout", "description_only"


@dataclass
class SRFinetune(FinetuneConfig):
    """As FinetuneConfig, and: size is HR's, twice LR's. upsample: see `SROptions`. no_anchor: how often a clip has no
    keyframe at all. at_start: how often t is 1; else it is uniform. Captions are not read.
    """

    out: str = "runs/wan-sr-lora"
    size: tuple[int, int] = (1664, 960)
    upsample: str = "latent"
    clip_anchor: float = 0.05
    no_anchor: float = 0.3
    at_start: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_upsample(self.upsample)

    @property
    def shares(self) -> tuple[str, ...]:
        return *super().shares, "no_anchor", "at_start"


class TunedGen(nn.Module):
    """The transformer with texts that are embedded already. fast: in bfloat16 autocast."""

    _no_split_modules = DirectorTransformer3DModel._no_split_modules  # what FSDP gathers at a time

    def __init__(self, transformer: DirectorTransformer3DModel, fast: bool):
        super().__init__()
        self.transformer, self.fast = transformer, fast

    def forward(self, latents: Tensor, t: Tensor, text: Tensor, mask: Tensor, tau: Tensor) -> Tensor:
        """latents (B, C, F, h, w), t, tau (B, F), text (B, L, D), mask (B, L) -> velocity (B, C, F, h, w), float32.

        Embeddings of padding are zeroed, as `WanPipeline` does. t is in [0, 1].
        """
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=self.fast):
            embeds = text * mask[..., None]
            return self.transformer(latents, t * NUM_TRAIN_TIMESTEPS, embeds, return_dict=False, tau=tau)[0].float()


class TunedSR(TunedGen):
    """The transformer without a text: one zero vector, as `DirectorSRPipeline` gives it."""

    def forward(self, latents: Tensor, t: Tensor, tau: Tensor) -> Tensor:
        """latents (B, C, F, h, w), t and tau (B, F) -> velocity z_LR - z_HR, (B, C, F, h, w), float32."""
        text = latents.new_zeros(len(latents), 1, self.transformer.config.text_dim)
        return super().forward(latents, t, text, text[..., 0], tau)


def draw_clips(
    config: FinetuneConfig, bank: LatentBank, number: int
) -> tuple[np.random.Generator, list[tuple[Tensor, ClipEntry]]]:
    """Batch `number`: clips with equally many latents, and the generator for what else is drawn."""
    rng = np.random.default_rng((config.seed, number))
    first = int(rng.integers(len(bank.clips)))
    same = bank.by_length[bank.clips[first][0].shape[1]]
    return rng, [bank.clips[k] for k in (first, *rng.choice(same, size=config.batch - 1))]


def draw_gen_batch(config: GenFinetune, bank: LatentBank, texts: Texts, stride: int, number: int) -> dict[str, Tensor]:
    """What `gen.flow_loss` takes: x_0, anchors, tau, t, and embedded texts as tokens (B, L, D), with their mask."""
    rng, clips = draw_clips(config, bank, number)
    plans = [entry.plan(stride) for _, entry in clips]
    tokens, mask = texts.batch([caption_of(rng, entry, config) for _, entry in clips])
    t = torch.sigmoid(torch.tensor(rng.normal(config.time_mean, config.time_std, len(clips)), dtype=torch.float32))
    return {
        "x_0": torch.stack([latents for latents, _ in clips]).float(),
        "anchors": torch.tensor([draw_anchors(rng, plan, config) for plan in plans]),
        "tau": torch.tensor([plan.tau() for plan in plans]),
        "t": config.shift * t / (1 + (config.shift - 1) * t),
        "tokens": tokens,
        "mask": mask,
    }


def draw_sr_batch(config: SRFinetune, bank: LatentBank, stride: int, number: int) -> dict[str, Tensor]:
    """What `sr.sr_loss` takes: z_lr, z_hr, anchors, tau, t."""
    rng, clips = draw_clips(config, bank, number)
    return as_batch(rng, clips, stride, config)
