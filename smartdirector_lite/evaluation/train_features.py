"""Train the small video network: `python -m smartdirector_lite.evaluation.train_features`.

It learns, from the toy world alone, to tell what a clip of 16 frames shows (setting, camera, framing, colours, actions,
whether there is a cut) and how fast it is played. A clip may hold parts of two shots, so every label may be true.
"""

import argparse
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from ..media.files import atomic_path, make_folder
from ..toyworld import HELD_OUT_SEED, Scene, render, sample_scene
from ..toyworld.scene import ACTIONS, CAMERAS, COLOURS, FRAMINGS, SETTINGS
from ..training.tiny import DRAFT
from .features import NUM_LABELS, WEIGHTS, WINDOW_FRAMES, VideoNetwork, shrink

SCENE_FRAMES = 37
SPEEDS = (0, 1, 2)  # frames of the scene that pass from one frame of a clip to the next; 0 is a frozen clip
LABELS = (*(one.name for one in SETTINGS), *CAMERAS, *FRAMINGS, *COLOURS, *ACTIONS, "a cut", *SPEEDS)


def labels_of(scene: Scene, start: int, speed: int) -> Tensor:
    """Which of LABELS are true of a clip that begins at frame `start` of a scene: (NUM_LABELS,) of 0 and 1."""
    stop = start + max(1, speed * (WINDOW_FRAMES - 1) + 1)
    shots = [shot for shot in scene.shots if shot.start < stop and shot.stop > start]
    roles = [role for shot in shots for role in shot.roles]
    true = {scene.setting.name, speed, *(shot.camera for shot in shots), *(shot.framing for shot in shots)}
    true |= {role.action for role in roles} | {scene.characters[role.character].colour for role in roles}
    true |= {"a cut"} if len(shots) > 1 else set()
    return torch.tensor([float(label in true) for label in LABELS])


def draw_scenes(count: int, first: int) -> tuple[list[Scene], Tensor]:
    """Draw scenes from seeds, and their frames as the network sees them: uint8 (N, SCENE_FRAMES, 3, 32, 56)."""
    scenes = [sample_scene(first + index, SCENE_FRAMES) for index in range(count)]
    return scenes, torch.stack([(shrink(render(scene, DRAFT)) * 255).round().byte() for scene in scenes])


def draw_batch(rng: np.random.Generator, scenes: list[Scene], frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Draw clips (B, T, 3, H, W) in [0, 1], and their labels (B, NUM_LABELS)."""
    clips, labels = [], []
    for index in rng.integers(len(scenes), size=size):
        speed = int(rng.choice(SPEEDS, p=(0.15, 0.6, 0.25)))
        start = int(rng.integers(SCENE_FRAMES - speed * (WINDOW_FRAMES - 1)))
        clips.append(frames[index, start + speed * torch.arange(WINDOW_FRAMES)])
        labels.append(labels_of(scenes[index], start, speed))
    return torch.stack(clips).float() / 255, torch.stack(labels)


@torch.no_grad()
def mean_precision(network: VideoNetwork, clips: Tensor, labels: Tensor) -> float:
    """The mean over labels of the average precision; a network that guesses gets the labels' mean share."""
    order = torch.cat([network(part) for part in clips.split(32)]).argsort(dim=0, descending=True)
    hits = labels.gather(0, order)
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)[:, None]
    return float(((precision * hits).sum(dim=0) / hits.sum(dim=0).clamp(min=1)).mean())


def train_video_network(scenes: int, steps: int, batch: int, seed: int = 0) -> VideoNetwork:
    """Train the network, and print how well it tells clips of held-out scenes."""
    torch.manual_seed(seed)
    rng, started = np.random.default_rng(seed), time.perf_counter()
    held_out = draw_batch(np.random.default_rng(1), *draw_scenes(128, HELD_OUT_SEED), 256)
    pool = draw_scenes(scenes, 0)
    print(f"{scenes} scenes drawn in {time.perf_counter() - started:.0f} s", flush=True)
    network = VideoNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for step in range(1, steps + 1):
        clips, labels = draw_batch(rng, *pool, batch)
        loss = F.binary_cross_entropy_with_logits(network(clips), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            precision = mean_precision(network, *held_out)
            seconds = time.perf_counter() - started
            print(f"step {step}, {seconds:.0f} s: loss {loss:.3f}, held-out mean precision {precision:.3f}", flush=True)
    print(f"guessing: {held_out[1].mean():.3f}")
    return network


def train_and_save() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default in (("scenes", 3000), ("steps", 3000), ("batch", 32), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    network = train_video_network(**vars(parser.parse_args()))
    make_folder(WEIGHTS.parent)
    with atomic_path(WEIGHTS) as temporary:
        save_file(network.state_dict(), temporary)


assert len(LABELS) == NUM_LABELS
if __name__ == "__main__":
    train_and_save()
