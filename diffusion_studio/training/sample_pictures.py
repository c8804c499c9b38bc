"""Samples generated while a model trains: from one fixed noise, so that two sheets differ by the training alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.samplers import dpmpp_2m
from diffusion_studio.diffusion.schedules import trailing
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.generation.space import to_uint8

STEPS = 12


@torch.no_grad()
def generate(
    network: UNet, schedule: Process, prediction: str, *, count: int, classes: int = 0
) -> Iterator[np.ndarray | None]:
    """Yields None after every sampling step, and last (N, H, W, 3) uint8; classes in turn, picture k from seed k."""
    weight = network.conv_in.weight
    shape = (network.config.channels, *network.config.sides)
    noise = torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(k)) for k in range(count)]
    )
    labels = torch.arange(count, device=weight.device) % classes if classes else None
    sigmas = trailing(schedule, STEPS)

    def answer(x: torch.Tensor, timestep: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        prediction: torch.Tensor = network(x.to(weight.dtype), timestep, rows)
        return prediction.float()

    denoise = Denoiser(answer, schedule, prediction=prediction, labels=labels)
    start = noise.to(weight.device) * schedule.spread(sigmas[0])
    x = start
    for step in dpmpp_2m(denoise, start, sigmas, lambda: torch.randn_like(start)):
        x = step.x
        yield None
    yield to_uint8(x)


def sheet(pictures: np.ndarray, columns: int = 8) -> np.ndarray:
    """(N, H, W, 3) as one (rows·H, columns·W, 3) picture, white where cells stay empty."""
    count, height, width, _ = pictures.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    page = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        page[top : top + height, left : left + width] = picture
    return page
