"""How Director-SR works: what a call or a model chooses."""

from dataclasses import dataclass

UPSAMPLING = ("latent", "pixel")  # how what the flow starts from is enlarged


@dataclass(frozen=True)
class SROptions:
    """How Director-SR works, not on what.

    steps: of the flow; 1 to 8 make sense. rope: a scheme of `ChunkPlan.tau`. upsample: "latent" (paper), or "pixel":
    the frames are upsampled, then encoded. back_projection: 0 to 1, how far the result is drawn to what the small
    frames show where they are not blurred, see `back_project`. temporal_filter: 0 to 1, how much of the frame before
    stays where the small frames stand still, see `TemporalFilter`. None for what the model was made with, for all
    three; latents that are given in place of frames get neither of the last two. window, overlap: latent frames that
    are refined together, and that two windows share. tile: side in pixels of the HR tiles to refine one by one, for
    large frames; None for whole frames.
    """

    steps: int = 4
    rope: str = "frame_time"
    upsample: str | None = None
    back_projection: float | None = None
    temporal_filter: float | None = None
    window: int = 24
    overlap: int = 4
    tile: int | None = None


def check_upsample(value: str) -> None:
    """ValueError unless it is one of UPSAMPLING."""
    if value not in UPSAMPLING:
        raise ValueError(f"upsample must be one of {', '.join(UPSAMPLING)}, got {value!r}")


def check_gains(**gains: float) -> None:
    """ValueError, with the name, unless each is a number from 0 to 1."""
    for name, gain in gains.items():
        if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= 1:
            raise ValueError(f"{name} must be a number from 0 to 1, got {gain!r}")
