"""The model behind the page: which one films, and on which device. No interface here.

The variable SMARTDIRECTOR_MODEL names another model than the bundled one. It may be a folder or a hub id; a hub id is
downloaded when the Space starts. The bundled model stays on the CPU, except on ZeroGPU, which starts no Space that
never asks for a GPU.
"""

import os

try:
    import spaces  # before anything else that may touch CUDA
except ImportError:  # anywhere but on Spaces
    spaces = None

import torch

import limits
from smartdirector_lite.loading import BUNDLED, load_director

MODEL = os.environ.get("SMARTDIRECTOR_MODEL") or BUNDLED
ON_ZERO = spaces is not None and os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
ON_GPU = ON_ZERO or (torch.cuda.is_available() and MODEL != BUNDLED)
# ZeroGPU moves what is put on "cuda" at import to the GPU of each call, so there everything is placed at once.
DIRECTOR = load_director(
    MODEL,
    device="cuda" if ON_GPU else "cpu",
    memory="full" if ON_ZERO else "auto",
    download=MODEL != BUNDLED,
)
LIMITS = limits.GPU if ON_GPU else limits.CPU
STRIDE = DIRECTOR.gen.vae_scale_factor_temporal
HAS_SR = DIRECTOR.sr is not None
