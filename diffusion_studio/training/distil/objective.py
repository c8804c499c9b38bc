"""What a student learns to agree with: itself, a little nearer to the picture on the same path (consistency).

Easy Consistency Tuning (Geng et al. 2024, arXiv 2406.14548): begin with the weights of a diffusion model, draw a noise level t
and a lower one r = t (1 - n(t) / 2^stage), and halve what lies between in stages. At first r is 0, which is diffusion itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.diffusion.denoiser import TO_CLEAN
from diffusion_studio.diffusion.flows import Flow
from diffusion_studio.diffusion.process import Process

MEAN, DEVIATION = -1.1, 2.0  # of log sigma, as it is drawn (Song & Dhariwal 2024, table 1)
HIGHEST = 80.0  # sigma above which an image cannot be distinguished from noise, and no step is longer than from here
TOP_SHARE = 0.1  # of a batch that is drawn there, where every image begins
STAGES = 4  # over a run: r/t from (1 - n/2) to (1 - n/16)
K, B = 8.0, 1.0  # n(t) = 1 + k sigmoid(-b t), their eq. 10

Answer = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class ConsistencyObjective:
    """An `Objective` whose timesteps are fractions, float32. `x` is x_0 + sigma n; sigmas are (N,)."""

    def __init__(self, process: Process, prediction: str, *, device: torch.device) -> None:
        self.process, self.device, self.count = process, device, len(process)
        self.to_clean = TO_CLEAN[prediction]
        self.flow = isinstance(process, Flow)
        sigma = np.minimum(process.sigma, 1e10)
        self.lowest, self.highest = float(sigma[0]), min(HIGHEST, float(sigma[-1]))
        self.log_sigma, self.timesteps = np.log(sigma), np.asarray(process.timesteps)

    # --- as trainer and validation ask ---

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Log-normal noise levels, and a share of them from the highest on up to pure noise, as timesteps."""
        sigma = (torch.randn(count, generator=generator) * DEVIATION + MEAN).exp()
        top = torch.rand(count, generator=generator) < TOP_SHARE
        place = torch.rand(count, generator=generator)
        low = self.timestep(torch.tensor([self.highest]))
        high = float(self.timesteps[-1])
        usual = self.timestep(sigma.clamp(self.lowest, self.highest))
        return torch.where(top | (sigma > self.highest), low + place * (high - low), usual)

    def spread(self, count: int) -> Tensor:
        return torch.linspace(float(self.timesteps[0]), float(self.timesteps[-1]), count)

    def noisy(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """x_t."""
        sigma = self.sigma(timestep)
        return wide(self.scale(sigma)) * (clean + wide(sigma) * noise)

    def target(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """The picture; a student's own target depends on the student."""
        return clean

    def rows(self, timestep: Tensor) -> Tensor:
        first = int(self.timesteps[0])
        return (timestep.round().long() - first).clamp(0, self.count - 1)

    # --- noise levels ---

    def sigma(self, timestep: Tensor) -> Tensor:
        found = self.process.sigmas_at(timestep.cpu().double().numpy())  # type: ignore[attr-defined]
        return torch.from_numpy(np.minimum(found, 1e10)).float().to(timestep.device)

    def timestep(self, sigma: Tensor) -> Tensor:
        """(N,) float32; log sigma is interpolated between timesteps, but t itself for a flow."""
        levels = np.maximum(sigma.cpu().double().numpy(), 1e-12)
        if self.flow:
            found = self.count * levels / (1 + levels)
        else:
            found = np.interp(np.log(levels), self.log_sigma, self.timesteps)
        return torch.from_numpy(np.asarray(found)).float().to(sigma.device)

    def scale(self, sigma: Tensor) -> Tensor:
        """From x to what the network is given."""
        return 1 / (1 + sigma) if self.flow else (1 + sigma**2).rsqrt()

    def lower(self, sigma: Tensor, stage: int) -> Tensor:
        """r for each t; 0 where it is below the least noise the network knows."""
        t = sigma.clamp(max=self.highest)
        n = 1 + K * torch.sigmoid(-B * t)
        r = t * (1 - n / 2 ** (stage + 1))
        return torch.where(r < self.lowest, torch.zeros_like(r), r)

    def clean(self, answer: Answer, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """x̂_0 (N, C, H, W) float32 of a network, at noise levels of each picture's own."""
        given = wide(self.scale(sigma)) * x
        prediction = answer(given, self.timestep(sigma), labels)
        return self.to_clean(x, wide(sigma), prediction)  # type: ignore[arg-type]


def stage_of(fraction: float) -> int:
    """Which stage a run is in at a fraction (0 to 1) of it."""
    return min(STAGES - 1, int(fraction * STAGES))


def wide(values: Tensor) -> Tensor:
    """(N,) as it is multiplied with pictures (N, C, H, W)."""
    return values[:, None, None, None]
