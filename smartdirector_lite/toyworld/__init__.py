"""A procedural cinema: endless labelled footage with shots, characters, signs and camera moves."""

from .render import render
from .sampling import HELD_OUT_SEED, sample_scene
from .scene import Scene
from .tracks import track_shot
from .truth import Box, CharacterTruth, FrameTruth, LetterTruth, Screen, scene_truth

__all__ = [
    "HELD_OUT_SEED",
    "Box",
    "CharacterTruth",
    "FrameTruth",
    "LetterTruth",
    "Scene",
    "Screen",
    "render",
    "sample_scene",
    "scene_truth",
    "track_shot",
]
