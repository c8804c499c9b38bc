"""What every sampler is given and yields, and how noise levels follow each other in a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

LARGEST_HEUN_RATIO = 20.0  # of one noise level to the next; EDM's own levels stay below it from 7 steps on
Array = Any  # torch.Tensor or numpy.ndarray, (N, C, H, W)
Denoise = Callable[[Array, float], Array]
Noise = Callable[[], Array]


class Step(NamedTuple):
    """One stop of a walk: the state `x` at noise level `sigma` and the clean picture predicted from it."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    total: int
    sigma: float
    x: Array
    denoised: Array
    memory: Any = None  # what a multistep sampler brought along to this step


Sampler = Callable[..., Iterator[Step]]


def ended(x: Array, ending: float) -> tuple[Array, Array]:
    """State and picture at the end, (N, C, H, W): the variance-preserving state where the last step led above noise level 0."""
    x = x * (1 + ending**2) ** -0.5 if ending > 0 else x
    return x, x


def split_noise(sigma: float, following: float, eta: float) -> tuple[float, float]:
    """(down, up) with down² + up² = following²: how far to walk down, and how much fresh noise to add, for a given eta.

    up = eta (following / sigma) sqrt(sigma² - following²): sigma_t of DDIM's eq. 16, divided by sqrt(alpha_bar).
    """
    up = min(following, eta * following / sigma * math.sqrt(max(sigma**2 - following**2, 0.0)))
    return math.sqrt(following**2 - up**2), up


def lambda_step(sigma: float, following: float) -> float:
    """h = lambda(following) - lambda(sigma) with lambda = -log sigma; infinite for the last step, to 0."""
    return math.log(sigma / following) if following > 0 else math.inf
