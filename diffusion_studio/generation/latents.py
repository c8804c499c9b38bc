"""The space of latents: an autoencoder of diffusers between images and the tensor that is walked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.generation.latent_views import LatentViews, fitted
from diffusion_studio.generation.space import to_tensor, to_uint8
from diffusion_studio.machine import devices

WIDEST = 4 * 128  # numbers a pixel that a decoder holds at once: a few maps of its widest full-size layer


class Autoencoder:
    """An AutoencoderKL or AutoencoderTiny with its scaling, one image at a time, so that an image has the same bits in any batch.

    It works in its own dtype, and in float32 where that overflows, as the decoder of SDXL does in float16.
    """

    def __init__(self, network: Any, device: str) -> None:
        self.network, self.device = network, device
        config = network.config
        self.channels = int(config.latent_channels)
        self.factor = self._factor(config)  # pixels a place of the latent
        self.scaling = float(config.get("scaling_factor") or 1.0)
        self.shift = float(config.get("shift_factor") or 0.0)

    @staticmethod
    def _factor(config: Any) -> int:
        blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels")
        return int(2 ** (len(blocks) - 1))

    @cached_property
    def digest(self) -> str:
        """sha256 of the weights."""
        found = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return found.hexdigest()

    @cached_property
    def preview(self) -> tuple[Tensor, Tensor]:
        """The map of `LatentViews`, fitted when it is first needed."""
        return fitted(self.digest, self.channels, self.mode, self.decode, self.factor)

    def encode(self, pictures: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """(1, 3, H, W) in [-1, 1] -> (N, C, h, w) drawn from what the encoder says, with (N, C, h, w) noise."""
        answer = self.network.encode(pictures.to(self.device, self.network.dtype))
        if not hasattr(answer, "latent_dist"):  # a tiny autoencoder says one latent
            latents: Tensor = answer.latents.float()
            return (latents - self.shift) * self.scaling
        spread = answer.latent_dist
        drawn: Tensor = spread.mean.float() + spread.std.float() * noise()
        return (drawn - self.shift) * self.scaling

    def mode(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> (N, C, h, w), the likeliest latents."""
        return torch.cat([self.encode(picture[None], lambda: torch.zeros(())) for picture in pictures])

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, 3, H, W), in [-1, 1] but for overshoot."""
        return torch.cat([self._decode(latent[None]) for latent in latents])

    def _decode(self, latent: Tensor) -> Tensor:
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


class LatentSpace:
    """A `Space` of images of these sides, in pixels: multiples of the autoencoder's factor."""

    exact = False
    keeps = False  # an autoencoder changes what it is not asked to

    def __init__(self, autoencoder: Autoencoder, sides: tuple[int, int]) -> None:
        self.autoencoder, self.sides = autoencoder, sides
        height, width = sides
        self.shape = (autoencoder.channels, height // autoencoder.factor, width // autoencoder.factor)

    @property
    def views(self) -> LatentViews:
        return LatentViews(*self.autoencoder.preview, self.sides)

    def encode(self, picture: np.ndarray, noise: Callable[[], Tensor]) -> Tensor:
        return self.autoencoder.encode(to_tensor(picture, 3)[None], noise)

    def mask(self, mask: np.ndarray) -> Tensor:
        """The largest of the pixels at each place: what it touches is regenerated, and its edge blended in pixels at the end."""
        factor = self.autoencoder.factor
        height, width = self.shape[1:]
        pooled = mask.reshape(height, factor, width, factor).max(axis=(1, 3))
        return torch.from_numpy(pooled.astype(np.float32) / 255).to(self.autoencoder.device)

    def decode(self, x: Tensor) -> np.ndarray:
        return to_uint8(self.autoencoder.decode(x))
