"""A LoRA from a local safetensors file into a pipeline, checked against the model before anything is changed.

diffusers' `load_lora_weights` works on every pipeline here, too. Of a LoRA made for another model, though, it says
nothing where no key fits, or only some do, and one line per weight where the widths differ.
"""

import math
import numbers
from pathlib import Path

import torch
from diffusers.utils import is_peft_available
from torch import Tensor, nn

from ..gen.base import DirectorPipeline

DEFAULT_FILE = "pytorch_lora_weights.safetensors"  # what `WanPipeline.save_lora_weights` writes
PREFIX = "transformer."
ADVICE = "use a LoRA that was trained on this model"


def load_lora(pipeline: DirectorPipeline, source: str | Path, scale: float = 1.0, name: str = "default") -> None:
    """Load a LoRA into the pipeline's transformer and let it act, at `scale`, and no other.

    source: a .safetensors file, or a folder with one such file or with `pytorch_lora_weights.safetensors`; its format
    diffusers' own, or that of Wan's authors, which diffusers converts. scale: any finite number. name: for
    `pipeline.set_adapters`, which combines several, and `pipeline.delete_adapters`. Nothing is downloaded, no pickle is
    read. ValueError names the source and the first thing that does not fit; the pipeline is then as it was. Needs peft.
    """
    if not is_peft_available():
        raise ValueError("load_lora needs the package peft; run: pip install 'smartdirector-lite[train]'")
    if pipeline.transformer is None:
        raise ValueError("pipeline has no transformer to load a LoRA into; load it with one")
    if isinstance(scale, bool) or not isinstance(scale, numbers.Real) or not math.isfinite(scale):
        raise ValueError(f"scale must be a finite number, got {scale!r}")
    if not name or not isinstance(name, str) or "." in name:
        raise ValueError(f"name must be a text without a dot, got {name!r}")
    if name in getattr(pipeline.transformer, "peft_config", {}):
        raise ValueError(
            f"name {name!r} is taken by another LoRA; give another, or call delete_adapters({name!r}) first"
        )
    file = _find_file(source)
    options = {"weight_name": file.name, "use_safetensors": True, "local_files_only": True}
    try:
        state, metadata = pipeline.lora_state_dict(str(file.parent), return_lora_metadata=True, **options)
    except Exception as error:  # of the conversion, for whatever another model's LoRA holds
        raise ValueError(f"LoRA {str(file)!r} can't be read as one for Wan ({_first_line(error)}); {ADVICE}") from error
    if misfit := _first_misfit(pipeline.transformer, state):
        raise ValueError(f"LoRA {str(file)!r} does not fit: {misfit}; {ADVICE}")
    try:
        pipeline.load_lora_into_transformer(
            state, pipeline.transformer, name, pipeline, low_cpu_mem_usage=True, metadata=metadata
        )
    except Exception as error:  # the weights fit, so it is the settings that come with them
        raise ValueError(f"LoRA {str(file)!r} can't be loaded ({_first_line(error)}); {ADVICE}") from error
    pipeline.set_adapters(name, float(scale))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _find_file(source: str | Path) -> Path:
    path = Path(source)
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        named = [file for file in found if file.name == DEFAULT_FILE] or found
        if len(named) != 1:
            raise ValueError(f"LoRA {str(source)!r}: the folder holds {len(found)} .safetensors files; give the file")
        path = named[0]
    if not path.is_file():
        raise ValueError(f"LoRA {str(source)!r}: there is no such file or folder; give a local one")
    if path.suffix != ".safetensors":
        raise ValueError(f"LoRA {str(source)!r} is not a .safetensors file; other formats are not read")
    return path


def _first_misfit(transformer: nn.Module, state: dict[str, Tensor]) -> str | None:
    """What is wrong with the first weight of a LoRA that the model can't take; None if it takes all of them."""
    if not state:
        return "it holds no weights"
    modules = dict(transformer.named_modules())
    for key, weight in state.items():
        place, _, kind = key.removeprefix(PREFIX).rpartition(".lora_")
        module = modules.get(place)
        if not key.startswith(PREFIX) or kind not in ("A.weight", "B.weight", "B.bias"):
            return f"{key} is no LoRA weight of a Wan transformer"
        if module is None:
            return f"this model has no {place} (it has {len(transformer.blocks)} blocks)"
        pair = [state.get(f"{PREFIX}{place}.lora_{half}.weight") for half in "AB"]
        if any(half is None for half in pair):
            return f"{place} has only one of lora_A.weight and lora_B.weight"
        shapes = _shapes(module, len(pair[0]) if pair[0].ndim else 0)
        if shapes is None:
            return f"{place} is a {type(module).__name__}, which takes no LoRA"
        if tuple(weight.shape) != shapes[kind]:
            return f"{key} has shape {tuple(weight.shape)}, this model needs {shapes[kind]}"
        if not weight.numel() or not torch.isfinite(weight.float()).all():
            return f"{key} is empty or holds values that are not finite"
    return None


def _shapes(module: nn.Module, rank: int) -> dict[str, tuple[int, ...]] | None:
    """The shapes of a LoRA's weights for this layer; None for a layer that takes none."""
    layer = module.get_base_layer() if hasattr(module, "get_base_layer") else module  # under a LoRA loaded before
    if isinstance(layer, nn.Linear):
        wide, narrow, kernel = layer.out_features, layer.in_features, ()
    elif isinstance(layer, nn.Conv3d):
        wide, narrow, kernel = layer.out_channels, layer.in_channels, layer.kernel_size
    else:
        return None
    return {"A.weight": (rank, narrow, *kernel), "B.weight": (wide, rank, *(1 for _ in kernel)), "B.bias": (wide,)}
