"""The VAE room: Multi-Chunk coding with a causal video VAE, and the naive ways that it replaces."""

from .causal import decode_clip, denormalize_latents, encode_clip, latent_shape, normalize_latents, release
from .multichunk import decode, encode_conditions, encode_video, iter_decode, iter_encode
from .naive import decode_naive, encode_naive_blank, naive_latent_index, replace_naive
