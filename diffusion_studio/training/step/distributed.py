"""Several processes, on one machine or many, training one network: each has its share of every batch, and all take the same step.

`torchrun` starts them and says who is who in the environment. Process 0 leads: it alone decides, reports and writes; the
others follow. What DistributedDataParallel does between the layers of a backward pass is one sum of all gradients here, for
they are known only when a batch's shards have been added up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as processes
from torch import Tensor

STOP = -1.0  # said instead of how much of the run is done
PATIENCE = timedelta(days=7)  # a pause is no fault


@dataclass(frozen=True)
class Team:
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @torch.no_grad()
    def average(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, the same bits for all of them."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        processes.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, value: object) -> Any:
        """What the leader says, for all."""
        if self.size == 1:
            return value
        box = [value]
        processes.broadcast_object_list(box, src=0)
        return box[0]


ALONE = Team()


@contextmanager
def join(device: str) -> Iterator[Team]:
    """The team that `torchrun` started this process for; a team of one where it did not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    processes.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(processes.get_rank(), size)
    finally:
        processes.destroy_process_group()
