"""Samplers: how to walk from one noise level to the next, each a short generator of `Step`.

All of them work on x = x_0 + sigma n (a variance-preserving state divided by sqrt(alpha_bar)) and see the network only as
`denoise(x, sigma)`, the predicted clean picture. They use nothing but arithmetic, so x may be a tensor or an array, on any
device and of any float type that holds the first sigma (float16 ends at 65,504). `sigmas` are plain floats that fall strictly
from at most 1e10 to a final 0.0; x is x_0 + sigmas[0] n, never written to; `noise()` draws a standard normal like x.

Each yields `len(sigmas)` steps: the state at every noise level with its prediction, and at last the picture. A walk can be
resumed from any step: pass its `x`, the rest of the sigmas and its `memory`, with the random state it was yielded at.
Those that use earlier steps are in `multistep`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from diffusion_studio.diffusion.multistep import dpmpp_2m, dpmpp_2m_sde, lms, plms, unipc
from diffusion_studio.diffusion.sampler_step import (
    LARGEST_HEUN_RATIO,
    Array,
    Denoise,
    Noise,
    Sampler,
    Step,
    ended,
    split_noise,
)


def ddpm(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: object = None,
    large_variance: bool = False,
    spread: Callable[[float, float], Array] | None = None,
) -> Iterator[Step]:
    """Ancestral sampling from the posterior q(x_{t-1} | x_t, x̂_0) (Ho et al. 2020, eq. 6, 7 and algorithm 2).

    The variance is the posterior's, beta-tilde, or with `large_variance` beta itself (their sec. 3.2). `spread`: from a noise
    level and the following one to the standard deviation of the fresh noise in x, where the network predicts it with each
    denoised picture (Nichol & Dhariwal 2021, sec. 3.1).
    """
    total = len(sigmas) - 1
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised)
        x = denoised + (following / sigma) ** 2 * (x - denoised)
        if following > 0 and spread is not None:
            x = x + spread(sigma, following) * noise()
        elif following > 0:
            scale = math.sqrt((1 + following**2) / (1 + sigma**2)) if large_variance else following / sigma
            x = x + scale * math.sqrt(sigma**2 - following**2) * noise()
    yield Step(total, total, 0.0, x, x)


def ddim(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: object = None,
    eta: float = 0.0,
    ending: float = 0.0,
) -> Iterator[Step]:
    """Song et al. 2021 (DDIM), eq. 12 and 16: eta 0 deterministic (Euler's method), eta 1 as random as DDPM.

    `ending`: the noise level that the last step leads to in place of 0, for models whose configuration asks for it; the
    picture is the variance-preserving state there, with that little noise in it.
    """
    total = len(sigmas) - 1
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised)
        down, up = split_noise(sigma, following or min(ending, sigma), eta)
        x = denoised + down / sigma * (x - denoised)
        if up > 0:
            x = x + up * noise()
    yield Step(total, total, 0.0, *ended(x, ending))


def euler_ancestral(
    denoise: Denoise, x: Array, sigmas: Sequence[float], noise: Noise, *, memory: object = None
) -> Iterator[Step]:
    """Euler's method with ancestral noise (Crowson, k-diffusion): an Euler step down to `down`, then noise up again.

    That is DDIM with eta 1 and, over the same noise levels, DDPM: the name under which other tools know the walk.
    """
    yield from ddim(denoise, x, sigmas, noise, eta=1.0)


def heun(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: tuple[Array, float] | None = None,
    churn: float = 0.0,
    churn_range: tuple[float, float] = (0.05, 50.0),
    noise_scale: float = 1.0,
    scale: Callable[[float], float] = lambda sigma: 1.0,
) -> Iterator[Step]:
    """Second order in two evaluations a step, with optional churn (Karras et al. 2022, EDM, algorithm 2).

    `churn` >= 0 is the paper's S_churn, spread over the steps whose sigma lies in `churn_range` (S_tmin, S_tmax);
    `noise_scale` its S_noise. `memory`: (state after churning, churn of one step), so that a resumed one neither
    churns twice nor, having fewer steps left, churns more in each. The average of both slopes is written as Euler's step
    and a correction, which keeps its digits in float32 at any sigma. Where the next level is less than a twentieth of this
    one (the first step of a cosine schedule, or very few steps) the correction would be larger than the state it mends, and
    the step stays Euler's.

    `scale`: from x to the coordinates in which the slopes are averaged. For a flow it is 1 / (1 + sigma): the step is then
    Heun's in its own t, which is straight up to t = 1, where sigma is infinite.
    """
    total = len(sigmas) - 1
    churned, most = (None, min(churn / max(total, 1), math.sqrt(2) - 1)) if memory is None else memory
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        gamma = most if churn_range[0] <= sigma <= churn_range[1] else 0.0
        raised = sigma * (1 + gamma)
        if churned is None:
            churned = x + math.sqrt(raised**2 - sigma**2) * noise_scale * noise() if gamma > 0 else x
        denoised = denoise(churned, raised)
        yield Step(index, total, sigma, x, denoised, (churned, most))
        x = denoised + following / raised * (churned - denoised)
        ratio = scale(raised) / scale(following)
        if following > 0 and raised * ratio <= LARGEST_HEUN_RATIO * following:
            x = x + (raised / following - 1) * ratio / 2 * (denoise(x, following) - denoised)
        churned = None
    yield Step(total, total, 0.0, x, x)


def consistency(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: object = None,
    floor: float = 0.0,
    noise_scale: float = 1.0,
) -> Iterator[Step]:
    """Multistep consistency sampling (Song et al. 2023, algorithm 1): every prediction is the image; noise is added in between.

    For networks that predict the end of the path from anywhere on it, in one to eight steps. `floor`: their epsilon.
    """
    total = len(sigmas) - 1
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised)
        x = denoised
        if following > 0:
            x = x + noise_scale * math.sqrt(max(following**2 - floor**2, 0.0)) * noise()
    yield Step(total, total, 0.0, x, x)


SAMPLERS: dict[str, Sampler] = {
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "unipc": unipc,
    "ddim": ddim,
    "ddpm": ddpm,
    "euler_ancestral": euler_ancestral,
    "heun": heun,
    "lms": lms,
    "plms": plms,
    "consistency": consistency,
}
