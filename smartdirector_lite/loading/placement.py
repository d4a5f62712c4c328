"""Where the models of a director are while it works: whole on the GPU, or brought there when they are needed.

There are four memory modes, the fastest first. `full`: everything is on the GPU. `model`: one model at a time. `group`:
the transformer and the text encoder in parts, the next part on its way while one runs, and the VAE as a whole.
`sequential`: layer by layer. accelerate and diffusers do the moving.
"""

import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from diffusers.hooks import apply_group_offloading

from ..director import Director
from ..media.size import Size
from .memory import MODES, RESERVE, Call, Estimate, gigabytes


def place(director: Director, memory: str, device: torch.device) -> None:
    """Put the models of a director, which are on the CPU, where a memory mode, one of MODES, wants them."""
    gen, sr = director.gen, director.sr
    stages = [gen] if sr is None else [gen, sr]
    if sr is not None and sr.restorer is not None:
        sr.restorer.to(device)  # it is small
    if memory == "full":
        for stage in stages:
            stage.to(device)
    elif memory == "model":
        gen.enable_model_cpu_offload(device=device)
        if sr is not None:
            cpu_offload_with_hook(sr.transformer, device)
    elif memory == "group":
        streams = device.type == "cuda"
        options = {"onload_device": device, "use_stream": streams, "record_stream": streams, "non_blocking": streams}
        for stage in stages:
            apply_group_offloading(stage.transformer, offload_type="block_level", num_blocks_per_group=1, **options)
        if gen.text_encoder is not None:
            apply_group_offloading(gen.text_encoder, offload_type="leaf_level", **options)
        # The VAE is not in groups: the hooks of groups would hand a copy of its feature cache to every layer.
        cpu_offload_with_hook(gen.vae, device)
    else:
        for model in (gen.text_encoder, gen.vae, *(stage.transformer for stage in stages)):
            if model is not None:
                cpu_offload(model, device, offload_buffers=True)


def choose(
    whole: Estimate, tiled: Estimate, free: int, modes: tuple[str, ...] = MODES, reserve: int = RESERVE
) -> tuple[str, bool] | None:
    """Find the first of `modes` that fits into a GPU's free memory.

    Tiles cost some decoding time, which is little beside the steps. They are therefore taken before a slower mode.

    Args:
        whole: what a call needs.
        tiled: what the call needs with the VAE in tiles.
        free: bytes.
        reserve: bytes that must stay free.

    Returns:
        The mode, and whether the VAE must work in tiles; None if nothing fits.
    """
    for mode in modes:
        for estimate in (whole, tiled):
            if estimate.peak(mode)[0] + reserve <= free:
                return mode, estimate is tiled
    return None


def choose_on(device: torch.device, memory: str, call: Call, needs: tuple[Estimate, Estimate]) -> tuple[str, bool]:
    """Find how a call is made to fit a GPU, as `choose` does.

    Args:
        memory: "auto", or the mode that must be taken.
        call: what is asked for.
        needs: what the call needs as it is, and with the VAE in tiles.

    Raises:
        ValueError: says what the call needs, what there is, and what would fit.
    """
    free, _ = torch.cuda.mem_get_info(device)
    fits = choose(*needs, free)
    # The reserve may not be needed where a mode was asked for.
    found = fits if memory == "auto" else choose(*needs, free, (memory,), reserve=0)
    if found is not None:
        return found
    mode = MODES[-1] if memory == "auto" else memory
    if fits is None:
        smallest = gigabytes(min(needs[1].peak(other)[0] for other in MODES) + RESERVE)
        remedy = f"no mode fits (the smallest needs {smallest}): take a smaller size or fewer frames"
    else:
        remedy = f"memory={fits[0]!r} would fit"
    needed = gigabytes(needs[0].peak(mode)[0] + RESERVE)
    asked = f"memory={mode!r} needs about {needed} of GPU memory for {call.num_frames} frames of {Size(*call.size)}"
    raise ValueError(f"{asked}; {device} has {gigabytes(free)} free; {remedy}")
