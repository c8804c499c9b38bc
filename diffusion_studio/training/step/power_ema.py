"""Moving averages of the weights whose length is chosen after the training (Karras et al. 2024, EDM2, sec. 3).

The average of length s weighs the weights of step τ, of t, by a power of τ / t whose standard deviation is s · t. Two of them are
followed; from what they were at several moments, the average of any other length is a linear combination, by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.training.step.flat_weights import FlatWeights

FOLLOWED = (0.05, 0.10)  # the lengths that are followed


class Profile(NamedTuple):
    """An average that ended at step `end`, with this exponent."""

    end: float
    exponent: float


def exponent_of(length: float) -> float:
    """γ of the profile (γ + 1) τ^γ / t^(γ + 1), whose deviation is `length` times t: (γ + 1)^½ (γ + 2)^-1 (γ + 3)^-½.

    The inverse of that decreasing function; lengths as in `settings.smoothing`.
    """
    # (γ + 2)² (γ + 3) = (γ + 1) / length²
    square = length**-2
    roots = np.roots([1.0, 7.0, 16.0 - square, 12.0 - square])
    return float(roots[np.abs(roots.imag) < 1e-9].real.max())


def inner(a: Profile, b: Profile) -> float:
    """∫ of the product of two profiles: what both have in common, larger the more alike they are."""
    first = min(a.end, b.end)
    together = a.exponent + b.exponent + 1
    ratio = (first / a.end) ** (a.exponent + 1) * (first / b.end) ** (b.exponent + 1)
    return float((a.exponent + 1) * (b.exponent + 1) / together * ratio / first)


def coefficients(known: Sequence[Profile], wanted: Profile) -> np.ndarray:
    """(K,) the share that each known average has in the one nearest to the wanted; they add up to 1.

    Raises ValueError where nothing is known.
    """
    if not known:
        raise ValueError("No averages are known.")
    table = np.array([[inner(a, b) for b in known] for a in known])
    right = np.array([inner(a, wanted) for a in known])
    scale = 1 / np.sqrt(np.diag(table))  # so that early and late ones are solved for alike
    shares = scale * np.linalg.lstsq(table * np.outer(scale, scale), right * scale, rcond=1e-10)[0]
    return np.asarray(shares / shares.sum())


class PowerEmas:
    """The averages of the lengths `FOLLOWED`, each a block like that of the weights."""

    def __init__(self, flat: FlatWeights) -> None:
        self.flat = flat
        self.weights = flat.whole.detach()
        self.exponents = [exponent_of(length) for length in FOLLOWED]
        self.blocks = [self.weights.clone() for _ in FOLLOWED]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step`, counted from 1: β = (1 - 1 / t)^(γ + 1)."""
        for block, exponent in zip(self.blocks, self.exponents, strict=True):
            block.lerp_(self.weights, 1 - (1 - 1 / step) ** (exponent + 1))

    def state(self) -> dict[str, Tensor]:
        return {
            f"power.{number}.{index}": part
            for number, block in enumerate(self.blocks)
            for index, part in enumerate(self.flat.views(block))
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` gave. Raises KeyError or RuntimeError where something is missing or of another shape."""
        places = range(len(self.flat.parameters))
        for number, block in enumerate(self.blocks):
            block.copy_(self.flat.gather([tensors[f"power.{number}.{index}"] for index in places]))
