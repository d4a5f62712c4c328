"""Which arithmetic pays on which machine."""

import torch

PRECISIONS = ("auto", "bf16", "fp32")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    A CPU without AMX or AVX-512's bfloat16 instructions emulates them, some hundred times slower than float32; a torch
    too old to tell which it has counts as one.
    """
    if device.type != "cpu":
        return True
    instructions = getattr(torch.cpu, "get_capabilities", dict)()
    return any(instructions.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where that is fast, else float32."""
    return torch.bfloat16 if has_fast_bf16(device) else torch.float32


def mixed_precision(precision: str, device: torch.device) -> str:
    """accelerate's name for one of PRECISIONS on `device`."""
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(device) else "fp32"
    return "no" if precision == "fp32" else precision
