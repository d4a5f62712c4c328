"""The sizes of the Wan models that are known by name, so that what they need can be told before they are fetched.

As the hub's folders state them (config.json of each component, diffusers 0.42); statistics of latents left out.
"""

_DIT = {"attention_head_dim": 128, "text_dim": 4096, "freq_dim": 256, "patch_size": (1, 2, 2), "cross_attn_norm": True}
_VAE_21 = {
    "base_dim": 96,
    "z_dim": 16,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
}
_VAE_22 = {
    **_VAE_21,
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "scale_factor_temporal": 4,
}
UMT5_XXL = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "vocab_size": 256384,
    "feed_forward_proj": "gated-gelu",
}


def _wan(heads: int, ffn_dim: int, layers: int, vae: dict) -> dict[str, dict]:
    channels = {"in_channels": vae["z_dim"], "out_channels": vae["z_dim"]}
    transformer = {**_DIT, **channels, "num_attention_heads": heads, "ffn_dim": ffn_dim, "num_layers": layers}
    return {"transformer": transformer, "vae": vae, "text_encoder": UMT5_XXL}


WAN = {
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers": _wan(24, 14336, 30, _VAE_22),
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": _wan(40, 13824, 40, _VAE_21),
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": _wan(12, 8960, 30, _VAE_21),
}
