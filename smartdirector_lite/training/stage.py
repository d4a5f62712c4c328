"""The protocol of a training: what each stage gives to the loop. And what several stages need."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..media import write_image
from ..media.files import make_folder
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from .options import LoopConfig
from .tiny import DRAFT, FINAL

SAMPLE_SEEDS = (HELD_OUT_SEED + 3, HELD_OUT_SEED + 8)  # the held-out scenes that sample pictures show


class Stage:
    """One training, which `loop.train_stage` runs. Each trainer is a subclass.

    Attributes:
        config: the run's options.
        model: the model to train. Its `forward` is the training pass, because accelerate wraps `forward`.
        optimizers: the optimizers of the model's parameters.
        accumulate: batches of one step, in each process.
        uneven: whether some batches leave some weights unused; several processes must know this.
        finetunes: whether parts of the model may be frozen. Checkpoints then hold the trained weights alone,
            weights may be sharded over the processes, and every process exports.
    """

    config: LoopConfig
    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    accumulate = 1
    uneven = False
    finetunes = False

    def rng(self, number: int) -> np.random.Generator:
        """Return the random generator of batch `number`."""
        return np.random.default_rng((self.config.seed, number))

    def batch(self, number: int, device: torch.device | str) -> object:
        """Draw batch `number` on `device`. A number always gives the same batch.

        Numbers run through the steps and the processes of a run, so that no two batches have the same one.
        """
        raise NotImplementedError

    def loss(self, model: nn.Module, batch: object) -> dict[str, Tensor]:
        """Compute scalars by name, all of which are logged. The one named "loss" is minimised.

        Args:
            model: `self.model`, as accelerate wraps it.
            batch: what `batch` has drawn.
        """
        raise NotImplementedError

    def sample(self, folder: Path, step: int) -> None:
        """Draw pictures that show how far the run is. `self.model` holds the averaged weights meanwhile."""

    def export(self, folder: Path) -> None:
        """Write the result to a new folder. `self.model` holds the averaged weights meanwhile."""
        raise NotImplementedError


def on_device(batch: dict[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    """Send a batch to its device, to a GPU while that still works on the step before.

    `tau` stays on the CPU: the transformer computes its tables of cosines there, and would wait for a GPU to give it
    back.
    """
    if torch.device(device).type == "cuda":
        batch = {name: value.pin_memory() for name, value in batch.items()}
    return {name: value if name == "tau" else value.to(device, non_blocking=True) for name, value in batch.items()}


def sample_pairs(num_frames: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw the held-out scenes that sample pictures show, small and large, (3, T, H, W) in [-1, 1] each."""
    for seed in SAMPLE_SEEDS:
        scene = sample_scene(seed, num_frames, num_shots=1)
        small, large = (render(scene, size).transpose(0, 1) * 2 - 1 for size in (DRAFT, FINAL))
        yield small, large


def save_strip(video: Tensor, path: Path) -> None:
    """Write frames side by side as one PNG. video: (3, T, H, W) in [-1, 1]."""
    make_folder(path.parent)
    pixels = ((video.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(2, 1, 3, 0).flatten(1, 2)
    write_image(path, pixels.cpu().numpy())


def check_init(folder: str, stage: str) -> None:
    """Raise a ValueError unless the option `init` names a pipeline's folder."""
    if not (Path(folder) / "model_index.json").is_file():
        raise ValueError(f"init = {folder}: no pipeline there; give the export folder of `train {stage}`")
