"""Multistep samplers: the predictions of earlier steps make the next one more exact, at one evaluation a step.

What they take and yield is described in `samplers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from diffusion_studio.diffusion.sampler_step import (
    LARGEST_HEUN_RATIO,
    Array,
    Denoise,
    Noise,
    Step,
    ended,
    lambda_step,
)


def dpmpp_2m(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: tuple[Array, float] | None = None,
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
    yield Step(total, total, 0.0, *ended(x, ending))


def dpmpp_2m_sde(
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: tuple[Array, float] | None = None,
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
    yield Step(total, total, 0.0, *ended(x, ending))


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
    yield Step(total, total, 0.0, *ended(x, ending))


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
    denoise: Denoise,
    x: Array,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    memory: Sequence[tuple[float, Array]] | None = None,
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
    memory: Sequence[Array] | None = None,
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
    yield Step(total, total, 0.0, *ended(x, ending))
