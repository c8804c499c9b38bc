"""How the learning rate goes over a run: a warm-up of so many steps, or of a twentieth of the run where that is shorter, then a
decay by the share of the run that is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

LEAST = 0.05  # of the full rate, at the end of a fall
LEVEL = 0.6  # share of the run before a linear fall begins
REFERENCE = 0.1  # share of the run after which the inverse root begins to fall
LONGEST_WARMUP = 0.05  # share of the run: one of a few hundred steps would otherwise warm up for most of it


def linear(fraction: float) -> float:
    """Level, then straight down to a twentieth over the last 40%."""
    return min(1.0, max(LEAST, (1 - fraction) / (1 - LEVEL)))


def cosine(fraction: float) -> float:
    """Half a cosine from 1 down to a twentieth (Loshchilov & Hutter 2017, eq. 5 without restarts)."""
    return LEAST + (1 - LEAST) * (1 + math.cos(math.pi * min(1.0, fraction))) / 2


def inverse_sqrt(fraction: float) -> float:
    """1 / sqrt(t / t_ref) after t_ref (Karras et al. 2024, EDM2, eq. 67), which is a tenth of the run."""
    return 1 / math.sqrt(max(1.0, fraction / REFERENCE))


def constant(fraction: float) -> float:
    return 1.0


FALLS: Mapping[str, Callable[[float], float]] = {
    "linear": linear,
    "cosine": cosine,
    "inverse_sqrt": inverse_sqrt,
    "constant": constant,
}


def share_of_rate(fall: str, *, step: int, warmup: int, fraction: float) -> float:
    """What step number `step`, from 1, has of the full rate, at a fraction (0 to 1) of the run."""
    warm = min(1.0, max(step / warmup, fraction / LONGEST_WARMUP)) if warmup else 1.0
    return warm * FALLS[fall](fraction)
