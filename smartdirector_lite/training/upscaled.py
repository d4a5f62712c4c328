"""A bank of upscaled clips: what the restorer trains on.

Upscaling a clip costs more than many training steps on it. So small clips are upscaled once, whole and without a
restorer, and are kept as bytes. They are toy scenes and film: clean, spoilt as the world does it (`degrade`), or passed
through the VAE, as a draft is.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..director import Director
from ..gen import VideoCondition
from .degrade import degrade
from .film import Footage
from .pairs import draw_pair, through_vae
from .precision import fast_autocast
from .shards import fingerprint, read_shard, shard_path, shard_paths, write_shard

CLIPS = 16  # clips of a shard
CLEAN = 0.5  # share of the clips that keep true small frames, among those that don't pass through the VAE
DRAFTED = 0.12  # share of the clips that pass through the VAE, as a draft does; the others are spoilt
NO_KEYFRAME = 0.35  # share of the clips that are upscaled without a keyframe
PARTS = ("drawn", "small", "large", "given")  # what is kept of a clip, see `build_upscaled`

UpscaledClip = dict[str, Tensor]


@torch.no_grad()
def build_upscaled(
    director: Director,
    folder: str | Path,
    index: int,
    clips: int = CLIPS,
    footage: Footage | None = None,
    seed: int = 0,
) -> Path:
    """Draw, spoil, upscale and save a shard. The same index and seed give the same clips.

    Of each clip the shard holds `drawn`, what Director-SR made of the small frames, and `large`, what it should be,
    both uint8 (T, 3, 2H, 2W); `small`, uint8 (T, 3, H, W); and `given`, (T,) bools, true at keyframes.

    Args:
        director: has both stages.
        index: the shard's number.
        clips: how many clips it holds.
        footage: None for the toy world alone.

    Returns:
        The path of the shard.
    """
    rng, device, made = np.random.default_rng((seed, index, 3)), director.sr.vae.device, {}
    for k in range(clips):
        small, large, entry = draw_pair(rng, footage or Footage(), device)
        if rng.random() < DRAFTED:
            with fast_autocast(device):
                small = through_vae(director.gen.vae, small)
        else:
            small = degrade(rng, small, CLEAN)
        small = as_bytes(small).to(device) / 255  # what a file or a draft holds
        keyframes = () if rng.random() < NO_KEYFRAME else entry.keyframes
        conditions = [VideoCondition(image=large[frame] * 2 - 1, frame_index=frame) for frame in keyframes]
        options = {"num_inference_steps": director.defaults.sr_steps, "restore": False, "output_type": "pt"}
        with fast_autocast(device):
            drawn = director.sr(small.transpose(0, 1) * 2 - 1, conditions, cuts=entry.cuts, **options).frames[0]
        given = torch.zeros(len(small), dtype=torch.bool)
        given[list(keyframes)] = True
        made |= {f"{k}.{name}": as_bytes(x) for name, x in zip(PARTS[:3], (drawn, small, large), strict=True)}
        made[f"{k}.given"] = given
    return write_shard(shard_path(folder, index), director_fingerprint(director), made)


def director_fingerprint(director: Director) -> str:
    """Hash what makes an upscaled clip: the weights of stage two and of its VAE, and the number of steps."""
    return fingerprint(str(director.defaults.sr_steps), director.sr.vae, director.sr.transformer)


def as_bytes(video: Tensor) -> Tensor:
    """Values in [0, 1] -> uint8, on the CPU."""
    return (video.float() * 255).round().clamp(0, 255).to("cpu", torch.uint8).contiguous()


def read_upscaled(folder: str | Path, made_by: str) -> list[UpscaledClip]:
    """Read the PARTS of all the clips that a folder's shards hold.

    Args:
        made_by: the `director_fingerprint` of the director that must have upscaled them.

    Raises:
        ValueError: a damaged shard, one of another director, and a folder that holds none.
    """

    def parse(tensors: dict[str, Tensor], _: list) -> list[UpscaledClip]:
        return [{name: tensors[f"{k}.{name}"] for name in PARTS} for k in range(len(tensors) // len(PARTS))]

    clips = [clip for path in shard_paths(folder) for clip in read_shard(path, made_by, parse)]
    if not clips:
        raise ValueError(f"bank = {folder}: no clips there; give shards = 1 or more")
    return clips
