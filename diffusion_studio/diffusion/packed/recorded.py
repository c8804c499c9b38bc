"""A forward whose launches are recorded once for each shape and then replayed at once, as a CUDA graph.

Small networks are bound by launching their hundreds of operations, not by the arithmetic in them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Forward = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]
Record = Callable[[Callable[[], Tensor]], "tuple[Callable[[], None], Tensor]"]
WARM = 3  # runs before the recording: libraries choose their kernels and take their memory
MOST = 8  # shapes; each keeps the memory of all that lies between its first and its last operation


@dataclass(slots=True, eq=False)
class _Recording:
    x: Tensor
    timestep: Tensor
    labels: Tensor | None
    replay: Callable[[], None]
    answer: Tensor


class Recorded:
    """`forward` must not depend on anything but its arguments' values; what cannot be recorded is run as it is.

    `record` runs a function on fixed tensors so that the function it returns does the same again on their values of then.
    """

    def __init__(self, forward: Forward, record: Record | None = None) -> None:
        self.forward, self.record = forward, record or record_on_cuda
        self.known: OrderedDict[tuple[object, ...], _Recording | None] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        key = (tuple(x.shape), x.dtype, None if labels is None else (tuple(labels.shape), labels.dtype))
        if key not in self.known:
            self.known[key] = self._recording(x, timestep, labels)
            while len(self.known) > MOST:
                self.known.popitem(last=False)
        self.known.move_to_end(key)
        found = self.known[key]
        if found is None:
            return self.forward(x, timestep, labels)
        found.x.copy_(x)
        found.timestep.copy_(timestep)
        if found.labels is not None and labels is not None:
            found.labels.copy_(labels)
        found.replay()
        return found.answer.clone()

    def _recording(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> _Recording | None:
        fixed = x.clone(), timestep.clone(), None if labels is None else labels.clone()
        try:
            replay, answer = self.record(lambda: self.forward(*fixed))
        except RuntimeError:  # an operation that cannot be recorded, or no memory for it
            return None
        return _Recording(*fixed, replay, answer)


def record_on_cuda(run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """What replays `run` on the graphics card, and the tensor, of any shape, that its answer is written to.

    Raises RuntimeError where it cannot be recorded.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM):
            run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = run()
    return graph.replay, answer
