"""The space of a model's own small autoencoder: what networks trained here on latents walk in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.generation.space import PixelSpace

PATCHES, SIDE = 4, 16  # latents that the preview is fitted on, and places of their side
TILE = 1024 * 1024  # pixels of an image from which the decoder works on parts
OVERLAP = 16  # places of a latent that a part sees beyond its own, more than the decoder's reach


class OwnLatentSpace:
    """A `Space` of images of 1, 3 or 4 channels, whose sides are multiples of the autoencoder's factor."""

    exact = False
    keeps = False  # an autoencoder changes what it is not asked to

    def __init__(self, network: TinyAutoencoder, images: PixelSpace) -> None:
        self.network, self.images = network, images
        self.sides, self.device = images.sides, images.device
        factor = network.config.factor
        self.shape = (network.config.latent_channels, self.sides[0] // factor, self.sides[1] // factor)

    @cached_property
    def views(self) -> OwnLatentViews:
        return OwnLatentViews(_fitted(self.network, self.images.shape[0]), self.images)

    @torch.inference_mode()
    def encode(self, picture: np.ndarray, noise: Callable[[], Tensor]) -> Tensor:
        latent: Tensor = self.network.encode_image(self.images.encode(picture, noise)[None])[0]
        return latent

    def mask(self, mask: np.ndarray) -> Tensor:
        """The largest of the pixels at each place: what it touches is regenerated, and its edge blended in pixels at the end."""
        factor = self.network.config.factor
        height, width = self.shape[1:]
        pooled = mask.reshape(height, factor, width, factor).max(axis=(1, 3))
        return torch.from_numpy(pooled.astype(np.float32) / 255).to(self.device)

    @torch.inference_mode()
    def decode(self, x: Tensor) -> np.ndarray:
        """One image at a time, so that an image has the same bits in any batch."""
        channels = self.images.shape[0]
        return self.images.decode(torch.cat([self._decoded(latent[None], channels) for latent in x]))

    def _decoded(self, latent: Tensor, channels: int) -> Tensor:
        height, width = latent.shape[2:]
        factor = self.network.config.factor
        if height * width * factor**2 <= TILE:
            return self.network.decode_image(latent.float(), channels)
        rows = max(1, TILE // (width * factor**2))
        parts = []
        for top in range(0, height, rows):
            first, last = max(0, top - OVERLAP), min(height, top + rows + OVERLAP)
            part = self.network.decode_image(latent[:, :, first:last].float(), channels)
            own = min(rows, height - top)
            parts.append(part[:, :, (top - first) * factor : (top - first + own) * factor])
        return torch.cat(parts, dim=2)


class OwnLatentViews:
    """`Views` of latents through a linear map to an image's channels. `table`: (channels, C + 1), the last column the offset."""

    def __init__(self, table: Tensor, images: PixelSpace) -> None:
        self.table, self.images = table, images

    def preview(self, x: Tensor) -> np.ndarray:
        return self.images.preview(self._enlarged(self._mapped(x)))

    def noise(self, n: Tensor) -> np.ndarray:
        weights = self.table[:3, :-1].to(n.device)
        even = weights / weights.norm(dim=1, keepdim=True).clamp(min=1e-12)  # as loud as one channel
        loud = torch.einsum("rc,nchw->nrhw", even, n.float())
        return self.images.noise(self._enlarged(loud))

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        return self.images.difference(self._enlarged(self._mapped(a)), self._enlarged(self._mapped(b)))

    def _mapped(self, x: Tensor) -> Tensor:
        table = self.table.to(x.device)
        return torch.einsum("rc,nchw->nrhw", table[:, :-1], x.float()) + table[:, -1, None, None]

    def _enlarged(self, image: Tensor) -> Tensor:
        return F.interpolate(image, size=self.images.sides, mode="bilinear", align_corners=False)


@torch.inference_mode()
def _fitted(network: TinyAutoencoder, channels: int) -> Tensor:
    """(channels, C + 1): the least-squares map from latents of coloured patches, with some noise, to what they decode to."""
    generator = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device
    factor = network.config.factor
    patches = torch.rand(PATCHES, network.config.channels, 4, 4, generator=generator) * 2 - 1
    if channels == 4:
        patches[:, :3] = torch.minimum(patches[:, :3], patches[:, 3:])  # premultiplied
    elif network.config.channels == 4:
        patches[:, 3] = 1
    images = F.interpolate(patches, size=(SIDE * factor, SIDE * factor), mode="bilinear").to(device)
    latents = network.encode(images).float().cpu()
    latents = torch.cat([latents, latents + 0.3 * torch.randn(latents.shape, generator=generator)])
    shown = network.decode_image(latents.to(device), channels).float().cpu().clamp(-1, 1)
    shown = F.interpolate(shown, size=latents.shape[-2:], mode="area")
    given = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1).transpose(1, 0).flatten(1).double()
    wanted = shown.transpose(1, 0).flatten(1).double()
    ridge = 1e-4 * torch.eye(len(given), dtype=torch.float64) * given.shape[1]
    table: Tensor = torch.linalg.solve(given @ given.T + ridge, given @ wanted.T).T.float()
    return table
