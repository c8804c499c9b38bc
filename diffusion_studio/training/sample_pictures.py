"""Samples generated while a model trains: from one fixed noise, so that two sheets differ by the training alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import repeat

import numpy as np
import torch

from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.diffusion.denoiser import Denoiser, Network
from diffusion_studio.diffusion.noise import Draw, PictureNoise
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.schedules import SPACINGS
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.generation.sampling import sampler_options
from diffusion_studio.generation.space import PixelSpace, Space
from diffusion_studio.pictures.channels import shown
from diffusion_studio.pictures.pixel_format import USUAL, PixelFormat
from diffusion_studio.settings.generation import GenerationSettings

AT_ONCE = (
    32 * 128 * 128
)  # pixels the network is given at once: guidance doubles the images of a sheet, and they may be large


@torch.no_grad()
def generate(
    network: UNet,
    schedule: Process,
    prediction: str,
    how: GenerationSettings,
    *,
    count: int,
    classes: int = 0,
    pixels: PixelFormat = USUAL,
    space: Space | None = None,
    early: UNet | None = None,
) -> Iterator[np.ndarray | None]:
    """Yields None after every sampling step, and last (N, H, W, 3 or 4) uint8; classes in turn, picture k from seed k.

    `how`: its sampler, spacing, steps, clipping, guidance and autoguidance count. `space`: of a model of latents. `early`: the
    weights that autoguidance leads away from.
    """
    weight = network.conv_in.weight
    shape = (network.config.channels, *network.config.sides)
    noise = PictureNoise([Draw(k) for k in range(count)], shape, weight.device.type)
    labels = torch.arange(count, device=weight.device) % classes if classes else None
    most = max(AT_ONCE // math.prod(network.config.sides), 1)
    sigmas = SPACINGS[how.spacing](schedule, how.steps)

    def asked(network: UNet) -> Network:
        def answer(x: torch.Tensor, timestep: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
            parts = zip(
                x.to(weight.dtype).split(most),
                timestep.split(most),
                repeat(None) if rows is None else rows.split(most),
                strict=False,
            )
            return torch.cat([network(*part).float() for part in parts])

        return answer

    denoise = Denoiser(
        asked(network),
        schedule,
        prediction=prediction,
        labels=labels,
        guidance=how.guidance,
        null_class=classes or None,
        clipping="none" if space else how.clipping,
        clip_range=scheduler_config.clip_range(schedule.config),
        threshold=scheduler_config.threshold(schedule.config),
        rounding=scheduler_config.rounding(schedule.config, how.spacing),
        early=asked(early) if early is not None else None,
        autoguidance=how.autoguidance,
    )
    x = noise() * schedule.spread(sigmas[0])
    for step in SAMPLERS[how.sampler](denoise, x, sigmas, noise, **sampler_options(schedule, how)):
        x = step.x
        yield None
    yield shown((space or PixelSpace(shape, "cpu", pixels)).decode(x))


def sheet(pictures: np.ndarray, columns: int = 8) -> np.ndarray:
    """(N, H, W, C) as one (rows·H, columns·W, C) picture, white where cells stay empty, or nothing where there is alpha."""
    count, height, width, channels = pictures.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    page = np.full((rows * height, columns * width, channels), 0 if channels == 4 else 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        page[top : top + height, left : left + width] = picture
    return page
