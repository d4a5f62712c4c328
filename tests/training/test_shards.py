"""Shards: what comes back, and what is refused."""

import json

import pytest
import torch
from safetensors.torch import save_file

from smartdirector_lite.training import bank, upscaled
from smartdirector_lite.training.clips import ClipEntry
from smartdirector_lite.training.shards import fingerprint, read_shard, shard_path, write_shard

ENTRY = ClipEntry(5, (0,), (), "a caption", "a")
READERS = {
    "clips": lambda path: bank.read_clips(path, "maker"),
    "upscaled clips": lambda path: upscaled.read_upscaled(path.parent, "maker"),
}


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


def whole(tensors: dict, entries: list) -> tuple:
    return tensors, entries


def test_a_shard_comes_back_and_is_the_same_every_time(tmp_path):
    tensors = {"0": torch.arange(6).view(2, 3).T, "b": torch.ones(2, dtype=torch.bool)}
    path = write_shard(shard_path(tmp_path / "new", 7), "maker", tensors, [{"a": [1, 2]}, None])
    found, entries = read_shard(path, "maker", whole)
    assert (
        path.name == "shard-00007.safetensors" and entries == [{"a": [1, 2]}, None] and found.keys() == tensors.keys()
    )
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    again = write_shard(shard_path(tmp_path, "name"), "maker", tensors, [{"a": [1, 2]}, None])
    assert again.name == "shard-name.safetensors" and again.read_bytes() == path.read_bytes()


def test_a_shard_of_something_else_is_refused(tmp_path, reader):
    write_shard(shard_path(tmp_path, 0), "another", {f"0.{name}": torch.zeros(1) for name in upscaled.PARTS}, [])
    with pytest.raises(ValueError, match="made by another model or in another way; choose another folder"):
        reader(shard_path(tmp_path, 0))


@pytest.mark.parametrize("damage", ["no safetensors", "cut short", "without metadata", "of another kind"])
def test_a_damaged_shard_is_named(tmp_path, reader, damage):
    path = shard_path(tmp_path, 0)
    if damage == "without metadata":
        save_file({"0": torch.zeros(1)}, path)
    else:
        write_shard(path, "maker", {f"0.{name}": torch.zeros(1) for name in ("a", "b", "c", "d")}, [{"num_frames": 5}])
    if damage == "no safetensors":
        path.write_bytes(b"nothing")
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(
        ValueError, match=r"shard-00000\.safetensors: damaged, or no shard of this kind \(.*\); delete it"
    ):
        reader(path)


def test_a_shard_that_names_its_vae_is_read_still(tmp_path):
    """The metadata said `vae` before all shards had one form."""
    path, entry = tmp_path / "shard-00000.safetensors", {**vars(ENTRY)}
    save_file({"0": torch.ones(2, 1, 1, 1)}, path, {"contents": json.dumps({"vae": "maker", "entries": [entry]})})
    ((latents, found),) = bank.read_clips(path, "maker")
    assert found == ENTRY and torch.equal(latents, torch.ones(2, 1, 1, 1))
    with pytest.raises(ValueError, match="made by another model"):
        bank.read_clips(path, "another")


def test_a_fingerprint_tells_settings_and_weights_apart():
    one, two = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    two.load_state_dict(one.state_dict())
    assert fingerprint("a", one) == fingerprint("a", two) != fingerprint("b", one)
    torch.nn.init.zeros_(two.weight)
    assert fingerprint("a", one) != fingerprint("a", two) and len(fingerprint("a")) == 16


def test_a_folder_without_upscaled_clips_is_named(tmp_path):
    with pytest.raises(ValueError, match="no clips there; give shards = 1 or more"):
        upscaled.read_upscaled(tmp_path, "")
