"""One call to a ready director."""

from .hub import BUNDLED, LoadError, bundled_folder
from .loader import find_model, load_director

__all__ = ["BUNDLED", "LoadError", "bundled_folder", "find_model", "load_director"]
