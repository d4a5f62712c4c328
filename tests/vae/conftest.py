"""The VAEs that this room is tested with: random weights, very small."""

import pytest
from diffusers import AutoencoderKLWan
from tiny import tiny_vae


@pytest.fixture(params=["wan2.2", "wan2.1"])
def vae(request) -> AutoencoderKLWan:
    """A VAE of each shape."""
    return tiny_vae(request.param)


@pytest.fixture
def wan22() -> AutoencoderKLWan:
    """One VAE, for what does not depend on the shape."""
    return tiny_vae("wan2.2")
