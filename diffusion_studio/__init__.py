"""Diffusion Studio: train diffusion models on your own pictures, and watch new ones form out of noise."""

import os

__version__ = "0.1.0"

# How long OpenMP's threads spin while they wait for each other, read once when torch is loaded. Its default lets two threads
# of one process spin each other's time away on a busy machine (measured: a training step of 0.5 s took up to 10 s); sleeping
# at once (OMP_WAIT_POLICY=passive) doubles the time of a single small picture. This keeps the speed of the first; 10,000 did so
# too, but took half as long again beside other work, and 1,000 a third longer alone.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
