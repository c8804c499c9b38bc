"""What a network is trained to answer: how timesteps are drawn, an image is noised, and what the right answer is, by process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from diffusion_studio.diffusion.flows import Flow
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.schedules import NoiseSchedule


class Objective(Protocol):
    """Timesteps are (N,), pictures and noise (N, C, H, W), all on the device of the training."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Timesteps of a batch, on the CPU, of the type the network is given."""

    def spread(self, count: int) -> Tensor:
        """Timesteps from the cleanest to pure noise, for measuring."""

    def noisy(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """x_t."""

    def target(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """What the network should answer."""

    def rows(self, timestep: Tensor) -> Tensor:
        """(N,) int64: the places of timesteps in a table (T,)."""


class ScheduleObjective:
    """Of a variance-preserving schedule: whole timesteps (Ho et al. 2020, algorithm 1)."""

    def __init__(
        self, schedule: NoiseSchedule, prediction: str, *, sampling: str, device: torch.device
    ) -> None:
        self.count, self.prediction, self.sampling = len(schedule), prediction, sampling
        self.root = torch.tensor(schedule.alpha_bar**0.5, dtype=torch.float32, device=device)
        self.rest = torch.tensor((1 - schedule.alpha_bar) ** 0.5, dtype=torch.float32, device=device)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        if self.sampling == "uniform":
            return torch.randint(self.count, (count,), generator=generator)
        shares = SAMPLINGS[self.sampling](count, generator)
        return (shares * self.count).long().clamp(max=self.count - 1)

    def spread(self, count: int) -> Tensor:
        return torch.linspace(0, self.count - 1, count).round().long()

    def noisy(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        root, rest = self._shares(timestep)
        return root * clean + rest * noise

    def target(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Noise, picture, or v (Salimans & Ho 2022, app. D)."""
        if self.prediction == "v_prediction":
            root, rest = self._shares(timestep)
            return root * noise - rest * clean
        return noise if self.prediction == "epsilon" else clean

    def rows(self, timestep: Tensor) -> Tensor:
        return timestep

    def _shares(self, timestep: Tensor) -> tuple[Tensor, Tensor]:
        return self.root[timestep][:, None, None, None], self.rest[timestep][:, None, None, None]


class FlowObjective:
    """Of a flow: any t in (0, 1], the velocity, and an even squared error (Lipman et al. 2023, eq. 23).

    Min-SNR has no part here: the squared error of the velocity weighs x_0's by 1 / t², which already falls where a picture is
    noisy; what counts more or less is said by how often a t is drawn (Esser et al. 2024, sec. 3.1).
    """

    def __init__(self, flow: Flow, *, sampling: str, device: torch.device) -> None:
        self.count, self.sampling = len(flow), sampling

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return SAMPLINGS[self.sampling](count, generator) * self.count

    def spread(self, count: int) -> Tensor:
        return torch.linspace(1, self.count, count)

    def noisy(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        return torch.lerp(clean, noise, (timestep / self.count)[:, None, None, None])

    def target(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        return noise - clean

    def rows(self, timestep: Tensor) -> Tensor:
        return timestep.ceil().long().clamp(1, self.count) - 1


def objective_of(process: Process, prediction: str, *, sampling: str, device: torch.device) -> Objective:
    """The objective that goes with a process."""
    if isinstance(process, Flow):
        return FlowObjective(process, sampling=sampling, device=device)
    assert isinstance(process, NoiseSchedule)
    return ScheduleObjective(process, prediction, sampling=sampling, device=device)


def uniform(count: int, generator: torch.Generator) -> Tensor:
    """(count,) in (0, 1], all alike."""
    return 1 - torch.rand(count, generator=generator)


def logit_normal(count: int, generator: torch.Generator) -> Tensor:
    """(count,) in (0, 1), sigmoid(N(0, 1)): the middle more often (Esser et al. 2024, eq. 19)."""
    return torch.randn(count, generator=generator).sigmoid()


SAMPLINGS: dict[str, Callable[[int, torch.Generator], Tensor]] = {
    "uniform": uniform,
    "logit_normal": logit_normal,
}
