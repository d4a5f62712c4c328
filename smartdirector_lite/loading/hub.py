"""Where a model's files are: shipped with the package, in a local folder, or in the hub's cache on this machine."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from ..media.files import one_line

BUNDLED = "smartdirector-tiny"
GEN_FOLDER, SR_FOLDER = "director-gen", "director-sr"  # the stages of a model that has a folder for each
PIPELINES = ("WanPipeline", "DirectorGenPipeline")  # what the model_index.json of stage one may name
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # what is fetched of a repository: no pickles, no code
# diffusers and transformers write the name of a variant behind the name of the file, before the number of the shard.
WEIGHTS = re.compile(r"(?:diffusion_pytorch_)?model(?:\.([^.]+?))?(?:-\d{5}-of-\d{5})?\.safetensors")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# What the libraries raise at files that are missing or damaged, and at values that they do not know.
LOADING_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, ImportError)


class LoadError(ValueError):
    """A model can't be loaded. The message is one line that says which model, why, and what to do."""


@contextmanager
def loading(model: str | Path) -> Iterator[None]:
    """Turn what goes wrong inside into a LoadError of one line that names the model."""
    try:
        yield
    except LOADING_ERRORS as error:
        reason = " ".join(str(error).split())[:500] or "no reason given"
        kind = "" if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
        raise LoadError(f"model {str(model)!r} can't be loaded: {kind}{reason}") from error


def bundled_folder() -> Path:
    """Return the folder of the weights that ship with the package."""
    return Path(str(resources.files("smartdirector_lite"))) / "weights" / BUNDLED


def find_model(model: str | Path, revision: str | None = None, download: bool = False) -> Path:
    """Return the folder that holds a model's stage one, and check that it is a Wan pipeline.

    Args:
        model: "smartdirector-tiny", a local folder, or a hub id ("owner/name"). A local folder of that name comes
            first. A hub id is looked up in the hub's cache.
        revision: a branch, tag or commit of a hub id.
        download: whether files of a hub id that the cache lacks may be fetched.

    Raises:
        LoadError: where there is no such folder, or it holds something else.
    """
    name = repr(str(model)[:200])
    folder = bundled_folder() if str(model) == BUNDLED else model
    if os.path.isdir(folder):  # unlike Path.is_dir, it is False for what can't be a name at all
        if revision is not None:
            raise LoadError(f"revision {revision!r}: model {name} is a local folder, which has none; leave it out")
        folder = Path(folder)
    elif HUB_ID.fullmatch(str(model)):
        folder = hub_snapshot(str(model), revision, download)
    else:
        raise LoadError(f"model {name}: there is no such folder; give {BUNDLED!r}, a local folder or a hub id")
    if (folder / GEN_FOLDER).is_dir():
        folder = folder / GEN_FOLDER
    index = folder / "model_index.json"
    if not index.is_file():
        raise LoadError(f"model {name}: no model_index.json in {folder}; give the folder of a saved pipeline")
    pipeline = read_object(index).get("_class_name")
    if pipeline not in PIPELINES:
        raise LoadError(f"model {name} is a {pipeline}; give a Wan text-to-video pipeline ({PIPELINES[0]})")
    return folder


def hub_snapshot(model: str, revision: str | None, download: bool, files: Sequence[str] = FILES) -> Path:
    """Return the hub's snapshot in the cache, and fetch its `files` first where that is asked for."""
    try:
        options = {"allow_patterns": list(files), "local_files_only": not download}
        return Path(snapshot_download(model, revision=revision, **options))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:500]  # the hub's own words, with its remedy
        if isinstance(error, LocalEntryNotFoundError) and not download:
            unasked = f"Nothing is downloaded unasked: pass download=True (--download), or run: hf download {model}"
            reason = f"no such folder, and not whole in the hub's cache. {unasked}"
        at = "" if revision is None else f" at revision {revision!r}"
        raise LoadError(f"model {model!r}{at}: {reason}") from error


def read_object(path: Path) -> dict:
    """Return the JSON object in a file. LoadError for a file that holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(f"{path}: can't be read as JSON ({one_line(error)})") from error
    if not isinstance(value, dict):
        raise LoadError(f"{path}: must hold an object {{...}}, not a {type(value).__name__}")
    return value


def variants_in(part: Path) -> set[str | None]:
    """Return the variants of the weights in a component's folder, such as "fp16"; None stands for plain files."""
    matches = (WEIGHTS.fullmatch(file.name) for file in part.glob("*.safetensors"))
    return {match[1] for match in matches if match}


def find_variant(stage: Path, wanted: str | None = None) -> str | None:
    """Return the variant to read a stage's weights in: `wanted` if some component has it, else the only one there is.

    Components without that variant are read from plain files, and None means that all are.

    Raises:
        LoadError: where there are only variants, and several of them.
    """
    parts = [variants_in(part) for part in sorted(stage.iterdir()) if part.is_dir()]
    if wanted is not None and any(wanted in part for part in parts):
        return wanted
    choices = [part for part in parts if part and None not in part]  # of components that have no plain files
    common = set.intersection(*choices) if choices else {None}
    if len(common) != 1:
        names = ", ".join(sorted(set.union(*choices)))
        raise LoadError(f"{stage}: the weights are there as {names}; say which by variant=...")
    return common.pop()
