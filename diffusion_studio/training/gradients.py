"""The gradient of a batch's mean loss: in a short number format, on every core, and in parts where memory is tight.

On the CPU a batch is cut into one shard a core, each worked through by a thread of its own that shares nothing with the
others until their gradients are added, always in the same order. Two threads inside one convolution do worse: the library's
gradient kernels spin at barriers, which on a busy machine made a step ten times slower (measured).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch
from torch import Tensor

from ..diffusion.unet import UNet
from ..errors import UserError
from . import pages

MOST_SHARDS = 4  # more Python threads than this wait for one another
PIXELS_A_SHARD = 4096  # smaller ones cost more to hand around than they save
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")

PieceLoss = Callable[[UNet, slice], Tensor]  # (network, rows of the batch) -> (n,) weighted losses


class Gradients:
    """Fills `.grad` of a float32 network from a working copy of it in `dtype` (itself, for float32).

    `pixels`: how many a batch has. `parts`: how many micro-batches it is cut into, one after the other, for the same gradient.
    """

    def __init__(self, network: UNet, dtype: torch.dtype, device: torch.device, *, pixels: int) -> None:
        self.network = network
        self.working = network if dtype == torch.float32 else copy.deepcopy(network).to(dtype)
        self.dtype, self.parts = dtype, 1
        self.weights: list[Tensor] = list(network.parameters())
        self.copies: list[Tensor] = list(self.working.parameters())
        self.own = [torch.zeros_like(weight) for weight in self.weights]
        for weight, gradient in zip(self.weights, self.own, strict=True):
            weight.grad = gradient
        pages.keep()
        threads = torch.get_num_threads() if device.type == "cpu" else 1
        self.shards = max(1, min(threads, MOST_SHARDS, pixels // PIXELS_A_SHARD))
        self.workers = (
            _workers(self.shards, threads // self.shards if self.shards > 1 else 1) if threads > 1 else None
        )

    @torch.no_grad()
    def refresh(self) -> None:
        """Bring the working copy up to the network's weights."""
        if self.working is not self.network:
            torch._foreach_copy_(self.copies, self.weights)

    def fill(self, loss: PieceLoss, count: int, scale: float = 1.0) -> Tensor:
        """Fill every `.grad` with `scale` times the gradient of the mean loss over `count` rows; returns that mean."""
        total, first = torch.zeros((), device=self.weights[0].device), True
        for part in _cut(range(count), self.parts):
            for value, gradient in self._run(loss, _cut(part, self.shards), scale / count):
                self._add(gradient, first)
                total, first = total + value, False
        return total / count

    def _run(
        self, loss: PieceLoss, shards: list[range], scale: float
    ) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
        def work(rows: range) -> tuple[Tensor, tuple[Tensor, ...]]:
            value = loss(self.working, slice(rows.start, rows.stop)).sum()
            gradient = torch.autograd.grad(value * scale, self.copies)
            return value.detach(), gradient if self.shards == 1 else tuple(part.float() for part in gradient)

        if self.workers is None:
            return [work(rows) for rows in shards]
        return [future.result() for future in [self.workers.submit(work, rows) for rows in shards]]

    @torch.no_grad()
    def _add(self, gradient: tuple[Tensor, ...], first: bool) -> None:
        if first:
            torch._foreach_copy_(self.own, gradient)
        else:
            parts: tuple[Tensor, ...] = tuple(part.float() for part in gradient)
            torch._foreach_add_(self.own, parts)

    def halve(self, count: int) -> None:
        """Cut batches of `count` into twice as many parts. Raises `UserError` where each is a single picture already."""
        if self.parts * self.shards >= count:
            raise UserError(
                "There is not enough memory to train this model, one picture at a time: choose a smaller one."
            )
        self.parts *= 2

    def close(self) -> None:
        if self.workers is not None:
            self.workers.shutdown(wait=True, cancel_futures=True)
        pages.give_back()


def _cut(rows: range, parts: int) -> list[range]:
    """Even pieces of a range, none of them empty."""
    parts = max(1, min(parts, len(rows)))
    edges = [len(rows) * part // parts for part in range(parts + 1)]
    return [rows[low:high] for low, high in zip(edges, edges[1:], strict=False)]


def _workers(count: int, threads: int) -> ThreadPoolExecutor:
    """Threads that compute with `threads` threads each, all of them started; other threads keep their own number."""
    ours, ready = torch.get_num_threads(), Barrier(count + 1)
    pool = ThreadPoolExecutor(count, "gradient", initializer=_settle, initargs=(threads,))
    for _ in range(count):
        pool.submit(ready.wait)
    ready.wait()
    torch.set_num_threads(ours)  # setting it in a worker also sets what every new thread would start with
    return pool


def _settle(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.get_num_threads()  # a thread's first question fixes its answer; later, it would take the number of the others


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in str(error) for words in OUT_OF_MEMORY
    )
