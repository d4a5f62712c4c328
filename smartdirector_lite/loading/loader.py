"""One call to a ready director: the bundled tiny model, a local folder, or a Wan model of the hub.

A folder has the layout in which diffusers saves a Wan pipeline. Beside its `model_index.json` may lie a
`smartdirector.json` that says what the model was made for, such as {"steps": 12, "guidance_scale": 1.5, "size": [112,
64], "fps": 12}. Each of the four may be left out; Wan's value then holds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from diffusers import BitsAndBytesConfig, TorchAoConfig
from diffusers.quantizers import PipelineQuantizationConfig
from pydantic import Field, StrictInt

from ..director import WAN_SIZE, Defaults, Director
from ..gen.base import DirectorPipeline
from ..gen.pipeline import DirectorGenPipeline
from ..media.size import Size
from ..sr.pipeline import DirectorSRPipeline
from ..storyboard.complaints import checked
from ..storyboard.parts import Fps, Number, Sides
from ..timeline import check_one_of
from .cpu import prepare_for_cpu
from .estimate import MetaModels, read_configs
from .hub import BUNDLED, GEN_FOLDER, SR_FOLDER, LoadError, find_model, find_variant, loading, read_object
from .memory import MODES, QUANTIZED, Call
from .placement import choose_on, place
from .text import LazyTextEncoder, TextCache, load_text_encoder

DEFAULTS_FILE = "smartdirector.json"
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
USUAL_FRAMES, USUAL_KEYFRAMES = 121, 3  # of the call that `memory="auto"` makes room for


def load_director(
    model: str | Path = BUNDLED,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    *,
    memory: str = "auto",
    fit: Call | None = None,
    revision: str | None = None,
    variant: str | None = None,
    download: bool = False,
    text_cache: str | Path | None = None,
    compile: bool = False,
    quantize: str | None = None,
) -> Director:
    """Load a director.

    Nothing is downloaded unasked, no pickle is read, and no code that lies in the folder is run.

    Args:
        model: "smartdirector-tiny", which ships with the package; a local folder in the diffusers layout; or a hub id
            such as "Wan-AI/Wan2.2-TI2V-5B-Diffusers", which is looked for in the hub's cache. A folder holds a Wan
            text-to-video pipeline, or it holds one in `director-gen` and, where there is a second stage, that stage in
            `director-sr`, which uses the first stage's VAE.
        device: None takes CUDA where there is one, else the CPU.
        dtype: the type of the transformers and the text encoder: float32, bfloat16 or float16, by torch's value or
            name. None and "auto" are float32 on the CPU and bfloat16 on CUDA. The VAE stays in float32, as Wan's
            authors advise, since its errors end up in every anchor.
        memory: where the models are while they work: "full", "model", "group" or "sequential" (see `placement`), or
            "auto" for the fastest of them that fits the GPU's free memory. On the CPU there is one place.
        fit: the largest call that must fit. None is a call of the model's own size, USUAL_FRAMES frames and
            USUAL_KEYFRAMES keyframes.
        revision: a branch, tag or commit of a hub id.
        variant: which of several saved forms of the weights to read, such as "fp16"; components that lack it are read
            from plain files. None takes the plain files, or the only variant where there are none.
        download: whether files of a hub id that are not in the cache may be fetched.
        text_cache: a folder to keep text embeddings in. The text encoder is then loaded for a text that is not there
            yet, and is gone before anything else runs.
        compile: whether to compile the transformers' blocks; this needs memory="full".
        quantize: how the transformer's weights are stored: "int8" for 8-bit whole numbers with a scale for each row
            (by torchao), or "nf4" for 4-bit NormalFloat (by bitsandbytes, on CUDA); not with memory="sequential".

    Raises:
        LoadError: for a model that can't be loaded.
        ValueError: for another argument.
    """
    folder = find_model(model, revision, download)
    device = _check_device(device)
    dtype = _check_dtype(dtype, device)
    defaults = read_defaults(folder)
    with loading(model):
        quantized = {} if quantize is None else {"quantization_config": _quantization(quantize, dtype)}
    memory, tiled = _check_memory(memory, device), False
    if device.type == "cuda":
        configs = read_configs(folder)
        if text_cache is not None:
            configs.pop("text_encoder", None)
        call = fit or Call(defaults.size, USUAL_FRAMES, USUAL_KEYFRAMES)
        needs = [estimate.quantized(quantize) for estimate in MetaModels(configs, dtype).estimate_both(call)]
        memory, tiled = choose_on(device, memory, call, needs)
    if quantize is not None and memory == "sequential":
        raise ValueError("quantize: its weights can't go layer by layer (memory='sequential'); leave one of them out")
    if compile and memory != "full":
        raise ValueError(f"compile: needs memory='full', and it is {memory!r}; leave compile out")

    variants = _find_variants(model, folder, variant)
    with loading(model):
        encoder = load_text_encoder(folder, dtype, variants[GEN_FOLDER]) if text_cache is None else None
        options = {"dtype": {"default": dtype, "vae": torch.float32}, "variant": variants[GEN_FOLDER], **quantized}
        gen = _read(DirectorGenPipeline, folder, text_encoder=encoder, **options)
    sr = None
    if SR_FOLDER in variants:
        with loading(sr_folder := folder.parent / SR_FOLDER):
            options = {"dtype": {"default": dtype, "restorer": torch.float32}, "variant": variants[SR_FOLDER]}
            sr = _read(DirectorSRPipeline, sr_folder, vae=gen.vae, **options)
    director = Director(gen, sr, defaults)
    if text_cache is not None:
        encode = LazyTextEncoder(folder, gen.tokenizer, dtype, device, variants[GEN_FOLDER])
        director.encode_texts = TextCache(text_cache, encode, encode.made_by)

    stages = [stage for stage in (gen, sr) if stage is not None]
    if device.type == "cpu":
        for part in {part for stage in stages for part in stage.components.values()}:
            if isinstance(part, torch.nn.Module):
                prepare_for_cpu(part)
    if tiled:
        gen.vae.enable_tiling()
        gen.vae.enable_slicing()
    place(director, memory, device)
    for stage in stages if compile else ():
        stage.transformer.compile_repeated_blocks(dynamic=True)
    return director


# ---------------------------------------------------------------- what the model was made for


def read_defaults(folder: Path) -> Defaults:
    """Read what a call of a model uses unless it says otherwise.

    Args:
        folder: of stage one. A second stage beside it says its own steps in its own `smartdirector.json`.

    Raises:
        LoadError: for a file that says something else, or a value out of range.
    """
    given, config = _read_given(folder), folder / "vae" / "config.json"
    second = _read_given(folder.parent / SR_FOLDER)
    if "steps" in second:
        given["sr_steps"] = second["steps"]
    return Defaults(**{"size": wan_size(read_object(config) if config.is_file() else {}), **given})


def wan_size(vae: Mapping) -> Size:
    """Return the size that Wan was made for, by the config of its VAE: 2.2's is residual, 2.1's is not."""
    return Size(1280, 704) if vae.get("is_residual") else WAN_SIZE


@checked
class Purpose:
    """What a model was made for, as its `smartdirector.json` says; None for what the file leaves out."""

    steps: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    guidance_scale: Annotated[Number, Field(ge=0, le=100)] | None = None
    size: Sides | None = None
    fps: Fps | None = None


def _read_given(folder: Path) -> dict:
    """What the file `smartdirector.json` in a folder says, checked; {} without one."""
    path = folder / DEFAULTS_FILE
    given = read_object(path) if path.is_file() else {}
    try:
        purpose = Purpose(**given)
    except (TypeError, ValueError) as error:
        raise LoadError(f"{path}: {error}") from error
    return {name: value for name, value in vars(purpose).items() if value is not None}


# ---------------------------------------------------------------- devices and memory


def _check_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(1, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        first_line = str(error).strip().partition("\n")[0]
        remedy = "leave it out to take CUDA where there is one, else the CPU"
        raise ValueError(f"device {str(device)!r} can't be used here ({first_line}); {remedy}") from error


def _check_dtype(dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype:
    """Return the type that a name of torch's means, or that suits the device."""
    if dtype is None or (isinstance(dtype, str) and dtype == "auto"):
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or found not in DTYPES:
        names = ", ".join(repr(str(one).removeprefix("torch.")) for one in DTYPES)
        raise ValueError(f"dtype = {dtype!r}: give one of {names}, or leave it out for what suits the device")
    return found


def _check_memory(memory: str, device: torch.device) -> str:
    """Return the mode. Without CUDA there is one place, and "auto" is "full"."""
    check_one_of("memory", memory, ("auto", *MODES))
    if device.type == "cuda":
        return memory
    if memory not in ("auto", "full"):
        needed = f"offloading needs a CUDA GPU, and the device is {device}"
        raise ValueError(f"memory = {memory!r}: {needed}; leave memory at 'auto'")
    return "full"


# ---------------------------------------------------------------- reading


def _quantization(kind: str, dtype: torch.dtype) -> PipelineQuantizationConfig:
    """How a pipeline's transformer is quantized while it is read. Products are computed in `dtype`."""
    check_one_of("quantize", kind, QUANTIZED)
    if kind == "nf4":
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    else:
        from torchao.quantization import Int8WeightOnlyConfig

        config = TorchAoConfig(Int8WeightOnlyConfig())
    return PipelineQuantizationConfig(quant_mapping={"transformer": config})


def _find_variants(model: str | Path, folder: Path, wanted: str | None) -> dict[str, str | None]:
    """The variant of the weights of each stage that is there; `folder` is that of stage one."""
    sr = folder.parent / SR_FOLDER
    stages = {GEN_FOLDER: folder} | ({SR_FOLDER: sr} if sr.is_dir() else {})
    found = {name: find_variant(stage, wanted) for name, stage in stages.items()}
    if wanted is not None and wanted not in found.values():
        raise LoadError(f"model {str(model)!r} has no weights of the variant {wanted!r}; leave variant out")
    return found


def _read(kind: type[DirectorPipeline], folder: Path, **options: object) -> DirectorPipeline:
    """Read a pipeline onto the CPU, and check that its weights are all there."""
    pipeline = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, **options)
    for name in ("transformer", "vae"):
        for parameter, value in getattr(pipeline, name).named_parameters():
            if value.is_meta:  # diffusers leaves it without data
                raise ValueError(f"{name}: the weight {parameter} is missing")
    return pipeline
