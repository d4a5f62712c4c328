"""FVD: distances in the features of I3D, for whoever has its weights (Unterthiner et al. 2018, arXiv 1812.01717).

The weights are those of I3D that was trained on Kinetics-400, as the TorchScript file that FVD tools share. No package
brings them. A TorchScript file holds code, which runs: take one from a source that you trust.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .features import Features, clip_windows

SIDE = 224  # of the frames that the network sees


def load_i3d(path: str | Path) -> Features:
    """Load I3D's features.

    Args:
        path: the TorchScript file. Its network is called with clips (B, 3, T, 224, 224) in [-1, 1] and
            rescale=False, resize=False, return_features=True, and gives (B, D).

    Raises:
        ValueError: the file can't be read, or its network can't be called so.
    """
    path = Path(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        network = torch.jit.load(path, map_location="cpu").eval()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"i3d = {path}: is no TorchScript file that can be read ({_first_sentence(error)})") from error

    @torch.no_grad()
    def features(video: Tensor) -> Tensor:
        clips = clip_windows(as_seen(video)).transpose(1, 2).split(1)
        try:
            return torch.cat([network(clip, rescale=False, resize=False, return_features=True) for clip in clips])
        except (RuntimeError, TypeError) as error:
            wanted = "give I3D's TorchScript file, whose network takes rescale, resize and return_features"
            raise ValueError(f"i3d = {path}: {wanted} ({_first_sentence(error)})") from error

    return Features(f"I3D {digest}", features)


def as_seen(video: Tensor) -> Tensor:
    """Bring frames (T, 3, H, W) in [0, 1] to (T, 3, 224, 224) in [-1, 1]: the middle square, enlarged or shrunk."""
    height, width = video.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = video[:, :, top : top + side, left : left + side]
    return F.interpolate(square, (SIDE, SIDE), mode="bilinear", antialias=True).clamp(0, 1) * 2 - 1


def _first_sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0]
