"""Pixel art: the grid it was drawn on, its palette, and sheets of sprites."""
