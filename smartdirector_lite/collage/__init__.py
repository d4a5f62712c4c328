"""Collages: pictures and cut-outs that move over each other, as training footage. See `scene.py`."""

from .render import render_collage
from .scene import Collage, sample_collage

__all__ = ["Collage", "render_collage", "sample_collage"]
