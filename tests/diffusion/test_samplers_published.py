"""Samplers against the equations of their papers, written out independently."""

import math

import numpy as np
import pytest

from diffusion_studio.diffusion.sampler_step import lambda_step, split_noise
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.schedules import SCHEDULES, SPACINGS
from tests.diffusion.sampler_cases import SHAPE, START, STEPS, T, curved, last, levels_between, no_noise


def recorded_noise(seed=1):
    rng = np.random.default_rng(seed)
    return lambda: rng.standard_normal(SHAPE)


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
