"""Where a model's files are: bundled with the package, in a local folder, or in the hub's cache on this machine."""

import re
from collections.abc import Sequence
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
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # what is fetched of a repository: no pickles, no code
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class LoadError(ValueError):
    """A model that can't be loaded; one line that says which, why, and what to do."""


def bundled_folder() -> Path:
    """Where the weights that ship with the package lie."""
    return Path(str(resources.files("smartdirector_lite"))) / "weights" / BUNDLED


def model_folder(
    model: str | Path, revision: str | None = None, download: bool = False, files: Sequence[str] = FILES
) -> Path:
    """The folder that holds a model's files.

    model: "smartdirector-tiny", a local folder, or a hub id ("owner/name"). A folder of that name comes first. A hub
    id is looked up in the hub's cache; only with `download` may files be fetched, `files` of them (patterns).
    revision: a branch, tag or commit of a hub id. LoadError.
    """
    name, folder = repr(str(model)), Path(model)
    if str(model) == BUNDLED:
        folder = bundled_folder()
        if not folder.is_dir():
            raise LoadError(f"model {BUNDLED!r}: its weights are missing at {folder}; install the package again")
        found = True
    elif not str(model).strip():
        raise LoadError(f"model is empty; give {BUNDLED!r}, a local folder or a hub id (owner/name)")
    else:
        try:
            found = folder.exists()
        except (OSError, ValueError) as error:
            raise LoadError(f"model {name[:200]} is not a usable folder name") from error
    if found:
        if revision is not None:
            raise LoadError(f"revision {revision!r}: model {name} is a local folder, which has none; leave it out")
        if not folder.is_dir():
            raise LoadError(f"model {name} is a file; give the folder that holds model_index.json")
        return folder
    if not HUB_ID.fullmatch(str(model)):
        raise LoadError(f"model {name}: there is no such folder; give {BUNDLED!r}, a local folder or a hub id")
    return _snapshot(str(model), revision, download, files)


def _snapshot(model: str, revision: str | None, download: bool, files: Sequence[str]) -> Path:
    """The hub's snapshot in the cache, fetched first where that is asked for."""
    at = "" if revision is None else f" at revision {revision!r}"
    try:
        return Path(
            snapshot_download(model, revision=revision, allow_patterns=list(files), local_files_only=not download)
        )
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
