"""What turns gradients into steps: AdamW for every weight, or Muon for the matrices and AdamW for the rest.

Muon makes the update of a matrix orthogonal, so that all its directions are learned alike (Jordan et al. 2024). A convolution
counts as the matrix (outputs, inputs × places). The first and the last layer and the class table stay with AdamW, as its authors
advise.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from diffusion_studio.training.step.flat_weights import FlatWeights
from diffusion_studio.training.step.muon import Muon

MOMENTUM = "momentum_buffer"  # what a checkpoint calls Muon's memory of a matrix
DECAY = 0.01  # of the weights, in each step times the learning rate
LEFT_TO_ADAMW = ("conv_in.", "conv_out.", "class_embedding.", "augment_embedding.")


def matrices(network: nn.Module, optimizer: str) -> tuple[int, ...]:
    """The places, among a network's parameters, of those that Muon takes; none with AdamW."""
    if optimizer != "muon":
        return ()
    return tuple(
        place
        for place, (name, weight) in enumerate(network.named_parameters())
        if weight.dim() >= 2 and not name.startswith(LEFT_TO_ADAMW)
    )


class Optimizer:
    """Steps for the weights of a block, whose gradient is there already; those placed `last` in it are Muon's.

    Its state is named by parameter, "optimizer.3.exp_avg", whatever the block looks like.
    """

    def __init__(self, flat: FlatWeights, rate: float) -> None:
        assert flat.whole.grad is not None
        self.flat = flat
        self.rest = flat.whole
        if flat.last:
            self.rest = nn.Parameter(flat.whole.detach()[: flat.length_first])
            self.rest.grad = flat.whole.grad[: flat.length_first]
        self.adamw = torch.optim.AdamW(
            [self.rest], lr=rate, betas=(0.9, 0.99), weight_decay=DECAY, fused=True
        )
        self.muon = Muon(flat, DECAY) if flat.last else None

    def step(self, rate: float, *, unless: Tensor | None = None) -> None:
        """Take a step; where `unless`, a boolean of the device, is true, none is taken, and nobody waits to learn which."""
        if unless is not None:
            self.adamw.found_inf = unless.float().reshape(())  # type: ignore[attr-defined]  # as torch's GradScaler hands it over
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        if self.muon is not None:
            self.muon.step(rate, unless)

    @property
    def moments(self) -> dict[str, Tensor]:
        """What it remembers: AdamW's two blocks and step count, once it has taken a step, and Muon's momentum of each matrix."""
        moments: dict[str, Tensor] = dict(self.adamw.state.get(self.rest, {}))
        return moments | {f"{place}.{MOMENTUM}": value for place, value in self._momenta().items()}

    def state(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        places = self._places()
        for key, value in self.adamw.state.get(self.rest, {}).items():
            parts = self._parts(value) if value.dim() else [value.clone() for _ in places]
            tensors |= {f"optimizer.{place}.{key}": part for place, part in zip(places, parts, strict=True)}
        for place, momentum in self._momenta().items():
            tensors[f"optimizer.{place}.{MOMENTUM}"] = momentum.view_as(self.flat.parameters[place])
        return tensors

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave. Raises KeyError or RuntimeError where something is missing or of another shape."""
        places = self._places()
        start = f"optimizer.{places[0]}."
        for key in [name[len(start) :] for name in tensors if name.startswith(start)]:
            parts = [tensors[f"optimizer.{place}.{key}"] for place in places]
            if key == "step":
                self.adamw.state[self.rest][key] = parts[0].clone()
                continue
            whole = torch.zeros_like(self.rest, dtype=torch.float32, requires_grad=False)
            for room, part in zip(self._parts(whole), parts, strict=True):
                room.copy_(part)
            self.adamw.state[self.rest][key] = whole
        for place, momentum in self._momenta().items():
            key = f"optimizer.{place}.{MOMENTUM}"
            if key in tensors:  # versions before kept none until the first step
                momentum.copy_(tensors[key].reshape(momentum.shape))

    def close(self) -> None:
        if self.muon is not None:
            self.muon.close()

    def _momenta(self) -> Mapping[int, Tensor]:
        return self.muon.momenta if self.muon is not None else {}

    def _places(self) -> list[int]:
        """Of the parameters that AdamW takes."""
        last = set(self.flat.last)
        return [place for place in range(len(self.flat.parameters)) if place not in last]

    def _parts(self, block: Tensor) -> list[Tensor]:
        """The parts of a block like `rest` that belong to each of AdamW's parameters."""
        starts, parameters = self.flat.starts, self.flat.parameters
        return [
            block[starts[place] : starts[place] + parameters[place].numel()].view_as(parameters[place])
            for place in self._places()
        ]
