"""Flows: their process, their spacings and every sampler on them, against exact solutions and against diffusers."""

import math
import statistics
import warnings

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.flow_config import dynamic_shift, is_flow, recommended
from diffusion_studio.diffusion.flows import LARGEST_SIGMA, Flow, sigma_of_time, time_of_sigma
from diffusion_studio.diffusion.processes import PROCESSES, process_from_config
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.scheduler_config import prediction_from_config
from diffusion_studio.diffusion.schedules import SCHEDULES, SPACINGS
from tests.model_folders import diffusers as quiet_diffusers

SHAPE = (2, 3, 4, 4)
EULER = "FlowMatchEulerDiscreteScheduler"
MEAN, SPREAD = 0.7, 0.5
HOW = {"heun": {"scale": Flow().scale}}
ORDERS = {
    "ddim": 1,
    "ddpm": 1,
    "euler_ancestral": 1,
    "heun": 2,
    "dpmpp_2m": 2,
    "dpmpp_2m_sde": 2,
    "unipc": 2,
    "lms": 2,
    "plms": 2,
}
RANDOM = {"consistency", "ddpm", "euler_ancestral", "dpmpp_2m_sde"}


@pytest.fixture(scope="module")
def diffusers():
    pytest.importorskip("diffusers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quiet_diffusers()


def times(sigmas):
    return [time_of_sigma(sigma) for sigma in sigmas]


def last(steps):
    *_, step = steps
    return step


# --- the process ---


def test_x_t_is_a_straight_line_from_picture_to_noise():
    flow, rng = Flow(), np.random.default_rng(0)
    clean, noise = rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    for t in (0.001, 0.25, 0.5, 0.9, 0.999):
        sigma = float(sigma_of_time(np.asarray(t)))
        x_t = (1 - t) * clean + t * noise
        np.testing.assert_allclose(flow.mix(clean, noise, flow.left(sigma)), x_t, rtol=1e-12)
        np.testing.assert_allclose(flow.scale(sigma) * (clean + sigma * noise), x_t, rtol=1e-9, atol=1e-12)
        assert flow.timestep(sigma) == pytest.approx(1000 * t) and flow.noise_share(sigma) == pytest.approx(t)
        assert flow.scale(sigma) * flow.spread(sigma) == pytest.approx(1)


def test_the_ends_of_a_flow():
    flow = Flow()
    assert flow.sigma_at(0) == 0 and flow.sigma_at(-5) == 0
    assert flow.sigma_at(1000) == flow.sigma_at(2000) == LARGEST_SIGMA == flow.sigma[-1]
    assert np.float32(flow.timestep(LARGEST_SIGMA)) == 1000  # what the network is given, in its own format
    assert flow.picture_share[-1] == 0 and np.all(np.diff(flow.picture_share) < 0)
    assert list(flow.timesteps[[0, -1]]) == [1, 1000] and len(flow) == 1000


def test_timestep_is_the_inverse_of_sigma_at():
    flow = Flow(1000)
    for timestep in (0.5, 1, 333.3, 999, 999.99):
        assert flow.timestep(flow.sigma_at(timestep)) == pytest.approx(timestep, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("t", [0.001, 0.3, 0.9, 0.999, 1.0])
def test_the_velocity_gives_back_the_picture_also_from_pure_noise(t, dtype):
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(SHAPE, generator=generator, dtype=dtype) for _ in range(2))
    sigma = float(sigma_of_time(np.asarray(t)))
    asked = []

    def network(x_t, timestep, labels):
        asked.append((x_t, timestep))
        return noise - clean

    denoise = Denoiser(network, Flow(), prediction="flow_prediction", clipping="none")
    found = denoise(clean + sigma * noise, sigma)
    assert (found - clean).abs().max() < (5e-6 if dtype == torch.float32 else 2e-9)
    ((x_t, timestep),) = asked
    assert torch.allclose(x_t, (1 - t) * clean + t * noise, atol=1e-5) and timestep.dtype == torch.float32
    assert timestep.tolist() == pytest.approx([1000 * t] * 2)


@pytest.mark.parametrize(
    ("process", "prediction"), [(Flow(), "epsilon"), (SCHEDULES["linear"](10), "flow_prediction")]
)
def test_a_prediction_of_another_process_is_refused_with_what_fits(process, prediction):
    with pytest.raises(ValueError, match=f"“{prediction}” does not fit this process; it allows: "):
        Denoiser(lambda x, t, labels: x, process, prediction=prediction)


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_answers_the_same_questions(name):
    process, rng = PROCESSES[name](100), np.random.default_rng(1)
    clean, noise = rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    assert len(process) == len(process.timesteps) == len(process.sigma) == len(process.picture_share) == 100
    for sigma in (0.02, 0.7, 8.0):
        mixed = process.mix(clean, noise, process.left(sigma))
        np.testing.assert_allclose(process.spread(sigma) * mixed, clean + sigma * noise, rtol=1e-9)
        assert 0 < process.noise_share(sigma) < 1
    assert process.noise_share(0) == 0 and process.noise_share(1e12) == pytest.approx(1)
    sigmas = [process.sigma_of_strength(strength) for strength in (0.1, 0.5, 0.99)]
    assert sigmas == sorted(sigmas) and sigmas[0] > 0
    assert np.all(np.diff(process.start_share) < 0) and len(process.start_share) == 100
    assert process.at_size(4096) is process and len(process.shifted(3.0)) == 100


# --- shifts and spacings ---


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0, 12.0])
def test_a_shift_multiplies_sigma(shift):
    t = np.linspace(0.001, 0.999, 50)
    found = time_of_sigma(shift * sigma_of_time(t))
    np.testing.assert_allclose(found, shift * t / (1 + (shift - 1) * t), rtol=1e-12)
    assert Flow(shift=shift).sigma_of_strength(0.4) == pytest.approx(shift * 0.4 / 0.6)
    assert times(SPACINGS["trailing"](Flow().shifted(shift), 4)) == pytest.approx(
        times(SPACINGS["trailing"](Flow(shift=shift), 4))
    )


@pytest.mark.parametrize("flow", [Flow(), Flow(20, 0.3), Flow(1000, 1000.0), Flow(1000, 3.0, 0.1)], ids=repr)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_noise_levels_fall_strictly_from_at_most_the_largest_to_nothing(spacing, flow):
    for n in (1, 2, 3, 20, 50, 1000):
        sigmas = SPACINGS[spacing](flow, n)
        assert len(sigmas) == n + 1 and sigmas[-1] == 0 and all(type(sigma) is float for sigma in sigmas)
        assert all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False))
        assert sigmas[0] <= LARGEST_SIGMA


def test_trailing_is_the_levels_flux_asks_for():
    assert times(SPACINGS["trailing"](Flow(), 7)) == pytest.approx([*np.linspace(1, 1 / 7, 7), 0])


@pytest.mark.parametrize("n", [1, 2, 5, 28, 100])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"shift": 3.0},
        {"shift": 0.5, "num_train_timesteps": 200},
        {"use_karras_sigmas": True, "shift": 3.0},
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True, "shift": 2.0},
        {"shift_terminal": 0.1, "shift": 2.0},
        {"use_dynamic_shifting": True},
        {"use_dynamic_shifting": True, "time_shift_type": "linear", "shift_terminal": 0.1, "base_shift": 0.7},
        {"use_dynamic_shifting": True, "use_karras_sigmas": True, "max_shift": 0.9},
    ],
    ids=str,
)
def test_levels_are_those_of_diffusers_scheduler(diffusers, config, n):
    if n == 1 and "shift_terminal" in config:
        pytest.skip("theirs divides by zero")
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(**config)
    tokens = 1024
    mu = (theirs.config.max_shift - theirs.config.base_shift) * (tokens - 256) / (4096 - 256)
    mu += theirs.config.base_shift
    theirs.set_timesteps(n, mu=mu if "use_dynamic_shifting" in config else None)
    full = dict(theirs.config)
    flow = process_from_config({**full, "_class_name": EULER}).at_size(tokens)
    spacing = recommended({**full, "_class_name": EULER})["spacing"]
    ours = SPACINGS[spacing](flow, n)
    np.testing.assert_allclose(times(ours), theirs.sigmas.numpy(), rtol=3e-5, atol=1e-7)
    network = [flow.timestep(sigma) for sigma in ours[:-1]]
    np.testing.assert_allclose(network, theirs.timesteps.numpy(), rtol=3e-5, atol=1e-4)


def test_the_dynamic_shift_goes_from_base_to_max_and_beyond():
    """As calculate_shift of diffusers' FLUX pipeline, and e to that."""
    for tokens, mu in {256: 0.5, 4096: 1.15, 1024: 0.63, 64: 0.4675, 10_000: 2.149375}.items():
        assert dynamic_shift({}, tokens) == pytest.approx(math.exp(mu))
        assert dynamic_shift({"time_shift_type": "linear"}, tokens) == pytest.approx(mu)
    assert dynamic_shift({}, 10**9) == 1000 and dynamic_shift({"time_shift_type": "linear"}, 2) > 0


# --- configurations ---


def test_a_config_of_a_flow_is_told_from_one_of_a_schedule():
    assert is_flow({"_class_name": EULER}) and not is_flow({"_class_name": "DDPMScheduler"})
    solver = {
        "_class_name": "UniPCMultistepScheduler",
        "use_flow_sigmas": True,
        "prediction_type": "flow_prediction",
        "flow_shift": 5.0,
    }
    flow = process_from_config(solver)
    assert isinstance(flow, Flow) and flow.shift == 5 and flow.config["_class_name"] == EULER
    assert (
        prediction_from_config(solver) == prediction_from_config({"_class_name": EULER}) == "flow_prediction"
    )
    assert prediction_from_config({}) == "epsilon"
    assert recommended(solver)["sampler"] == "unipc"
    again = process_from_config(flow.config)
    assert (again.shift, again.count) == (5, 1000)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"invert_sigmas": True}, "invert_sigmas is not supported"),
        (
            {"_class_name": "FlowMatchLCMScheduler"},
            "sampled with FlowMatchLCMScheduler, which is not supported",
        ),
        ({"shift": 0}, "shift must be a number above 0 and at most 1000, not 0"),
        ({"shift": True}, "shift must be a number"),
        ({"shift": float("nan")}, "shift must be a number"),
        ({"shift": "3"}, "shift must be a number"),
        ({"num_train_timesteps": 1}, "num_train_timesteps must be a whole number from 2"),
        ({"num_train_timesteps": 12.5}, "num_train_timesteps must be a whole number from 2"),
        ({"shift_terminal": 2}, "shift_terminal must be a number above 0 and at most 0.99, not 2"),
        ({"time_shift_type": "cubic"}, "time_shift_type must be exponential or linear, not 'cubic'"),
        ({"base_image_seq_len": 64, "max_image_seq_len": 64}, "must differ"),
        ({"_class_name": "DDPMScheduler", "prediction_type": "flow_prediction"}, "needs use_flow_sigmas"),
        (
            {"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True, "prediction_type": "epsilon"},
            "use_flow_sigmas needs the prediction_type flow_prediction, not epsilon",
        ),
    ],
    ids=str,
)
def test_what_is_not_supported_is_named_with_what_is(config, words):
    with pytest.raises(ValueError, match=words):
        process_from_config({"_class_name": EULER, **config})


def test_a_flow_of_too_few_timesteps_or_no_shift_is_refused():
    for faulty in ({"count": 1}, {"shift": 0.0}, {"shift": math.inf}):
        with pytest.raises(ValueError, match="must be"):
            Flow(**faulty)


# --- every sampler, exactly ---
#
# For Gaussian data the ideal denoiser is affine, so a walk is: each noise is a unit vector, and mean and variance come out exact.


def gaussian_denoiser(x, sigma):
    mean = np.zeros_like(x)
    mean[0] = MEAN
    return (SPREAD**2 * x + sigma**2 * mean) / (SPREAD**2 + sigma**2)


def moments(name, sigmas, denoise=gaussian_denoiser):
    """(mean, variance) of x_t at each level, for a walk begun as a generation begins: pure noise at t = 1."""
    size, draws = len(sigmas) + 2, iter(range(2, len(sigmas) + 2))

    def noise():
        unit = np.zeros(size)
        unit[next(draws)] = 1.0
        return unit

    x = np.zeros(size)
    x[1] = Flow().spread(sigmas[0])
    steps = SAMPLERS[name](denoise, x, sigmas, noise, **HOW.get(name, {}))
    return [(step.x[0], float(np.sum(step.x[1:] ** 2))) for step in steps]


@pytest.mark.parametrize("name", ORDERS)
def test_from_pure_noise_the_moments_converge_at_the_samplers_order(name):
    errors = []
    for n in (40, 80, 160, 320):
        sigmas = SPACINGS["trailing"](Flow(), n)
        mean, variance = moments(name, [*sigmas[:-1], 1e-6, 0.0])[-2]
        assert mean == pytest.approx(MEAN, abs=0.02)
        errors.append(abs(variance / SPREAD**2 - 1))
    orders = [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]
    assert orders[-1] > ORDERS[name] - 0.3, (errors, orders)
    assert errors[-1] < {1: 0.03, 2: 0.01}[ORDERS[name]]


@pytest.mark.parametrize(
    "spacing", [name for name in SPACINGS if name != "leading"]
)  # which starts below t = 1
@pytest.mark.parametrize("name", SAMPLERS)
def test_when_the_picture_is_known_every_level_has_its_exact_noise(name, spacing):
    def denoise(x, sigma):
        known = np.zeros_like(x)
        known[0] = MEAN
        return known

    flow = Flow(1000, 3.0)
    sigmas = SPACINGS[spacing](flow, 6)
    found = moments(name, sigmas, denoise)
    for sigma, (mean, variance) in zip(sigmas[1:-1], found[1:-1], strict=True):
        # the start, pure noise at t, has a little less of the picture than the process, which the walk carries along
        assert math.sqrt(variance) == pytest.approx(sigma, rel=2e-2)
        assert mean == pytest.approx(MEAN, abs=2e-2 * (1 + sigma))
    assert found[-1][0] == pytest.approx(MEAN) and found[-1][1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in RANDOM])
def test_deterministic_walks_keep_every_point_at_its_quantile(name):
    """Data at -1 or 1 with spread 0.3, from pure noise at t = 1 to the picture."""
    spread, normal = 0.3, statistics.NormalDist()

    def denoise(x, sigma):
        variance = spread**2 + sigma**2
        centre = np.tanh(x / variance)
        return centre + spread**2 / variance * (x - centre)

    def quantile_of(x):
        return (normal.cdf((x - 1) / spread) + normal.cdf((x + 1) / spread)) / 2

    points = [0.03, 0.2, 0.4, 0.6, 0.9]
    noise = np.array([normal.inv_cdf(p) for p in points])
    errors = []
    for n in (40, 80, 160, 320):
        sigmas = SPACINGS["trailing"](Flow(), n)
        start = noise * Flow().spread(sigmas[0])
        picture = last(SAMPLERS[name](denoise, start, sigmas, None, **HOW.get(name, {}))).x
        errors.append(max(abs(quantile_of(x) - p) for x, p in zip(picture, points, strict=True)))
    assert errors[-2] / errors[-1] > 2 ** (ORDERS[name] - 0.35), errors
    assert errors[-1] < {1: 0.02, 2: 4e-4}[ORDERS[name]]


def test_the_stand_in_for_infinity_makes_no_difference():
    """From t = 1 the first step of every sampler is the limit: x_0 predicted, and noise of the next level."""
    noise = np.random.default_rng(0).standard_normal(SHAPE)
    clean = np.tanh(noise)
    for name in set(SAMPLERS) - RANDOM:
        sigmas = [LARGEST_SIGMA, 3.0, 0.0]
        walk = SAMPLERS[name](lambda x, sigma: clean, noise * Flow().spread(sigmas[0]), sigmas, None)
        states = [step.x for step in walk]
        np.testing.assert_allclose(states[1], clean + 3.0 * noise, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(states[2], clean, rtol=1e-8, atol=1e-8)


# --- against diffusers ---


def velocity(x_t, t):
    """A smooth stand-in for a network."""
    return torch.tanh(1.3 * x_t) * (0.6 + 0.3 * math.sin(3 * t)) + 0.2 * torch.cos(x_t + t)


def walk_ours(name, sigmas, noise, process):
    def network(x_t, timestep, labels):
        return velocity(x_t, float(timestep[0]) / len(process))

    denoise = Denoiser(network, process, prediction="flow_prediction", clipping="none")
    x = noise * process.spread(sigmas[0])
    how = {"heun": {"scale": process.scale}}.get(name, {})
    return last(SAMPLERS[name](denoise, x, sigmas, None, **how)).x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("n", [1, 4, 28])
def test_euler_is_diffusers(diffusers, n, shift, dtype):
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    theirs.set_timesteps(n)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=dtype)
    x = noise
    for timestep in theirs.timesteps:
        x = theirs.step(velocity(x, float(timestep) / 1000), timestep, x).prev_sample
    ours = walk_ours("ddim", SPACINGS["linspace"](Flow(1000, shift), n), noise, Flow(1000, shift))
    assert (ours - x).abs().max() < 5e-6  # theirs computes in float32 whatever it is given


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("n", [2, 5, 28])
def test_heun_is_diffusers(diffusers, n, shift):
    theirs = diffusers.FlowMatchHeunDiscreteScheduler(shift=shift)
    theirs.set_timesteps(n)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    x = noise
    for timestep in theirs.timesteps:
        x = theirs.step(velocity(x, float(timestep) / 1000), timestep, x).prev_sample
    sigmas = SPACINGS["linspace"](Flow(1000, shift), n)
    ratios = [a / b for a, b in zip(times(sigmas), times(sigmas)[1:-1], strict=False)]
    ours = walk_ours("heun", sigmas, noise, Flow(1000, shift))
    if max(ratios) < 20:  # where t falls further in a step, ours takes Euler's
        assert (ours - x).abs().max() < 2e-5
    assert (ours - x).abs().max() < 0.2


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("dpmpp_2m", "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
        ("unipc", "UniPCMultistepScheduler", {"solver_order": 2, "solver_type": "bh2"}),
    ],
)
@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("n", [5, 20, 50])
def test_multistep_solvers_are_diffusers(diffusers, n, shift, name, kind, options):
    theirs = getattr(diffusers, kind)(
        use_flow_sigmas=True,
        flow_shift=shift,
        prediction_type="flow_prediction",
        final_sigmas_type="zero",
        lower_order_final=True,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.set_timesteps(n)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    x = noise
    levels = theirs.sigmas.tolist()
    for t, timestep in zip(levels, theirs.timesteps, strict=False):
        x = theirs.step(velocity(x, t), timestep, x).prev_sample
    sigmas = [float(sigma_of_time(np.asarray(t))) for t in levels]
    ours = walk_ours(name, sigmas, noise, Flow(1000, shift))
    assert (ours - x).abs().max() < 2e-5
