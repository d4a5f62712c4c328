"""What the benches share: the model, held-out footage, a line of output."""

import argparse
import sys
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor
from transformers.utils import logging as transformers_logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training.bank import scene_caption

HEIGHT, WIDTH = 64, 112
diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()


def arguments(description: str, **defaults) -> argparse.Namespace:
    """Options `--name value` with their defaults, and `--model`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", default="smartdirector-tiny", help="bundled name or local folder")
    for name, value in defaults.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", default=value, type=type(value) if value is not None else str
        )
    return parser.parse_args()


def as_video(frames: Tensor) -> Tensor:
    """(T, 3, H, W) in [0, 1] -> (1, 3, T, H, W) in [-1, 1]."""
    return frames[None].transpose(1, 2) * 2 - 1


def as_frames(video: Tensor) -> Tensor:
    """(1, 3, T, H, W) in [-1, 1] -> (T, 3, H, W) in [0, 1]."""
    return (video[0].transpose(0, 1).float() + 1) / 2


def set_scheduler(director, **config) -> None:
    """Sample with these settings of the flow scheduler, such as `shift`, instead of the model's own."""
    scheduler = director.gen.scheduler
    director.gen.scheduler = type(scheduler).from_config(scheduler.config, **config)


def held_out_scene(index: int, num_frames: int, num_shots: int = 1):
    """The scene number `index` of the held-out seeds and its frames (T, 3, H, W) in [0, 1]."""
    scene = sample_scene(HELD_OUT_SEED + index, num_frames, num_shots)
    return scene, render(scene, HEIGHT, WIDTH)


def generate(
    director, scene, truth: Tensor | None, frames: list[int], seed: int = 0, prompt: str | None = None, **options
) -> Tensor:
    """Generate a scene's video from its caption and its own frames as keyframes; (T, 3, H, W) in [0, 1] on the CPU."""
    director.gen.set_progress_bar_config(disable=True)
    conditions = [VideoCondition(image=truth[frame] * 2 - 1, frame_index=frame) for frame in frames]
    options = {"num_inference_steps": director.steps, "guidance_scale": director.guidance_scale, **options}
    return (
        director.gen(
            scene_caption(scene) if prompt is None else prompt,
            conditions=conditions,
            num_frames=scene.num_frames,
            height=HEIGHT,
            width=WIDTH,
            cuts=scene.cuts,
            output_type="pt",
            generator=torch.Generator().manual_seed(seed),
            **options,
        )
        .frames[0]
        .float()
        .cpu()
    )


__all__ = [
    "HEIGHT",
    "HELD_OUT_SEED",
    "WIDTH",
    "arguments",
    "generate",
    "held_out_scene",
    "load_director",
    "render",
    "sample_scene",
    "set_scheduler",
]
