"""Consistency models as diffusers has them: networks that are given a noise level and answer with the end of the path from there.

They were trained in x = x_0 + sigma n with sigma itself, between `sigma_min` and `sigma_max` (Song et al. 2023, with the
preconditioning of Karras et al. 2022): the network is given x / sqrt(sigma² + sigma_data²) and 250 log sigma.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from diffusion_studio.diffusion.arrays import Pixels
from diffusion_studio.diffusion.scheduler_classes import CONSISTENCY
from diffusion_studio.diffusion.scheduler_config import value

TIME_SCALE = 250.0  # the timestep is 1000/4 log sigma


@dataclass(frozen=True, eq=False)
class ConsistencyProcess:
    """The noise levels of a consistency model. A position in [0, T - 1] is one of Karras' levels, rising with it.

    `count`: T, at least 2; `sigma_min` < `sigma_max`, `sigma_data`, `rho`: as in EDM. Raises ValueError where they are not.
    """

    count: int = 40
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5
    rho: float = 7.0
    config: Mapping[str, Any] = field(default_factory=lambda: {"_class_name": CONSISTENCY})

    whole: ClassVar[bool] = True
    predictions: ClassVar[tuple[str, ...]] = ("consistency",)
    lowest: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ValueError(f"num_train_timesteps must be at least 2, not {self.count}.")
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(
                f"sigma_min must be above 0 and below sigma_max, not {self.sigma_min:g} and {self.sigma_max:g}."
            )

    def __len__(self) -> int:
        """T."""
        return self.count

    # --- the process ---

    @property
    def timesteps(self) -> np.ndarray:
        """(T,) as the network is given them, rising, those of sigma below 1 below 0."""
        return TIME_SCALE * np.log(self.sigma)

    @property
    def sigma(self) -> np.ndarray:
        """(T,) rising from sigma_min to sigma_max."""
        return self.spaced(np.arange(self.count, dtype=np.float64))

    @property
    def picture_share(self) -> np.ndarray:
        """(T,) what is left of the picture's variance."""
        return np.asarray(1 / (1 + self.sigma**2))

    def scale(self, sigma: float) -> float:
        """From x to x_t, in which picture and noise together keep their variance."""
        return float((1 + sigma**2) ** -0.5)

    def input_scale(self, sigma: float) -> float:
        """From x to what the network is given."""
        return float((sigma**2 + self.sigma_data**2) ** -0.5)

    def spread(self, sigma: float) -> float:
        """From x_t to x."""
        return float((1 + sigma**2) ** 0.5)

    def noise_share(self, sigma: float) -> float:
        """The noise's share of the amplitude."""
        return float(sigma / math.sqrt(1 + sigma * sigma))

    def left(self, sigma: float) -> float:
        """`picture_share` at any noise level."""
        return float(1 / (1 + sigma**2))

    def mix(self, clean: Pixels, noise: Pixels, left: float) -> Pixels:
        """x_t where that share of the picture's variance is left."""
        return left**0.5 * clean + (1 - left) ** 0.5 * noise

    @property
    def start_share(self) -> np.ndarray:
        """(T,) `left` where a start picture begins, by evenly rising strength."""
        return self.picture_share

    def timestep(self, sigma: float) -> float:
        """What the network is given at a noise level > 0."""
        return TIME_SCALE * math.log(max(sigma, 1e-44))

    def sigma_at(self, timestep: float) -> float:
        """The noise level at a timestep; outside, the nearest end."""
        return min(max(math.exp(min(timestep / TIME_SCALE, 80.0)), self.sigma_min), self.sigma_max)

    def sigma_of_strength(self, strength: float) -> float:
        """Where a start picture begins: at that share of the levels."""
        return float(self.spaced(np.asarray(strength * (self.count - 1))))

    def clean(self, x: Pixels, sigma: float, answer: Pixels) -> Pixels:
        """x̂_0 = c_skip x + c_out answer, which is x itself at sigma_min (Song et al. 2023, app. C, eq. 25 and 26)."""
        skip = self.sigma_data**2 / ((sigma - self.sigma_min) ** 2 + self.sigma_data**2)
        out = (sigma - self.sigma_min) * self.sigma_data / math.sqrt(sigma**2 + self.sigma_data**2)
        return skip * x + out * answer

    # --- for spacings ---

    def spaced(self, positions: np.ndarray) -> np.ndarray:
        """(n,) noise levels at positions: sigma^(1/rho) is even (Karras et al. 2022, eq. 5)."""
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return np.asarray((low + positions / (self.count - 1) * (high - low)) ** self.rho)

    def own_levels(self, n: int) -> tuple[float, float]:
        """The lowest and highest sigma."""
        return self.sigma_min, self.sigma_max

    def from_own(self, levels: np.ndarray) -> np.ndarray:
        """(n,) levels as they are: sigma is the process's own measure."""
        return levels

    def shifted(self, shift: float) -> ConsistencyProcess:
        """A resolution shift is for flows."""
        return self

    def at_size(self, tokens: int) -> ConsistencyProcess:
        """The same for every size."""
        return self

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> ConsistencyProcess:
        """What a diffusers scheduler_config.json of a CMStochasticIterativeScheduler describes."""
        return ConsistencyProcess(
            count=int(value(config, "num_train_timesteps", 40)),
            sigma_min=float(value(config, "sigma_min", 0.002)),
            sigma_max=float(value(config, "sigma_max", 80.0)),
            sigma_data=float(value(config, "sigma_data", 0.5)),
            rho=float(value(config, "rho", 7.0)),
            config=dict(config),
        )
