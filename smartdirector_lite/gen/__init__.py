"""Stage one: text and keyframes become a draft."""

from .conditions import VideoCondition
from .pipeline import DirectorGenPipeline
from .transformer import DirectorTransformer3DModel
