"""Every sampler with its options, and what their tests share."""

import math

import numpy as np
import torch

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.samplers import SAMPLERS

T = 1000


STEPS = (10, 50, 100)


SHAPE = (2, 3, 4, 4)


def no_noise():
    raise AssertionError("this walk draws no noise")


def last(steps):
    *_, step = steps
    return step


def levels_between(high, low, n):
    """n steps of uneven length in every measure a sampler may use, then 0."""
    return [*(np.linspace(high ** (1 / 7), low ** (1 / 7), n + 1) ** 7).tolist(), 0.0]


def curved(x, sigma):
    return np.tanh(1.3 * x / math.sqrt(1 + sigma**2) + math.sin(3 * math.log(sigma)))


START = np.random.default_rng(0).standard_normal(SHAPE) * 80


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
