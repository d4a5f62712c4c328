"""Which arithmetic pays on which device."""

import torch

PRECISIONS = ("auto", "bf16", "fp32")


def has_fast_bf16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 matrices in hardware.

    A CPU without AMX or AVX-512's bfloat16 instructions emulates them, some hundred times slower than float32. A CPU
    counts as such where torch is too old to tell.
    """
    if device.type != "cpu":
        return True
    instructions = getattr(torch.cpu, "get_capabilities", dict)()
    return any(instructions.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device is fast at it, else float32."""
    return torch.bfloat16 if has_fast_bf16(device) else torch.float32


def fast_autocast(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 where the device is fast at it; elsewhere this context changes nothing."""
    dtype = fast_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def encoding_device() -> torch.device:
    """The device that clips are encoded on before a training: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(precision: str, device: torch.device) -> str:
    """accelerate's name for one of PRECISIONS on this device."""
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(device) else "fp32"
    return "no" if precision == "fp32" else precision
