"""The `memory` command: what a call would need, before anything is loaded."""

import re

SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


def memory(
    model: str = "smartdirector-tiny",
    size: str = "",
    frames: int = 121,
    keyframes: int = 3,
    steps: int = 50,
    guidance: bool = True,
    revision: str | None = None,
) -> None:
    """Estimate the memory and the arithmetic that a call needs, for each memory mode; nothing is loaded or downloaded.

    Args:
        model: smartdirector-tiny, a local folder, a cached hub id, or one of the known Wan models, cached or not.
        size: WIDTHxHEIGHT of the draft, such as 1280x704; empty: the model's own.
        frames: of the video.
        keyframes: how many, spread evenly.
        steps: of denoising.
        guidance: whether classifier-free guidance doubles the steps' work.
        revision: branch, tag or commit of a hub id.
    """
    import torch

    from ..loading.estimate import MetaModels, read_configs
    from ..loading.memory import RESERVE, Call, gigabytes
    from ..loading.placement import choose

    configs = read_configs(model, revision)
    call = Call(_size(size) or _own_size(model, configs), frames, keyframes, steps, guidance)
    whole, tiled = MetaModels(configs).estimate_both(call)
    print(f"{model}: {frames} frames of {call.size[0]}x{call.size[1]}, {keyframes} keyframes, {steps} steps\n")
    print(whole.table())
    print("\nwith the VAE in tiles (vae.enable_tiling(), vae.enable_slicing()):\n")
    print(tiled.table())
    print(f"\nCUDA and its libraries take up to {gigabytes(RESERVE)} more.")
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        fits = choose(whole, tiled, free)
        found = "no mode fits" if fits is None else f"memory='auto' takes {fits[0]!r}{', tiled' if fits[1] else ''}"
        print(f"This GPU has {gigabytes(free)} free: {found}.")


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"size {text!r}: write WIDTHxHEIGHT, such as 1280x704")
    return int(found[1]), int(found[2])


def _own_size(model: str, configs: dict) -> tuple[int, int]:
    from ..loading.hub import LoadError
    from ..loading.loader import find_model, read_defaults, wan_size

    try:
        own = read_defaults(find_model(model)).get("size")
    except LoadError:  # known by name, and not here
        own = None
    return own or wan_size(configs["vae"])
