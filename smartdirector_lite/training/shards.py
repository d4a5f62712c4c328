"""Shards: footage that is drawn and encoded once, kept on disk, and trained on many times.

A shard is one safetensors file. Its metadata say which model made it (a fingerprint) and what is known of each clip.
One process may make shards while another one reads those that are there.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from accelerate import PartialState
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..media import atomic_path
from ..media.files import check_folder, make_folder

T = TypeVar("T")


def fingerprint(settings: str, *modules: nn.Module) -> str:
    """Hash settings and the weights of models, to 16 hexadecimal digits. Equal models have equal fingerprints."""
    digest = hashlib.sha256(settings.encode())
    for module in modules:
        for tensor in module.state_dict().values():
            digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def shard_path(folder: str | Path, name: int | str) -> Path:
    """The path of the shard with this number or name."""
    return Path(folder) / f"shard-{name if isinstance(name, str) else f'{name:05d}'}.safetensors"


def shard_paths(folder: str | Path) -> list[Path]:
    """The paths of all shards that are in a folder, by name."""
    return sorted(Path(folder).glob("shard-*.safetensors"))


def make_shards(folder: str, count: int, make: Callable[[int], object]) -> None:
    """Make those of the first `count` shards that are missing. Processes share the work and leave together.

    Args:
        make: writes the shard of a given number.
    """
    check_folder(folder)
    state = PartialState()
    for index in range(state.process_index, count, state.num_processes):
        if not shard_path(folder, index).exists():
            make(index)
    state.wait_for_everyone()


def write_shard(path: Path, made_by: str, tensors: Mapping[str, Tensor], entries: Sequence = ()) -> Path:
    """Write a shard, whole or not at all. The same contents give the same bytes.

    Args:
        made_by: the `fingerprint` of what made it.
        tensors: by name.
        entries: what is known of each clip, as JSON can hold it.

    Returns:
        The path.
    """
    make_folder(path.parent)
    contents = json.dumps({"made_by": made_by, "entries": entries})
    ready = {name: value.cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata={"contents": contents})  # one key: the order of several is not fixed
    return path


def read_shard(path: Path, made_by: str, parse: Callable[[dict[str, Tensor], list], T]) -> T:
    """Read a shard.

    Args:
        made_by: the fingerprint that it must have.
        parse: makes the result out of the tensors and the entries.

    Raises:
        ValueError: a damaged file, and one that something else made.
    """
    try:
        with safe_open(path, "pt") as file:
            contents = json.loads((file.metadata() or {})["contents"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        maker = contents["vae"] if "vae" in contents else contents["made_by"]  # "vae" stands in older shards
        result = parse(tensors, contents["entries"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: damaged, or no shard of this kind ({error}); delete it") from error
    if maker != made_by:
        raise ValueError(f"{path}: made by another model or in another way; choose another folder, or delete it")
    return result
