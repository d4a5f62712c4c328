"""The transformer's weights in 8 or 4 bits, by the libraries that diffusers does it with."""

import dataclasses
import importlib.util

import torch
from diffusers import BitsAndBytesConfig, TorchAoConfig
from diffusers.quantizers import PipelineQuantizationConfig

from .memory import Estimate

QUANTIZATIONS = {"int8": "torchao", "nf4": "bitsandbytes"}  # and the library that each needs
BYTES = {"int8": 0.51, "nf4": 0.29}  # of bfloat16's, scales included


def quantization(kind: str, dtype: torch.dtype, device: torch.device) -> PipelineQuantizationConfig:
    """What `from_pretrained` takes, to quantize a pipeline's transformer as it is read.

    kind: "int8": weights alone, a scale for each row (torchao; CUDA and CPU). "nf4": 4-bit NormalFloat (bitsandbytes;
    CUDA). Products are in `dtype`. ValueError for another kind, a library that is not there, or a device it can't.
    """
    if kind not in QUANTIZATIONS:
        raise ValueError(f"quantize must be one of {', '.join(QUANTIZATIONS)}, or None, got {kind!r}")
    library = QUANTIZATIONS[kind]
    if importlib.util.find_spec(library) is None:
        raise ValueError(f"quantize = {kind!r} needs {library}; install it (pip install {library})")
    if kind == "nf4":
        if device.type != "cuda":
            raise ValueError(f"quantize = 'nf4' needs a CUDA GPU, and the device is {device}; 'int8' works there")
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    else:
        from torchao.quantization import Int8WeightOnlyConfig

        config = TorchAoConfig(Int8WeightOnlyConfig())
    return PipelineQuantizationConfig(quant_mapping={"transformer": config})


def quantized(estimate: Estimate, kind: str | None) -> Estimate:
    """What a call needs once the transformer is quantized."""
    if kind is None:
        return estimate
    sizes = dataclasses.asdict(estimate.weights["transformer"])
    smaller = type(estimate.weights["transformer"])(**{name: round(BYTES[kind] * size) for name, size in sizes.items()})
    return dataclasses.replace(estimate, weights={**estimate.weights, "transformer": smaller})
