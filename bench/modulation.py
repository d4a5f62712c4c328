"""Time and peak memory of one forward pass: modulation per latent frame (ours) against per token (diffusers' parent).

    python bench/modulation.py [--frames 21 --height 20 --width 36 --dim 1536 --layers 2 --rounds 3]

Both models have one timestep for each latent frame, which the parent must be given once for each token. The times are
taken in turns in this process, so that a busy machine slows both models. The memory is measured in a process for each
model: how far the forward pass raises the highest resident size (Linux and macOS).
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
    """Make a random model shaped like Wan 1.3B (dim 1536, heads of 128), with `args.layers` blocks."""
    torch.manual_seed(0)
    model = CLASSES[name](
        num_attention_heads=args.dim // 128, ffn_dim=35 * args.dim // 6, num_layers=args.layers, text_dim=512
    )
    return model.eval().requires_grad_(False)


def inputs(name: str, args: argparse.Namespace, frames: int) -> dict[str, torch.Tensor]:
    """Make latents with an anchor at the front, a text, and timesteps: one a frame, or one a token for the parent."""
    timestep = torch.full((1, frames), 500.0)
    timestep[:, 0] = 0
    if name == "parent":
        timestep = timestep.repeat_interleave(args.height * args.width // 4, dim=1)
    return {
        "hidden_states": torch.randn(1, 16, frames, args.height, args.width),
        "encoder_hidden_states": torch.randn(1, 64, 512),
        "timestep": timestep,
    }


def max_resident_mb() -> float:
    """The highest resident size of this process so far, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@torch.no_grad()
def peak(name: str, args: argparse.Namespace) -> float:
    """Measure the MB that a forward pass adds.

    A pass over one frame comes first, so that libraries are already loaded.
    """
    model = build(name, args)
    model(**inputs(name, args, frames=1))
    kwargs = inputs(name, args, args.frames)
    before = max_resident_mb()
    model(**kwargs)
    return max_resident_mb() - before


@torch.no_grad()
def times(args: argparse.Namespace) -> dict[str, list[float]]:
    """Measure the seconds of each forward pass, with the models in turns, after a round that does not count."""
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
    parser.add_argument("--frames", type=int, default=21, help="latent frames")
    parser.add_argument("--height", type=int, default=20, help="height in latents")
    parser.add_argument("--width", type=int, default=36, help="width in latents")
    parser.add_argument("--dim", type=int, default=1536, help="width of the transformer")
    parser.add_argument("--layers", type=int, default=2, help="blocks of the transformer")
    parser.add_argument("--rounds", type=int, default=3, help="timed passes of each model")
    parser.add_argument("--peak", choices=list(CLASSES), help="only print one model's peak memory in MB")
    args = parser.parse_args()
    if args.peak:
        print(peak(args.peak, args))
        return
    tokens = args.frames * args.height * args.width // 4
    print(f"{args.frames} frames, {tokens} tokens, dim {args.dim}, {args.layers} layers, float32, CPU")
    mb = {n: float(subprocess.check_output([sys.executable, *sys.argv, "--peak", n]).split()[-1]) for n in CLASSES}
    seconds = {name: statistics.median(values) for name, values in times(args).items()}
    for name in CLASSES:
        print(f"{name:>7}: {seconds[name]:7.2f} s   {mb[name]:7.0f} MB")
    print(f"parent / ours: time {seconds['parent'] / seconds['ours']:.2f}, peak {mb['parent'] / mb['ours']:.2f}")


if __name__ == "__main__":
    main()
