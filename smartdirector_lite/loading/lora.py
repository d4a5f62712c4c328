"""A LoRA from a local safetensors file into a pipeline, once it is known to fit.

diffusers' own `load_lora_weights` works on every pipeline here, too. But where none of a LoRA's weights fits the model,
or only some do, diffusers says nothing.
"""

import math
from pathlib import Path

from diffusers.utils import is_peft_available
from torch import Tensor, nn

from ..gen.base import DirectorPipeline

DEFAULT_FILE = "pytorch_lora_weights.safetensors"  # what `WanPipeline.save_lora_weights` writes
PREFIX = "transformer."


def load_lora(pipeline: DirectorPipeline, source: str | Path, scale: float = 1.0, name: str = "default") -> None:
    """Load a LoRA into the pipeline's transformer, and let this LoRA alone act. Nothing is downloaded. Needs peft.

    Args:
        source: a .safetensors file, or a folder that holds `pytorch_lora_weights.safetensors`. Its format is diffusers'
            own or that of Wan's authors.
        scale: how strongly it acts; any finite number.
        name: for `pipeline.set_adapters`, which combines several, and `pipeline.delete_adapters`.

    Raises:
        ValueError: names the source and what is wrong. Where a weight does not fit, the pipeline is as it was.
    """
    if not is_peft_available():
        raise ValueError("load_lora needs the package peft; run: pip install 'smartdirector-lite[train]'")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be a finite number, got {scale!r}")
    file = Path(source)
    if file.is_dir():
        file = file / DEFAULT_FILE
    if file.suffix != ".safetensors" or not file.is_file():
        remedy = f"give a local .safetensors file, or a folder that holds {DEFAULT_FILE}"
        raise ValueError(f"LoRA {str(source)!r}: there is no such .safetensors file; {remedy}")
    options = {"weight_name": file.name, "use_safetensors": True, "local_files_only": True}
    try:
        _check_fits(pipeline.transformer, pipeline.lora_state_dict(str(file.parent), **options))
        pipeline.load_lora_weights(str(file.parent), adapter_name=name, **options)
    except Exception as error:  # what diffusers and peft raise for another model's LoRA has many types
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"LoRA {str(file)!r} can't be loaded: {reason or type(error).__name__}") from error
    pipeline.set_adapters(name, float(scale))


def _check_fits(transformer: nn.Module, state: dict[str, Tensor]) -> None:
    """Check that a LoRA has weights, and that each is for a layer of the model. ValueError names the first misfit."""
    layers, advice = dict(transformer.named_modules()), "use a LoRA that was trained on this model"
    if not state:
        raise ValueError("it holds no weights")
    for key in state:
        place, _, kind = key.removeprefix(PREFIX).rpartition(".lora_")
        if not key.startswith(PREFIX) or kind not in ("A.weight", "B.weight", "B.bias"):
            raise ValueError(f"{key} is no LoRA weight of a Wan transformer; {advice}")
        layer = getattr(layers.get(place), "base_layer", layers.get(place))  # a LoRA may be around it already
        if isinstance(layer, nn.Linear):  # whose weight has another shape where it is quantized
            wide, narrow = layer.out_features, layer.in_features
        elif isinstance(layer, nn.Conv3d):
            wide, narrow = layer.out_channels, layer.in_channels
        else:
            blocks = len(transformer.blocks)
            raise ValueError(f"this model has no layer {place} for a LoRA (it has {blocks} blocks); {advice}")
        down, up = (tuple(state.get(f"{PREFIX}{place}.lora_{half}.weight", Tensor()).shape) for half in "AB")
        if down[1:2] != (narrow,) or up[:1] != (wide,) or down[:1] != up[1:2] or 0 in down:
            needed = f"(rank, {narrow}) and ({wide}, rank)"
            raise ValueError(f"{place} has lora_A of {down} and lora_B of {up}; this model needs {needed}; {advice}")
