"""The Wan pipeline that a fine-tuning begins from: found, checked, loaded, and exported again."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import PartialState
from diffusers import AutoencoderKLWan, ModelMixin, WanTransformer3DModel
from diffusers.training_utils import cast_training_params

from ..gen import DirectorGenPipeline, DirectorTransformer3DModel
from ..loading import find_model
from ..loading.hub import LOADING_ERRORS
from ..media.size import Size
from .processes import whole_weights

LORA_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]

M = TypeVar("M", bound=ModelMixin)


@dataclass(frozen=True)
class Base:
    """A Wan pipeline's folder, whose settings fit.

    Attributes:
        folder: the folder.
        stride: frames a latent.
        multiple: the sides of a frame must be multiples of these, in pixels.
    """

    folder: Path
    stride: int
    multiple: Size

    @classmethod
    def find(cls, folder: str | Path) -> "Base":
        """Read the settings, and nothing else, of a pipeline.

        Raises:
            ValueError: for anything but a Wan text-to-video pipeline.
        """
        path = find_model(folder)
        for part in ("vae", "transformer", "text_encoder", "tokenizer"):
            if not (path / part).is_dir():
                raise ValueError(f"base = {folder}: no {part} there; give the whole folder of a Wan pipeline")
        if (path / "transformer_2").is_dir():
            raise ValueError(f"base = {folder}: two transformers (Wan 2.2 A14B); use Wan 2.1 T2V or Wan 2.2 TI2V")
        try:
            with torch.device("meta"):
                vae = AutoencoderKLWan.from_config(AutoencoderKLWan.load_config(path / "vae")).config
                config = DirectorTransformer3DModel.load_config(path / "transformer")
                transformer = DirectorTransformer3DModel.from_config(config).config
        except LOADING_ERRORS as error:
            raise ValueError(f"base = {folder}: no Wan text-to-video model ({' '.join(str(error).split())})") from error
        index = json.loads((path / "model_index.json").read_text("utf-8"))  # says it in folders that were saved earlier
        if transformer.get("sigma_data", index.get("sigma_data")) is not None:
            raise ValueError(
                f"base = {folder}: trained behind a skip (sigma_data), as a tiny model is; give one of Wan"
            )
        if transformer.in_channels != vae.z_dim:
            raise ValueError(
                f"base = {folder}: its transformer takes {transformer.in_channels} channels, its VAE's latents have "
                f"{vae.z_dim}; image-to-video models are not supported"
            )
        _, down, across = transformer.patch_size
        multiple = Size(vae.scale_factor_spatial * across, vae.scale_factor_spatial * down)
        return cls(path, vae.scale_factor_temporal, multiple)

    def load_vae(self) -> AutoencoderKLWan:
        """Load the VAE in float32, as it was trained."""
        return _load(AutoencoderKLWan, self.folder / "vae", torch.float32).eval()

    def load_transformer(self, lora_rank: int, fast: bool) -> DirectorTransformer3DModel:
        """Load what is trained. Its blocks keep no activations, and compute them again for the gradient.

        Args:
            lora_rank: of the LoRA in float32, over a frozen transformer; 0 for a whole transformer in float32.
            fast: whether a frozen transformer is in bfloat16.
        """
        dtype = torch.bfloat16 if fast and lora_rank else torch.float32
        transformer = DirectorTransformer3DModel.adopt(_load(WanTransformer3DModel, self.folder / "transformer", dtype))
        if lora_rank:
            from peft import LoraConfig  # an extra: whole training does without it

            transformer.requires_grad_(False)
            lora = LoraConfig(r=lora_rank, lora_alpha=lora_rank, target_modules=LORA_LAYERS)
            transformer.add_adapter(lora)
            cast_training_params(transformer, torch.float32)
        transformer.enable_gradient_checkpointing()
        return transformer

    def copy_without_transformer(self, folder: Path) -> None:
        """Fill a new folder with hard links to the other parts' files, or copies where there are no links.

        A text encoder alone is 11 GB.
        """
        left_out = shutil.ignore_patterns("transformer", ".*")
        shutil.copytree(self.folder, folder, ignore=left_out, copy_function=_link)


def _load(kind: type[M], folder: Path, dtype: torch.dtype) -> M:
    try:
        return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    except LOADING_ERRORS as error:
        raise ValueError(f"{folder}: can't be loaded ({' '.join(str(error).split())[:200]})") from error


def _link(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)


def export_lora(transformer: DirectorTransformer3DModel, folder: Path) -> None:
    """Write a LoRA as diffusers does, for `load_lora_weights` of its pipelines and ours. All processes call this."""
    from peft.utils import get_peft_model_state_dict

    weights = whole_weights(transformer)
    if PartialState().is_main_process:
        layers = get_peft_model_state_dict(transformer, weights)
        DirectorGenPipeline.save_lora_weights(folder, transformer_lora_layers=layers)


def whole_transformer(transformer: DirectorTransformer3DModel) -> WanTransformer3DModel | None:
    """Gather a transformer in float32 as diffusers' own class. All processes call this; all but the main get None."""
    weights = whole_weights(transformer)
    if not PartialState().is_main_process:
        return None
    with torch.device("meta"):
        whole = WanTransformer3DModel.from_config(dict(transformer.config))
    whole.load_state_dict(weights, assign=True)
    return whole
