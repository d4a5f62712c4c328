"""SmartDirector-Lite: from a storyboard to a video.

The names below are imported when they are first used. `import smartdirector_lite.timeline`, which is pure Python, and
`smartdirector --help` therefore do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smartdirector_lite.gen import DirectorGenPipeline, DirectorTransformer3DModel, VideoCondition
    from smartdirector_lite.loading import load_director
    from smartdirector_lite.storyboard import Storyboard
    from smartdirector_lite.timeline import ChunkPlan, Condition

__version__ = "0.1.0"

_HOME = {
    "ChunkPlan": "timeline",
    "Condition": "timeline",
    "DirectorGenPipeline": "gen",
    "DirectorTransformer3DModel": "gen",
    "Storyboard": "storyboard",
    "VideoCondition": "gen",
    "load_director": "loading",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
