"""Fine-tune a real Wan model as Director-Gen or Director-SR: `train gen --base FOLDER`, `train sr --base FOLDER`.

Clips and captions are encoded first. Then the transformer is trained alone, as a LoRA or whole, with the batches and
losses of the tiny trainings. Several processes share the batches (`accelerate launch`), or the weights too (FSDP2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.utils import is_peft_available
from torch import Tensor, nn

from ..gen.base import check_size
from ..gen.transformer import trained_with
from ..media.size import Size
from ..sr import DirectorSRPipeline
from ..sr.frames import FACTOR
from ..sr.pipeline import UPSAMPLING
from ..timeline import check_one_of
from .bank import ClipBank
from .finetune_base import Base, export_lora, whole_transformer
from .finetune_data import CacheSettings, Captions, find_clips, open_clips
from .gen import flow_loss, gen_batch
from .loop import train_stage
from .options import Count, Endless, LoopConfig, Natural, Rate, Real, Share, Weight
from .precision import mixed_precision
from .processes import join_processes
from .sr import TrainedSR, sr_batch, sr_loss
from .stage import Stage, on_device
from .transformer import TrainedTransformer, run_transformer


@dataclass
class FinetuneConfig(LoopConfig):
    """The options that both fine-tunings share."""

    base: str = ""  # the folder of a Wan text-to-video pipeline, in the hub's layout
    lora_rank: Natural = 16  # rank of the LoRA on attention and feed-forward; 0 trains the whole transformer
    data: str = "clips"  # a folder of videos, each with its caption in a .txt beside it
    cache: str = ""  # where the clips' latents are kept; nothing for `cache` in out
    size: tuple[Count, Count] = (832, 480)  # width and height of a clip, to which videos are cropped
    frames: Count = 81  # frames of a clip
    fps: Rate = 24.0  # frames a second of a clip
    plans: Count = 4  # in how many ways each video is cut into chunks
    batch: Count = 1  # clips of a batch, in each process
    accumulate: Count = 1  # batches of a step
    lr: Rate = 1e-4  # AdamW's learning rate
    weight_decay: Weight = 0.0  # AdamW's weight decay
    drop_anchor: Share = 0.15  # how often a keyframe at a chunk's natural beginning is left out
    clip_anchor: Share = 0.1  # how often a keyframe that stays becomes a clip
    minutes: Endless = 100_000.0  # how long this call may take; a later call with the same `out` goes on
    ema: Share = 0.0  # decay of averaged weights; 0 for no average
    save_minutes: Endless = 20.0  # minutes between two checkpoints
    log_every: Count = 10  # steps between two lines of the log


@dataclass
class GenFinetune(FinetuneConfig):
    """The options of `train gen --base`."""

    out: str = "runs/wan-lora"  # the run's folder
    text_dropout: Share = 0.1  # how often a clip comes without its caption
    description_only: Share = 0.1  # how often it comes with the first line of its caption alone
    time_mean: Real = 0.0  # mean of the normal number whose sigmoid is t
    time_std: Rate = 1.0  # standard deviation of that number
    shift: Rate = 3.0  # how t is then shifted towards noise, as a scheduler shifts its times


@dataclass
class SRFinetune(FinetuneConfig):
    """The options of `train sr --base`. Captions are not read."""

    out: str = "runs/wan-sr-lora"  # the run's folder
    size: tuple[Count, Count] = (1664, 960)  # width and height of an HR clip, twice those of LR
    upsample: str = "latent"  # what the flow starts from: enlarged latents, or encoded enlarged frames (pixel)
    clip_anchor: Share = 0.05  # how often a keyframe that stays becomes a clip
    no_anchor: Share = 0.3  # how often a clip has no keyframe at all
    at_start: Share = 0.5  # how often t is 1; else it is uniform

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("upsample", self.upsample, UPSAMPLING)


class TunedGen(TrainedTransformer):
    """The transformer, for texts that are embedded already."""

    def forward(self, latents: Tensor, t: Tensor, text: Tensor, mask: Tensor, tau: Tensor) -> Tensor:
        """Predict the velocity, (B, C, F, h, w), float32.

        Args:
            latents: x_t, (B, C, F, h, w).
            t: (B, F) in [0, 1].
            text: embeddings (B, L, D), of which those that `mask` (B, L) leaves out are zeroed, as in `WanPipeline`.
            tau: (B, F).
        """
        return run_transformer(self.transformer, latents, t, text * mask[..., None], tau).float()


class FinetuneStage(Stage):
    """A fine-tuning. Its subclasses are those of Director-Gen and of Director-SR.

    Attributes:
        trained: wraps the transformer with its training pass.
        objective: the loss of the tiny training.
    """

    finetunes = True
    trained: type[TrainedTransformer]
    objective: Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]

    def __init__(self, config: FinetuneConfig, base: Base, bank: ClipBank):
        self.config, self.base, self.bank, self.stride = config, base, bank, base.stride
        self.accumulate = config.accumulate
        self.fast = mixed_precision(config.precision, PartialState().device) == "bf16"
        torch.manual_seed(config.seed)  # every process begins with the same LoRA
        self.model = self.trained(base.load_transformer(config.lora_rank, self.fast))
        self.own = trained_with(self.model.transformer)  # for Wan's weights "frame_time", and no gap at cuts
        weights = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizers = [torch.optim.AdamW(weights, lr=config.lr, weight_decay=config.weight_decay)]

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the flow's loss, under autocast: accelerate has none for weights that FSDP2 shards."""
        with torch.autocast(batch["t"].device.type, torch.bfloat16, enabled=self.fast):
            return self.objective(model, batch)

    def export(self, folder: Path) -> None:
        """Write a LoRA, or a pipeline's folder."""
        if self.config.lora_rank:
            export_lora(self.model.transformer, folder)
        elif (transformer := whole_transformer(self.model.transformer)) is not None:
            self.export_whole(transformer, folder)


class GenFinetuneStage(FinetuneStage):
    """The fine-tuning of a Wan model as Director-Gen."""

    trained, objective = TunedGen, staticmethod(flow_loss)

    def __init__(self, config: GenFinetune, base: Base, bank: ClipBank, captions: Captions):
        super().__init__(config, base, bank)
        self.captions = captions

    def batch(self, number: int, device: torch.device | str) -> dict[str, Tensor]:
        """Draw what `flow_loss` takes. Its `tokens` are embedded texts (B, L, D)."""
        rng = self.rng(number)
        clips = self.bank.draw_alike(rng, self.config.batch)
        batch = gen_batch(rng, clips, self.stride, self.config, self.captions, self.own)
        t, shift = batch["t"], self.config.shift
        return on_device({**batch, "t": shift * t / (1 + (shift - 1) * t)}, device)

    def export_whole(self, transformer: WanTransformer3DModel, folder: Path) -> None:
        """Write the base's folder with this transformer."""
        self.base.copy_without_transformer(folder)
        transformer.save_pretrained(folder / "transformer")


class SRFinetuneStage(FinetuneStage):
    """The fine-tuning of a Wan model as Director-SR."""

    trained, objective = TrainedSR, staticmethod(sr_loss)

    def batch(self, number: int, device: torch.device | str) -> dict[str, Tensor]:
        """Draw what `sr_loss` takes."""
        rng = self.rng(number)
        clips = self.bank.draw_alike(rng, self.config.batch)
        return on_device(sr_batch(rng, clips, self.stride, self.config, self.own["tau_scheme"]), device)

    def export_whole(self, transformer: WanTransformer3DModel, folder: Path) -> None:
        """Write a Director-SR, to be named `director-sr` beside a `director-gen`, whose VAE it uses."""
        parts = (None, None, None, FlowMatchEulerDiscreteScheduler(), transformer)
        DirectorSRPipeline(*parts, upsample=self.config.upsample).save_pretrained(folder)


def finetune(config: GenFinetune | SRFinetune) -> None:
    """Encode what the cache lacks, train or resume, and export to `<out>/export`: a LoRA, or a pipeline's folder.

    Raises:
        ValueError: bad options, before a model runs; a cache or a checkpoint that does not fit.
    """
    join_processes()
    config.check_out(config.base, config.data)
    if config.lora_rank and not is_peft_available():
        raise ValueError(f"lora_rank = {config.lora_rank} needs peft: pip install 'smartdirector-lite[train]'")
    base, size, is_sr = Base.find(config.base), Size(*config.size), isinstance(config, SRFinetune)
    try:
        check_size(size, base.multiple.times(FACTOR) if is_sr else base.multiple)
    except ValueError as error:
        raise ValueError(f"{error} (HR, which is twice LR)" if is_sr else str(error)) from error
    upsample = config.upsample if is_sr else None
    settings = CacheSettings(size, config.frames, config.fps, config.plans, config.seed, upsample)
    clips = find_clips(config.data, settings)
    cache = Path(config.cache) if config.cache else Path(config.out) / "cache"
    bank = open_clips(base.load_vae, clips, cache, settings)
    if is_sr:
        stage = SRFinetuneStage(config, base, bank)
    else:
        texts = {text for _, entry in bank.clips for text in ("", entry.caption, entry.description)}
        stage = GenFinetuneStage(config, base, bank, Captions(base.folder, sorted(texts), cache))
    train_stage(stage)
