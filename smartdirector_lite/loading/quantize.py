"""The transformer's weights in 8 or 4 bits, by the libraries that diffusers does it with."""

import importlib.util

import torch
from diffusers import BitsAndBytesConfig, TorchAoConfig
from diffusers.quantizers import PipelineQuantizationConfig

LIBRARIES = {"int8": "torchao", "nf4": "bitsandbytes"}  # by what they make; `memory.QUANTIZED` says how small that is


def quantization(kind: str, dtype: torch.dtype, device: torch.device) -> PipelineQuantizationConfig:
    """Return what `from_pretrained` takes to quantize a pipeline's transformer while it is read.

    Args:
        kind: "int8" for whole numbers with a scale for each row (CUDA and CPU), "nf4" for 4-bit NormalFloat (CUDA).
        dtype: what products are computed in.

    Raises:
        ValueError: for another kind, a library that is not installed, and a device that can't do it.
    """
    if kind not in LIBRARIES:
        raise ValueError(f"quantize must be one of {', '.join(LIBRARIES)}, or None, got {kind!r}")
    library = LIBRARIES[kind]
    if importlib.util.find_spec(library) is None:
        raise ValueError(f"quantize = {kind!r} needs {library}; install it (pip install {library})")
    if kind == "nf4" and device.type != "cuda":
        raise ValueError(f"quantize = 'nf4' needs a CUDA GPU, and the device is {device}; 'int8' works there")
    if kind == "nf4":
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    else:
        from torchao.quantization import Int8WeightOnlyConfig

        config = TorchAoConfig(Int8WeightOnlyConfig())
    return PipelineQuantizationConfig(quant_mapping={"transformer": config})
