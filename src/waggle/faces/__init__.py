"""The faces: thin ways to the same operations. Only here are the clock and randomness read."""
