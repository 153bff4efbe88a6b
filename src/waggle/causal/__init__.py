"""Layer 2: work that follows on other work. So far: checkpoints."""
