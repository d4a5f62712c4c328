"""How far a call is: for progress bars, and for stopping it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Progress:
    """stage: "gen" (done, total: denoising steps), "decode" or "sr" (frames).

    draft: uint8 (T, H, W, 3), with the last of "decode".
    """

    stage: str
    done: int
    total: int
    draft: NDArray | None = None


def silent(progress: Progress) -> None:
    """Tell nobody."""


def telling(watch: Callable[[Progress], None]) -> Callable:
    """A `callback_on_step_end` that tells `watch` of each denoising step."""

    def callback(pipeline: DiffusionPipeline, step: int, timestep: torch.Tensor, tensors: dict) -> dict:
        watch(Progress("gen", step + 1, pipeline.num_timesteps))
        return tensors

    return callback
