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
        self.muon: torch.optim.Muon | None = None
        self.matrices: dict[int, nn.Parameter] = {}
        weights, gradients = flat.views(flat.whole), flat.views(flat.whole.grad)
        for place in flat.last:
            matrix = nn.Parameter(weights[place].flatten(1))
            matrix.grad = gradients[place].flatten(1)
            self.matrices[place] = matrix
        if self.matrices:
            # a matrix's step has the length AdamW's would have, so that one learning rate suits both
            self.muon = torch.optim.Muon(
                list(self.matrices.values()), lr=rate, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"
            )

    def step(self, rate: float, *, unless: Tensor | None = None) -> None:
        """Take a step; where `unless`, a boolean of the device, is true, none is taken, and nobody waits to learn which.

        `unless` is for AdamW alone.
        """
        if unless is not None:
            assert self.muon is None, "Muon cannot leave out a step by itself"
            self.adamw.found_inf = unless.float().reshape(())  # type: ignore[attr-defined]  # as torch's GradScaler hands it over
        for optimizer in (self.adamw, self.muon):
            if optimizer is not None:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()

    @property
    def moments(self) -> dict[str, Tensor]:
        """What it remembers, once it has taken a step: AdamW's two blocks and step count, and Muon's momentum of each matrix."""
        moments: dict[str, Tensor] = dict(self.adamw.state.get(self.rest, {}))
        for place, matrix in self.matrices.items():
            for key, value in self._of(matrix).items():
                moments[f"{place}.{key}"] = value
        return moments

    def state(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        places = [place for place in range(len(self.flat.parameters)) if place not in self.matrices]
        for key, value in self.adamw.state.get(self.rest, {}).items():
            parts = self._parts(value) if value.dim() else [value.clone() for _ in places]
            tensors |= {f"optimizer.{place}.{key}": part for place, part in zip(places, parts, strict=True)}
        for place, matrix in self.matrices.items():
            weight = self.flat.parameters[place]
            for key, value in self._of(matrix).items():
                tensors[f"optimizer.{place}.{key}"] = value.view_as(weight)
        return tensors

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave. Raises KeyError or RuntimeError where something is missing or of another shape."""
        places = [place for place in range(len(self.flat.parameters)) if place not in self.matrices]
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
        for place, matrix in self.matrices.items():
            start = f"optimizer.{place}."
            for key in [name[len(start) :] for name in tensors if name.startswith(start)]:
                value = tensors[start + key].to(matrix.device).reshape(matrix.shape).clone()
                assert self.muon is not None
                self.muon.state[matrix][key] = value

    def _of(self, matrix: nn.Parameter) -> dict[str, Tensor]:
        known: dict[str, Tensor] = self.muon.state.get(matrix, {}) if self.muon is not None else {}
        return known

    def _parts(self, block: Tensor) -> list[Tensor]:
        """The parts of a block like `rest` that belong to each of AdamW's parameters."""
        return [
            block[start : start + weight.numel()].view_as(weight)
            for place, (start, weight) in enumerate(zip(self.flat.starts, self.flat.parameters, strict=True))
            if place not in self.matrices
        ]
