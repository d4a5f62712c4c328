"""Stage two: a draft becomes a large video with the detail of its keyframes."""

from .options import SROptions
from .pipeline import DirectorSRPipeline

__all__ = ["DirectorSRPipeline", "SROptions"]
