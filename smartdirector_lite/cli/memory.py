"""`smartdirector memory`: what a call would need, before anything is loaded."""


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
        model: smartdirector-tiny, a local folder, a cached hub id, or one of the known Wan models, cached or not
        size: WIDTHxHEIGHT of the draft, such as 1280x704; without it, the model's own size
        frames: how many frames the video has
        keyframes: how many keyframes there are, spread evenly
        steps: denoising steps
        guidance: whether there is classifier-free guidance, which doubles the work of each step
        revision: a branch, tag or commit of a hub id
    """
    import torch

    from ..loading.estimate import MetaModels, read_configs
    from ..loading.hub import LoadError, find_model
    from ..loading.loader import read_defaults, wan_size
    from ..loading.memory import RESERVE, Call, gigabytes
    from ..loading.placement import choose
    from ..media.size import Size

    configs = read_configs(model, revision)
    try:
        asked = Size.parse(size) if size else read_defaults(find_model(model, revision)).size
    except LoadError:  # the model is known by its name, and is not here
        asked = wan_size(configs["vae"])
    whole, tiled = MetaModels(configs).estimate_both(Call(asked, frames, keyframes, steps, guidance))
    print(f"{model}: {frames} frames of {asked}, {keyframes} keyframes, {steps} steps\n")
    print(whole.table())
    print("\nwith the VAE in tiles (vae.enable_tiling(), vae.enable_slicing()):\n")
    print(tiled.table())
    print(f"\nCUDA and its libraries take up to {gigabytes(RESERVE)} more.")
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        fits = choose(whole, tiled, free)
        found = "no mode fits" if fits is None else f"memory='auto' takes {fits[0]!r}{', tiled' if fits[1] else ''}"
        print(f"This GPU has {gigabytes(free)} free: {found}.")
