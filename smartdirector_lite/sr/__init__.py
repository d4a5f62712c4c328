"""Stage two: a draft becomes a large video with the detail of its keyframes."""

from .pipeline import DirectorSRPipeline, SROptions
