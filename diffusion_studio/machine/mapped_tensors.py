"""Tensors kept in memory of their own, which goes back to the system the moment they are let go.

A walk makes and drops large tensors all the time, and whatever is kept for long among them, be it a few hundred bytes, breaks up
the hole it was put into, so that the next large tensor takes new memory: 1,000 steps of 16 pictures, thinned to 170 MB, had grown
the process by 450. So nothing that is kept is a tensor, nor anything else that the allocator of tensors has to place.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from torch import Tensor

LINE = 64  # bytes; each tensor begins on a cache line


def is_tensor(value: object) -> TypeGuard[Tensor]:
    return hasattr(value, "element_size")


class MappedTensors:
    """A value made of tuples, lists, numbers and CPU tensors, copied; `value()` gives it back, its tensors in place."""

    __slots__ = ("_form", "_places", "_room", "size")

    def __init__(self, value: object) -> None:
        found = {id(tensor): tensor for tensor in tensors_of(value)}
        self._places: list[tuple[Any, tuple[int, ...], int, int]] = []  # dtype, shape, count, start
        numbers = {}
        total = 0
        for number, (key, tensor) in enumerate(found.items()):
            self._places.append((tensor.dtype, tuple(tensor.shape), tensor.numel(), total))
            numbers[key] = number
            total += -(-tensor.numel() * tensor.element_size() // LINE) * LINE
        self.size = total  # bytes
        self._room = _piece(max(total, 1))
        self._form = change_tensors(value, lambda tensor: _Place(numbers[id(tensor)]))
        for number, tensor in enumerate(found.values()):
            self._tensor(number).copy_(tensor)

    def value(self) -> Any:
        made = [self._tensor(number) for number in range(len(self._places))]
        return change_tensors(self._form, made.__getitem__, lambda item: isinstance(item, _Place))

    def _tensor(self, number: int) -> Tensor:
        import torch

        dtype, shape, count, start = self._places[number]
        if not count:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(self._room, dtype=dtype, count=count, offset=start).view(shape)


class _Place(int):
    """A placeholder for the tensor with this number."""


def tensors_of(value: object) -> Iterator[Tensor]:
    if isinstance(value, tuple | list):
        for item in value:
            yield from tensors_of(item)
    elif is_tensor(value):
        yield value


def change_tensors(
    value: object, change: Callable[[Any], object], which: Callable[[object], bool] = is_tensor
) -> Any:
    """The same tuples and lists with each tensor in them changed, or whatever `which` picks."""
    if isinstance(value, tuple | list):
        return type(value)(change_tensors(item, change, which) for item in value)
    return change(value) if which(value) else value


def _piece(size: int) -> mmap.mmap:
    if hasattr(mmap, "MAP_ANONYMOUS"):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)
