"""A procedural cinema: endless labelled footage with shots, characters, signs and camera moves."""

from .render import render
from .scene import HELD_OUT_SEED, Scene, sample_scene
from .tracks import track_shot

__all__ = ["HELD_OUT_SEED", "Scene", "render", "sample_scene", "track_shot"]
