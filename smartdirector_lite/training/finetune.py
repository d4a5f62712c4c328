"""Fine-tune a real Wan model as Director-Gen or Director-SR: `train gen --base FOLDER`, `train sr --base FOLDER`.

Clips and captions are encoded first (`finetune_data`); then the transformer is trained alone, as a LoRA or whole, with
the losses of the tiny trainings: anchors keep timestep 0 and count nothing. Several processes share the batches
(`accelerate launch`), or the weights too (FSDP). No GPU was at hand: this was tried on tiny random models only.
"""

import json
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import send_to_device
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.training_utils import cast_training_params
from diffusers.utils import is_peft_available
from torch import Tensor, nn

from ..gen.checks import check_size
from ..gen.pipeline import DirectorGenPipeline
from ..gen.transformer import DirectorTransformer3DModel
from ..loading.loader import LOADING_ERRORS, find_model
from ..sr.pipeline import DirectorSRPipeline
from ..sr.sizes import FACTOR
from .finetune_data import CacheSettings, find_clips, open_clips, open_texts
from .finetune_step import FinetuneConfig, GenFinetune, SRFinetune, TunedGen, TunedSR, draw_gen_batch, draw_sr_batch
from .gen import flow_loss
from .loop import train
from .precision import mixed_precision
from .processes import join_processes, whole_weights
from .sr import sr_loss
from .stage import NUM_TRAIN_TIMESTEPS

LORA_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]


@dataclass(frozen=True)
class Base:
    """A Wan pipeline's folder, its settings seen to fit. stride: frames a latent. multiple: of (height, width)."""

    folder: Path
    stride: int
    multiple: tuple[int, int]

    @classmethod
    def find(cls, folder: str) -> "Base":
        """Nothing but settings is read. ValueError for anything but a Wan text-to-video pipeline."""
        path = find_model(folder)
        for part in ("vae", "transformer", "text_encoder", "tokenizer"):
            if not (path / part).is_dir():
                raise ValueError(f"base = {folder}: no {part} there; give the whole folder of a Wan pipeline")
        if (path / "transformer_2").is_dir():
            raise ValueError(f"base = {folder}: two transformers (Wan 2.2 A14B); use Wan 2.1 T2V or Wan 2.2 TI2V")
        if json.loads((path / "model_index.json").read_text("utf-8")).get("sigma_data") is not None:
            raise ValueError(
                f"base = {folder}: trained behind a skip (sigma_data), as a tiny model is; give one of Wan"
            )
        try:
            with torch.device("meta"):
                vae = AutoencoderKLWan.from_config(AutoencoderKLWan.load_config(path / "vae")).config
                config = DirectorTransformer3DModel.load_config(path / "transformer")
                transformer = DirectorTransformer3DModel.from_config(config).config
        except LOADING_ERRORS as error:
            raise ValueError(f"base = {folder}: no Wan text-to-video model ({' '.join(str(error).split())})") from error
        if transformer.in_channels != vae.z_dim:
            raise ValueError(
                f"base = {folder}: its transformer takes {transformer.in_channels} channels, its VAE's latents have "
                f"{vae.z_dim}; image-to-video models are not supported"
            )
        multiple = tuple(vae.scale_factor_spatial * side for side in transformer.patch_size[1:])
        return cls(path, vae.scale_factor_temporal, multiple)

    def load_vae(self) -> AutoencoderKLWan:
        """In float32, as it was trained."""
        return _load(AutoencoderKLWan, self.folder / "vae", torch.float32).eval()


def _load(kind: type, folder: Path, dtype: torch.dtype):
    try:
        return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    except LOADING_ERRORS as error:
        raise ValueError(f"{folder}: can't be loaded ({' '.join(str(error).split())[:200]})") from error


def load_transformer(config: FinetuneConfig, base: Base, fast: bool) -> DirectorTransformer3DModel:
    """What is trained: the LoRA of a frozen transformer, in float32, or a whole one in float32.

    fast: the frozen one is in bfloat16. Blocks compute their activations twice, and keep none between.
    """
    dtype = torch.bfloat16 if fast and config.lora_rank else torch.float32
    folder = base.folder / "transformer"
    transformer = DirectorTransformer3DModel.adopt(_load(WanTransformer3DModel, folder, dtype))
    if config.lora_rank:
        from peft import LoraConfig

        transformer.requires_grad_(False)
        lora = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_rank, target_modules=LORA_LAYERS)
        transformer.add_adapter(lora)
        cast_training_params(transformer, torch.float32)
    transformer.enable_gradient_checkpointing()
    return transformer


def export_lora(model: TunedGen, folder: Path) -> None:
    """`pytorch_lora_weights.safetensors`, as diffusers writes it, for `load_lora_weights` of its pipelines and ours."""
    from peft.utils import get_peft_model_state_dict

    weights = whole_weights(model.transformer)
    if PartialState().is_main_process:
        layers = get_peft_model_state_dict(model.transformer, weights)
        DirectorGenPipeline.save_lora_weights(folder, transformer_lora_layers=layers)


def export_whole(config: FinetuneConfig, base: Base, model: TunedGen, folder: Path) -> None:
    """A pipeline's folder, the transformer in float32. Of Director-Gen, its other parts are links to the base's files.

    Director-SR's goes by the name of `director-sr` beside a `director-gen`, whose VAE it uses.
    """
    weights = whole_weights(model.transformer)
    if not PartialState().is_main_process:
        return
    with torch.device("meta"):
        transformer = WanTransformer3DModel.from_config(dict(model.transformer.config))
    transformer.load_state_dict(weights, assign=True)
    if isinstance(config, SRFinetune):
        scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=NUM_TRAIN_TIMESTEPS)
        pipeline = DirectorSRPipeline(None, None, None, scheduler, transformer, upsample=config.upsample)
        pipeline.save_pretrained(folder)
        return
    left_out = shutil.ignore_patterns("transformer", ".*")
    shutil.copytree(base.folder, folder, ignore=left_out, copy_function=_link)
    transformer.save_pretrained(folder / "transformer")


def _link(source: str, target: str) -> None:
    """A hard link, or a copy where the file system has none: a text encoder alone is 11 GB."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)


def _prepare(config: FinetuneConfig) -> tuple[Base, CacheSettings, list[Path], Path]:
    """Everything that can be checked before a model runs."""
    if config.lora_rank and not is_peft_available():
        raise ValueError(f"lora_rank = {config.lora_rank} needs peft: pip install 'smartdirector-lite[train]'")
    base, is_sr = Base.find(config.base), isinstance(config, SRFinetune)
    width, height = config.size
    try:
        check_size(height, width, tuple(side * (FACTOR if is_sr else 1) for side in base.multiple))
    except ValueError as error:
        raise ValueError(f"{error} (HR, which is twice LR)" if is_sr else str(error)) from error
    upsample = config.upsample if is_sr else None
    settings = CacheSettings(config.size, config.frames, config.fps, config.plans, config.seed, upsample)
    cache = Path(config.cache) if config.cache else Path(config.out) / "cache"
    return base, settings, find_clips(config.data, settings), cache


def finetune(config: GenFinetune | SRFinetune) -> None:
    """Encode what the cache lacks, train or resume, and export to `<out>/export`: a LoRA, or a pipeline's folder.

    Raises ValueError for bad options, before a model runs, and for a cache or checkpoint that does not fit.
    """
    join_processes()
    base, settings, clips, cache = _prepare(config)
    bank = open_clips(base.load_vae, clips, cache, settings)
    if isinstance(config, SRFinetune):
        draw, objective, kind = partial(draw_sr_batch, config, bank), sr_loss, TunedSR
    else:
        captions = {text for _, entry in bank.clips for text in ("", entry.caption, entry.description)}
        texts = open_texts(base.folder, sorted(captions), cache)
        draw, objective, kind = partial(draw_gen_batch, config, bank, texts), flow_loss, TunedGen
    fast = mixed_precision(config.precision, PartialState().device) == "bf16"
    torch.manual_seed(config.seed)  # every process begins with the same LoRA
    model = kind(load_transformer(config, base, fast), fast)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.lr, weight_decay=config.weight_decay)

    def loss(model: nn.Module, number: int, device: torch.device) -> dict[str, Tensor]:
        return objective(model, send_to_device(draw(base.stride, number), device))

    export = export_lora if config.lora_rank else partial(export_whole, config, base)
    train(config, model, [optimizer], loss, lambda *_: None, export, finetuning=True, accumulate=config.accumulate)
