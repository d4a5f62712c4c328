"""Where models are found: the hub's cache, offline and not, and what is said when they are not there."""

import shutil
import socket
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError

from smartdirector_lite.loading import hub, load_director
from smartdirector_lite.loading.hub import LoadError, find_model

NAME, COMMIT = "someone/wan-small", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty hub cache; a request to the hub is an error here."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("the hub was asked"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def cached(cache, wan_folder):
    """The tiny model, laid down as the hub's client does it, on main and on a branch."""
    repository = cache / "models--someone--wan-small"
    shutil.copytree(wan_folder, repository / "snapshots" / COMMIT)
    for name in ("main", "small"):
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / name).write_text(COMMIT)
    return repository / "snapshots" / COMMIT


def refused(message: str, model: str = NAME, **options) -> None:
    with pytest.raises(LoadError, match=message) as caught:
        find_model(model, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("revision", [None, "main", "small", COMMIT])
def test_a_model_in_the_cache_is_found_without_asking_the_hub(cached, revision):
    assert find_model(NAME, revision).samefile(cached)
    assert load_director(NAME, revision=revision).gen.transformer.config.num_layers == 2


def test_a_folder_of_that_name_comes_first(cached, wan_folder, tmp_path):
    shutil.copytree(wan_folder, tmp_path / NAME)
    assert find_model(NAME).samefile(tmp_path / NAME)
    refused(f"revision 'main': model '{NAME}' is a local folder, which has none", revision="main")


def test_nothing_is_downloaded_unasked(cache):
    refused(r"not whole in the hub's cache. Nothing is downloaded unasked: pass download=True .*hf download someone")
    refused("at revision 'v2': no such folder, and not whole in the hub's cache", revision="v2")
    with pytest.raises(LoadError, match="Nothing is downloaded unasked"):
        load_director(NAME)


def test_a_revision_that_is_not_cached_is_not_taken_for_another(cached):
    refused("at revision 'v2': no such folder, and not whole in the hub's cache", revision="v2")


def error_with_response(kind):
    return kind("401.\n\nLog in", response=SimpleNamespace(headers={}, request=None))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (error_with_response(GatedRepoError), "401. Log in"),
        (LocalEntryNotFoundError("no connection\nto the hub"), "no connection to the hub"),
        (OSError("disk full"), "disk full"),
    ],
)
def test_what_the_hub_says_is_one_line(cache, monkeypatch, error, message):
    asked = []

    def fails(model, **options):
        asked.append((model, options))
        raise error

    monkeypatch.setattr(hub, "snapshot_download", fails)
    refused(f"model '{NAME}' at revision 'v2': {message}", revision="v2", download=True)
    ((model, options),) = asked
    assert model == NAME and options["local_files_only"] is False and options["revision"] == "v2"
    assert not any(pattern.endswith((".bin", ".py", ".pt", "*")) for pattern in options["allow_patterns"])


def test_offline_mode_is_respected(cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused("set 'HF_HUB_OFFLINE=0' as environment variable", download=True)


@pytest.mark.parametrize("name", ["a//b", "a/b/c", "../x", "a b/c", "http://hub.invalid/a/b"])
def test_names_that_are_no_hub_ids(cache, name):
    refused("no such folder|Repo id must", model=name, download=True)
