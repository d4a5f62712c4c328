"""One call to a ready director."""

from .hub import BUNDLED, LoadError, bundled_folder, find_model
from .loader import load_director
