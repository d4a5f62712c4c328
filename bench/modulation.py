"""Per-frame modulation against the parent's per-token modulation: time and peak memory of one forward pass.

    python bench/modulation.py [--frames 21 --height 20 --width 36 --dim 1536 --layers 2 --rounds 3 --dtype float32]

Both get one timestep per latent frame; diffusers' parent has to be given it once per token. Height and width are in
latents. Time: both models in this process in turns, so that a busy machine slows both. Memory: each in a process of
its own, the highest resident size during a forward pass above that before it (Linux and macOS).
"""

import argparse
import statistics
import subprocess
import sys
import time

import torch
from diffusers import WanTransformer3DModel

from smartdirector_lite.gen.transformer import DirectorTransformer3DModel

CLASSES = {"ours": DirectorTransformer3DModel, "parent": WanTransformer3DModel}


def build(name: str, args: argparse.Namespace) -> torch.nn.Module:
    """A random model shaped like Wan 1.3B (dim 1536, heads of 128), with `args.layers` blocks, as if loaded."""
    torch.manual_seed(0)
    model = CLASSES[name](
        num_attention_heads=args.dim // 128, ffn_dim=35 * args.dim // 6, num_layers=args.layers, text_dim=512
    )
    for key, module in model.named_modules():
        if not any(part in model._keep_in_fp32_modules for part in key.split(".")):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(getattr(torch, args.dtype))
    return model.eval().requires_grad_(False)


def inputs(name: str, args: argparse.Namespace, frames: int) -> dict[str, torch.Tensor]:
    """Latents with an anchor at the front, and text; one timestep per frame, or for the parent per token."""
    timestep = torch.full((1, frames), 500.0)
    timestep[:, 0] = 0
    if name == "parent":
        timestep = timestep.repeat_interleave(args.height * args.width // 4, dim=1)
    dtype = getattr(torch, args.dtype)
    return {
        "hidden_states": torch.randn(1, 16, frames, args.height, args.width, dtype=dtype),
        "encoder_hidden_states": torch.randn(1, 64, 512, dtype=dtype),
        "timestep": timestep,
    }


def max_resident_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@torch.no_grad()
def peak(name: str, args: argparse.Namespace) -> float:
    """MB that a forward pass adds; a pass over one frame comes first, so that libraries are loaded and warm."""
    model = build(name, args)
    model(**inputs(name, args, frames=1))
    kwargs = inputs(name, args, args.frames)
    before = max_resident_mb()
    model(**kwargs)
    return max_resident_mb() - before


@torch.no_grad()
def times(args: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds per forward pass, the two models in turns, after one round to warm up."""
    models = {name: build(name, args) for name in CLASSES}
    kwargs = {name: inputs(name, args, args.frames) for name in CLASSES}
    seconds: dict[str, list[float]] = {name: [] for name in CLASSES}
    for i in range(args.rounds + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model(**kwargs[name])
            if i > 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("frames", 21), ("height", 20), ("width", 36), ("dim", 1536), ("layers", 2), ("rounds", 3)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--peak", choices=list(CLASSES), help="only print one model's peak memory in MB")
    args = parser.parse_args()
    if args.peak:
        print(peak(args.peak, args))
        return
    tokens = args.frames * args.height * args.width // 4
    print(f"{args.frames} frames, {tokens} tokens, dim {args.dim}, {args.layers} layers, {args.dtype}, CPU")
    mb = {n: float(subprocess.check_output([sys.executable, *sys.argv, "--peak", n]).split()[-1]) for n in CLASSES}
    seconds = {name: statistics.median(values) for name, values in times(args).items()}
    for name in CLASSES:
        print(f"{name:>7}: {seconds[name]:7.2f} s   {mb[name]:7.0f} MB")
    print(f"parent / ours: time {seconds['parent'] / seconds['ours']:.2f}, peak {mb['parent'] / mb['ours']:.2f}")


if __name__ == "__main__":
    main()
