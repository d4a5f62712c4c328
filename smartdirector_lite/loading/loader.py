"""One call to a ready director: the bundled tiny model, a local folder, or a Wan model of the hub.

A folder has the layout that diffusers saves a Wan pipeline in. Beside its `model_index.json` may lie a
`smartdirector.json` that says what the model was made for: {"steps": 12, "guidance_scale": 1.5, "size": [112, 64],
"fps": 12}, any of the four; what it leaves out is as for Wan (50 steps, guidance 5.0, 832x480; 1280x704 where the VAE
is Wan 2.2's).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.quantizers import PipelineQuantizationConfig

from ..director import Director
from ..gen.pipeline import DirectorGenPipeline
from ..sr.pipeline import DirectorSRPipeline
from ..timeline import check_int
from .cpu import prepare_for_cpu
from .estimate import SR_FOLDER, STAGE_FOLDER, MetaModels, read_configs
from .hub import BUNDLED, LoadError, bundled_folder, model_folder
from .memory import MODES, Call, Estimate
from .placement import choose, place, shortage
from .quantize import quantization, quantized
from .text_encoder import LazyTextEncoder, load_text_encoder

__all__ = ["BUNDLED", "LoadError", "bundled_folder", "find_model", "load_director", "read_defaults"]

DEFAULTS_FILE = "smartdirector.json"
LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError)
PIPELINES = ("WanPipeline", "DirectorGenPipeline")  # what model_index.json may name
MAX_STEPS, MAX_GUIDANCE, MAX_SIDE, MAX_FPS = 1000, 100, 8192, 240
USUAL_FRAMES = 121  # of a call, where `memory="auto"` is told no other


def load_director(
    model: str | Path = BUNDLED,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    *,
    memory: str = "auto",
    fit: Call | None = None,
    revision: str | None = None,
    download: bool = False,
    text_cache: str | Path | None = None,
    compile: bool = False,
    quantize: str | None = None,
) -> Director:
    """Load a director.

    Nothing is downloaded unasked, no pickle is read, no code that lies in the folder is run.

    Args:
        model: "smartdirector-tiny" (ships with the package, works offline); a local folder in the diffusers layout: a
            Wan text-to-video pipeline, or a folder with such a one in `director-gen` and, if there is a second stage,
            that in `director-sr`, which uses the first one's VAE; or a hub id such as
            "Wan-AI/Wan2.2-TI2V-5B-Diffusers", which is looked for in the hub's cache.
        device: None takes CUDA where there is one, else the CPU.
        dtype: of the transformers and the text encoder; None is float32 on the CPU and bfloat16 on CUDA. The VAE stays
            in float32, as Wan's authors advise: its errors end up in every anchor.
        memory: where the models are while they work: "full", "model", "group", "sequential" (see `placement`), or
            "auto", the fastest that fits the GPU's free memory by `estimate`. On the CPU there is one place.
        fit: the largest call that "auto" makes room for; None: the model's own size, USUAL_FRAMES frames, 3 keyframes.
        revision: branch, tag or commit of a hub id.
        download: whether files of a hub id that are not in the cache may be fetched.
        text_cache: a folder to keep text embeddings in. The text encoder is then loaded for a text that is not there
            yet, and dropped before anything else runs.
        compile: compile the transformers' blocks; needs memory="full".
        quantize: "int8" or "nf4", for the transformer's weights (see `quantization`); not layer by layer.

    Raises:
        LoadError: for the model. ValueError: for another argument.
    """
    folder = find_model(model, revision, download)
    device = _check_device(device)
    if dtype is None:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    defaults = read_defaults(folder)
    smaller = None if quantize is None else quantization(quantize, dtype, device)
    wanted = _Wanted(dtype, fit, defaults.get("size"), text_cache is None, quantize)
    memory, tiled = _choose_memory(folder, device, memory, wanted)
    _check_options(memory, compile, quantize)
    director = _read_models(model, folder, dtype, defaults, text_cache is None, smaller)
    if text_cache is not None:
        director.encode_texts = LazyTextEncoder(folder, director.gen.tokenizer, dtype, device, text_cache)
    for part in _models(director) if device.type == "cpu" else ():
        prepare_for_cpu(part)
    if tiled:
        director.gen.vae.enable_tiling()
        director.gen.vae.enable_slicing()
    place(director, memory, device)
    for stage in (director.gen, director.sr) if compile else ():
        if stage is not None:
            stage.transformer.compile_repeated_blocks(dynamic=True)
    return director


def _models(director: Director) -> set[torch.nn.Module]:
    stages = filter(None, (director.gen, director.sr))
    parts = (part for stage in stages for part in stage.components.values())
    return {part for part in parts if isinstance(part, torch.nn.Module)}


def _check_options(memory: str, compile: bool, quantize: str | None) -> None:
    if quantize is not None and memory == "sequential":
        raise ValueError("quantize: its weights can't go layer by layer (memory='sequential'); leave one of them out")
    if compile and memory != "full":
        raise ValueError(f"compile: needs memory='full', and it is {memory!r}; leave compile out")


def _read_models(
    model: str | Path,
    folder: Path,
    dtype: torch.dtype,
    defaults: dict,
    with_text: bool,
    smaller: PipelineQuantizationConfig | None,
) -> Director:
    """The director of a pipeline's folder, on the CPU. LoadError."""
    options = {"local_files_only": True, "use_safetensors": True}
    more = {} if smaller is None else {"quantization_config": smaller}
    try:
        encoder = load_text_encoder(folder, dtype) if with_text else None
        precision = {"default": dtype, "vae": torch.float32}
        gen = DirectorGenPipeline.from_pretrained(folder, dtype=precision, text_encoder=encoder, **options, **more)
        _check_complete(gen)
    except LOADING_ERRORS as error:
        raise _not_loaded(model, error) from error
    defaults = {"size": wan_size(gen.vae.config if gen.vae is not None else {}), **defaults}
    return Director(gen, **defaults, **_load_second_stage(folder, gen, dtype, options))


@dataclass(frozen=True)
class _Wanted:
    """What a memory mode is chosen for; see `load_director`. size: the model's own; with_text: the encoder stays."""

    dtype: torch.dtype
    fit: Call | None = None
    size: tuple[int, int] | None = None
    with_text: bool = True
    quantize: str | None = None


def _choose_memory(folder: Path, device: torch.device, memory: str, wanted: _Wanted) -> tuple[str, bool]:
    """The memory mode, and whether the VAE must work in tiles. ValueError for a mode that can't be had."""
    if memory not in ("auto", *MODES):
        raise ValueError(f"memory must be one of auto, {', '.join(MODES)}, got {memory!r}")
    if device.type != "cuda":
        if memory not in ("auto", "full"):
            raise ValueError(
                f"memory = {memory!r}: offloading needs a CUDA GPU, and the device is {device}; leave memory at 'auto'"
            )
        return "full", False
    free, _ = torch.cuda.mem_get_info(device)
    call, whole, tiled = estimates(folder, wanted)
    if memory == "auto":
        chosen = choose(whole, tiled, free)
        if chosen is None:
            raise ValueError(shortage(call, whole, tiled, "sequential", free, device))
        return chosen
    if min(whole.peak(memory)[0], tiled.peak(memory)[0]) > free:
        raise ValueError(shortage(call, whole, tiled, memory, free, device))
    return memory, whole.peak(memory)[0] > free


def estimates(folder: Path, wanted: _Wanted) -> tuple[Call, Estimate, Estimate]:
    """A call, what it needs, and what it needs with the VAE in tiles."""
    configs = read_configs(folder.parent if folder.name == STAGE_FOLDER else folder)
    if not wanted.with_text:
        configs.pop("text_encoder", None)
    call = wanted.fit or Call(wanted.size or wan_size(configs["vae"]), USUAL_FRAMES, 3)
    whole, tiled = MetaModels(configs, wanted.dtype).estimate_both(call)
    return call, quantized(whole, wanted.quantize), quantized(tiled, wanted.quantize)


def wan_size(vae: Mapping) -> tuple[int, int]:
    """(width, height) that Wan was made for, by the VAE's config: 2.2's is residual, 2.1's is not."""
    return (1280, 704) if vae.get("is_residual") else (832, 480)


def _load_second_stage(folder: Path, gen: DirectorGenPipeline, dtype: torch.dtype, options: dict) -> dict:
    """Director-SR beside the folder of Director-Gen, and its steps, as arguments of `Director`; {} without one."""
    folder = folder.parent / SR_FOLDER
    if gen.vae is None or not folder.is_dir():
        return {}
    steps = read_defaults(folder).get("steps")
    try:
        sr = DirectorSRPipeline.from_pretrained(
            folder, vae=gen.vae, dtype={"default": dtype, "restorer": torch.float32}, **options
        )
        _check_complete(sr)
    except LOADING_ERRORS as error:
        raise _not_loaded(folder, error) from error
    return {"sr": sr} if steps is None else {"sr": sr, "sr_steps": steps}


def _not_loaded(model: str | Path, error: Exception) -> LoadError:
    reason = " ".join(str(error).split())[:300] or "no reason given"
    kind = "" if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
    return LoadError(f"model {str(model)!r} can't be loaded: {kind}{reason}")


def find_model(model: str | Path, revision: str | None = None, download: bool = False) -> Path:
    """The folder of a model's Director-Gen pipeline, seen to hold a Wan one. LoadError."""
    folder = model_folder(model, revision, download)
    if (folder / STAGE_FOLDER).is_dir():
        folder = folder / STAGE_FOLDER
    index = folder / "model_index.json"
    if not index.is_file():
        raise LoadError(f"model {str(model)!r}: no model_index.json in {folder}; give the folder of a saved pipeline")
    pipeline = _read_json(index).get("_class_name")
    if pipeline not in PIPELINES:
        raise LoadError(f"model {str(model)!r} is a {pipeline}; give a Wan text-to-video pipeline ({PIPELINES[0]})")
    return folder


def read_defaults(folder: Path) -> dict:
    """What `smartdirector.json` in this folder says, checked, as arguments of `Director`; {} without one. LoadError."""
    path = folder / DEFAULTS_FILE
    if not path.is_file():
        return {}
    given, known = _read_json(path), ("steps", "guidance_scale", "size", "fps")
    for key in given:
        if key not in known:
            raise LoadError(f"{path}: unknown key {key!r}; known are {', '.join(known)}")
    try:
        if "steps" in given:
            check_int("steps", given["steps"], 1, MAX_STEPS)
        if "guidance_scale" in given:
            _check_number("guidance_scale", given["guidance_scale"], 0, MAX_GUIDANCE)
        if "fps" in given:
            _check_number("fps", given["fps"], 1, MAX_FPS)
        if "size" in given:
            if not isinstance(given["size"], list) or len(given["size"]) != 2:
                raise ValueError(f"size must be [width, height], got {given['size']!r}")
            for name, side in zip(("width", "height"), given["size"], strict=True):
                check_int(f"size: {name}", side, 1, MAX_SIDE)
            given["size"] = tuple(given["size"])
    except ValueError as error:
        raise LoadError(f"{path}: {error}") from error
    return given


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low} to {high}, got {value!r}")


def _read_json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(f"{path}: can't be read as JSON ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict):
        raise LoadError(f"{path}: must hold an object {{...}}, not a {type(value).__name__}")
    return value


def _check_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"device {str(device)!r} can't be used here ({first_line}); leave it out: the CPU, where there is no CUDA"
        ) from error
    return device


def _check_complete(pipeline: DirectorGenPipeline | DirectorSRPipeline) -> None:
    """diffusers leaves weights that are missing without data, on the meta device."""
    for name in ("transformer", "vae"):
        for parameter, value in getattr(pipeline, name).named_parameters():
            if value.is_meta:
                raise ValueError(f"{name}: the weight {parameter} is missing")
