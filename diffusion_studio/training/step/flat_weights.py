"""All weights of a network in one block of memory, so that what is done to each of them is one operation on one tensor.

AdamW over the 271 weights of the small network woke every thread 271 times and took 25 ms of a step; over one block it takes 5
(two threads, 6.4 million weights, measured).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

ROOM = 32  # numbers; each weight begins on a cache line, in 16 bits too


class FlatWeights:
    """`whole` (K,) holds every parameter of a network, which from now on are views of it; between them are zeros.

    A zero with no gradient stays zero under every optimizer step, so nobody need know of the gaps. Parameters whose places are
    in `last` come after all others, which take `length_first` numbers.
    """

    def __init__(self, network: nn.Module, last: Collection[int] = ()) -> None:
        self.parameters, self.last = list(network.parameters()), tuple(last)
        first = self.parameters[0]
        rooms = [-(-weight.numel() // ROOM) * ROOM for weight in self.parameters]
        self.starts, used = [0] * len(rooms), 0
        for number in sorted(range(len(rooms)), key=lambda number: (number in self.last, number)):
            self.starts[number], used = used, used + rooms[number]
        self.length_first = sum(room for number, room in enumerate(rooms) if number not in self.last)
        self.whole = nn.Parameter(torch.zeros(sum(rooms), dtype=first.dtype, device=first.device))
        with torch.no_grad():
            for weight, place in zip(self.parameters, self.views(self.whole), strict=True):
                place.copy_(weight)
                weight.data = place

    def views(self, whole: Tensor) -> list[Tensor]:
        """The parts of a tensor like `whole` that hold each parameter, in its shape."""
        whole = whole.detach()
        return [
            whole[start : start + weight.numel()].view_as(weight)
            for start, weight in zip(self.starts, self.parameters, strict=True)
        ]

    def zeros(self) -> Tensor:
        """(K,) float32."""
        return torch.zeros_like(self.whole, dtype=torch.float32, requires_grad=False)

    @torch.no_grad()
    def gather(self, parts: Sequence[Tensor]) -> Tensor:
        """(K,) float32 of one tensor a parameter."""
        whole = self.zeros()
        for place, part in zip(self.views(whole), parts, strict=True):
            place.copy_(part)
        return whole
