"""Flows: models that learn the velocity from a picture to noise along a straight line, and their shift by resolution.

Notation: x_t = (1 - t) x_0 + t n with t from 0 (the picture) to 1 (noise), and the velocity u = dx_t/dt = n - x_0 (Lipman et
al. 2023, eq. 20 to 23 with t reversed; Liu et al. 2023, eq. 1), whose t diffusers calls sigma. As everywhere here the samplers
see x = x_0 + sigma n: sigma = t / (1 - t), x_t = x / (1 + sigma), and a shift by s is a multiplication of sigma by s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from diffusion_studio.diffusion.arrays import Pixels
from diffusion_studio.diffusion.flow_config import (
    LARGEST_SHIFT,
    PREDICTION,
    SCHEDULERS,
    check_config,
    dynamic_shift,
)

# In place of infinity, the sigma of t = 1: finite in float32, and a step from there differs by 1e-10 of the noise.
LARGEST_SIGMA = 1e10


@dataclass(frozen=True, eq=False)
class Flow:
    """The process of a flow, trained on T timesteps T t of which any fraction is one too.

    `count`: T, at least 2. `shift`: s in t' = s t / (1 + (s - 1) t), which every spacing applies (Esser et al. 2024, eq. 23);
    `terminal`: the t at which every spacing ends before 0, or None; `low_shift`: how often the shift applies to the lowest
    level of a spacing that visits it. `config`: the same in the words of a diffusers scheduler_config.json.
    Raises ValueError for a count or shift out of range.
    """

    count: int = 1000
    shift: float = 1.0
    terminal: float | None = None
    low_shift: int = 1
    config: Mapping[str, Any] = field(default_factory=dict)

    whole: ClassVar[bool] = False  # timesteps are not rounded: a flow is trained on all of them
    predictions: ClassVar[tuple[str, ...]] = (PREDICTION,)

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ValueError(f"num_train_timesteps must be at least 2, not {self.count}.")
        if not 0 < self.shift <= LARGEST_SHIFT:
            raise ValueError(f"shift must be above 0 and at most {LARGEST_SHIFT:g}, not {self.shift:g}.")
        if not self.config:
            object.__setattr__(
                self,
                "config",
                {"_class_name": SCHEDULERS[0], "num_train_timesteps": self.count, "shift": self.shift},
            )

    def __len__(self) -> int:
        """T."""
        return self.count

    # --- the process ---

    @property
    def timesteps(self) -> np.ndarray:
        """(T,) from 1 to T, as the network is given them: T t."""
        return np.arange(1, self.count + 1, dtype=np.float64)

    @property
    def sigma(self) -> np.ndarray:
        """(T,) noise over signal, t / (1 - t), rising with t to `LARGEST_SIGMA`."""
        return sigma_of_time(self.timesteps / self.count)

    @property
    def picture_share(self) -> np.ndarray:
        """(T,) what is left of the picture at each of `timesteps`, 1 - t."""
        return 1 - self.timesteps / self.count

    def scale(self, sigma: float) -> float:
        """From x to x_t: 1 / (1 + sigma) = 1 - t."""
        return 1 / (1 + sigma)

    input_scale = scale

    def spread(self, sigma: float) -> float:
        """From x_t to x: 1 + sigma."""
        return 1 + sigma

    def noise_share(self, sigma: float) -> float:
        """The share of noise in x_t as people say it: t."""
        return sigma / (1 + sigma)

    def left(self, sigma: float) -> float:
        """`picture_share` at any noise level: 1 - t."""
        return 1 / (1 + sigma)

    def mix(self, clean: Pixels, noise: Pixels, left: float) -> Pixels:
        """x_t where that share of the picture is left."""
        return left * clean + (1 - left) * noise

    def timestep(self, sigma: float) -> float:
        """What the network is given at a noise level: T t, in [0, T]."""
        return self.count * self.noise_share(sigma)

    def sigma_at(self, timestep: float) -> float:
        """The noise level at a timestep in [0, T]; outside, the nearest end."""
        return float(self.sigmas_at(np.asarray(timestep, dtype=np.float64)))

    def sigmas_at(self, timesteps: np.ndarray) -> np.ndarray:
        """`sigma_at` for every element: (...) -> (...)."""
        return sigma_of_time(np.clip(timesteps / self.count, 0, 1))

    @property
    def start_share(self) -> np.ndarray:
        """(T,) `left` where a start picture begins, by evenly rising strength."""
        return 1 / (1 + np.minimum(self.shift * self.sigma, LARGEST_SIGMA))

    def sigma_of_strength(self, strength: float) -> float:
        """Where a start picture begins: at t = strength, shifted as the levels of a spacing are."""
        return min(self.shift * self.sigma_at(strength * self.count), LARGEST_SIGMA)

    # --- for spacings ---

    @property
    def lowest(self) -> float:
        """The position in [0, T - 1] at which a spacing ends that visits both ends: as diffusers has it, shifted once already."""
        low = sigma_of_time(np.asarray(1 / self.count)) * self.shift**self.low_shift
        return float(self.count * low / (1 + low)) - 1

    def spaced(self, positions: np.ndarray) -> np.ndarray:
        """(n,) noise levels at falling positions, of which k means t = (k + 1) / T, after shift and terminal."""
        return self._ending(self.shift * sigma_of_time((positions + 1) / self.count))

    def own_levels(self, n: int) -> tuple[float, float]:
        """The lowest and highest level in the flow's own measure, t, for spacings that are even in a power or logarithm of it."""
        positions = np.linspace(self.lowest, self.count - 1, n)[::-1] if n > 1 else np.array([self.count - 1])
        sigmas = self.spaced(positions)
        return float(time_of_sigma(sigmas[-1])), float(time_of_sigma(sigmas[0]))

    def from_own(self, levels: np.ndarray) -> np.ndarray:
        """(n,) levels t in [0, 1] -> (n,) noise levels sigma."""
        return sigma_of_time(levels)

    def _ending(self, sigmas: np.ndarray) -> np.ndarray:
        """1 - t stretched so that the last level is `terminal` (diffusers' shift_terminal, of LTX-Video)."""
        sigmas = np.minimum(sigmas, LARGEST_SIGMA)
        if self.terminal is None or len(sigmas) < 2:
            return sigmas
        left = 1 / (1 + sigmas)
        return sigma_of_time(1 - left * (1 - self.terminal) / left[-1])

    # --- other shifts ---

    def shifted(self, shift: float) -> Flow:
        """The same with a shift of the user's; 0: with its own."""
        if not shift:
            return self
        config = {**self.config, "shift": shift, "use_dynamic_shifting": False}
        return Flow(self.count, shift, self.terminal, 1, config)

    def at_size(self, tokens: int) -> Flow:
        """The same for pictures of so many tokens (or pixels, where the network takes those), if its shift depends on them."""
        return Flow.from_config(self.config, tokens) if self.config.get("use_dynamic_shifting") else self

    @staticmethod
    def from_config(config: Mapping[str, Any], tokens: int | None = None) -> Flow:
        """The flow a diffusers scheduler_config.json describes: of a FlowMatch scheduler, or of a solver with use_flow_sigmas.

        Raises ValueError saying which value of it is not supported, and what is allowed.
        """
        check_config(config)
        count = int(config.get("num_train_timesteps", 1000))
        dynamic = bool(config.get("use_dynamic_shifting"))
        if dynamic:
            shift = dynamic_shift(config, tokens or int(config.get("base_image_seq_len", 256)))
        else:
            shift = float(config.get("flow_shift" if config.get("use_flow_sigmas") else "shift", 1.0))
        terminal = config.get("shift_terminal") or None
        own = dict(config)
        if not str(config.get("_class_name", "")).startswith("FlowMatch"):  # a solver's words for the same
            own = {"_class_name": SCHEDULERS[0], "num_train_timesteps": count, "shift": shift}
        return Flow(count, shift, None if terminal is None else float(terminal), 0 if dynamic else 1, own)


def sigma_of_time(t: np.ndarray) -> np.ndarray:
    """sigma = t / (1 - t) for t in [0, 1], at most `LARGEST_SIGMA`: (...) -> (...)."""
    return t / np.maximum(1 - t, 1 / LARGEST_SIGMA)


def time_of_sigma(sigma: np.ndarray) -> np.ndarray:
    """t = sigma / (1 + sigma), in [0, 1]: (...) -> (...)."""
    return sigma / (1 + sigma)


def clean_from_flow(x: Pixels, sigma: float, velocity: Pixels) -> Pixels:
    """x_0 = x_t - t u, with x_t = x / (1 + sigma) and the velocity u = n - x_0, (N, C, H, W) (Lipman et al. 2023)."""
    return x / (1 + sigma) - sigma / (1 + sigma) * velocity
