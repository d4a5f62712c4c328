"""Metrics, baselines and readers of the toy world, with which benches and notebooks measure videos."""
