"""The `smartdirector` command."""

from .app import main
from .demo import bundled_storyboards
