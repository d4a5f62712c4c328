"""The storyboard: what to show and when."""

from .complaints import StoryboardError
from .files import parse_json
from .pacing import PACING
from .parts import Clip, Keyframe, Shot
from .schema import DEFAULT_FPS, Storyboard
from .take import Take

__all__ = [
    "DEFAULT_FPS",
    "PACING",
    "Clip",
    "Keyframe",
    "Shot",
    "Storyboard",
    "StoryboardError",
    "Take",
    "parse_json",
]
