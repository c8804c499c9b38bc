"""The loss on held-out pictures with fixed noise and timesteps: a curve that means something, where the training loss jumps."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import torch

from diffusion_studio.training.step.trainer import Batch, Trainer

TIMES, MOST_PICTURES = 8, 64  # timesteps per picture, and pictures
PIECE = 128 * 32 * 32  # pixels that are asked at once: about a second, whatever the size


class Validation(NamedTuple):
    loss: float  # the mean over all, unweighted
    by_timestep: tuple[tuple[int, float], ...]


@torch.no_grad()
def validate(trainer: Trainer) -> Generator[Validation | None, None, None]:
    """Yields None while it works, and last the loss of the averaged weights; nothing at all where nothing was held out."""
    if not len(trainer.held_out):
        return
    rows = trainer.held_out[:MOST_PICTURES].repeat_interleave(TIMES)
    clean = trainer.clean(rows)
    spread = trainer.objective.spread(TIMES)
    timestep = spread.repeat(len(rows) // TIMES).to(trainer.device)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(trainer.seed)).to(trainer.device)
    batch = Batch(clean, noise, timestep, trainer.labels[rows] if trainer.labels is not None else None)
    errors, piece = [], max(1, PIECE // (clean.shape[2] * clean.shape[3]))
    with trainer.averaged() as network:
        for start in range(0, len(rows), piece):
            errors.append(
                trainer.loss(network, batch.rows(slice(start, start + piece)), weighted=False).cpu()
            )
            yield None
    table = torch.cat(errors).reshape(-1, TIMES)
    means = zip(spread.tolist(), table.mean(dim=0).tolist(), strict=True)
    yield Validation(float(table.mean()), tuple((int(t), float(loss)) for t, loss in means))
