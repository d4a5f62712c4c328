"""Multi-Chunk coding with a causal video VAE."""
