"""What several test files share: very small VAEs of Wan's shapes, a random restorer, random tensors.

torch is imported inside the functions, so that the tests of pure Python modules stay fast.
"""

WAN22_VAE = {
    "base_dim": 16,
    "decoder_base_dim": 16,
    "z_dim": 8,
    "dim_mult": [1, 2, 2],
    "num_res_blocks": 1,
    "temperal_downsample": [True, True],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_temporal": 4,
    "scale_factor_spatial": 8,
}
WAN21_VAE = {
    "base_dim": 8,
    "z_dim": 8,
    "dim_mult": [1, 2, 2, 2],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
    "scale_factor_temporal": 4,
    "scale_factor_spatial": 8,
}
# No channel has mean 0 and deviation 1, so a latent that is not normalised, or is normalised twice, is noticed.
STATISTICS = {"latents_mean": [0.1 * i for i in range(8)], "latents_std": [0.5 + 0.2 * i for i in range(8)]}

# The values of the hub's configs that shape latents. Only the widths are smaller.
HUB_VAES = {
    "wan2.2": {  # TI2V-5B
        "base_dim": 4,
        "decoder_base_dim": 8,
        "z_dim": 48,
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_scales": [],
        "temperal_downsample": [False, True, True],
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_temporal": 4,
        "scale_factor_spatial": 16,
        "latents_mean": [0.1 * (i % 7) - 0.3 for i in range(48)],
        "latents_std": [0.4 + 0.1 * (i % 9) for i in range(48)],
    },
    "wan2.1": {"base_dim": 4, "z_dim": 16},  # T2V; all other values are diffusers' defaults
}


def tiny_vae(shape: str = "wan2.2"):
    """An `AutoencoderKLWan` with the same random weights every time. The shape is "wan2.2" or "wan2.1"."""
    import torch
    from diffusers import AutoencoderKLWan

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = {"wan2.2": WAN22_VAE, "wan2.1": WAN21_VAE}[shape]
        return AutoencoderKLWan(**config, **STATISTICS).eval().requires_grad_(False)


def random_restorer(seed: int = 0):
    """A small `FrameRestorer` in which every layer has an effect. The output layer of a new one is zero."""
    import torch

    from smartdirector_lite.sr.restorer import FrameRestorer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        restorer = FrameRestorer(channels=6, blocks=1, flow_channels=4).eval().requires_grad_(False)
        torch.nn.init.normal_(restorer.leave.weight, std=0.05)
    return restorer


def noise(*shape: int, seed: int = 0):
    """Normally distributed noise, for latents."""
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def video_of(num_frames: int, size: int = 32, batch: int = 1, seed: int = 0):
    """A video of random pixels, (batch, 3, num_frames, size, size) in [-1, 1]."""
    import torch

    return torch.rand(batch, 3, num_frames, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
