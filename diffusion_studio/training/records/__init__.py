"""Runs on disk: their facts, checkpoints and log."""
