"""Diffusion pipelines of the two stages, and both together."""

from .conditions import VideoCondition
from .director import Director, DirectorResult
from .director_gen import DirectorGenPipeline

__all__ = ["Director", "DirectorGenPipeline", "DirectorResult", "VideoCondition"]
