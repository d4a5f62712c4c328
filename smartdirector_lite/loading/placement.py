"""Where the models of a director are while it works: whole on the GPU, or brought there when they are needed.

Memory modes, the fastest first. `full`: everything on the GPU. `model`: one model at a time. `group`: the transformer
and the text encoder in parts, the next one on its way while one runs; the VAE as a whole. `sequential`: layer by layer.
The mechanisms are those of accelerate and diffusers.
"""

import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from diffusers.hooks import apply_group_offloading

from ..director import Director
from .memory import MODES, RESERVE, Call, Estimate, gigabytes


def place(director: Director, memory: str, device: torch.device) -> None:
    """Put the models of a director, which are on the CPU, where the memory mode wants them. One of MODES."""
    gen, sr = director.gen, director.sr
    if sr is not None and sr.restorer is not None:
        sr.restorer.to(device)  # it is small
    if memory == "full":
        gen.to(device)
        if sr is not None:
            sr.to(device)
    elif memory == "model":
        gen.enable_model_cpu_offload(device=device)
        if sr is not None:
            cpu_offload_with_hook(sr.transformer, device)
    elif memory == "group":
        streams = device.type == "cuda"
        options = {"onload_device": device, "use_stream": streams, "record_stream": streams, "non_blocking": streams}
        for stage in (gen, sr):
            if stage is not None:
                blocks = {"offload_type": "block_level", "num_blocks_per_group": 1}
                apply_group_offloading(stage.transformer, **blocks, **options)
        if gen.text_encoder is not None:
            apply_group_offloading(gen.text_encoder, offload_type="leaf_level", **options)
        # Not in groups: the hooks of those would hand a copy of its feature cache to every layer.
        cpu_offload_with_hook(gen.vae, device)
    elif memory == "sequential":
        for model in (gen.text_encoder, gen.transformer, gen.vae, sr and sr.transformer):
            if model is not None:
                cpu_offload(model, device, offload_buffers=True)
    else:
        raise ValueError(f"memory must be one of auto, {', '.join(MODES)}, got {memory!r}")


def choose(whole: Estimate, tiled: Estimate, free: int) -> tuple[str, bool] | None:
    """The fastest mode that fits into `free` bytes, and whether the VAE must work in tiles; None if none does.

    Tiles cost some decoding time, which is little beside the steps: they come before a slower mode.
    """
    for mode in MODES:
        for estimate in (whole, tiled):
            if estimate.peak(mode)[0] + RESERVE <= free:
                return mode, estimate is tiled
    return None


def shortage(call: Call, whole: Estimate, tiled: Estimate, memory: str, free: int, device: torch.device) -> str:
    """One line: what a call needs, what there is, and what would fit."""
    size, needed = f"{call.size[0]}x{call.size[1]}", gigabytes(whole.peak(memory)[0] + RESERVE)
    fits = choose(whole, tiled, free)
    if fits is None:
        smallest = gigabytes(min(tiled.peak(mode)[0] for mode in MODES) + RESERVE)
        remedy = f"no mode fits (the smallest needs {smallest}): take a smaller size or fewer frames"
    else:
        tiles = " with vae.enable_tiling() and vae.enable_slicing()" if fits[1] else ""
        remedy = f"memory={fits[0]!r}{tiles} would fit"
    return (
        f"memory={memory!r} needs about {needed} of GPU memory for {call.num_frames} frames of {size}; "
        f"{device} has {gigabytes(free)} free; {remedy}"
    )
