"""`smartdirector plan`: the chunks of a storyboard's video. It does not load torch."""

from pathlib import Path

from .options import Positional, Rope


def plan(storyboard: Positional[Path], stride: int = 4, rope: Rope = "frame_time", cut_gap: float = 0.0) -> None:
    """Print how a storyboard's video is cut into chunks and latents, without a model.

    Args:
        storyboard: the storyboard's JSON file
        stride: how many frames a latent of the VAE holds; Wan's holds 4
        rope: the scheme of temporal positions
        cut_gap: what is added to the positions at each cut; smartdirector-tiny works with 2, Wan's weights with 0
    """
    from ..storyboard import Storyboard

    print(Storyboard.load(storyboard).plan(stride).table(rope, cut_gap))
