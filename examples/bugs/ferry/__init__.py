"""The books of a small ferry line."""
