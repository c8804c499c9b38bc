"""The gradient of a batch's mean loss: in a short number format, on every core, and in parts where memory is tight.

On the CPU a batch is cut into one shard a core, each worked through by a thread of its own that shares nothing with the
others until their gradients are added, always in the same order. Two threads inside one convolution do worse: the library's
gradient kernels spin at barriers, which on a busy machine made a step ten times slower (measured).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from diffusion_studio.diffusion.packed.threads import settled_workers
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.machine import malloc
from diffusion_studio.training.step.flat_weights import FlatWeights

MOST_SHARDS = 4  # more Python threads than this wait for one another
PIXELS_A_SHARD = 4096  # smaller ones cost more to hand around than they save
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")

PieceLoss = Callable[[UNet, slice], Tensor]  # (network, rows of the batch) -> (n,) weighted losses


class Gradients:
    """Fills the gradient of a float32 network's block from a working copy of the network in `dtype` (itself, for float32).

    `pixels`: how many a batch has. `parts`: how many micro-batches it is cut into, one after the other, for the same gradient.
    """

    def __init__(
        self, network: UNet, flat: FlatWeights, dtype: torch.dtype, device: torch.device, *, pixels: int
    ) -> None:
        self.flat = flat
        self.working = network if dtype == torch.float32 else copy.deepcopy(network).to(dtype)
        self.copy = flat if dtype == torch.float32 else FlatWeights(self.working, flat.last)
        self.dtype, self.parts = dtype, 1
        self.whole = flat.whole.grad = flat.zeros()
        malloc.keep()
        threads = torch.get_num_threads() if device.type == "cpu" else 1
        self.shards = max(1, min(threads, MOST_SHARDS, pixels // PIXELS_A_SHARD))
        self.pieces = [flat.zeros() for _ in range(self.shards)]  # each shard's own gradient
        self.places = [flat.views(piece) for piece in self.pieces]
        self.workers = (
            settled_workers(self.shards, threads // self.shards if self.shards > 1 else 1, "gradient")
            if threads > 1
            else None
        )

    @torch.no_grad()
    def refresh(self) -> None:
        """Bring the working copy up to the network's weights."""
        if self.copy is not self.flat:
            self.copy.whole.copy_(self.flat.whole)

    def fill(self, loss: PieceLoss, count: int, scale: float = 1.0) -> Tensor:
        """Fill `whole` with `scale` times the gradient of the mean loss over `count` rows; returns that mean."""
        total, first = torch.zeros((), device=self.whole.device), True
        for part in _cut(range(count), self.parts):
            values = self._run(loss, _cut(part, self.shards), scale / count)
            for value, piece in zip(values, self.pieces, strict=False):
                (self.whole.copy_ if first else self.whole.add_)(piece)
                total, first = total + value, False
        return total / count

    def _run(self, loss: PieceLoss, shards: list[range], scale: float) -> list[Tensor]:
        """The loss of each shard, summed over its rows; its gradient in its piece."""

        def work(shard: int, rows: range) -> Tensor:
            value = loss(self.working, slice(rows.start, rows.stop)).sum()
            gradient = torch.autograd.grad(value * scale, self.copy.parameters)
            with torch.no_grad():
                torch._foreach_copy_(self.places[shard], gradient)
            return value.detach()

        if self.workers is None:
            return [work(shard, rows) for shard, rows in enumerate(shards)]
        waiting = [self.workers.submit(work, shard, rows) for shard, rows in enumerate(shards)]
        return [future.result() for future in waiting]

    def halve(self, count: int) -> None:
        """Cut batches of `count` into twice as many parts. Raises `UserError` where each is a single picture already."""
        if self.parts * self.shards >= count:
            raise UserError(
                tr(
                    "There is not enough memory to train this model, one image at a time: choose a smaller one."
                )
            )
        self.parts *= 2

    def close(self) -> None:
        if self.workers is not None:
            self.workers.shutdown(wait=True, cancel_futures=True)
        malloc.give_back()


def _cut(rows: range, parts: int) -> list[range]:
    """Even pieces of a range, none of them empty."""
    parts = max(1, min(parts, len(rows)))
    edges = [len(rows) * part // parts for part in range(parts + 1)]
    return [rows[low:high] for low, high in zip(edges, edges[1:], strict=False)]


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in str(error) for words in OUT_OF_MEMORY
    )
