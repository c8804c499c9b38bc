"""Samplers against exact solutions, against their papers' equations written out anew, and against diffusers in float64."""

import copy
import inspect
import math
import statistics
import types
import warnings

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.sampler_step import lambda_step, split_noise
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.schedules import SCHEDULES, SPACINGS

T = 1000
STEPS = (10, 50, 100)
SHAPE = (2, 3, 4, 4)
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


def no_noise():
    raise AssertionError("this walk draws no noise")


def last(steps):
    *_, step = steps
    return step


def levels_between(high, low, n):
    """n steps of uneven length in every measure a sampler may use, then 0."""
    return [*(np.linspace(high ** (1 / 7), low ** (1 / 7), n + 1) ** 7).tolist(), 0.0]


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


# --- exact solutions ---
#
# For Gaussian data N(m, s²) the ideal denoiser is affine, so a whole walk is: what it makes of the first and of each later
# noise is carried along as a vector of coefficients, one unit vector a draw. Mean and variance come out exact, without luck.

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


# --- the papers' equations, written out anew ---


def curved(x, sigma):
    return np.tanh(1.3 * x / math.sqrt(1 + sigma**2) + math.sin(3 * math.log(sigma)))


def recorded_noise(seed=1):
    rng = np.random.default_rng(seed)
    return lambda: rng.standard_normal(SHAPE)


START = np.random.default_rng(0).standard_normal(SHAPE) * 80


@pytest.mark.parametrize("n", STEPS)
def test_dpmpp_2m_is_its_papers_algorithm_2(n):
    """Lu et al. 2022b, algorithm 2, in the variance-preserving state, with k-diffusion's first-order last step."""
    sigmas = SPACINGS["karras"](SCHEDULES["linear"](T), n)
    alpha = [1 / math.sqrt(1 + sigma**2) for sigma in sigmas]
    spread = [sigma * a for sigma, a in zip(sigmas, alpha, strict=True)]
    lam = [math.log(a / s) if s else math.inf for a, s in zip(alpha, spread, strict=True)]
    x, old = START * alpha[0], None
    for i in range(n):
        new = curved(x / alpha[i], sigmas[i])
        h = lam[i + 1] - lam[i]
        if old is None or i == n - 1:
            d = new
        else:
            r = (lam[i] - lam[i - 1]) / h
            d = (1 + 1 / (2 * r)) * new - 1 / (2 * r) * old
        x = spread[i + 1] / spread[i] * x - alpha[i + 1] * (math.exp(-h) - 1) * d
        old = new
    np.testing.assert_allclose(
        last(SAMPLERS["dpmpp_2m"](curved, START, sigmas, no_noise)).x, x, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("n", STEPS)
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_dpmpp_2m_sde_solves_its_linear_part_exactly(n, eta):
    """dx = (1 + eta²...) in lambda: with x̂0 linear in lambda over a step, the mean is an integral done here by quadrature.

    In y = x / sigma and tau = lambda the reverse SDE of Lu et al. 2022b (eq. 18, with k-diffusion's eta) reads
    dy = -eta y dtau + (1 + eta) e^tau x̂0(tau) dtau + sqrt(2 eta) dw; the midpoint form takes the mean of x̂0 over the
    step, extrapolated from the last two predictions, out of the integral.
    """
    sigmas, noise = SPACINGS["karras"](SCHEDULES["linear"](T), n), recorded_noise()
    nodes, weights = np.polynomial.legendre.leggauss(20)
    x, old, h_old = START, None, None
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        new = curved(x, sigma)
        if following == 0:
            x = new
            break
        start, end = -math.log(sigma), -math.log(following)
        h = end - start
        middle = new if old is None else new + (new - old) / h_old * h / 2
        tau = start + (nodes + 1) / 2 * h
        drift = (1 + eta) * np.sum(weights * np.exp(tau) * np.exp(-eta * (end - tau))) * h / 2
        spread = math.sqrt(2 * eta * np.sum(weights * np.exp(-2 * eta * (end - tau))) * h / 2)
        y = math.exp(-eta * h) * x / sigma + drift * middle
        x = following * (y + spread * noise()) if eta else following * y
        old, h_old = new, h
    ours = last(SAMPLERS["dpmpp_2m_sde"](curved, START, sigmas, recorded_noise(), eta=eta)).x
    np.testing.assert_allclose(ours, x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", STEPS)
@pytest.mark.parametrize("churn", [0.0, 5.0, 80.0])
def test_heun_is_edms_algorithm_2(n, churn):
    """Karras et al. 2022, algorithm 2, over their levels from 80 to 0.002, S_tmin 0.05, S_tmax 50, S_noise 1.003."""
    sigmas, noise = levels_between(80.0, 0.002, n - 1), recorded_noise()
    x = START
    for t, t_next in zip(sigmas, sigmas[1:], strict=False):
        gamma = min(churn / n, math.sqrt(2) - 1) if 0.05 <= t <= 50 else 0.0
        t_hat = t + gamma * t
        x_hat = x + math.sqrt(t_hat**2 - t**2) * 1.003 * noise() if gamma else x
        d = (x_hat - curved(x_hat, t_hat)) / t_hat
        x = x_hat + (t_next - t_hat) * d
        if t_next != 0:
            d_there = (x - curved(x, t_next)) / t_next
            x = x_hat + (t_next - t_hat) * (d / 2 + d_there / 2)
    ours = last(SAMPLERS["heun"](curved, START, sigmas, recorded_noise(), churn=churn, noise_scale=1.003)).x
    np.testing.assert_allclose(ours, x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", STEPS)
def test_euler_ancestral_is_k_diffusions_step(n):
    """sigma_up² = t² (s² - t²) / s², sigma_down² = t² - sigma_up², Euler down, noise up."""
    sigmas, noise = SPACINGS["karras"](SCHEDULES["linear"](T), n), recorded_noise()
    x = START
    for s, t in zip(sigmas, sigmas[1:], strict=False):
        up = math.sqrt(t**2 * (s**2 - t**2) / s**2)
        down = math.sqrt(t**2 - up**2)
        x = x + (x - curved(x, s)) / s * (down - s)
        x = x + up * noise() if t > 0 else x
    ours = last(SAMPLERS["euler_ancestral"](curved, START, sigmas, recorded_noise())).x
    np.testing.assert_allclose(ours, x, rtol=0, atol=1e-9)


def test_ddpm_ddim_with_eta_1_and_euler_ancestral_are_one_walk():
    sigmas = SPACINGS["trailing"](SCHEDULES["cosine"](T), 30)
    results = [
        last(SAMPLERS[name](curved, START, sigmas, recorded_noise(), **options)).x
        for name, options in [("ddpm", {}), ("ddim", {"eta": 1.0}), ("euler_ancestral", {})]
    ]
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(results[1], results[2])


def test_2m_sde_with_eta_0_is_2m():
    sigmas = SPACINGS["trailing"](SCHEDULES["cosine"](T), 30)
    ours = last(SAMPLERS["dpmpp_2m_sde"](curved, START, sigmas, no_noise, eta=0.0)).x
    np.testing.assert_allclose(
        ours, last(SAMPLERS["dpmpp_2m"](curved, START, sigmas, no_noise)).x, rtol=0, atol=1e-12
    )


def test_heun_leaves_out_the_correction_where_it_would_be_larger_than_the_state():
    """From 20,000 to 12 (a cosine schedule's first step) the average of the slopes overshoots; such a step stays Euler's."""
    assert ours_heun([20_000.0, 12.0, 0.0]) == pytest.approx(ours_heun([20_000.0, 12.0, 0.0], "ddim"))
    assert ours_heun([200.0, 12.0, 0.0]) != pytest.approx(ours_heun([200.0, 12.0, 0.0], "ddim"), rel=1e-4)


def ours_heun(sigmas, name="heun"):
    steps = list(SAMPLERS[name](lambda x, sigma: x / (1 + sigma**2), np.array([sigmas[0]]), sigmas, no_noise))
    return float(steps[1].x[0])


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_split_noise_keeps_the_variance(eta):
    for sigma, following in [(10.0, 9.999), (1e10, 30.0), (0.5, 0.01), (0.5, 0.0)]:
        down, up = split_noise(sigma, following, eta)
        assert math.hypot(down, up) == pytest.approx(following)
        assert (up > 0) == (eta > 0 and following > 0)
        if following and eta:  # DDIM, eq. 16, in alpha_bar
            a, b = 1 / (1 + sigma**2), 1 / (1 + following**2)
            sigma_t = eta * math.sqrt((1 - b) / (1 - a)) * math.sqrt(1 - a / b)
            assert up == pytest.approx(sigma_t / math.sqrt(b), rel=1e-9)


def test_lambda_step():
    assert lambda_step(8.0, 2.0) == pytest.approx(math.log(4.0))
    assert lambda_step(8.0, 0.0) == math.inf


# --- diffusers, in float64 ---


class Double(types.ModuleType):
    """torch, but float32 is float64: for the schedulers that cast to float32 inside their step."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


@pytest.fixture
def scheduler(diffusers, monkeypatch):
    """scheduler(class, schedule, levels, **config): diffusers' own, over our alpha_bar, timesteps and sigmas in float64."""

    def build(kind, schedule, sigmas, **config):
        config = {"num_train_timesteps": T, "timestep_spacing": "trailing", **config}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            theirs = getattr(diffusers, kind)(**config)
            theirs.alphas_cumprod = torch.tensor(schedule.alpha_bar)
            theirs.set_timesteps(len(sigmas) - 1)
        monkeypatch.setattr(inspect.getmodule(type(theirs)), "torch", Double("torch"))
        timesteps = torch.tensor([schedule.timestep(sigma) for sigma in sigmas[:-1]], dtype=torch.float64)
        levels = torch.tensor(sigmas, dtype=torch.float64)
        if kind == "HeunDiscreteScheduler":  # visits every inner level twice
            timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
            levels = torch.cat([levels[:1], levels[1:-1].repeat_interleave(2), levels[-1:]])
        else:
            assert torch.allclose(timesteps, theirs.timesteps.double(), atol=1e-6)
        if hasattr(theirs, "sigmas"):
            theirs.sigmas, theirs.timesteps = levels, timesteps
        if kind in (
            "DDIMScheduler",
            "DDPMScheduler",
            "UniPCMultistepScheduler",
            "DPMSolverMultistepScheduler",
        ):
            theirs.timesteps = timesteps.round().long()
        return theirs

    return build


def network(x_t, timestep):
    """Stands for a trained network: any smooth function of state and time does, for every kind of prediction."""
    return torch.tanh(1.3 * x_t + math.sin(0.01 * timestep)) * 0.9 + 0.1 * x_t


def ours(name, schedule, sigmas, prediction, clip, options):
    generator = torch.Generator().manual_seed(0)

    def noise():
        return torch.randn(SHAPE, generator=generator, dtype=torch.float64)

    denoise = Denoiser(
        lambda x, t, labels: network(x, float(t[0])),
        schedule,
        prediction=prediction,
        clipping="range" if clip else "none",
    )
    x = noise() * math.sqrt(1 + sigmas[0] ** 2)
    return last(SAMPLERS[name](denoise, x, sigmas, noise, **options)).x


def theirs(scheduler, prediction, clip_here=False, **step_options):
    """The loop of a pipeline. `clip_here`: for schedulers that can not clip, x̂0 is clipped in what the network answers."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    exploding = "Euler" in type(scheduler).__name__ or "Heun" in type(scheduler).__name__
    if exploding:
        x = x * math.sqrt(1 + float(scheduler.sigmas[0]) ** 2)
    if "generator" in inspect.signature(scheduler.step).parameters:
        step_options["generator"] = generator
    for t in scheduler.timesteps:
        x_t = scheduler.scale_model_input(x, t)
        answer = network(x_t, float(np.float32(t)))
        if clip_here:
            sigma = float(scheduler.sigmas[scheduler.step_index])
            clean = (x - sigma * answer) if prediction == "epsilon" else _clean_from_v(x, sigma, answer)
            clean = clean.clamp(-1, 1)
            epsilon = (x - clean) / sigma
            answer = epsilon if prediction == "epsilon" else _v_from(clean, epsilon, sigma)
        x = scheduler.step(answer, t, x, **step_options).prev_sample
    return x


def _clean_from_v(x, sigma, v):
    a = 1 / (1 + sigma**2)
    return a * x - math.sqrt(1 - a) * v


def _v_from(clean, epsilon, sigma):
    a = 1 / (1 + sigma**2)
    return math.sqrt(a) * epsilon - math.sqrt(1 - a) * clean


AGREEMENT = {  # name: (ours, our options, theirs, its options, options of its step)
    "ddim": ("ddim", {}, "DDIMScheduler", {}, {"use_clipped_model_output": True}),
    "ddim eta 0.5": (
        "ddim",
        {"eta": 0.5},
        "DDIMScheduler",
        {},
        {"use_clipped_model_output": True, "eta": 0.5},
    ),
    "ddim eta 1": ("ddim", {"eta": 1.0}, "DDIMScheduler", {}, {"use_clipped_model_output": True, "eta": 1.0}),
    "ddpm": ("ddpm", {}, "DDPMScheduler", {"variance_type": "fixed_small"}, {}),
    "2M": ("dpmpp_2m", {}, "DPMSolverMultistepScheduler", {"final_sigmas_type": "zero"}, {}),
    "2M SDE": (
        "dpmpp_2m_sde",
        {},
        "DPMSolverMultistepScheduler",
        {"final_sigmas_type": "zero", "algorithm_type": "sde-dpmsolver++"},
        {},
    ),
    "UniPC": (
        "unipc",
        {},
        "UniPCMultistepScheduler",
        {"final_sigmas_type": "zero", "solver_type": "bh2"},
        {},
    ),
    "Euler ancestral": ("euler_ancestral", {}, "EulerAncestralDiscreteScheduler", {}, {}),
    "Heun": ("heun", {}, "HeunDiscreteScheduler", {}, {}),
}


@pytest.mark.parametrize("n", STEPS)
@pytest.mark.parametrize("clip", [True, False], ids=["clipped", "unclipped"])
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("case", AGREEMENT)
def test_pictures_are_diffusers_within_1e_9(scheduler, case, prediction, schedule, clip, n):
    """The whole walk, with the same noise, over trailing levels (Heun: Karras' levels).

    Made comparable by: alpha_bar, sigmas and timesteps in float64, and `torch.float32` read as float64 in the scheduler's
    module, for those that cast; DDIM with `use_clipped_model_output=True`; the multistep solvers of order 2 ("midpoint",
    "bh2") with `final_sigmas_type="zero"`, clipped by `thresholding` with `sample_max_value=1`; Euler ancestral, which can
    not clip, given a network's answer whose x̂0 is clipped. DDPM's variance is at least 1e-20 in diffusers: 3e-10 in x.
    """
    name, options, kind, config, step_options = AGREEMENT[case]
    schedule = SCHEDULES[schedule](T)
    sigmas = SPACINGS["karras" if name == "heun" else "trailing"](schedule, n)
    clipping = {"prediction_type": prediction}
    if kind in ("DDIMScheduler", "DDPMScheduler", "HeunDiscreteScheduler"):
        clipping["clip_sample"] = clip
    elif clip and "Multistep" in kind:
        clipping |= {"thresholding": True, "sample_max_value": 1.0}
    reference = theirs(
        scheduler(kind, schedule, sigmas, **config, **clipping),
        prediction,
        clip_here=clip and "Ancestral" in kind,
        **step_options,
    )
    mine = ours(name, schedule, sigmas, prediction, clip, options)
    assert mine.dtype == reference.dtype == torch.float64
    assert float((mine - reference).abs().max()) < 1e-9


@pytest.mark.parametrize(
    ("case", "spacing"),
    [("ddim", "leading"), ("ddpm", "leading"), ("ddpm", "linspace"), ("ddim eta 1", "leading")],
)
def test_ddim_and_ddpm_are_diffusers_over_other_levels(scheduler, case, spacing):
    """Not DDIM over linspace: diffusers walks each step to t - T // n there, which is not the next timestep."""
    schedule = SCHEDULES["linear"](T)
    sigmas = SPACINGS[spacing](schedule, 25)
    name, options, kind, config, step_options = AGREEMENT[case]
    reference = scheduler(kind, schedule, sigmas, timestep_spacing=spacing, **config)
    mine = ours(name, schedule, sigmas, "epsilon", True, options)
    assert float((mine - theirs(reference, "epsilon", **step_options)).abs().max()) < 1e-9


def test_ddpm_with_large_variance_is_diffusers_over_all_1000_steps(scheduler):
    """With fewer steps diffusers adds fixed_large noise after the last one too (wherever t > 0): not a picture's noise."""
    schedule = SCHEDULES["linear"](T)
    sigmas = SPACINGS["trailing"](schedule, T)
    reference = theirs(scheduler("DDPMScheduler", schedule, sigmas, variance_type="fixed_large"), "epsilon")
    mine = ours("ddpm", schedule, sigmas, "epsilon", True, {"large_variance": True})
    assert float((mine - reference).abs().max()) < 1e-9


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
