"""The space of latents: an autoencoder between images and the tensor that is walked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.generation.autoencoders import Autoencoder
from diffusion_studio.generation.latent_views import LatentViews, fitted
from diffusion_studio.generation.space import PixelSpace, Views


class LatentSpace:
    """A `Space` of `images`, whose sides are multiples of the autoencoder's factor."""

    exact = False
    keeps = False  # an autoencoder changes what it is not asked to

    def __init__(
        self,
        autoencoder: Autoencoder,
        images: PixelSpace,
        views_of: Callable[[LatentSpace], Views] = lambda space: space.plain_views,
        examples: Callable[[], Sequence[np.ndarray]] = tuple,
    ) -> None:
        """`views_of`: how its steps are shown, where that is not by the map alone; `examples`: images (H, W, 3 or 4) uint8 of
        the kind that is generated, of these sides, which that map is fitted to."""
        self.autoencoder, self.images = autoencoder, images
        self._views_of, self._examples = views_of, examples
        self.sides, self.count = images.sides, images.shape[0]
        height, width = self.sides
        self.shape = (autoencoder.channels, height // autoencoder.factor, width // autoencoder.factor)

    @property
    def plain_views(self) -> LatentViews:
        return LatentViews(fitted(self.autoencoder, self.count, self._example_images), self.images)

    @cached_property
    def views(self) -> Views:
        return self._views_of(self)

    def _example_images(self) -> list[Tensor]:
        return [self.images.encode(image, lambda: torch.zeros(())) for image in self._examples()]

    def encode(self, picture: np.ndarray, noise: Callable[[], Tensor]) -> Tensor:
        return self.autoencoder.encode(self.images.encode(picture, noise)[None], noise)

    def mask(self, mask: np.ndarray) -> Tensor:
        """The largest of the pixels at each place: what it touches is regenerated, and its edge blended in pixels at the end."""
        factor = self.autoencoder.factor
        height, width = self.shape[1:]
        pooled = mask.reshape(height, factor, width, factor).max(axis=(1, 3))
        return torch.from_numpy(pooled.astype(np.float32) / 255).to(self.autoencoder.device)

    def decode(self, x: Tensor) -> np.ndarray:
        return self.images.decode(self.autoencoder.decode(x, self.count))
