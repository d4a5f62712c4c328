"""The storyboard: what to show and when."""

from .checks import StoryboardError
from .items import Clip, Keyframe, Shot
from .pacing import PACING
from .schema import DEFAULT_FPS, Storyboard

__all__ = ["DEFAULT_FPS", "PACING", "Clip", "Keyframe", "Shot", "Storyboard", "StoryboardError"]
