"""Real Wan shapes with random weights: ours beside diffusers' own, in one run, in turns. No file of a model is read.

    python bench/wan.py --model Wan-AI/Wan2.2-TI2V-5B-Diffusers            a GPU: full size, every memory mode
    python bench/wan.py --model Wan-AI/Wan2.2-TI2V-5B-Diffusers --shrink 8   a CPU: widths, depth and sides divided

Three tables, printed and written to bench/results/: one transformer step (a keyframe at frame 0, so one timestep for
each latent frame; diffusers has to be given it once per token); decoding against the number of frames; and, on a GPU,
each memory mode beside its estimate. Times are medians of calls in turns, so that a busy machine slows both; the ratio
is ours by theirs. Peaks are beside the weights: on a GPU torch's own count; on a CPU the bytes that live at once,
traced on tensors without data. Frames come from us a few at a time and are let go; diffusers returns them together.
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
from torch import nn

from smartdirector_lite.director import Director
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.loading.estimate import MetaModels
from smartdirector_lite.loading.memory import MODES, Call, gigabytes
from smartdirector_lite.loading.placement import place
from smartdirector_lite.loading.shapes import WAN
from smartdirector_lite.loading.tracing import Tracer
from smartdirector_lite.timeline import ChunkPlan
from smartdirector_lite.vae.causal import denormalize_latents
from smartdirector_lite.vae.multichunk import iter_decode

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
DTYPE = torch.bfloat16 if CUDA else torch.float32


def shrunk(configs: dict, by: int) -> dict:
    """The same shapes, narrower and shallower: heads, channels, layers divided; ratios of the VAE as they are."""
    configs = copy.deepcopy(configs)
    transformer, vae = configs["transformer"], configs["vae"]
    for part, names in (
        (transformer, ("num_attention_heads", "num_layers", "text_dim", "ffn_dim")),
        (vae, ("base_dim",)),
    ):
        for name in names:
            part[name] = max(1, part[name] // by)
    if "decoder_base_dim" in vae:
        vae["decoder_base_dim"] //= by
    return configs


def build(kind: type, config: dict, device: torch.device | str, dtype: torch.dtype) -> nn.Module:
    """Random weights, made where they are to be; on the meta device none."""
    with torch.device("meta"):
        model = kind.from_config(config)
    for name, parameter in model.named_parameters():
        kept = any(part in (model._keep_in_fp32_modules or ()) for part in name.split("."))
        parameter.data = torch.empty_like(parameter.data, dtype=torch.float32 if kept else dtype)
    model = model.to_empty(device=device).eval().requires_grad_(False)
    for parameter in model.parameters():
        if not parameter.is_meta:  # a GPU draws billions of numbers in a second, a CPU in a minute
            parameter.copy_(torch.empty_like(parameter, device=DEVICE).normal_(0, 0.02))
    if isinstance(model, WanTransformer3DModel):  # its rotary tables are buffers, which nothing has filled yet
        model.rope = type(model.rope)(model.config.attention_head_dim, model.config.patch_size, 1024).to(device)
    if isinstance(model, AutoencoderKLWan):
        model.register_to_config(latents_mean=[0.0] * model.config.z_dim, latents_std=[1.0] * model.config.z_dim)
    return model


def wait() -> None:
    if CUDA:
        torch.cuda.synchronize()


def medians(calls: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Seconds of each call: the median of `rounds`, in turns, after one round that does not count."""
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
    """Bytes beside what is there before: measured on a GPU, else traced without data."""
    if not CUDA:
        with Tracer() as trace:
            traced()
        return trace.peak
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    on_gpu()
    return torch.cuda.max_memory_allocated() - before


def step_calls(model: nn.Module, shape: tuple[int, ...], per_token: bool) -> Callable:
    """One call of a transformer on latents (1, C, F, h, w), the first one an anchor."""
    device = next(model.parameters()).device
    _, down, across = model.config.patch_size
    timestep = torch.full((1, shape[2]), 500.0, device=device)
    timestep[:, 0] = 0
    if per_token:
        timestep = timestep.repeat_interleave(shape[3] // down * (shape[4] // across), dim=1)
    latents = torch.zeros(shape, device=device, dtype=DTYPE)
    text = torch.zeros(1, 512, model.config.text_dim, device=device, dtype=DTYPE)
    return lambda: model(latents, timestep, text, return_dict=False)


@torch.no_grad()
def compare_steps(config: dict, shape: tuple[int, ...], rounds: int) -> list[str]:
    kinds = {"ours": DirectorTransformer3DModel, "diffusers": WanTransformer3DModel}
    models = {"ours": build(DirectorTransformer3DModel, config, DEVICE, DTYPE)}
    models["diffusers"] = build(WanTransformer3DModel, config, "meta", DTYPE)
    models["diffusers"].load_state_dict(models["ours"].state_dict(), assign=True)  # the same weights, held once
    models["diffusers"].rope = models["ours"].rope
    calls = {name: step_calls(model, shape, name == "diffusers") for name, model in models.items()}
    seconds = medians(calls, rounds)
    bytes_ = {}
    for name, call in calls.items():
        hollow = step_calls(build(kinds[name], config, "meta", DTYPE), shape, name == "diffusers") if not CUDA else call
        bytes_[name] = peak(call, hollow)
    return ["| one step | seconds | peak beside the weights |", "|---|---|---|"] + rows(seconds, bytes_)


def rows(seconds: dict[str, float], bytes_: dict[str, int], what: str = "") -> list[str]:
    ratio = f"{seconds['ours'] / seconds['diffusers']:.2f}", f"{bytes_['ours'] / bytes_['diffusers']:.2f}"
    lines = [f"| {what}{name} | {seconds[name]:.3f} | {gigabytes(bytes_[name])} |" for name in seconds]
    return [*lines, f"| {what}ours / diffusers | {ratio[0]} | {ratio[1]} |"]


def decode_calls(vae: AutoencoderKLWan, shape: tuple[int, ...]) -> dict[str, Callable]:
    latents = torch.zeros(shape, device=next(vae.parameters()).device)
    plan = ChunkPlan.build(1 + vae.config.scale_factor_temporal * (shape[2] - 1), [], vae.config.scale_factor_temporal)

    def ours() -> None:
        for _ in iter_decode(vae, plan, latents):
            pass

    return {"ours": ours, "diffusers": lambda: vae.decode(denormalize_latents(vae, latents), return_dict=False)}


@torch.no_grad()
def compare_decoding(config: dict, height: int, width: int, lengths: list[int], rounds: int) -> list[str]:
    vae = build(AutoencoderKLWan, config, DEVICE, torch.float32)
    hollow = build(AutoencoderKLWan, config, "meta", torch.float32)
    ratio, stride = vae.config.scale_factor_spatial, vae.config.scale_factor_temporal
    lines = ["| decoding | seconds | peak beside the weights |", "|---|---|---|"]
    for frames in lengths:
        shape = (1, vae.config.z_dim, 1 + (frames - 1) // stride, height // ratio, width // ratio)
        calls, traced = decode_calls(vae, shape), decode_calls(hollow, shape)
        bytes_ = {name: peak(calls[name], traced[name]) for name in calls}
        lines += rows(medians(calls, rounds), bytes_, f"{frames} frames, ")
        print(lines[-1], flush=True)
    return lines


@torch.no_grad()
def memory_modes(configs: dict, size: tuple[int, int], frames: int, steps: int, until: float) -> list[str]:
    """Each mode on this GPU, without the text encoder: its embeddings are random, as a text cache would give them."""
    parts = {name: config for name, config in configs.items() if name != "text_encoder"}
    call = Call(size, frames, 1, steps, guided=False)
    estimates = MetaModels(parts, DTYPE).estimate_both(call)
    lines = [
        "| memory | tiles | peak | estimate | estimate / peak | a step, s | whole run, s |",
        "|---|---|---|---|---|---|---|",
    ]
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


def one_mode(configs: dict, call: Call, mode: str, tiled: bool, expected: int) -> str:
    gc.collect()  # hooks hold models in cycles: those of the mode before would stay on the GPU
    vae = build(AutoencoderKLWan, configs["vae"], "cpu", torch.float32)
    transformer = build(DirectorTransformer3DModel, configs["transformer"], "cpu", DTYPE)
    gen = DirectorGenPipeline(None, None, vae, FlowMatchEulerDiscreteScheduler(), transformer)
    if tiled:
        vae.enable_tiling()
        vae.enable_slicing()
    place(Director(gen), mode, DEVICE)
    text = torch.zeros(1, 512, transformer.config.text_dim, dtype=DTYPE, device=DEVICE)
    keyframe = VideoCondition(image=torch.zeros(3, call.size[1], call.size[0]), frame_index=0)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    stamps = [time.perf_counter()]

    def stamp(pipeline, step, timestep, tensors):
        wait()
        stamps.append(time.perf_counter())
        return tensors

    options = {"num_frames": call.num_frames, "height": call.size[1], "width": call.size[0], "guidance_scale": 1.0}
    latents = gen(
        prompt_embeds=text,
        conditions=[keyframe],
        num_inference_steps=call.steps,
        output_type="latent",
        callback_on_step_end=stamp,
        **options,
    ).frames
    plan = gen.plan(call.num_frames, [keyframe])
    for _ in iter_decode(vae, plan, latents):
        pass
    wait()
    whole, found = time.perf_counter() - stamps[0], torch.cuda.max_memory_allocated()
    a_step = statistics.median(b - a for a, b in itertools.pairwise(stamps[1:]))
    cells = [mode, str(tiled), gigabytes(found), gigabytes(expected), f"{expected / found:.2f}", f"{a_step:.2f}"]
    return f"| {' | '.join([*cells, f'{whole:.1f}'])} |"


def device_name() -> str:
    if CUDA:
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return f"{names[0] if names else platform.machine()}, {torch.get_num_threads()} threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Wan-AI/Wan2.2-TI2V-5B-Diffusers", choices=list(WAN))
    parser.add_argument("--shrink", type=int, default=1, help="divide widths, depth and sides, for a CPU")
    parser.add_argument("--frames", type=int, nargs="+", default=[9, 33, 65, 129], help="lengths to decode")
    parser.add_argument("--length", type=int, help="of the videos in the memory modes; the model's own by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="of the runs in the memory modes")
    parser.add_argument("--minutes", type=float, default=9.0)
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    configs, is_22 = shrunk(WAN[options.model], options.shrink), "Wan2.2" in options.model
    (width, height), num_frames = ((1280, 704), 121) if is_22 else ((832, 480), 81)
    multiple = 32 if is_22 else 16
    width, height = (max(multiple, side // options.shrink // multiple * multiple) for side in (width, height))
    vae = configs["vae"]
    ratio = vae.get("scale_factor_spatial", 8)
    shape = (1, vae["z_dim"], 1 + (num_frames - 1) // 4, height // ratio, width // ratio)
    title = f"{options.model}, divided by {options.shrink}: {width}x{height}, {num_frames} frames, {DTYPE}"
    lines = [f"## {title}", "", f"With `{' '.join(sys.argv[1:])}`.", ""]
    lines += [*compare_steps(configs["transformer"], shape, options.rounds), ""]
    print("\n".join(lines), flush=True)
    lines += [*compare_decoding(vae, height, width, options.frames, options.rounds), ""]
    if CUDA:
        length = options.length or num_frames
        modes = memory_modes(configs, (width, height), length, options.steps, until)
        lines += [f"{length} frames in each memory mode:", "", *modes, ""]
    name = device_name()
    path = Path(__file__).parent / "results" / f"{'-'.join(name.replace(',', '').replace('/', ' ').split()).lower()}.md"
    path.parent.mkdir(exist_ok=True)
    kept = path.read_text(encoding="utf-8") if path.exists() else f"# {name}, torch {torch.__version__}\n\n"
    before, _, after = kept.partition(f"## {title}\n")
    rest = after[after.index("\n## ") + 1 :] if "\n## " in after else ""
    path.write_text(before + "\n".join(lines) + "\n" * bool(rest) + rest, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
