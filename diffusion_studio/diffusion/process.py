"""What everything above asks of the process of a model: how noise and picture mix, and what the network is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from diffusion_studio.diffusion.arrays import Pixels


class Process(Protocol):
    """x = x_0 + sigma n is what samplers walk; x_t = scale(sigma) x is what the network sees."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The same in the words of a diffusers scheduler_config.json."""

    @property
    def whole(self) -> bool:
        """Whether a spacing rounds to whole timesteps."""

    @property
    def predictions(self) -> tuple[str, ...]:
        """What a network of this process may answer."""

    def __len__(self) -> int:
        """T."""

    @property
    def timesteps(self) -> np.ndarray:
        """(T,) as the network is given them, rising."""

    @property
    def sigma(self) -> np.ndarray:
        """(T,) noise over signal at each of `timesteps`, rising."""

    @property
    def picture_share(self) -> np.ndarray:
        """(T,) what is left of the picture at each of `timesteps`, as it is drawn and named; falling, in [0, 1]."""

    def scale(self, sigma: float) -> float:
        """From x to x_t."""

    def input_scale(self, sigma: float) -> float:
        """From x to what the network is given, where that is not x_t."""

    def spread(self, sigma: float) -> float:
        """From x_t to x, the inverse of `scale`."""

    def noise_share(self, sigma: float) -> float:
        """The share of noise in x_t, in [0, 1]."""

    def left(self, sigma: float) -> float:
        """`picture_share` at any noise level."""

    def mix(self, clean: Pixels, noise: Pixels, left: float) -> Pixels:
        """x_t of a clean picture in [-1, 1] and noise, arrays of one shape, where that share of the picture is left."""

    @property
    def start_share(self) -> np.ndarray:
        """(T,) `left` where a start picture begins, for strengths that rise evenly from 0 to 1."""

    def timestep(self, sigma: float) -> float:
        """What the network is given at a noise level > 0."""

    def sigma_at(self, timestep: float) -> float:
        """The noise level at a timestep."""

    def sigma_of_strength(self, strength: float) -> float:
        """The noise level a start picture gets for a strength in (0, 1)."""

    def shifted(self, shift: float) -> Process:
        """With a resolution shift of the user's, where the process has one; 0: its own."""

    def at_size(self, tokens: int) -> Process:
        """For pictures of so many tokens, where the process depends on that."""

    @property
    def lowest(self) -> float:
        """The position in [0, T - 1] at which a spacing ends that visits both ends."""

    def spaced(self, positions: np.ndarray) -> np.ndarray:
        """(n,) falling positions in [0, T - 1] -> (n,) falling noise levels sigma."""

    def own_levels(self, n: int) -> tuple[float, float]:
        """The lowest and highest level of n steps in the process's own measure, for spacings even in a power of it."""

    def from_own(self, levels: np.ndarray) -> np.ndarray:
        """(n,) levels in the process's own measure -> (n,) noise levels sigma."""
