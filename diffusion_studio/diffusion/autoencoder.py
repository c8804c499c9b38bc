"""A small autoencoder, between images and latents a U-Net walks in: an eighth or a quarter of the side, few channels.

Layout and tensor names are those of diffusers' AutoencoderTiny (after TAESD by Ollin Boer Bohan), whose folders it reads and
writes: 3×3 convolutions and ReLU alone, which a CPU computes fast, and no normalisation, so that images can be cut into tiles.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffusion_studio.diffusion.autoencoder_config import LIMIT, AutoencoderConfig


class _Decoding(nn.Module):
    config: AutoencoderConfig
    decoder: nn.Module

    def decode_image(self, latents: Tensor, channels: int) -> Tensor:
        """`decode` to images (N, channels, H, W), not clipped: 1 channel is the mean of the colours."""
        images = self.decode(latents)
        return images[:, :3].mean(dim=1, keepdim=True) if channels == 1 else images[:, :channels]

    def decode(self, latents: Tensor) -> Tensor:
        """Latents, as `encode` returns them → (N, C, H, W), not clipped to [-1, 1]."""
        images: Tensor = self.decoder(latents / self.config.scale)
        return images


class TinyDecoder(_Decoding):
    """The half of a `TinyAutoencoder` that turns latents into images, for files that hold no more."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder = _Decoder(config)


class TinyAutoencoder(_Decoding):
    """`encode`: (N, C, H, W) in [-1, 1] → latents (N, latent_channels, H / factor, W / factor), of mean square 1
    on the images it was made for; `decode` is its inverse, as near as it learned. Sides must be multiples of the factor."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = _Encoder(config), _Decoder(config)

    def encode_image(self, images: Tensor) -> Tensor:
        """`encode` of images (N, 1, 3 or 4, H, W) in [-1, 1]; where the model has alpha and they have none, they are opaque."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        if images.shape[1] < self.config.channels:
            images = torch.cat([images, torch.ones_like(images[:, :1])], dim=1)
        return self.encode(images)

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] → (N, latent_channels, H / factor, W / factor)."""
        latents: Tensor = self.encoder(images) * self.config.scale
        return latents


class _Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        layers: list[nn.Module] = []
        for place, blocks in enumerate(config.blocks):
            first = place == 0
            layers.append(
                nn.Conv2d(config.channels if first else width, width, 3, 1 if first else 2, 1, bias=first)
            )
            layers += [_Block(width) for _ in range(blocks)]
        layers.append(nn.Conv2d(width, config.latent_channels, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        latents: Tensor = self.layers((x + 1) / 2)
        return latents


class _Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        layers: list[nn.Module] = [nn.Conv2d(config.latent_channels, width, 3, padding=1), nn.ReLU()]
        for place, blocks in enumerate(reversed(config.blocks)):
            last = place == len(config.blocks) - 1
            layers += [_Block(width) for _ in range(blocks)]
            if not last:
                layers.append(nn.Upsample(scale_factor=2))
            layers.append(nn.Conv2d(width, config.channels if last else width, 3, padding=1, bias=last))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        images: Tensor = self.layers(torch.tanh(x / LIMIT) * LIMIT)
        return images * 2 - 1


class _Block(nn.Module):
    """Three convolutions beside the way through."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.fuse = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        fused: Tensor = self.fuse(self.conv(x) + x)
        return fused
