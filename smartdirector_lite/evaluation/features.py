"""A small video network, in whose features distributions of videos are compared (paper, section 4: FVD).

The paper's FVD takes the features of I3D, whose weights are large and are no part of this package (`i3d.py` takes them
where they are at hand). This network was trained on the toy world alone, to tell what a clip shows and how it moves
(`train_features.py`). Its distances compare ways of filming with each other. They are no FVD, and can't be held against
published ones.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..media.size import Size

WEIGHTS = Path(__file__).parents[1] / "weights" / "video-features" / "model.safetensors"
WINDOW_FRAMES = 16  # frames that the network sees at once, 1.3 s at 12 a second
STEP = 8  # frames from one window of a video to the next one
SEEN = Size(56, 32)  # the size that the network sees
WIDTHS = (16, 32, 64, 64)
NUM_LABELS = 30


class VideoNetwork(nn.Module):
    """Four 3D convolutions that halve the picture each, the last three also time; then the mean over all places."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = [], 3
        for index, width in enumerate(WIDTHS):
            stride = (2 if index else 1, 2, 2)
            layers += [nn.Conv3d(channels, width, 3, stride, padding=1), nn.GroupNorm(8, width), nn.SiLU()]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels, NUM_LABELS)

    def features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) in [0, 1], seen at SEEN -> features (B, 64)."""
        return self.body(clips.transpose(1, 2) * 2 - 1).mean(dim=(2, 3, 4))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) in [0, 1], seen at SEEN -> logits of the labels, (B, NUM_LABELS)."""
        return self.head(self.features(clips))


@cache
def load_video_network(path: Path = WEIGHTS) -> VideoNetwork:
    """Load the network. A ValueError says how to make its weights where they are missing."""
    if not path.exists():
        raise ValueError(f"{path}: no weights; make them with python -m smartdirector_lite.evaluation.train_features")
    network = VideoNetwork().eval()
    network.load_state_dict(load_file(path))
    return network.requires_grad_(False)


def shrink(video: Tensor) -> Tensor:
    """Frames (T, 3, H, W) -> (T, 3, 32, 56), each pixel the mean of those that it covers."""
    return F.interpolate(video, (SEEN.height, SEEN.width), mode="area")


def clip_windows(video: Tensor) -> Tensor:
    """Cut a video (T, 3, H, W) into windows (N, WINDOW_FRAMES, 3, H, W), one every STEP frames.

    Raises:
        ValueError: the video is shorter than a window.
    """
    if len(video) < WINDOW_FRAMES:
        raise ValueError(f"a video of {len(video)} frames has no window of {WINDOW_FRAMES}; take longer videos")
    return video.unfold(0, WINDOW_FRAMES, STEP).movedim(-1, 1)


@torch.no_grad()
def video_features(video: Tensor) -> Tensor:
    """Compute the features of a video's windows.

    Args:
        video: (T, 3, H, W) in [0, 1], 12 frames a second, of any size.

    Returns:
        (N, 64).
    """
    return load_video_network().features(clip_windows(shrink(video)))


class Features(NamedTuple):
    """What distances between videos are taken in.

    Attributes:
        name: what tables and records call it; "" for this package's own.
        of_video: makes (N, D) of a video (T, 3, H, W) in [0, 1], 12 frames a second: a row for each of its windows.
    """

    name: str
    of_video: Callable[[Tensor], Tensor]


OWN = Features("", video_features)
