"""How much the error at each noise level counts: Min-SNR, sigmoid, learned uncertainty, or all alike.

A table (T,) by timestep, of which each row of a batch takes its own. The loss that is reported and validated is unweighted, so
that runs can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.schedules import NoiseSchedule
from diffusion_studio.settings.training import TrainingSettings

SIGMOID_BIAS = (
    2.0  # log SNR at which the weight of epsilon's error is halved; Kingma & Gao 2023 for images of 64×64
)
FEATURES, RATE = 128, 2e-3  # of the learned uncertainty; its rate is that of Adam
FARTHEST = 10.0  # |log sigma|, where a schedule goes to 0 or infinity


class LevelWeights:
    """The weights of a training; with `uncertainty`, those that are learned along with the network."""

    def __init__(self, settings: TrainingSettings, process: Process, device: torch.device) -> None:
        self.settings = settings
        kind = settings.weighting
        # a flow's squared error of the velocity falls where an image is noisy by itself
        self.by_snr = kind == "min_snr" and settings.min_snr > 0 and isinstance(process, NoiseSchedule)
        if self.by_snr:
            assert isinstance(process, NoiseSchedule)
            table = min_snr_weights(process, settings.prediction, settings.min_snr)
        elif kind == "sigmoid":
            table = sigmoid_weights(process, settings.prediction)
        else:
            table = torch.ones(len(process))
        self.fixed = table.to(device)
        seed = settings.seed or 0
        self.uncertainty = Uncertainty(process, seed, device) if kind == "uncertainty" else None

    def at(self, fraction: float) -> Tensor:
        """(T,) at a fraction (0 to 1) of the run.

        Over the last `polish` of a run Min-SNR's weights rise to 1 where they are less: Min-SNR is best at learning shapes, and
        all but leaves out nearly clean levels (at t = 50 of 1,000 the SNR is 160 and v's weight 0.03), so that even grounds
        stay grainy. What the end of a run does to them is enough: after as many steps x_0's error was 14% less at t = 15 and
        15% less at t = 999, and 4% more at t = 400 (measured).
        """
        if self.uncertainty is not None:
            return self.uncertainty.weights()
        polish = self.settings.polish
        if not polish or not self.by_snr or self.settings.prediction == "sample":
            return self.fixed
        return self.fixed.clamp(min=max(0.0, min(1.0, (fraction - 1 + polish) / polish)))


def min_snr_weights(schedule: NoiseSchedule, prediction: str, gamma: float) -> Tensor:
    """(T,) of Min-SNR (Hang et al. 2023, sec. 3.4): min(SNR, gamma) in x_0's error; gamma 0: ones."""
    if not gamma:
        return torch.ones(len(schedule))
    snr = torch.tensor(schedule.alpha_bar / (1 - schedule.alpha_bar))
    clipped = snr.clamp(max=gamma)
    weight = {"epsilon": clipped / snr, "v_prediction": clipped / (snr + 1), "sample": clipped}[prediction]
    return weight.nan_to_num(0.0).float()


def sigmoid_weights(process: Process, prediction: str, bias: float = SIGMOID_BIAS) -> Tensor:
    """(T,) with mean 1: sigmoid(bias - log SNR) of epsilon's error, for log SNR drawn evenly.

    Kingma & Gao 2023 (sec. 4), Hoogeboom et al. 2024 (SiD2). -d log SNR / dt turns even timesteps into even log SNR.
    """
    log_snr = -2 * _log_sigma(process)
    weight = _sigmoid(bias - log_snr) * -np.gradient(log_snr) * share_of_epsilon(process, prediction)
    return torch.tensor(weight / weight.mean(), dtype=torch.float32)


def share_of_epsilon(process: Process, prediction: str) -> np.ndarray:
    """(T,) squared error of epsilon for each squared error of what is predicted."""
    sigma = np.exp(_log_sigma(process))
    shares: Mapping[str, np.ndarray] = {
        "epsilon": np.ones_like(sigma),
        "sample": sigma**-2,  # epsilon = (x - x_0) / sigma
        "v_prediction": 1 / (1 + sigma**2),  # x_0 - ... = (1 - alpha_bar) v
        "flow_prediction": 1 / (1 + sigma) ** 2,  # x_0 = x_t - t u, t = sigma / (1 + sigma)
    }
    return shares[prediction]


class Uncertainty:
    """u(sigma), learned with the network: the loss is error / exp(u) + u (Karras et al. 2024, EDM2, eq. 14 and 21).

    exp(u) comes to be the mean error at each level, so all levels have the same say. u is linear in `FEATURES` cosines of
    log(sigma) / 4 with fixed random frequencies; at first it is 0, and all weights are 1.
    """

    def __init__(self, process: Process, seed: int, device: torch.device) -> None:
        draw = torch.Generator().manual_seed(seed)
        level = torch.tensor(_log_sigma(process) / 4, dtype=torch.float32)[:, None]
        frequencies = 2 * math.pi * torch.randn(FEATURES, generator=draw)
        phases = 2 * math.pi * torch.rand(FEATURES, generator=draw)
        self.features = (math.sqrt(2) * (level * frequencies + phases).cos()).to(device)  # (T, K)
        self.factors = nn.Parameter(torch.zeros(FEATURES, device=device))
        self.optimizer = torch.optim.Adam([self.factors], lr=RATE, betas=(0.9, 0.99))

    @torch.no_grad()
    def weights(self) -> Tensor:
        """(T,) exp(-u)."""
        return (-(self.features @ self.factors)).exp()

    @torch.no_grad()
    def gradient(self, error: Tensor, rows: Tensor) -> Tensor:
        """(K,) of the mean loss over a batch: its unweighted errors (N,), and their rows (N,) of the table."""
        features = self.features[rows]
        slope = 1 - error * (-(features @ self.factors)).exp()
        return (slope[:, None] * features).mean(dim=0)

    def update(self, gradient: Tensor) -> None:
        self.factors.grad = gradient
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        return {"factors": self.factors.detach(), **self.optimizer.state.get(self.factors, {})}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        self.factors.copy_(tensors["factors"])
        for name, value in tensors.items():
            if name != "factors":
                value = value.clone()
                self.optimizer.state[self.factors][name] = (
                    value if name == "step" else value.to(self.factors.device)
                )


def _log_sigma(process: Process) -> np.ndarray:
    """(T,) within a range whose exponentials are finite."""
    return np.asarray(np.log(np.clip(process.sigma, math.exp(-FARTHEST), math.exp(FARTHEST))))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))
