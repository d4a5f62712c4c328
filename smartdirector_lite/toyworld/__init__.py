"""A procedural cinema: endless footage of shots, characters, signs and camera moves, with its truth."""

from .render import render
from .sampling import HELD_OUT_SEED, sample_scene
from .scene import Scene
from .tracks import track_shot
from .truth import Box, CharacterTruth, FrameTruth, LetterTruth, Screen, scene_truth
