"""Tensors between processor and graphics card without either waiting for the other; on the processor alone, nothing happens.

A copy from ordinary memory, and any question about a tensor's values, waits until the card has done everything asked of it. From
pinned memory, on a stream of its own, a copy runs beside the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from diffusion_studio.machine.mapped_tensors import change_tensors, tensors_of

Value = TypeVar("Value")
_streams: dict[torch.device, torch.cuda.Stream] = {}  # for copies, one a card


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor there; to a card the copy is only ordered, and the work that follows waits for it by itself."""
    device = torch.device(device)
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def to_cpu_soon(value: Value) -> Callable[[], Value]:
    """Begin to copy the tensors in a value of tuples and lists to the processor; what is returned waits for them.

    The tensors must not be changed before that. A value without tensors of a card is returned as it is.
    """
    device = next((tensor.device for tensor in tensors_of(value) if tensor.is_cuda), None)
    if device is None:
        return lambda: value
    stream = _streams.get(device) or _streams.setdefault(device, torch.cuda.Stream(device))
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        copies: Value = change_tensors(value, lambda tensor: _pinned(tensor, stream))
        done = torch.cuda.Event()
        done.record(stream)

    def wait() -> Value:
        done.synchronize()
        return copies

    return wait


def _pinned(tensor: Tensor, stream: torch.cuda.Stream) -> Tensor:
    if not tensor.is_cuda:
        return tensor
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    copy.copy_(tensor, non_blocking=True)
    tensor.record_stream(stream)  # its memory is not given to others before it is copied
    return copy


class LateFigures:
    """Figures of a loop, read one turn after they were computed, when the device has long been done with them."""

    def __init__(self, soon: Callable[[Tensor], Callable[[], Tensor]] = to_cpu_soon) -> None:
        self._soon = soon
        self._before: Callable[[], Tensor] | None = None

    def exchange(self, figures: Tensor) -> list[float]:
        """Hand in this turn's; returns those of the turn before, and the first time its own."""
        now = self._soon(figures.detach())
        before, self._before = self._before, now
        values: list[float] = (before or now)().tolist()
        return values
