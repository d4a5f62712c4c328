"""What several benches need: options, the model, held-out footage, generation, and conversions between array forms.

Footage is (T, 3, H, W) in [0, 1]. A video for the VAE is (1, 3, T, H, W) in [-1, 1].
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers.utils import logging as diffusers_logging
from numpy.typing import NDArray
from torch import Tensor
from transformers.utils import logging as transformers_logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from smartdirector_lite.director import Director
from smartdirector_lite.gen import VideoCondition
from smartdirector_lite.loading import load_director
from smartdirector_lite.toyworld import HELD_OUT_SEED, Scene, render, sample_scene
from smartdirector_lite.training.tiny import DRAFT, FINAL

diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines and shows each option's default."""


def arguments(description: str, **options: tuple[object, str]) -> argparse.Namespace:
    """Parse the command line.

    Args:
        description: what `--help` says first.
        options: a default and a help text for each option; `some_name` becomes `--some-name`. `--model` is added. An
            option whose default is False takes no value and stands for True.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=HelpFormatter)
    parser.add_argument("--model", default="smartdirector-tiny", help="name of a bundled model, or a local folder")
    for name, (default, text) in options.items():
        of = {"action": "store_true"} if default is False else {"default": default, "type": type(default)}
        parser.add_argument(f"--{name.replace('_', '-')}", help=text, **of)
    return parser.parse_args()


def as_video(footage: Tensor) -> Tensor:
    """Footage (T, 3, H, W) in [0, 1] -> a video (1, 3, T, H, W) in [-1, 1]."""
    return footage[None].transpose(1, 2) * 2 - 1


def as_footage(video: Tensor) -> Tensor:
    """A video (1, 3, T, H, W) in [-1, 1] -> footage (T, 3, H, W) in [0, 1]."""
    return (video[0].transpose(0, 1).float() + 1) / 2


def as_levels(footage: Tensor) -> NDArray:
    """Footage (T, 3, H, W) in [0, 1] -> uint8 (T, H, W, 3), as pictures are written and reports are made."""
    return (footage.permute(0, 2, 3, 1).clamp(0, 1).numpy() * 255).round().astype(np.uint8)


def set_scheduler(director: Director, **config) -> None:
    """Replace settings of stage one's scheduler, such as `shift`."""
    scheduler = director.gen.scheduler
    director.gen.scheduler = type(scheduler).from_config(scheduler.config, **config)


def held_out_scene(index: int, num_frames: int, num_shots: int = 1) -> tuple[Scene, Tensor]:
    """Return scene number `index` of the held-out seeds, and its footage at draft size."""
    scene = sample_scene(HELD_OUT_SEED + index, num_frames, num_shots)
    return scene, render(scene, DRAFT)


def generate(
    director: Director,
    caption: str,
    truth: Tensor,
    keyframes: Sequence[int],
    cuts: Sequence[int] = (),
    seed: int = 0,
    **options,
) -> Tensor:
    """Generate a draft as long as the true footage, with keyframes from it.

    Args:
        caption: the prompt.
        truth: (T, 3, H, W) in [0, 1].
        keyframes: the frames of the truth that are given as keyframes.
        cuts: frames at which a cut is asked for.
        options: of Director-Gen's call; steps and guidance are the model's own unless they are given.

    Returns:
        (T, 3, H, W) in [0, 1], on the CPU.
    """
    director.gen.set_progress_bar_config(disable=True)
    defaults = director.defaults
    options = {"num_inference_steps": defaults.steps, "guidance_scale": defaults.guidance_scale, **options}
    result = director.gen(
        caption,
        conditions=[VideoCondition(image=truth[frame] * 2 - 1, frame_index=frame) for frame in keyframes],
        num_frames=len(truth),
        height=DRAFT.height,
        width=DRAFT.width,
        cuts=cuts,
        output_type="pt",
        generator=torch.Generator().manual_seed(seed),
        **options,
    )
    return result.frames[0].float().cpu()


__all__ = [
    "DRAFT",
    "FINAL",
    "HELD_OUT_SEED",
    "arguments",
    "as_footage",
    "as_levels",
    "as_video",
    "generate",
    "held_out_scene",
    "load_director",
    "render",
    "sample_scene",
    "set_scheduler",
]
