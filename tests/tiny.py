"""What several test files share: sizes of VAEs of Wan's shapes, very small, and a random restorer."""

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
# Of 8 channels, none of them 0 and 1: a latent that was not normalised, or twice, is noticed.
STATISTICS = {"latents_mean": [0.1 * i for i in range(8)], "latents_std": [0.5 + 0.2 * i for i in range(8)]}

# What the hub's folders hold, in every value that shapes latents; only the widths are small.
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
    "wan2.1": {"base_dim": 4, "z_dim": 16},  # T2V; the rest, statistics too, are diffusers' defaults
}


def random_restorer(seed: int = 0):
    """A small FrameRestorer in which everything counts; its output layer is zero when it is new."""
    import torch

    from smartdirector_lite.sr.restorer import FrameRestorer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        restorer = FrameRestorer(channels=6, blocks=1, flow_channels=4).eval().requires_grad_(False)
        torch.nn.init.normal_(restorer.leave.weight, std=0.05)
    return restorer
