"""Benchmarks: each prints the figures that the documentation quotes, and how to repeat them."""
