"""Where models are found: the hub's cache, offline and not, and what is said when they are not there."""

import shutil
import socket
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from smartdirector_lite.loading import hub, load_director
from smartdirector_lite.loading.hub import LoadError, model_folder

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
        model_folder(model, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("revision", [None, "main", "small", COMMIT])
def test_a_model_in_the_cache_is_found_without_asking_the_hub(cached, revision):
    assert model_folder(NAME, revision).samefile(cached)
    assert load_director(NAME, revision=revision).gen.transformer.config.num_layers == 2


def test_a_folder_of_that_name_comes_first(cached, wan_folder, tmp_path):
    shutil.copytree(wan_folder, tmp_path / NAME)
    assert model_folder(NAME).samefile(tmp_path / NAME)
    refused(f"revision 'main': model '{NAME}' is a local folder, which has none", revision="main")


def test_nothing_is_downloaded_unasked(cache):
    refused(r"not whole in the hub's cache. Nothing is downloaded unasked: pass download=True .*hf download someone")
    refused("at revision 'v2': no such folder, and not whole in the hub's cache", revision="v2")
    with pytest.raises(LoadError, match="Nothing is downloaded unasked"):
        load_director(NAME)


def test_a_revision_that_is_not_cached_is_not_taken_for_another(cached):
    refused("at revision 'v2': no such folder, and not whole in the hub's cache", revision="v2")


def error_with_response(kind):
    return kind("told so", response=SimpleNamespace(headers={}, request=None))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (error_with_response(GatedRepoError), "is gated: accept its terms on its page, log in .hf auth login."),
        (error_with_response(RepositoryNotFoundError), "the hub has no such repository, or it is private"),
        (error_with_response(RevisionNotFoundError), "has no revision 'v2'"),
        (LocalEntryNotFoundError("no connection"), "the hub can't be reached, and the cache does not hold it"),
        (OSError("disk full"), "can't be fetched: disk full"),
    ],
)
def test_what_the_hub_says_is_one_line(cache, monkeypatch, error, message):
    asked = []

    def fails(model, **options):
        asked.append((model, options))
        raise error

    monkeypatch.setattr(hub, "snapshot_download", fails)
    refused(message, revision="v2", download=True)
    ((model, options),) = asked
    assert model == NAME and options["local_files_only"] is False and options["revision"] == "v2"
    assert not any(pattern.endswith((".bin", ".py", ".pt", "*")) for pattern in options["allow_patterns"])


def test_offline_mode_is_respected(cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused("can't be fetched: HF_HUB_OFFLINE is set; unset it", download=True)


@pytest.mark.parametrize("name", ["a//b", "a/b/c", "../x", "a b/c", "http://hub.invalid/a/b"])
def test_names_that_are_no_hub_ids(cache, name):
    refused("no such folder|is no hub id|not a usable", model=name, download=True)
