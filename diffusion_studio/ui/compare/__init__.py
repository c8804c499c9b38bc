"""Comparison grids."""
