"""Wan's shapes with random weights: our pipeline beside diffusers' own. No file of a model is read.

    python bench/wan.py --model Wan-AI/Wan2.2-TI2V-5B-Diffusers              on a GPU: full size, every memory mode
    python bench/wan.py --model Wan-AI/Wan2.2-TI2V-5B-Diffusers --shrink 8   on a CPU: widths, depth and sides divided

It prints three tables and writes them to bench/results/. The first is one step of the transformer with a keyframe at
frame 0. There each latent frame has its own timestep, which diffusers must be given once for each token. The second is
decoding, by the number of frames. We decode a few frames at a time and let them go; diffusers returns all together. The
third, on a GPU alone, is each memory mode beside its estimate.

Times are medians of calls in turns, so that a busy machine slows both. Ratios are ours over theirs. Peaks are beside
the weights: on a GPU by torch's own count, on a CPU the bytes that live at once, traced on tensors without data.
"""

import argparse
import copy
import gc
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from torch import Tensor, nn

from smartdirector_lite.director import Director
from smartdirector_lite.gen import DirectorGenPipeline, VideoCondition
from smartdirector_lite.gen.prompt import MAX_TOKENS
from smartdirector_lite.loading.estimate import WAN, MetaModels, trace
from smartdirector_lite.loading.memory import MODES, Call, gigabytes
from smartdirector_lite.loading.placement import place
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import ChunkPlan
from smartdirector_lite.vae.causal import denormalize_latents, latent_shape
from smartdirector_lite.vae.multichunk import iter_decode

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
DTYPE = torch.bfloat16 if CUDA else torch.float32
RESULTS = Path(__file__).parent / "results"


# -- models with random weights ----------------------------------------------------------------------------------------


def shrunk(configs: dict[str, dict], by: int) -> dict[str, dict]:
    """Return narrower and shallower configs: heads, channels and layers divided, the VAE's ratios as they are."""
    configs = copy.deepcopy(configs)
    transformer, vae = configs["transformer"], configs["vae"]
    for name in ("num_attention_heads", "num_layers", "text_dim", "ffn_dim"):
        transformer[name] = max(1, transformer[name] // by)
    vae["base_dim"] = max(1, vae["base_dim"] // by)
    if "decoder_base_dim" in vae:
        vae["decoder_base_dim"] //= by
    return configs


def without_data(configs: dict[str, dict], name: str) -> nn.Module:
    """Make our transformer or the VAE on the meta device, cast as the loader casts them."""
    parts = {part: configs[part] for part in ("transformer", "vae")}
    return MetaModels(parts, DTYPE).models[name].requires_grad_(False)


def parent_without_data(config: dict) -> WanTransformer3DModel:
    """Make diffusers' own transformer on the meta device."""
    with torch.device("meta"):
        return WanTransformer3DModel.from_config(config).eval().requires_grad_(False)


def build(configs: dict[str, dict], name: str, device: torch.device | str) -> nn.Module:
    """Make our transformer or the VAE with random weights."""
    model = without_data(configs, name).to_empty(device=device)
    for parameter in model.parameters():  # a GPU draws billions of numbers in a second, a CPU in a minute
        parameter.copy_(torch.empty_like(parameter, device=DEVICE).normal_(0, 0.02))
    if name == "transformer":  # its rotary tables are buffers, which nothing has filled yet
        model.rope = type(model.rope)(model.config.attention_head_dim, model.config.patch_size, 1024).to(device)
    return model


# -- time and memory ---------------------------------------------------------------------------------------------------


def wait() -> None:
    """Wait until the GPU has done what it was asked for."""
    if CUDA:
        torch.cuda.synchronize()


def medians(calls: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Measure the seconds of each call: the median of `rounds` in turns, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            wait()
            started = time.perf_counter()
            call()
            wait()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def peak(on_gpu: Callable, traced: Callable) -> int:
    """Measure the bytes that a call needs beside what is there before it: on a GPU, or else traced without data."""
    if not CUDA:
        return trace(traced).peak
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    on_gpu()
    return torch.cuda.max_memory_allocated() - before


def rows(seconds: dict[str, float], peaks: dict[str, int], what: str = "") -> list[str]:
    """Return the table rows of ours, of theirs and of the ratio."""
    lines = [f"| {what}{name} | {seconds[name]:.3f} | {gigabytes(peaks[name])} |" for name in seconds]
    slower, larger = seconds["ours"] / seconds["diffusers"], peaks["ours"] / peaks["diffusers"]
    return [*lines, f"| {what}ours / diffusers | {slower:.2f} | {larger:.2f} |"]


# -- a step and decoding -----------------------------------------------------------------------------------------------


def step_call(model: nn.Module, shape: tuple[int, ...], per_token: bool) -> Callable[[], tuple[Tensor]]:
    """Return a call of a transformer on latents (1, C, F, h, w), whose first latent frame is an anchor."""
    device = next(model.parameters()).device
    _, down, across = model.config.patch_size
    timestep = torch.full((1, shape[2]), 500.0, device=device)
    timestep[:, 0] = 0
    if per_token:
        timestep = timestep.repeat_interleave(shape[3] // down * (shape[4] // across), dim=1)
    latents = torch.zeros(shape, device=device, dtype=DTYPE)
    text = torch.zeros(1, MAX_TOKENS, model.config.text_dim, device=device, dtype=DTYPE)
    return lambda: model(latents, timestep, text, return_dict=False)


@torch.no_grad()
def compare_steps(configs: dict[str, dict], shape: tuple[int, ...], rounds: int) -> list[str]:
    """Return the first table."""
    ours, parent = build(configs, "transformer", DEVICE), parent_without_data(configs["transformer"])
    parent.load_state_dict(ours.state_dict(), assign=True)  # the same weights, held once
    parent.rope = ours.rope
    calls = {"ours": step_call(ours, shape, False), "diffusers": step_call(parent, shape, True)}
    traced = {
        "ours": step_call(without_data(configs, "transformer"), shape, False),
        "diffusers": step_call(parent_without_data(configs["transformer"]), shape, True),
    }
    seconds = medians(calls, rounds)
    peaks = {name: peak(calls[name], traced[name]) for name in calls}
    return ["| one step | seconds | peak beside the weights |", "|---|---|---|", *rows(seconds, peaks)]


def decode_calls(vae: AutoencoderKLWan, shape: tuple[int, ...]) -> dict[str, Callable]:
    """Return our call and diffusers' that decode latents of this shape."""
    latents, stride = torch.zeros(shape, device=next(vae.parameters()).device), vae.config.scale_factor_temporal
    plan = ChunkPlan.build(1 + stride * (shape[2] - 1), [], stride)

    def ours() -> None:
        for _ in iter_decode(vae, plan, latents):
            pass

    return {"ours": ours, "diffusers": lambda: vae.decode(denormalize_latents(vae, latents), return_dict=False)}


@torch.no_grad()
def compare_decoding(configs: dict[str, dict], size: Size, lengths: list[int], rounds: int) -> list[str]:
    """Return the second table."""
    vae, hollow = build(configs, "vae", DEVICE), without_data(configs, "vae")
    lines = ["| decoding | seconds | peak beside the weights |", "|---|---|---|"]
    for frames in lengths:
        num_latents = 1 + (frames - 1) // vae.config.scale_factor_temporal
        shape = (1, *latent_shape(vae, num_latents, size.height, size.width))
        calls, traced = decode_calls(vae, shape), decode_calls(hollow, shape)
        peaks = {name: peak(calls[name], traced[name]) for name in calls}
        lines += rows(medians(calls, rounds), peaks, f"{frames} frames, ")
        print(lines[-1], flush=True)
    return lines


# -- memory modes ------------------------------------------------------------------------------------------------------


@torch.no_grad()
def memory_modes(configs: dict[str, dict], call: Call, until: float) -> list[str]:
    """Return the third table.

    The text encoder is left out. Its embeddings are random, as if they came from a text cache.
    """
    parts = {name: config for name, config in configs.items() if name != "text_encoder"}
    estimates = MetaModels(parts, DTYPE).estimate_both(call)
    titles = ("memory", "tiles", "peak", "estimate", "estimate / peak", "a step, s", "whole run, s")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for mode in MODES:
        for tiled, estimate in zip((False, True), estimates, strict=True):
            if time.monotonic() > until:
                print(f"no time left for {mode}, tiles {tiled}")
                continue
            try:
                lines.append(one_mode(parts, call, mode, tiled, estimate.peak(mode)[0]))
            except torch.OutOfMemoryError:
                lines.append(f"| {mode} | {tiled} | does not fit | {gigabytes(estimate.peak(mode)[0])} | | | |")
            print(lines[-1], flush=True)
    return lines


def one_mode(configs: dict[str, dict], call: Call, mode: str, tiled: bool, expected: int) -> str:
    """Run stage one in a memory mode, and return its table row. `expected` is the estimate, in bytes."""
    gc.collect()  # hooks hold models in cycles: those of the mode before would stay on the GPU
    vae, transformer = build(configs, "vae", "cpu"), build(configs, "transformer", "cpu")
    gen = DirectorGenPipeline(None, None, vae, FlowMatchEulerDiscreteScheduler(), transformer)
    if tiled:
        vae.enable_tiling()
        vae.enable_slicing()
    place(Director(gen), mode, DEVICE)
    size = Size(*call.size)
    keyframe = VideoCondition(image=torch.zeros(3, size.height, size.width), frame_index=0)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    stamps = [time.perf_counter()]

    def stamp(pipeline, step, timestep, tensors):
        wait()
        stamps.append(time.perf_counter())
        return tensors

    latents = gen(
        prompt_embeds=torch.zeros(1, MAX_TOKENS, transformer.config.text_dim, dtype=DTYPE, device=DEVICE),
        conditions=[keyframe],
        num_frames=call.num_frames,
        height=size.height,
        width=size.width,
        num_inference_steps=call.steps,
        guidance_scale=1.0,
        output_type="latent",
        callback_on_step_end=stamp,
    ).frames
    for _ in iter_decode(vae, gen.plan(call.num_frames, [keyframe]), latents):
        pass
    wait()
    whole, found = time.perf_counter() - stamps[0], torch.cuda.max_memory_allocated()
    a_step = statistics.median(b - a for a, b in itertools.pairwise(stamps[1:]))
    cells = [mode, str(tiled), gigabytes(found), gigabytes(expected), f"{expected / found:.2f}", f"{a_step:.2f}"]
    return f"| {' | '.join([*cells, f'{whole:.1f}'])} |"


# -- the command -------------------------------------------------------------------------------------------------------


def device_name() -> str:
    """The name of the GPU, or of the CPU with the number of threads."""
    if CUDA:
        return torch.cuda.get_device_name()
    info, names = Path("/proc/cpuinfo"), []
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {torch.get_num_threads()} threads"


def save(title: str, lines: list[str]) -> Path:
    """Write a section of results to this device's file, in place of an earlier one of the same title."""
    name = device_name()
    path = RESULTS / f"{'-'.join(name.replace(',', '').replace('/', ' ').split()).lower()}.md"
    path.parent.mkdir(exist_ok=True)
    kept = path.read_text(encoding="utf-8") if path.exists() else f"# {name}, torch {torch.__version__}\n\n"
    before, _, after = kept.partition(f"## {title}\n")
    rest = after[after.index("\n## ") + 1 :] if "\n## " in after else ""
    text = "\n".join([f"## {title}", "", f"With `{' '.join(sys.argv[1:])}`.", "", *lines])
    path.write_text(before + text + "\n" * bool(rest) + rest, encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Wan-AI/Wan2.2-TI2V-5B-Diffusers", choices=list(WAN), help="whose shapes")
    parser.add_argument("--shrink", type=int, default=1, help="divide widths, depth and sides by this, for a CPU")
    parser.add_argument("--frames", type=int, nargs="+", default=[9, 33, 65, 129], help="lengths to decode")
    parser.add_argument("--length", type=int, help="frames in the memory modes; the model's own length by default")
    parser.add_argument("--rounds", type=int, default=3, help="timed calls of each")
    parser.add_argument("--steps", type=int, default=4, help="denoising steps in the memory modes")
    parser.add_argument("--minutes", type=float, default=9.0, help="no new memory mode begins after this time")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    configs = shrunk(WAN[options.model], options.shrink)
    full, num_frames, multiple = (Size(832, 480), 81, 16)
    if "Wan2.2" in options.model:
        full, num_frames, multiple = (Size(1280, 704), 121, 32)
    size = Size(*(max(multiple, side // options.shrink // multiple * multiple) for side in full))
    vae = configs["vae"]
    ratio = vae.get("scale_factor_spatial", 8)
    shape = (1, vae["z_dim"], 1 + (num_frames - 1) // 4, size.height // ratio, size.width // ratio)
    lines = [*compare_steps(configs, shape, options.rounds), ""]
    print("\n".join(lines), flush=True)
    lines += [*compare_decoding(configs, size, options.frames, options.rounds), ""]
    if CUDA:
        length = options.length or num_frames
        modes = memory_modes(configs, Call(size, length, 1, options.steps, guided=False), until)
        lines += [f"{length} frames in each memory mode:", "", *modes, ""]
    title = f"{options.model}, divided by {options.shrink}: {size}, {num_frames} frames, {DTYPE}"
    print(save(title, lines))


if __name__ == "__main__":
    main()
