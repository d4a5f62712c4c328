"""One call to a ready director: the bundled tiny model, or a model in a local folder.

A folder has the layout that diffusers saves a Wan pipeline in. Beside its `model_index.json` may lie a
`smartdirector.json` that says what the model was made for: {"steps": 12, "guidance_scale": 1.5, "size": [112, 64],
"fps": 12}, any of the four; what it leaves out is as for Wan (50 steps, guidance 5.0, 832x480).
"""

import json
import re
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import UMT5EncoderModel

from .causal import use_channels_last
from .pipelines import Director, DirectorGenPipeline, DirectorSRPipeline
from .timeline import check_int

BUNDLED = "smartdirector-tiny"
STAGE_FOLDER, SR_FOLDER = "director-gen", "director-sr"
DEFAULTS_FILE = "smartdirector.json"
LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError)
PIPELINES = ("WanPipeline", "DirectorGenPipeline")  # what model_index.json may name
MAX_STEPS, MAX_GUIDANCE, MAX_SIDE, MAX_FPS = 1000, 100, 8192, 240


class LoadError(ValueError):
    """A model that can't be loaded; one line that says which, why, and what to do."""


def bundled_folder() -> Path:
    """Where the weights that ship with the package lie."""
    return Path(str(resources.files(__package__))) / "weights" / BUNDLED


def load_director(
    model: str | Path = BUNDLED, device: str | torch.device | None = None, dtype: torch.dtype | None = None
) -> Director:
    """Load a director.

    model: "smartdirector-tiny" (ships with the package, works offline), or a local folder in the diffusers layout:
    a Wan text-to-video pipeline, or a folder with such a one in `director-gen` and, if there is a second stage, that in
    `director-sr`; it uses the first one's VAE. device: None takes CUDA where there is
    one, else the CPU. dtype: of the transformer and the text encoder; None is float32 on the CPU and bfloat16 on CUDA.
    The VAE stays in float32, as Wan's authors advise. Nothing is downloaded, no pickle is read, no code that lies in
    the folder is run. Raises LoadError for the model, ValueError for the device.
    """
    folder = find_model(model)
    device = _check_device(device)
    if dtype is None:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    defaults = read_defaults(folder)
    options = {"local_files_only": True, "use_safetensors": True}
    try:
        parts = _load_text_encoder(folder, dtype, options)
        precision = {"default": dtype, "vae": torch.float32}
        gen = DirectorGenPipeline.from_pretrained(folder, dtype=precision, **parts, **options)
        _check_complete(gen)
    except LOADING_ERRORS as error:
        raise _not_loaded(model, error) from error
    if device.type == "cpu" and gen.vae is not None:
        use_channels_last(gen.vae)
    return Director(gen.to(device), **defaults, **_load_second_stage(folder, gen, dtype, options))


def _load_second_stage(folder: Path, gen: DirectorGenPipeline, dtype: torch.dtype, options: dict) -> dict:
    """Director-SR beside the folder of Director-Gen, and its steps, as arguments of `Director`; {} without one."""
    folder = folder.parent / SR_FOLDER
    if gen.vae is None or not folder.is_dir():
        return {}
    steps = read_defaults(folder).get("steps")
    try:
        sr = DirectorSRPipeline.from_pretrained(folder, vae=gen.vae, dtype={"default": dtype}, **options)
        _check_complete(sr)
    except LOADING_ERRORS as error:
        raise _not_loaded(folder, error) from error
    return {"sr": sr.to(gen.device)} if steps is None else {"sr": sr.to(gen.device), "sr_steps": steps}


def _not_loaded(model: str | Path, error: Exception) -> LoadError:
    reason = " ".join(str(error).split())[:300] or "no reason given"
    kind = "" if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
    return LoadError(f"model {str(model)!r} can't be loaded: {kind}{reason}")


def find_model(model: str | Path) -> Path:
    """The folder of a model's Director-Gen pipeline, seen to hold a Wan one. LoadError."""
    if str(model) == BUNDLED:
        folder = bundled_folder()
        if not folder.is_dir():
            raise LoadError(f"model {BUNDLED!r}: its weights are missing at {folder}; install the package again")
    else:
        folder = _local_folder(model)
    if (folder / STAGE_FOLDER).is_dir():
        folder = folder / STAGE_FOLDER
    index = folder / "model_index.json"
    if not index.is_file():
        raise LoadError(f"model {str(model)!r}: no model_index.json in {folder}; give the folder of a saved pipeline")
    pipeline = _read_json(index).get("_class_name")
    if pipeline not in PIPELINES:
        raise LoadError(f"model {str(model)!r} is a {pipeline}; give a Wan text-to-video pipeline ({PIPELINES[0]})")
    return folder


def _local_folder(model: str | Path) -> Path:
    name, folder = repr(str(model)), Path(model)
    try:
        found = folder.exists()
    except (OSError, ValueError) as error:
        raise LoadError(f"model {name[:200]} is not a usable folder name") from error
    if not str(model).strip():
        raise LoadError(f"model is empty; give {BUNDLED!r} or a local folder")
    if not found and re.fullmatch(r"[\w.-]+/[\w.-]+", str(model)):
        raise LoadError(
            f"model {name}: no such folder, and this version downloads no models from the hub; "
            f"fetch it first (hf download {model} --local-dir FOLDER) and give that folder"
        )
    if not found:
        raise LoadError(f"model {name}: there is no such folder; give {BUNDLED!r} or a local folder")
    if not folder.is_dir():
        raise LoadError(f"model {name} is a file; give the folder that holds model_index.json")
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
        raise ValueError(f"device {str(device)!r} can't be used here ({first_line})") from error
    return device


def _load_text_encoder(folder: Path, dtype: torch.dtype, options: dict) -> dict:
    """{"text_encoder": the folder's}, or {} without one. transformers would draw weights that are missing at random."""
    if not _read_json(folder / "model_index.json").get("text_encoder", [None])[0]:
        return {}
    path = folder / "text_encoder"
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder")
    options = {**options, "dtype": dtype, "ignore_mismatched_sizes": True, "output_loading_info": True}
    try:
        model, found = UMT5EncoderModel.from_pretrained(path, **options)
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged weights ({error})") from error
    for key in (*found["missing_keys"], *found["mismatched_keys"]):
        raise ValueError(f"{path}: the weight {key} is missing or has another shape")
    return {"text_encoder": model}


def _check_complete(pipeline: DirectorGenPipeline | DirectorSRPipeline) -> None:
    """diffusers leaves weights that are missing without data, on the meta device."""
    for name in ("transformer", "vae"):
        for parameter, value in getattr(pipeline, name).named_parameters():
            if value.is_meta:
                raise ValueError(f"{name}: the weight {parameter} is missing")
