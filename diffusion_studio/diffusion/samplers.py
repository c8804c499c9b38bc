"""Samplers: how to walk from one noise level to the next, each a short generator of `Step`.

All of them work on x = x_0 + sigma n (a variance-preserving state divided by sqrt(alpha_bar)) and see the network only as
`denoise(x, sigma)`, the predicted clean picture. They use nothing but arithmetic, so x may be a tensor or an array, on any
device and of any float type that holds the first sigma (float16 ends at 65,504). `sigmas` are plain floats that fall strictly
from at most 1e10 to a final 0.0; x is x_0 + sigmas[0] n, never written to; `noise()` draws a standard normal like x.

Each yields `len(sigmas)` steps: the state at every noise level with its prediction, and at last the picture. A walk can be
resumed from any step: pass its `x`, the rest of the sigmas and its `memory`, with the random state it was yielded at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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


def ddpm(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Any = None,
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
    memory: Any = None,
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
    yield Step(total, total, 0.0, *_ended(x, ending))


def euler_ancestral(
    denoise: Denoise, x: Array, sigmas: Sequence[float], noise: Noise, *, memory: Any = None
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
    memory: Any = None,
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


def dpmpp_2m(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Any = None,
    ending: float = 0.0,
    lowered: bool = True,
) -> Iterator[Step]:
    """DPM-Solver++(2M), second-order multistep in lambda = -log sigma (Lu et al. 2022b, algorithm 2).

    `memory`: (previous prediction, previous lambda step). `ending`: as for `ddim`; the step that leads there is of first order
    where `lowered`, as the one to 0 always is.
    """
    total = len(sigmas) - 1
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised, memory)
        reached = following or min(ending, sigma)
        h = lambda_step(sigma, reached)
        if memory is None or reached == 0 or (following == 0 and lowered):
            target = denoised
        else:
            previous, h_previous = memory
            target = denoised + h / (2 * h_previous) * (denoised - previous)
        x = reached / sigma * x - math.expm1(-h) * target
        memory = (denoised, h)
    yield Step(total, total, 0.0, *_ended(x, ending))


def dpmpp_2m_sde(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Any = None,
    eta: float = 1.0,
    ending: float = 0.0,
    lowered: bool = True,
) -> Iterator[Step]:
    """SDE-DPM-Solver++(2M), the midpoint form with fresh noise at each step (Lu et al. 2022b, eq. 18; k-diffusion's eta).

    eta 0 is 2M, eta 1 the reverse SDE of the forward process. `memory`, `ending` and `lowered`: as for `dpmpp_2m`.
    """
    total = len(sigmas) - 1
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised, memory)
        reached = following or min(ending, sigma)
        h = lambda_step(sigma, reached)
        if reached == 0:  # both factors' limit, also for eta 0, where eta * h has none
            x = denoised
            continue
        weight = -math.expm1(-h - eta * h)
        x = reached / sigma * math.exp(-eta * h) * x + weight * denoised
        if memory is not None and (following > 0 or not lowered):
            previous, h_previous = memory
            x = x + weight * h / (2 * h_previous) * (denoised - previous)
        if eta > 0:
            x = x + reached * math.sqrt(-math.expm1(-2 * eta * h)) * noise()
        memory = (denoised, h)
    yield Step(total, total, 0.0, *_ended(x, ending))


def unipc(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Any = None,
    ending: float = 0.0,
) -> Iterator[Step]:
    """UniPC of order 2 with B(h) = e^h - 1: a predictor, corrected by the evaluation it leads to (Zhao et al. 2023, alg. 1, 2).

    `memory`: (state and prediction the last predictor started from, its lambda step and that before, the prediction before).
    `ending`: as for `ddim`.
    """
    total = len(sigmas) - 1
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised, memory)
        h_previous, previous = None, None
        if memory is not None:
            x = _unic(memory, denoised)
            _, previous, h_previous, _, _ = memory
        h = lambda_step(sigma, following or min(ending, sigma))
        memory = (x, denoised, h, h_previous, previous)
        x = _unip(memory, last=following == 0)
    yield Step(total, total, 0.0, *_ended(x, ending))


def _unip(memory: tuple[Any, ...], *, last: bool) -> Array:
    """UniP: order 2 where there is a past, order 1 for the first step and the last."""
    x, denoised, h, h_previous, previous = memory
    result = math.exp(-h) * x - math.expm1(-h) * denoised
    if previous is not None and not last:
        result = result - math.expm1(-h) * h / (2 * h_previous) * (denoised - previous)
    return result


def _unic(memory: tuple[Any, ...], arrived: Array) -> Array:
    """UniC: redo the last step from where it started, now knowing the prediction where it arrived."""
    x, denoised, h, h_previous, previous = memory
    base = math.exp(-h) * x - math.expm1(-h) * denoised
    if previous is None:
        return base - math.expm1(-h) / 2 * (arrived - denoised)
    ratio = -h_previous / h
    first = -math.expm1(-h) / h - 1  # varphi_1 and varphi_2 of their eq. 5, over B(h)
    b1 = first / math.expm1(-h)
    b2 = 2 * (-first / h - 0.5) / math.expm1(-h)
    past = (b2 - b1) / (ratio - 1)  # solves [[1, 1], [ratio, 1]] (past, here) = (b1, b2)
    here = b1 - past
    return base - math.expm1(-h) * (past * (previous - denoised) / ratio + here * (arrived - denoised))


def lms(
    denoise: Denoise, x: Array, sigmas: Sequence[float], noise: Noise, *, memory: Any = None
) -> Iterator[Step]:
    """Linear multistep of order 4 in sigma: the polynomial through the last slopes dx/dsigma, integrated over the step.

    Adams-Bashforth's method for steps of any length (Hairer, Nørsett & Wanner 1993, sec. III.5; Crowson, k-diffusion).
    `memory`: (sigma, slope) of up to three steps before, the latest first. Written as Euler's step and a correction, as `heun`.
    """
    total, past = len(sigmas) - 1, tuple(memory or ())
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised, past)
        slope = (x - denoised) / sigma
        x = denoised + following / sigma * (x - denoised)
        shares = _integrals([sigma, *(level for level, _ in past)], following)
        for share, (_, before) in zip(shares[1:], past, strict=True):
            x = x + share * (before - slope)
        past = ((sigma, slope), *past[:2])
    yield Step(total, total, 0.0, x, x)


def _integrals(levels: Sequence[float], end: float) -> list[float]:
    """From levels[0] to `end` over each of Lagrange's polynomials of these levels: Gauss' two points are exact to degree 3."""
    centre, half = (levels[0] + end) / 2, (end - levels[0]) / 2
    points = (centre - half / math.sqrt(3), centre + half / math.sqrt(3))

    def height(level: float, point: float) -> float:
        return math.prod((point - other) / (level - other) for other in levels if other != level)

    return [half * sum(height(level, point) for point in points) for level in levels]


PLMS = {  # what each slope counts, the latest first (Liu et al. 2022, eq. 12)
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def plms(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Any = None,
    ending: float = 0.0,
    runge_kutta: bool = False,
    middle: Callable[[float, float], float] = lambda sigma, following: math.sqrt(sigma * following),
) -> Iterator[Step]:
    """Pseudo linear multistep of order 4 (Liu et al. 2022, PNDM, eq. 9 and 12): the last four slopes, as if steps were even.

    It starts with one step whose slope is the mean of both ends, in two evaluations, or with `runge_kutta` with three steps of
    the pseudo Runge-Kutta method (their eq. 11), in four each, that stop at the level `middle` between. Where the next level is
    less than a twentieth of this one such a step would overshoot, and is Euler's. `memory`: the slopes of up to three steps
    before, the latest first. `ending`: as for `ddim`.
    """
    total, past = len(sigmas) - 1, tuple(memory or ())
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = denoise(x, sigma)
        yield Step(index, total, sigma, x, denoised, past)
        slope = (x - denoised) / sigma
        reached = following or min(ending, sigma)
        start, x = x, denoised + reached / sigma * (x - denoised)
        near = following > 0 and sigma <= LARGEST_HEUN_RATIO * following
        if runge_kutta and near and len(past) < 3:
            between = middle(sigma, following)
            first = start + (between - sigma) * slope
            second = (first - denoise(first, between)) / between
            first = start + (between - sigma) * second
            third = (first - denoise(first, between)) / between
            first = start + (following - sigma) * third
            fourth = (first - denoise(first, following)) / following
            x = x + (following - sigma) * ((2 * second + 2 * third + fourth - 5 * slope) / 6)
        elif near and not past:
            x = x + (following - sigma) / 2 * ((x - denoise(x, following)) / following - slope)
        else:
            for share, before in zip(PLMS[1 + len(past)][1:], past, strict=True):
                x = x + (reached - sigma) * share * (before - slope)
        past = (slope, *past[:2])
    yield Step(total, total, 0.0, *_ended(x, ending))


def consistency(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Any = None,
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


def _ended(x: Array, ending: float) -> tuple[Array, Array]:
    """State and picture at the end: the variance-preserving state where the last step led to a noise level above 0."""
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
