"""How Director-SR works: what a call or a model chooses."""

from dataclasses import dataclass

UPSAMPLING = ("latent", "pixel")  # how what the flow starts from is enlarged


@dataclass(frozen=True)
class SROptions:
    """How Director-SR works, not on what.

    steps: of the flow; 1 to 8 make sense. rope: a scheme of `ChunkPlan.tau`. upsample: "latent" (paper), or "pixel":
    the frames are upsampled, then encoded; None for what the model was trained with. restore: whether the decoded
    frames go through the model's restorer, if it has one; latents that are given in place of frames have nothing to be
    held against, and do not. window, overlap: latent frames that flow together, and that two windows share. tile: side
    in pixels of the HR tiles that flow one by one, for large frames; None for whole frames.
    """

    steps: int = 4
    rope: str = "frame_time"
    upsample: str | None = None
    restore: bool = True
    window: int = 24
    overlap: int = 4
    tile: int | None = None


def check_upsample(value: str) -> None:
    """ValueError unless it is one of UPSAMPLING."""
    if value not in UPSAMPLING:
        raise ValueError(f"upsample must be one of {', '.join(UPSAMPLING)}, got {value!r}")
