"""Autoencoders, as a space of latents asks them: those of diffusers, and the small ones that models trained here bring along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder, TinyDecoder
from diffusion_studio.machine import devices

WIDEST = 4 * 128  # numbers a pixel that a decoder holds at once: a few maps of its widest full-size layer
TILE = 1024 * 1024  # pixels of an image from which a small decoder works on parts
OVERLAP = 16  # places of a latent that a part sees beyond its own, more than the decoder's reach


class Autoencoder:
    """Between images (N, 3, H, W) in [-1, 1], with alpha (N, 4, H, W), and latents (N, `channels`, H / `factor`, W / `factor`).

    One image at a time, so that an image has the same bits in any batch.
    """

    def __init__(self, network: Any, device: str, channels: int, factor: int) -> None:
        self.network, self.device = network, device
        self.channels, self.factor = channels, factor

    @cached_property
    def digest(self) -> str:
        """sha256 of the weights."""
        found = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return found.hexdigest()

    @torch.inference_mode()
    def encode(self, pictures: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """(1, channels of an image, H, W) → (N, C, h, w), drawn with (N, C, h, w) noise from what the encoder says."""
        raise NotImplementedError

    def likeliest(self, pictures: Tensor) -> Tensor:
        """(N, channels of an image, H, W) → (N, C, h, w) without noise."""
        return torch.cat([self.encode(picture[None], lambda: torch.zeros(())) for picture in pictures])

    @torch.inference_mode()
    def decode(self, latents: Tensor, count: int = 3) -> Tensor:
        """(N, C, h, w) → (N, count, H, W), in [-1, 1] but for overshoot."""
        return torch.cat([self._decode(latent[None], count) for latent in latents])

    def _decode(self, latent: Tensor, count: int) -> Tensor:
        raise NotImplementedError


class DiffusersAutoencoder(Autoencoder):
    """An AutoencoderKL or AutoencoderTiny with its scaling.

    It works in its own dtype, and in float32 where that overflows, as the decoder of SDXL does in float16.
    """

    def __init__(self, network: Any, device: str) -> None:
        config = network.config
        blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels")
        super().__init__(network, device, int(config.latent_channels), int(2 ** (len(blocks) - 1)))
        self.scaling = float(config.get("scaling_factor") or 1.0)
        self.shift = float(config.get("shift_factor") or 0.0)

    @torch.inference_mode()
    def encode(self, pictures: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        answer = self.network.encode(pictures.to(self.device, self.network.dtype))
        if not hasattr(answer, "latent_dist"):  # a tiny autoencoder says one latent
            latents: Tensor = answer.latents.float()
            return (latents - self.shift) * self.scaling
        spread = answer.latent_dist
        drawn: Tensor = spread.mean.float() + spread.std.float() * noise()
        return (drawn - self.shift) * self.scaling

    def _decode(self, latent: Tensor, count: int) -> Tensor:
        latent = latent.to(self.device) / self.scaling + self.shift
        need = latent.shape[-2] * latent.shape[-1] * self.factor**2 * WIDEST * self.network.dtype.itemsize
        self._tile(need > devices.free_bytes(self.device))
        try:
            picture = self._decoded(latent)
        except (torch.OutOfMemoryError, MemoryError):
            if getattr(self.network, "use_tiling", True):
                raise
            self._tile(True)
            picture = self._decoded(latent)
        if torch.isfinite(picture).all() or self.network.dtype == torch.float32:
            return picture
        dtype = self.network.dtype
        try:
            return self._decoded(latent, self.network.float())
        finally:
            self.network.to(dtype)

    def _decoded(self, latent: Tensor, network: Any = None) -> Tensor:
        network = network or self.network
        picture: Tensor = network.decode(latent.to(network.dtype), return_dict=False)[0]
        return picture.float()

    def _tile(self, tiled: bool) -> None:
        if hasattr(self.network, "use_tiling") and self.network.use_tiling != tiled:
            (self.network.enable_tiling if tiled else self.network.disable_tiling)()


class SmallDecoder(Autoencoder):
    """A `TinyDecoder`, in float32; large images in parts, each with what the decoder sees around it."""

    def __init__(self, network: TinyDecoder | TinyAutoencoder, device: str) -> None:
        super().__init__(network, device, network.config.latent_channels, network.config.factor)

    def _decode(self, latent: Tensor, count: int) -> Tensor:
        height, width = latent.shape[2:]
        latent = latent.to(self.device).float()
        rows = max(1, TILE // (width * self.factor**2))
        if height <= rows:
            whole: Tensor = self.network.decode_image(latent, count)
            return whole
        parts = []
        for top in range(0, height, rows):
            first, last = max(0, top - OVERLAP), min(height, top + rows + OVERLAP)
            part = self.network.decode_image(latent[:, :, first:last], count)
            own = min(rows, height - top)
            parts.append(part[:, :, (top - first) * self.factor : (top - first + own) * self.factor])
        return torch.cat(parts, dim=2)


class OwnAutoencoder(SmallDecoder):
    """A `TinyAutoencoder`, in float32."""

    @torch.inference_mode()
    def encode(self, pictures: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        latents: Tensor = self.network.encode_image(pictures.to(self.device))
        return latents
