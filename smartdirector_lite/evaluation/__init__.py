"""Metrics and baselines: what the benches measure with."""
