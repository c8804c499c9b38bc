"""The shape of a small autoencoder, in our words and in those of diffusers' AutoencoderTiny. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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
