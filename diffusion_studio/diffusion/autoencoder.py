"""A small autoencoder, between images and latents a U-Net walks in: an eighth or a quarter of the side, few channels.

Layout and tensor names are those of diffusers' AutoencoderTiny (after TAESD by Ollin Boer Bohan), whose folders it reads and
writes: 3×3 convolutions and ReLU alone, which a CPU computes fast, and no normalisation, so that images can be cut into tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

KIND = "AutoencoderTiny"
LIMIT = 3.0  # latents are squashed to ±3 before they are decoded, as a U-Net's may lie far outside


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """channels: of the image; width: of every layer; latent_channels; blocks: residual blocks at each side, from the image's
    down to the latents', each half of the one before. The factor between the sides is 2^(len(blocks) - 1)."""

    channels: int = 3
    width: int = 32
    latent_channels: int = 4
    blocks: tuple[int, ...] = (1, 2, 2)
    scale: float = 1.0  # from the encoder's answer to the latents a network sees

    def __post_init__(self) -> None:
        numbers = (self.channels, self.width, self.latent_channels, *self.blocks)
        if not (1 < len(self.blocks) <= 6 and all(1 <= number <= 1024 for number in numbers)):
            raise UserError(tr("An autoencoder of {config} cannot be built.", config=asdict(self)))

    @property
    def factor(self) -> int:
        """Pixels of an image's side for each of a latent's."""
        return int(2 ** (len(self.blocks) - 1))

    def to_diffusers(self) -> dict[str, Any]:
        """config.json of an AutoencoderTiny."""
        count = len(self.blocks)
        return {
            "_class_name": KIND,
            "in_channels": self.channels,
            "out_channels": self.channels,
            "encoder_block_out_channels": [self.width] * count,
            "decoder_block_out_channels": [self.width] * count,
            "act_fn": "relu",
            "upsample_fn": "nearest",
            "latent_channels": self.latent_channels,
            "upsampling_scaling_factor": 2,
            "num_encoder_blocks": list(self.blocks),
            "num_decoder_blocks": list(reversed(self.blocks)),
            "latent_magnitude": int(LIMIT),
            "latent_shift": 0.5,
            "force_upcast": False,
            "scaling_factor": self.scale,
            "shift_factor": 0.0,
        }

    @staticmethod
    def from_diffusers(said: Mapping[str, Any]) -> AutoencoderConfig:
        """Raises `UserError` for an AutoencoderTiny that is built otherwise than ours are."""
        try:
            config = AutoencoderConfig(
                channels=int(said["in_channels"]),
                width=int(said["encoder_block_out_channels"][0]),
                latent_channels=int(said["latent_channels"]),
                blocks=tuple(int(number) for number in said["num_encoder_blocks"]),
                scale=float(said.get("scaling_factor") or 1.0),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(
                tr("The configuration of the autoencoder cannot be understood."), str(error)
            ) from None
        ours = config.to_diffusers()
        wrong = [
            name
            for name, value in ours.items()
            if name in said and said[name] != value and name != "_class_name"
        ]
        if wrong:
            raise UserError(
                tr("The autoencoder cannot be opened: its {names} are not ours.", names=", ".join(wrong))
            )
        return config


class TinyAutoencoder(nn.Module):
    """`encode`: (N, C, H, W) in [-1, 1] → latents (N, latent_channels, H / factor, W / factor), of mean square 1
    on the images it was made for; `decode` is its inverse, as near as it learned. Sides must be multiples of the factor."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = _Encoder(config), _Decoder(config)

    def encode(self, images: Tensor) -> Tensor:
        latents: Tensor = self.encoder(images) * self.config.scale
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Not clipped."""
        images: Tensor = self.decoder(latents / self.config.scale)
        return images


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
