"""The exponential moving average of the weights: what draws the samples and what is published."""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion_studio.training.step.flat_weights import FlatWeights


class Ema:
    """average ← average + (1 - decay) (weights - average), with decay warmed up: min(target, (1 + step) / (10 + step)).

    Without the warm-up a short run's average is mostly the untrained start, and its samples are noise.
    """

    def __init__(self, flat: FlatWeights, target: float) -> None:
        self.target = target
        self.weights = flat.whole.detach()
        self.whole = self.weights.clone()
        self.average: list[Tensor] = flat.views(self.whole)  # of each weight

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step`, counted from 1."""
        self.whole.lerp_(self.weights, 1 - self.decay(step))

    def decay(self, step: int) -> float:
        return min(self.target, (1 + step) / (10 + step))

    def warming_up(self, step: int) -> bool:
        return self.decay(step) < self.target

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and the average; a second call puts them back."""
        held = self.weights.clone()
        self.weights.copy_(self.whole)
        self.whole.copy_(held)
