"""Muon (Jordan et al. 2024): the momentum of a matrix is made orthogonal before it is taken as a step.

On the CPU each thread does matrices of its own: all threads at one small matrix, as torch's own Muon has them, took 0.38 s of a
step where this takes 0.14 (two threads, 9 million weights, measured). Elsewhere all matrices of one shape are done together, for
a graphics card would wait for the launches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from diffusion_studio.diffusion.packed.threads import settled_workers
from diffusion_studio.training.step.flat_weights import FlatWeights

MOMENTUM = 0.95
ITERATIONS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)  # of Newton and Schulz, as its authors tuned them
TINY = 1e-7
LENGTH = 0.2  # root mean square of a step, as of AdamW's, so that one learning rate suits both (Liu et al. 2025, sec. 2.2)


class Muon:
    """Steps for the parameters placed `last` in a block, each as the matrix (rows, all else), from the block's gradient."""

    def __init__(self, flat: FlatWeights, decay: float) -> None:
        assert flat.whole.grad is not None
        self.decay = decay
        self.weights = flat.whole.detach()[flat.length_first :]
        self.gradient = flat.whole.grad[flat.length_first :]
        self.momentum, self.update = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.momenta, self.updates = (self._views(flat, block) for block in (self.momentum, self.update))
        on_cpu, threads = self.weights.device.type == "cpu", torch.get_num_threads()
        self.groups = _groups(list(self.updates.values()), together=not on_cpu)
        self.workers = settled_workers(threads, 1, "muon") if on_cpu and threads > 1 else None

    @staticmethod
    def _views(flat: FlatWeights, block: Tensor) -> Mapping[int, Tensor]:
        """The part of a block of the last parameters that belongs to each of them, by its place, as a matrix."""
        starts = {place: flat.starts[place] - flat.length_first for place in flat.last}
        shapes = {place: flat.parameters[place].flatten(1).shape for place in flat.last}
        return {
            place: block[start : start + shapes[place].numel()].view(shapes[place])
            for place, start in starts.items()
        }

    @torch.no_grad()
    def step(self, rate: float, unless: Tensor | None = None) -> None:
        """Take a step; where `unless`, a boolean of the device, is true, nothing changes, and nobody waits to learn which."""
        if unless is None:
            self.momentum.lerp_(self.gradient, 1 - MOMENTUM)
        else:
            momentum = self.momentum.lerp(self.gradient, 1 - MOMENTUM)
            torch.where(unless, self.momentum, momentum, out=self.momentum)
        torch.lerp(self.gradient, self.momentum, MOMENTUM, out=self.update)  # Nesterov's
        if self.workers is None:
            for group in self.groups:
                _straighten(group)
        else:
            list(self.workers.map(_straighten, self.groups))
        self.update.add_(self.weights, alpha=self.decay)
        if unless is not None:
            self.update.masked_fill_(unless, 0.0)
        self.weights.sub_(self.update, alpha=rate)

    def close(self) -> None:
        if self.workers is not None:
            self.workers.shutdown(wait=True, cancel_futures=True)


def _groups(matrices: Sequence[Tensor], *, together: bool) -> list[list[Tensor]]:
    """Matrices of one shape in one group, or each alone; those that take longest first."""
    groups: dict[object, list[Tensor]] = {}
    for number, matrix in enumerate(matrices):
        groups.setdefault(tuple(matrix.shape) if together else number, []).append(matrix)
    return sorted(groups.values(), key=lambda group: -group[0].numel() * min(group[0].shape))


@torch.no_grad()
def _straighten(group: Sequence[Tensor]) -> None:
    """Replace each matrix by the orthogonal one that is nearest to it, in the length of a step."""
    rows, columns = group[0].shape
    length = LENGTH * math.sqrt(max(rows, columns))
    for matrix, straight in zip(group, orthogonal(group), strict=True):
        matrix.copy_(straight).mul_(length)


def orthogonal(matrices: Sequence[Tensor]) -> Sequence[Tensor]:
    """Of matrices U S Vᵀ of one shape, each U S' Vᵀ in bfloat16 with S' between about 0.7 and 1.2, by the iteration
    X ← aX + (bA + cA²)X with A = XXᵀ.
    """
    a, b, c = COEFFICIENTS
    one = len(matrices) == 1
    x = (matrices[0] if one else torch.stack(list(matrices))).bfloat16()
    add = torch.addmm if one else torch.baddbmm  # a batch of one takes a sixth longer on the CPU
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = add(x, add(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    if tall:
        x = x.mT
    return [x] if one else list(x)
