"""Pictures of kinds that no training here uses: drawings in motion, and rendered scenes that look like photographs."""

from .catalogue import COUNT, UNSEEN, film_photograph
from .clips import FPS, UnseenClip
from .drawings import film_drawing
