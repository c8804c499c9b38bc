"""Which pictures a network learns from, which are held out, and in what order they come."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from diffusion_studio.training.images import Pictures


def split(pictures: Pictures, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to learn from and rows held out: at most 512, none of fewer than 20 pictures."""
    shuffled = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
    held = min(512, int(len(pictures) * share)) if len(pictures) >= 20 else 0
    return shuffled[held:].sort().values, shuffled[:held].sort().values


def order(total: int, seed: int, start: int, count: int) -> Tensor:
    """Places `start` to `start + count` of an endless run of shuffles of `total` rows, one for each epoch."""
    rows: list[Tensor] = []
    while count:
        epoch, offset = divmod(start, total)
        part = _shuffled(total, seed, epoch)[offset : offset + count]
        rows.append(part)
        start, count = start + len(part), count - len(part)
    return torch.cat(rows)


@lru_cache(maxsize=2)  # a batch may end one epoch and begin the next
def _shuffled(total: int, seed: int, epoch: int) -> Tensor:
    """One epoch's permutation, made once and not at each of its steps. Never written to: `order` hands out copies."""
    return torch.randperm(total, generator=torch.Generator().manual_seed((seed * 7_919 + epoch) % 2**63))
