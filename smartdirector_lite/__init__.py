"""SmartDirector-Lite: from a storyboard to a video.

Names are looked up when they are first used, so that `import smartdirector_lite.timeline`, which is pure Python, or
`smartdirector --help` need not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smartdirector_lite.loaders import load_director
    from smartdirector_lite.pipelines import DirectorGenPipeline, VideoCondition
    from smartdirector_lite.storyboard import Storyboard
    from smartdirector_lite.timeline import ChunkPlan, Condition
    from smartdirector_lite.transformer import DirectorTransformer3DModel

__version__ = "0.1.0"

__all__ = [
    "ChunkPlan",
    "Condition",
    "DirectorGenPipeline",
    "DirectorTransformer3DModel",
    "Storyboard",
    "VideoCondition",
    "__version__",
    "load_director",
]

_HOME = {
    "ChunkPlan": "timeline",
    "Condition": "timeline",
    "DirectorGenPipeline": "pipelines",
    "DirectorTransformer3DModel": "transformer",
    "Storyboard": "storyboard",
    "VideoCondition": "pipelines",
    "load_director": "loaders",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
