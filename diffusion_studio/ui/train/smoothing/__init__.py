"""Smoothing: the length of the average of a run's weights, chosen after the training by its samples."""
