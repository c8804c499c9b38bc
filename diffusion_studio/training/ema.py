"""The exponential moving average of the weights: what draws the samples and what is published."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """average ← average + (1 - decay) (weights - average), with decay warmed up: min(target, (1 + step) / (10 + step)).

    Without the warm-up a short run's average is mostly the untrained start, and its samples are noise.
    """

    def __init__(self, network: nn.Module, target: float) -> None:
        self.target = target
        self.weights = list(network.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step`, counted from 1. One fused operation over all tensors."""
        torch._foreach_lerp_(self.average, [weight.detach() for weight in self.weights], 1 - self.decay(step))

    def decay(self, step: int) -> float:
        return min(self.target, (1 + step) / (10 + step))

    def warming_up(self, step: int) -> bool:
        return self.decay(step) < self.target

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and the average; a second call puts them back."""
        for weight, average in zip(self.weights, self.average, strict=True):
            held = weight.detach().clone()
            weight.copy_(average)
            average.copy_(held)

    def state(self) -> list[Tensor]:
        return self.average
