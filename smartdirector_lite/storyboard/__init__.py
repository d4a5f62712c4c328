"""The storyboard: what to show and when."""

from .complaints import StoryboardError
from .files import parse_json
from .pacing import PACING
from .parts import Clip, Keyframe, Shot
from .schema import DEFAULT_FPS, Storyboard
from .take import Take
