"""VGGT finds the camera's pose in each frame of a shot (Wang et al., "VGGT", 2025). It comes as a package of its own.

The package is not on PyPI. Its code and its weights have licences of their own; see the authors' repository.
"""

import importlib.util

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...loading.hub import LoadError, loading
from ..poses import Poses
from .local import find_files

SIDE = 518  # pixels of the longer side that VGGT was trained on
PATCH = 14  # pixels; both sides are multiples of it
PACKAGE = "git+https://github.com/facebookresearch/vggt"


class Vggt:
    """VGGT on this machine. A `PoseModel`."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    @torch.inference_mode()
    def __call__(self, frames: NDArray) -> Poses:
        from vggt.utils.pose_enc import pose_encoding_to_extri_intri

        video = patched_frames(frames).to(next(self.model.parameters()).device)
        with torch.autocast(video.device.type, torch.bfloat16, enabled=video.is_cuda):
            tokens, _ = self.model.aggregator(video[None])
        with torch.autocast(video.device.type, enabled=False):
            encodings = self.model.camera_head([tokens[-1].float()])  # it reads the last layer's alone
        extrinsics, intrinsics = (
            value[0].double().cpu().numpy() for value in pose_encoding_to_extri_intri(encodings[-1], video.shape[-2:])
        )
        down, across = video.shape[-2:]
        height, width = frames.shape[1:3]
        focals = [intrinsics[:, 0, 0] / across, intrinsics[:, 1, 1] / down * height / width]
        return Poses(extrinsics, np.stack(focals, axis=1))


def patched_frames(frames: NDArray) -> torch.Tensor:
    """Bring frames, uint8 (T, H, W, 3), into the form that VGGT was trained on: (T, 3, h, w) in [0, 1]."""
    height, width = frames.shape[1:3]
    size = tuple(round(side * SIDE / max(height, width) / PATCH) * PATCH for side in (width, height))
    sized = np.stack([Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in frames])
    return torch.from_numpy(sized).permute(0, 3, 1, 2).float() / 255


def check_package() -> None:
    """LoadError where the package is not installed."""
    if importlib.util.find_spec("vggt") is None:
        raise LoadError(f"vggt: the package vggt is not installed; run: pip install {PACKAGE}")


def load_vggt(model: str, download: bool = False) -> Vggt:
    """Load VGGT, such as facebook/VGGT-1B. LoadError where there is none, or some of its weights are missing."""
    check_package()
    folder = find_files(model, download)
    with loading(model):
        from vggt.models.vggt import VGGT

        if not (folder / "model.safetensors").is_file():
            raise ValueError(f"no model.safetensors in {folder}; give the folder of a saved VGGT")
        loaded = VGGT.from_pretrained(folder, local_files_only=True, strict=True)
    return Vggt(loaded.to("cuda" if torch.cuda.is_available() else "cpu").eval())
