"""Films and morphs."""
