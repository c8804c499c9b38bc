"""Noise schedules against their papers' closed forms and against diffusers; spacings against diffusers' timesteps."""

import math
import warnings

import numpy as np
import pytest

from diffusion_studio.diffusion.schedules import (
    KARRAS_SIGMA_MAX,
    SCHEDULES,
    SMALLEST_ALPHA_BAR,
    SPACINGS,
    NoiseSchedule,
    add_noise,
    beta_quantile,
    rescale_zero_terminal_snr,
    sigmoid_chen_betas,
)

T = 1000
TRAINED_ON = (10, 37, 100, 1000)
SLOW_SPACINGS = ("beta", "beta_timesteps")  # two milliseconds each, for the quantiles


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


@pytest.fixture(params=list(SCHEDULES))
def schedule(request):
    return SCHEDULES[request.param](T)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- schedules ---


def test_linear_is_the_product_of_one_minus_beta():
    """Ho et al. 2020: beta from 1e-4 to 0.02, alpha_bar their running product."""
    betas = [1e-4 + (0.02 - 1e-4) * t / (T - 1) for t in range(T)]
    expected = [math.exp(math.fsum(math.log1p(-beta) for beta in betas[: t + 1])) for t in range(T)]
    np.testing.assert_allclose(SCHEDULES["linear"](T).alpha_bar, expected, rtol=1e-11)


def test_scaled_linear_is_linear_in_the_root_of_beta():
    alpha_bar = np.append(1.0, SCHEDULES["scaled_linear"](T).alpha_bar)
    root = np.sqrt(1 - alpha_bar[1:] / alpha_bar[:-1])
    np.testing.assert_allclose(np.diff(root), (0.02**0.5 - 1e-4**0.5) / (T - 1), rtol=1e-6)
    np.testing.assert_allclose(root[[0, -1]], [1e-2, 0.02**0.5], rtol=1e-9)


@pytest.mark.parametrize("count", TRAINED_ON)
def test_cosine_is_its_closed_form(count):
    """Nichol & Dhariwal 2021, eq. 17: alpha_bar = f(t)/f(0), f = cos²((t/T + s)/(1 + s) pi/2); only the last beta is capped."""
    f = [math.cos((t / count + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(count + 1)]
    alpha_bar = SCHEDULES["cosine"](count).alpha_bar
    np.testing.assert_allclose(alpha_bar[:-1], np.array(f[1:-1]) / f[0], rtol=1e-10)
    np.testing.assert_allclose(alpha_bar[-1], alpha_bar[-2] * 1e-3, rtol=1e-10)


@pytest.mark.parametrize(("start", "end", "tau"), [(-3, 3, 1.0), (0, 3, 0.3), (-3, 3, 1.1)])
def test_chens_sigmoid_is_its_closed_form(start, end, tau):
    """Chen 2023, algorithm 1 (sigmoid), its three best settings; the cap on beta touches the last step only."""
    t = np.arange(1, T) / T
    first, last = sigmoid(start / tau), sigmoid(end / tau)
    expected = (last - sigmoid((t * (end - start) + start) / tau)) / (last - first)
    alpha_bar = NoiseSchedule.from_betas(sigmoid_chen_betas(T, start, end, tau)).alpha_bar
    np.testing.assert_allclose(alpha_bar[:-1], expected, rtol=1e-9)


def test_two_sigmoids_are_two_schedules():
    assert SCHEDULES["sigmoid_chen"](T).alpha_bar[T // 2 - 1] == pytest.approx(0.5, abs=1e-12)
    assert SCHEDULES["sigmoid"](T).alpha_bar[T // 2 - 1] == pytest.approx(0.302, abs=5e-4)


def test_diffusers_sigmoid_is_a_sigmoid_in_beta():
    betas = sigmoid(np.linspace(-6, 6, T)) * (0.02 - 1e-4) + 1e-4
    np.testing.assert_allclose(SCHEDULES["sigmoid"](T).alpha_bar, np.cumprod(1 - betas), rtol=1e-11)


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "cosine"])
def test_zero_terminal_snr_moves_the_last_root_to_nothing_and_keeps_the_first(name):
    """Lin et al. 2024, algorithm 1, on sqrt(alpha_bar): shift so that the last is 0, scale so that the first stays."""
    before, after = SCHEDULES[name](T), SCHEDULES[name + "_zero_snr"](T)
    r = np.sqrt(before.alpha_bar)
    np.testing.assert_allclose(
        np.sqrt(after.alpha_bar[:-1]), (r - r[-1])[:-1] / (r[0] - r[-1]) * r[0], rtol=1e-9
    )
    assert after.alpha_bar[0] == pytest.approx(before.alpha_bar[0], rel=1e-14)
    assert after.alpha_bar[-1] == SMALLEST_ALPHA_BAR
    assert after.sigma[-1] == pytest.approx(1e10) and np.isfinite(np.float32(after.sigma[-1]))
    assert after.config["rescale_betas_zero_snr"] is True
    again = rescale_zero_terminal_snr(after)
    np.testing.assert_allclose(again.alpha_bar, after.alpha_bar, rtol=0, atol=1e-9)


@pytest.mark.parametrize("count", [37, 1000])
@pytest.mark.parametrize("name", list(SCHEDULES))
def test_alpha_bar_is_diffusers(diffusers, name, count):
    """What diffusers builds in float32 from our config; its rounded running product is off by up to 1e-4 near zero SNR."""
    ours = SCHEDULES[name](count)
    theirs = diffusers.DDPMScheduler.from_config(dict(ours.config)).alphas_cumprod.double().numpy()
    assert len(theirs) == count
    np.testing.assert_allclose(ours.alpha_bar, theirs, rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(
        np.sqrt(ours.alpha_bar), np.sqrt(theirs), atol=2e-6 if "zero_snr" not in name else 5e-4
    )


def test_a_config_describes_its_schedule(schedule):
    again = NoiseSchedule.from_config(dict(schedule.config))
    np.testing.assert_array_equal(again.alpha_bar, schedule.alpha_bar)
    assert dict(again.config) == dict(schedule.config)
    assert schedule.config["num_train_timesteps"] == len(schedule) == T


def test_an_empty_config_is_ddpms_linear_schedule():
    np.testing.assert_array_equal(
        NoiseSchedule.from_config({}).alpha_bar, SCHEDULES["linear"](1000).alpha_bar
    )


def test_a_config_with_its_own_ends_of_beta():
    betas = np.linspace(0.001, 0.3, 50)
    config = {
        "num_train_timesteps": 50,
        "beta_start": 0.001,
        "beta_end": 0.3,
        "prediction_type": "v_prediction",
    }
    schedule = NoiseSchedule.from_config(config)
    np.testing.assert_allclose(schedule.alpha_bar, np.cumprod(1 - betas), rtol=1e-12)
    assert schedule.config["prediction_type"] == "v_prediction"


def test_trained_betas_win_over_everything_else_and_count_the_timesteps():
    betas = [0.1, 0.2, 0.5]
    schedule = NoiseSchedule.from_config(
        {
            "trained_betas": betas,
            "num_train_timesteps": 1000,
            "beta_schedule": "nobody knows",
            "beta_start": 0.5,
        }
    )
    np.testing.assert_allclose(schedule.alpha_bar, [0.9, 0.72, 0.36], rtol=1e-15)
    assert len(schedule) == schedule.config["num_train_timesteps"] == 3


def test_trained_betas_are_rescaled_where_the_config_says_so():
    schedule = NoiseSchedule.from_config({"trained_betas": [0.1, 0.2, 0.5], "rescale_betas_zero_snr": True})
    r = np.sqrt([0.9, 0.72, 0.36])
    np.testing.assert_allclose(
        schedule.alpha_bar[:2], ((r - r[2]) / (r[0] - r[2]) * r[0])[:2] ** 2, rtol=1e-14
    )
    assert schedule.alpha_bar[2] == SMALLEST_ALPHA_BAR


def test_an_unknown_beta_schedule_is_named_with_what_is_known():
    with pytest.raises(
        ValueError, match="laplace.*known are: linear, scaled_linear, squaredcos_cap_v2, sigmoid"
    ):
        NoiseSchedule.from_config({"beta_schedule": "laplace"})


@pytest.mark.parametrize(
    "alpha_bar",
    [
        [],
        [0.5],
        [[0.9, 0.5]],
        [0.5, 0.9],
        [0.9, 0.9],
        [1.0, 0.5],
        [1.5, 0.5],
        [0.5, -0.1],
        [0.9, math.nan],
        [math.inf, 0.5],
        [0.9, 0.0, 0.0],
    ],
    ids=str,
)
def test_what_is_no_schedule_is_refused(alpha_bar):
    with pytest.raises(ValueError, match="alpha_bar must"):
        NoiseSchedule(np.array(alpha_bar))


@pytest.mark.parametrize("betas", [[0.1, 1.5], [0.0, 0.1], [0.1, 0.0], [0.1, -0.1]], ids=str)
def test_betas_that_are_no_variances_are_refused(betas):
    with pytest.raises(ValueError, match="alpha_bar must"):
        NoiseSchedule.from_betas(np.array(betas))


def test_sigma_and_snr_say_the_same_as_alpha_bar(schedule):
    assert np.all(np.diff(schedule.sigma) > 0)
    np.testing.assert_allclose(1 / (1 + schedule.sigma**2), schedule.alpha_bar, rtol=1e-12)
    np.testing.assert_allclose(schedule.log_snr, -2 * np.log(schedule.sigma), rtol=1e-9, atol=1e-9)


def test_the_forward_process_is_diffusers(diffusers):
    import torch

    schedule = SCHEDULES["cosine"](T)
    theirs = diffusers.DDPMScheduler.from_config(dict(schedule.config))
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 5, 3, 4, 4, generator=generator)
    timesteps = torch.tensor([0, 250, 500, 900, 999])
    alpha_bar = torch.tensor(schedule.alpha_bar, dtype=torch.float32)[timesteps].view(-1, 1, 1, 1)
    torch.testing.assert_close(add_noise(clean, noise, alpha_bar), theirs.add_noise(clean, noise, timesteps))


def test_the_forward_process_keeps_unit_variance_and_reaches_both_ends():
    clean, noise = np.array([1.0, -1.0]), np.array([0.5, 2.0])
    np.testing.assert_array_equal(add_noise(clean, noise, 1.0), clean)
    np.testing.assert_array_equal(add_noise(clean, noise, 0.0), noise)
    np.testing.assert_allclose(add_noise(clean, noise, 0.36), 0.6 * clean + 0.8 * noise)


# --- t <-> sigma ---


def test_sigma_at_whole_timesteps_is_bit_for_bit_the_schedules(schedule):
    assert [schedule.sigma_at(t) for t in range(T)] == schedule.sigma.tolist()


def test_timestep_is_the_inverse_of_sigma_at(schedule):
    for t in [0, 1, 2, 499, 998, 999, 0.25, 0.5, 41.7, 500.5, 998.9]:
        assert schedule.timestep(schedule.sigma_at(t)) == pytest.approx(t, abs=1e-9)
    for sigma in np.geomspace(schedule.sigma[0], schedule.sigma[-1], 50):
        assert schedule.sigma_at(schedule.timestep(sigma)) == pytest.approx(sigma, rel=1e-9)


def test_between_timesteps_the_logarithm_of_sigma_is_interpolated(schedule):
    assert schedule.sigma_at(10.5) == pytest.approx(
        math.sqrt(schedule.sigma[10] * schedule.sigma[11]), rel=1e-12
    )


def test_beyond_the_ends(schedule):
    assert schedule.sigma_at(-0.25) == pytest.approx(0.75 * schedule.sigma[0])
    assert schedule.sigma_at(-1) == schedule.sigma_at(-7) == 0.0
    assert schedule.sigma_at(T + 5) == pytest.approx(schedule.sigma[-1])
    assert schedule.timestep(schedule.sigma[0] / 2) == schedule.timestep(0.0) == 0.0
    assert schedule.timestep(schedule.sigma[-1] * 2) == T - 1


def test_many_timesteps_at_once_are_each_one_alone(schedule):
    timesteps = np.array([[-1.5, -0.3, 0.0], [3.0, 3.5, 999.0]])
    assert schedule.sigmas_at(timesteps).tolist() == [
        [schedule.sigma_at(t) for t in row] for row in timesteps.tolist()
    ]


# --- spacings ---


@pytest.mark.parametrize("count", TRAINED_ON)
@pytest.mark.parametrize("spacing", list(SPACINGS))
def test_noise_levels_fall_strictly_to_nothing(spacing, count):
    """1 to 1,000 steps of a model trained on any number of steps, more steps than that included."""
    counts = [*range(1, 40), 99, 100, 101, 333, 999, 1000] if spacing in SLOW_SPACINGS else range(1, 1001)
    for name in ("linear", "cosine_zero_snr"):
        schedule = SCHEDULES[name](count)
        for n in counts:
            levels = np.array(SPACINGS[spacing](schedule, n))
            assert len(levels) == n + 1 and levels[-1] == 0.0, n
            assert np.all(np.diff(levels) < 0) and np.all(np.isfinite(levels)), n
            assert levels[0] <= schedule.sigma[-1] * (1 + 1e-12), n


@pytest.mark.parametrize("spacing", list(SPACINGS))
def test_noise_levels_are_plain_floats_for_every_schedule(spacing, schedule):
    for n in (1, 7):
        levels = SPACINGS[spacing](schedule, n)
        assert {type(level) for level in levels} == {
            float
        }  # a numpy scalar would make float64 of float32 arrays
        assert all(a > b for a, b in zip(levels, levels[1:], strict=False))


@pytest.mark.parametrize("count", TRAINED_ON)
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_timesteps_are_diffusers(diffusers, spacing, count):
    """DDPMScheduler's for every n it takes, rounding halves as it does; DDIMScheduler's are the same.

    Two deliberate differences: where its arange runs over and gives n + 1 trailing timesteps, the stray one is left out,
    and a single step of linspace starts at pure noise and not at t = 0.
    """
    schedule = SCHEDULES["linear"](count)
    theirs = diffusers.DDPMScheduler(num_train_timesteps=count, timestep_spacing=spacing)
    for n in range(2 if spacing == "linspace" else 1, count + 1):
        theirs.set_timesteps(n)
        expected = schedule.sigma[theirs.timesteps.numpy()[:n]]
        assert SPACINGS[spacing](schedule, n)[:-1] == expected.tolist(), n
    ddim = diffusers.DDIMScheduler(num_train_timesteps=count, timestep_spacing=spacing)
    ddim.set_timesteps(count // 3)
    theirs.set_timesteps(count // 3)
    assert ddim.timesteps.tolist() == theirs.timesteps.tolist()


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_leading_heeds_the_steps_offset_as_diffusers_does(diffusers, offset):
    theirs = diffusers.DDPMScheduler(timestep_spacing="leading", steps_offset=offset)
    schedule = NoiseSchedule.from_config({"steps_offset": offset})
    for n in (7, 10, 50, 64):
        theirs.set_timesteps(n)
        assert SPACINGS["leading"](schedule, n)[:-1] == schedule.sigma[theirs.timesteps.numpy()].tolist()


@pytest.mark.parametrize("offset", [1, 999, 10**9, -5])
def test_a_steps_offset_never_leaves_the_schedule(offset):
    schedule = NoiseSchedule.from_config({"steps_offset": offset})
    for n in (1, 10, 999, 1000, 1001):
        levels = SPACINGS["leading"](schedule, n)
        assert levels[0] <= schedule.sigma[-1] and np.all(np.diff(levels) < 0)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # of diffusers, at numpy's door
@pytest.mark.parametrize("n", [1, 2, 10, 50, 100, 1000])
@pytest.mark.parametrize("spacing", ["karras", "exponential", "beta"])
def test_sigmas_are_diffusers(diffusers, spacing, n):
    """EulerDiscreteScheduler(use_*_sigmas) over the whole range of the linear schedule, in its float32.

    It takes the ends from its own n timesteps, so `linspace`, whose ends are T - 1 and 0; for n = 1 they are given.
    """
    pytest.importorskip("scipy")
    schedule = SCHEDULES["linear"](T)
    ends = {"sigma_min": float(schedule.sigma[0]), "sigma_max": float(schedule.sigma[-1])}
    theirs = diffusers.EulerDiscreteScheduler(**{f"use_{spacing}_sigmas": True}, **ends)
    theirs.set_timesteps(n)
    np.testing.assert_allclose(SPACINGS[spacing](schedule, n), theirs.sigmas.double().numpy(), rtol=1e-5)


def test_beta_quantiles_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    p = np.array([0.0, 1e-9, 1e-3, 0.2, 0.5, 0.7, 0.999, 1 - 1e-9, 1.0])
    for a, b in [(0.6, 0.6), (0.5, 0.8), (1.0, 1.0), (2.0, 3.0)]:
        np.testing.assert_allclose(beta_quantile(p, a, b), stats.beta.ppf(p, a, b), rtol=1e-12, atol=1e-14)


def test_beta_timesteps_are_quantiles_of_the_timestep():
    schedule = SCHEDULES["linear"](T)
    stats = pytest.importorskip("scipy.stats")
    expected = [schedule.sigma_at(999 * stats.beta.ppf(1 - i / 9, 0.6, 0.6)) for i in range(10)]
    np.testing.assert_allclose(SPACINGS["beta_timesteps"](schedule, 10)[:-1], expected, rtol=1e-9)


def test_quadratic_is_its_formula():
    schedule = SCHEDULES["cosine"](T)
    expected = [schedule.sigma_at(999 * (i / 10) ** 2) for i in range(10, 0, -1)]
    np.testing.assert_allclose(SPACINGS["quadratic"](schedule, 10)[:-1], expected, rtol=1e-12)


def test_karras_is_edms_formula():
    """Karras et al. 2022, eq. 5."""
    schedule, n = SCHEDULES["linear"](T), 18
    low, high = schedule.sigma[0], schedule.sigma[-1]
    expected = [(high ** (1 / 7) + i / (n - 1) * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for i in range(n)]
    np.testing.assert_allclose(SPACINGS["karras"](schedule, n)[:-1], expected, rtol=1e-12)


@pytest.mark.parametrize("spacing", ["karras", "exponential", "beta"])
def test_spacings_in_sigma_start_where_a_model_can_use_it(spacing):
    assert SCHEDULES["cosine"](T).sigma[-1] > 20_000 and SCHEDULES["linear"](T).sigma[-1] < KARRAS_SIGMA_MAX
    for name in SCHEDULES:
        schedule = SCHEDULES[name](T)
        levels = SPACINGS[spacing](schedule, 20)
        assert levels[0] == pytest.approx(min(schedule.sigma[-1], KARRAS_SIGMA_MAX))
        assert levels[-2] == pytest.approx(schedule.sigma[0])


def test_a_schedule_of_nothing_but_noise_still_has_noise_levels():
    schedule = NoiseSchedule(np.array([1e-6, 1e-8]))
    for spacing in SPACINGS.values():
        assert np.all(np.diff(spacing(schedule, 5)) < 0)
