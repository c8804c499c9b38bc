"""Samplers against exact solutions, against their papers' equations written out anew, and against diffusers in float64."""

import copy
import inspect
import math
import statistics

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.schedules import SCHEDULES, SPACINGS
from tests.diffusion.sampler_cases import SHAPE, START, T, curved, last, levels_between, no_noise

EVERY_WALK = [  # every sampler, and the ways it can be told to walk
    ("dpmpp_2m", {}),
    ("dpmpp_2m_sde", {}),
    ("dpmpp_2m_sde", {"eta": 0.5}),
    ("unipc", {}),
    ("ddim", {}),
    ("ddim", {"eta": 0.4}),
    ("ddim", {"eta": 1.0}),
    ("ddpm", {}),
    ("ddpm", {"large_variance": True}),
    ("euler_ancestral", {}),
    ("heun", {}),
    ("heun", {"churn": 10.0}),
    ("heun", {"churn": 3.0, "churn_range": (0.3, 3.0), "noise_scale": 1.01}),
    ("lms", {}),
    ("plms", {}),
    ("plms", {"runge_kutta": True}),
    ("consistency", {}),
]


ORDERS = {
    "ddim": 1,
    "ddpm": 1,
    "euler_ancestral": 1,
    "heun": 2,
    "dpmpp_2m": 2,
    "dpmpp_2m_sde": 2,
    "unipc": 3,
    "lms": 4,
    "plms": 2,
}


walks = pytest.mark.parametrize(("name", "options"), EVERY_WALK, ids=lambda value: str(value))


def is_random(name, options):
    default = inspect.signature(SAMPLERS[name]).parameters
    eta = options.get("eta", default["eta"].default if "eta" in default else 0.0)
    return name in ("ddpm", "euler_ancestral", "consistency") or eta > 0 or options.get("churn", 0.0) > 0


def test_every_sampler_is_tested_here():
    # consistency sampling converges to nothing: its network is not the ideal denoiser
    assert {name for name, _ in EVERY_WALK} == set(SAMPLERS) == {*ORDERS, "consistency"}


# --- the shape of a walk ---


@walks
def test_a_walk_yields_every_noise_level_and_at_last_the_picture(name, options):
    sigmas, calls = [8.0, 3.0, 1.0, 0.2, 0.0], []

    def denoise(x, sigma):
        calls.append(sigma)
        return x / (1 + sigma**2)

    rng = np.random.default_rng(0)
    x = rng.standard_normal(SHAPE) * 8
    before = x.copy()
    walk = SAMPLERS[name](denoise, x, sigmas, lambda: rng.standard_normal(SHAPE), **options)
    assert inspect.isgenerator(walk) and calls == []
    steps = list(walk)
    assert [step.sigma for step in steps] == sigmas
    assert [(step.index, step.total) for step in steps] == [(i, 4) for i in range(5)]
    assert steps[0].x is x and np.array_equal(x, before)
    assert steps[-1].denoised is steps[-1].x
    several = {"heun": 7, "plms": 13 if options else 5}
    assert len(calls) == several.get(name, 4)


@walks
def test_yielded_states_are_never_changed_afterwards(name, options):
    rng = np.random.default_rng(0)
    walk = SAMPLERS[name](
        lambda x, sigma: np.tanh(x),
        rng.standard_normal(SHAPE) * 8,
        [8.0, 3.0, 1.0, 0.2, 0.0],
        lambda: rng.standard_normal(SHAPE),
        **options,
    )
    seen = [(step, copy.deepcopy(step)) for step in walk]
    for step, as_it_was in seen:
        np.testing.assert_array_equal(step.x, as_it_was.x)
        np.testing.assert_array_equal(step.denoised, as_it_was.denoised)
        assert repr(step.memory) == repr(as_it_was.memory)


@walks
def test_a_single_step_gives_the_first_prediction(name, options):
    options = {key: value for key, value in options.items() if key != "churn"}
    picture = last(
        SAMPLERS[name](lambda x, sigma: np.tanh(x), np.full(SHAPE, 2.0), [5.0, 0.0], no_noise, **options)
    ).x
    np.testing.assert_allclose(picture, np.tanh(2.0), rtol=1e-15)


@walks
def test_noise_is_drawn_only_by_those_who_add_it_and_never_after_the_last_step(name, options):
    sigmas, drawn = [8.0, 3.0, 1.0, 0.2, 0.0], []

    def noise():
        drawn.append(1)
        return np.zeros(SHAPE)

    list(SAMPLERS[name](lambda x, sigma: x / 2, np.ones(SHAPE), sigmas, noise, **options))
    if not is_random(name, options):
        assert drawn == []
    elif name == "heun":
        low, high = options.get("churn_range", (0.05, 50.0))
        assert len(drawn) == sum(low <= sigma <= high for sigma in sigmas)
    else:
        assert len(drawn) == 3


MEAN, SPREAD = 0.7, 0.5


def gaussian_denoiser(x, sigma):
    mean = np.zeros_like(x)
    mean[0] = MEAN
    return (SPREAD**2 * x + sigma**2 * mean) / (SPREAD**2 + sigma**2)


def moments(name, options, sigmas, denoise=gaussian_denoiser, spread=SPREAD):
    """(mean, variance) of the state at each of `sigmas`, for a walk begun in the exact distribution."""
    size, draws = len(sigmas) + 2, iter(range(2, len(sigmas) + 2))

    def noise():
        unit = np.zeros(size)
        unit[next(draws)] = 1.0
        return unit

    x = np.zeros(size)
    x[0], x[1] = MEAN, math.sqrt(spread**2 + sigmas[0] ** 2)
    return [
        (step.x[0], float(np.sum(step.x[1:] ** 2)))
        for step in SAMPLERS[name](denoise, x, sigmas, noise, **options)
    ]


@pytest.mark.parametrize(
    ("name", "options"), [walk for walk in EVERY_WALK if walk[0] in ORDERS], ids=lambda value: str(value)
)
def test_variance_converges_to_the_exact_one_at_the_samplers_order(name, options):
    """Halving the steps' length divides the error by 2 to the order (UniPC's corrector makes its order 2 a third order)."""
    if "noise_scale" in options:
        options = {**options, "noise_scale": 1.0}
    errors = []
    for n in (80, 160, 320):
        sigmas = levels_between(20.0, 0.02, n)
        mean, variance = moments(name, options, sigmas)[-2]
        assert mean == pytest.approx(MEAN, rel=1e-9)
        errors.append(abs(variance / (SPREAD**2 + 0.02**2) - 1))
    ratio = 2 ** ORDERS[name]
    tolerance = (
        0.2 if "churn_range" in options or name == "lms" else 0.08
    )  # the ends of the range fall between different levels
    assert errors[0] / errors[1] == pytest.approx(ratio, rel=tolerance)
    assert errors[1] / errors[2] == pytest.approx(ratio, rel=tolerance)
    assert errors[2] < {1: 0.05, 2: 1e-3, 3: 1e-5, 4: 1e-6}[ORDERS[name]]


@pytest.mark.parametrize("name", ["ddim", "heun", "dpmpp_2m", "unipc", "plms"])
def test_deterministic_walks_follow_the_exact_path_of_a_curved_problem(name):
    """Data at -1 or 1, each with spread 0.3: the probability flow keeps every point at its quantile of the marginals."""
    spread = 0.3
    normal = statistics.NormalDist()

    def quantile_of(x, sigma):
        width = math.hypot(spread, sigma)
        return (normal.cdf((x - 1) / width) + normal.cdf((x + 1) / width)) / 2

    def at_quantile(p, sigma):
        low, high = -6 * sigma - 6, 6 * sigma + 6
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if quantile_of(middle, sigma) < p else (low, middle)
        return middle

    def denoise(x, sigma):
        variance = spread**2 + sigma**2
        centre = np.tanh(x / variance)  # the expected ±1
        return centre + spread**2 / variance * (x - centre)

    points = [0.03, 0.2, 0.4, 0.49, 0.6, 0.9]
    start = np.array([at_quantile(p, 20.0) for p in points])
    exact = np.array([at_quantile(p, 0.02) for p in points])
    errors = []
    for n in (80, 160, 320):
        steps = list(SAMPLERS[name](denoise, start, levels_between(20.0, 0.02, n), no_noise))
        errors.append(np.abs(steps[-2].x - exact).max())
    assert errors[1] / errors[2] == pytest.approx(2 ** ORDERS[name], rel=0.15)
    assert errors[2] < {1: 0.05, 2: 3e-3, 3: 3e-4}[ORDERS[name]]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        walk for walk in EVERY_WALK if not {"large_variance", "noise_scale"} & set(walk[1])
    ],  # more noise than they took
    ids=lambda value: str(value),
)
def test_when_the_picture_is_known_every_level_has_its_exact_noise(name, options):
    """With D = m everywhere the state at sigma is N(m, sigma²) for any steps, however long: no sampler may lose variance."""

    def denoise(x, sigma):
        known = np.zeros_like(x)
        known[0] = MEAN
        return known

    sigmas = [14.0, 9.0, 2.0, 1.9, 0.3, 0.01, 0.0]
    for sigma, (mean, variance) in zip(
        sigmas, moments(name, options, sigmas, denoise, spread=0.0), strict=True
    ):
        assert mean == pytest.approx(MEAN, rel=1e-12)
        assert variance == pytest.approx(sigma**2, rel=1e-12, abs=1e-15)


def test_large_variance_adds_the_noise_of_the_forward_step():
    """Ho et al. 2020, sec. 3.2: sigma_t² = beta_t, exact for data N(0, 1), whose x_t has variance 1 at every t."""
    sigmas = SPACINGS["trailing"](SCHEDULES["linear"](T), 10)
    unit = lambda x, sigma: x / (1 + sigma**2)  # noqa: E731
    draws = moments("ddpm", {"large_variance": True}, sigmas, unit, spread=1.0)
    for sigma, (_, variance) in zip(sigmas[:-1], draws[:-1], strict=True):
        assert variance / (1 + sigma**2) == pytest.approx(1.0, rel=1e-12)


@walks
@pytest.mark.parametrize("spacing", ["trailing", "linspace", "karras"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "cosine_zero_snr"])
def test_any_number_of_steps_over_any_levels_stays_within_bounds(schedule, spacing, name, options):
    """One long step from sigma 1e10 included, in float32: the spread of the result never explodes."""
    rng, size = np.random.default_rng(0), 2000
    schedule = SCHEDULES[schedule](T)
    draw = lambda: rng.standard_normal(size, dtype=np.float32)  # noqa: E731
    for n in (1, 2, 5, 10, 20):
        sigmas = SPACINGS[spacing](schedule, n)
        x = draw() * np.float32(math.sqrt(1 + sigmas[0] ** 2))
        ideal = lambda x, sigma: x * (SPREAD**2 / (SPREAD**2 + sigma**2))  # noqa: E731
        for step in SAMPLERS[name](ideal, x, sigmas, draw, **options):
            assert step.x.dtype == np.float32
            assert step.x.std() < 4 * math.hypot(SPREAD, step.sigma) or step.index == 0, (n, step.index)


# --- taking up a walk again ---


@walks
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_walk_taken_up_from_any_step_is_bit_for_bit_the_same(name, options, kind):
    """With the step's x and memory, the sigmas left and the random state it was yielded at."""
    sigmas = SPACINGS["karras"](SCHEDULES["cosine"](T), 9)
    if kind == "numpy":
        generator, denoise, x = np.random.default_rng(0), curved, START

        def noise():
            return generator.standard_normal(SHAPE)

        def state():
            return copy.deepcopy(generator.bit_generator.state)

        def restore(saved):
            generator.bit_generator.state = saved
    else:
        generator, x = torch.Generator().manual_seed(0), torch.tensor(START, dtype=torch.float32)

        def denoise(x, sigma):
            return torch.tanh(1.3 * x / math.sqrt(1 + sigma**2) + math.sin(sigma))

        def noise():
            return torch.randn(SHAPE, generator=generator)

        state, restore = generator.get_state, generator.set_state

    whole = [(step, state()) for step in SAMPLERS[name](denoise, x, sigmas, noise, **options)]
    for k, (step, random_state) in enumerate(whole[:-1]):
        restore(random_state)
        again = SAMPLERS[name](denoise, step.x, sigmas[k:], noise, memory=step.memory, **options)
        for (before, _), after in zip(whole[k:], again, strict=True):
            assert before.sigma == after.sigma
            assert (before.x == after.x).all() and (before.denoised == after.denoised).all()


# --- arrays, tensors, precision ---


@walks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_and_tensors_give_the_same_picture_in_their_own_precision(name, options, dtype):
    sigmas = SPACINGS["beta"](SCHEDULES["cosine"](T), 12)
    array = START.astype(dtype)

    def draws():
        rng = np.random.default_rng(3)
        return lambda: rng.standard_normal(SHAPE).astype(dtype)

    draw = draws()
    tensors = list(
        SAMPLERS[name](
            lambda x, sigma: torch.tanh(x / math.sqrt(1 + sigma**2)),
            torch.from_numpy(array),
            sigmas,
            lambda: torch.from_numpy(draw()),
            **options,
        )
    )
    arrays = list(
        SAMPLERS[name](
            lambda x, sigma: np.tanh(x / math.sqrt(1 + sigma**2)), array, sigmas, draws(), **options
        )
    )
    for tensor, array_step in zip(tensors, arrays, strict=True):
        assert str(tensor.x.dtype) == f"torch.{dtype}" and array_step.x.dtype == dtype
        tolerance = 2e-4 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(tensor.x.numpy(), array_step.x, rtol=tolerance, atol=tolerance)


class NoDouble(TorchDispatchMode):
    """Fails where an operation makes a float64 tensor: some devices have none."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            assert not (isinstance(value, torch.Tensor) and value.dtype == torch.float64), function
        return result


@walks
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_no_float64_tensor_is_made_for_a_float32_picture(name, options, prediction):
    schedule, generator = SCHEDULES["cosine"](T), torch.Generator().manual_seed(0)
    for spacing, clipping in [("karras", "dynamic"), ("trailing", "range"), ("beta", "none")]:
        with NoDouble():
            denoise = Denoiser(
                lambda x, t, labels: torch.sin(x + t[:, None, None, None] + labels[:, None, None, None]),
                schedule,
                prediction=prediction,
                clipping=clipping,
                labels=torch.tensor([0, 1]),
                guidance=2.0,
                null_class=2,
            )
            sigmas = SPACINGS[spacing](schedule, 5)
            x = torch.randn(SHAPE, generator=generator) * (1 + sigmas[0] ** 2) ** 0.5
            walk = SAMPLERS[name](
                denoise, x, sigmas, lambda: torch.randn(SHAPE, generator=generator), **options
            )
            assert last(walk).x.dtype == torch.float32
