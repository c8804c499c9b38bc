"""A new network of a run: its shape, and its first weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import COORDINATES, UNetConfig
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.architectures import shape_for


def shape_of(settings: TrainingSettings, pictures: Pictures) -> UNetConfig:
    """The network for these images, or for their latents."""
    count = len(pictures.classes)
    if pictures.latents is not None:
        _, channels, _, side = pictures.latents.shape
        return shape_for(side, settings.model_size, count, "pixels", channels=channels)
    config = shape_for(
        settings.size, settings.model_size, count, settings.space, channels=pictures.images.shape[1]
    )
    if settings.patches:
        config = replace(config, in_channels=config.in_channels + COORDINATES, coordinates=True)
    return config


def fresh_network(config: UNetConfig, seed: int) -> UNet:
    """A network with its first weights drawn from the seed; nobody else's randomness is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = UNet(config)
    zero_last_layers(network)
    return network


def zero_last_layers(network: UNet) -> None:
    """Start every residual block as the identity and the output at zero (Dhariwal & Nichol 2021, as in their code)."""
    for module in network.modules():
        last = getattr(module, "conv2", None)
        if isinstance(last, nn.Conv2d):
            for weight in last.parameters():
                nn.init.zeros_(weight)
    for weight in network.conv_out.parameters():
        nn.init.zeros_(weight)
