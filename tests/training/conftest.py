"""What the tests of the trainings share: a tiny VAE, small sizes, and what a run has logged."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderKLWan

from smartdirector_lite.media.size import Size
from smartdirector_lite.training import pairs, precision, restorer, stage


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """accelerate keeps the precision of the first run of a process, and every test here is a run of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tiny_vae(wan_folder) -> AutoencoderKLWan:
    return AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae").eval()


@pytest.fixture
def small_sizes(monkeypatch):
    """Clips of 48 x 32 and 96 x 64 in place of 112 x 64 and 224 x 128, encoded in float32."""
    for module in (pairs, stage, restorer):
        monkeypatch.setattr(module, "DRAFT", Size(48, 32))
        monkeypatch.setattr(module, "FINAL", Size(96, 64))
    monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)


@pytest.fixture(scope="session")
def losses() -> Callable[[Path], dict[int, float]]:
    """Read a run's losses by step. Of a step that was logged twice, the later line counts."""

    def read(folder: Path) -> dict[int, float]:
        return {row["step"]: row["loss"] for row in map(json.loads, (folder / "log.jsonl").read_text().splitlines())}

    return read
