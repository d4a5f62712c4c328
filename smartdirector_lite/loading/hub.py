"""Where a model's files are: shipped with the package, in a local folder, or in the hub's cache on this machine."""

import json
import os
import re
from importlib import resources
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

BUNDLED = "smartdirector-tiny"
GEN_FOLDER, SR_FOLDER = "director-gen", "director-sr"  # the stages of a model that has a folder for each
PIPELINES = ("WanPipeline", "DirectorGenPipeline")  # what the model_index.json of stage one may name
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # what is fetched of a repository: no pickles, no code
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class LoadError(ValueError):
    """A model can't be loaded. The message is one line that says which model, why, and what to do."""


def bundled_folder() -> Path:
    """Return the folder of the weights that ship with the package."""
    return Path(str(resources.files("smartdirector_lite"))) / "weights" / BUNDLED


def find_model(model: str | Path, revision: str | None = None, download: bool = False) -> Path:
    """Return the folder of a model's stage one, and check that it holds a Wan pipeline. Arguments as `model_folder`."""
    folder = model_folder(model, revision, download)
    if (folder / GEN_FOLDER).is_dir():
        folder = folder / GEN_FOLDER
    index = folder / "model_index.json"
    if not index.is_file():
        raise LoadError(f"model {str(model)!r}: no model_index.json in {folder}; give the folder of a saved pipeline")
    pipeline = read_object(index).get("_class_name")
    if pipeline not in PIPELINES:
        raise LoadError(f"model {str(model)!r} is a {pipeline}; give a Wan text-to-video pipeline ({PIPELINES[0]})")
    return folder


def model_folder(model: str | Path, revision: str | None = None, download: bool = False) -> Path:
    """Return the folder that holds a model's files.

    Args:
        model: "smartdirector-tiny", a local folder, or a hub id ("owner/name"). A local folder of that name comes
            first. A hub id is looked up in the hub's cache.
        revision: a branch, tag or commit of a hub id.
        download: whether files of a hub id that the cache lacks may be fetched.

    Raises:
        LoadError: where there is no such folder.
    """
    name, folder = repr(str(model)[:200]), Path(model)
    if str(model) == BUNDLED:
        folder = bundled_folder()
        if not folder.is_dir():
            raise LoadError(f"model {BUNDLED!r}: its weights are missing at {folder}; install the package again")
    elif not str(model).strip():
        raise LoadError(f"model is empty; give {BUNDLED!r}, a local folder or a hub id (owner/name)")
    elif not os.path.exists(model):  # unlike Path.exists, it is False for what can't be a name at all
        if not HUB_ID.fullmatch(str(model)):
            raise LoadError(f"model {name}: there is no such folder; give {BUNDLED!r}, a local folder or a hub id")
        return _snapshot(str(model), revision, download)
    if revision is not None:
        raise LoadError(f"revision {revision!r}: model {name} is a local folder, which has none; leave it out")
    if not folder.is_dir():
        raise LoadError(f"model {name} is a file; give the folder that holds model_index.json")
    return folder


def _snapshot(model: str, revision: str | None, download: bool) -> Path:
    """Return the hub's snapshot in the cache, and fetch it first where that is asked for."""
    at = "" if revision is None else f" at revision {revision!r}"
    try:
        options = {"allow_patterns": list(FILES), "local_files_only": not download}
        return Path(snapshot_download(model, revision=revision, **options))
    except GatedRepoError as error:
        raise LoadError(
            f"model {model!r} is gated: accept its terms on its page, log in (hf auth login), and try again"
        ) from error
    except RevisionNotFoundError as error:
        raise LoadError(f"model {model!r} has no revision {revision!r}; its page lists branches and tags") from error
    except RepositoryNotFoundError as error:
        raise LoadError(f"model {model!r}: the hub has no such repository, or it is private (hf auth login)") from error
    except LocalEntryNotFoundError as error:  # or some of its files are missing there
        if download and constants.HF_HUB_OFFLINE:
            raise LoadError(f"model {model!r}{at} can't be fetched: HF_HUB_OFFLINE is set; unset it") from error
        if download:
            raise LoadError(f"model {model!r}{at}: the hub can't be reached, and the cache does not hold it") from error
        raise LoadError(
            f"model {model!r}{at}: no such folder, and not whole in the hub's cache. Nothing is downloaded unasked: "
            f"pass download=True (--download), or run: hf download {model}"
        ) from error
    except HFValidationError as error:
        raise LoadError(f"model {model!r} is no hub id ({' '.join(str(error).split())[:200]})") from error
    except (HfHubHTTPError, OSError) as error:
        raise LoadError(f"model {model!r}{at} can't be fetched: {' '.join(str(error).split())[:200]}") from error


def read_object(path: Path) -> dict:
    """Return the JSON object in a file. LoadError for a file that holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(f"{path}: can't be read as JSON ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict):
        raise LoadError(f"{path}: must hold an object {{...}}, not a {type(value).__name__}")
    return value
