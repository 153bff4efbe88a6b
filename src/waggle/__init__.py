"""waggle: the substrate on which many AI agents work together."""
