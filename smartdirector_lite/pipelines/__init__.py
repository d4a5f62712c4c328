"""Diffusion pipelines of the two stages, and both together."""

from .conditions import VideoCondition
from .director import Director, DirectorResult
from .director_gen import DirectorGenPipeline
from .director_sr import DirectorSRPipeline
from .options import SROptions
from .progress import Progress

__all__ = [
    "Director",
    "DirectorGenPipeline",
    "DirectorResult",
    "DirectorSRPipeline",
    "Progress",
    "SROptions",
    "VideoCondition",
]
