"""The space of latents: an autoencoder between images and the tensor that is walked.

Its steps are shown without the decoder: a channel of the latent is nearly a mixture of colours, so a linear map, fitted once for
each autoencoder to what its decoder shows and kept, costs a thousandth of decoding and is right but for fine detail.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.generation.autoencoders import Autoencoder
from diffusion_studio.generation.space import PixelSpace, Views
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir

SIDE, PICTURES = 16, 3  # places of a latent that is fitted on, and how many


class LatentSpace:
    """A `Space` of `images`, whose sides are multiples of the autoencoder's factor."""

    exact = False
    keeps = False  # an autoencoder changes what it is not asked to

    def __init__(
        self,
        autoencoder: Autoencoder,
        images: PixelSpace,
        views_of: Callable[[LatentSpace], Views] = lambda space: space.plain_views,
    ) -> None:
        """`views_of`: how its steps are shown, where that is not the linear map."""
        self.autoencoder, self.images, self._views_of = autoencoder, images, views_of
        self.sides, self.count = images.sides, images.shape[0]
        height, width = self.sides
        self.shape = (autoencoder.channels, height // autoencoder.factor, width // autoencoder.factor)

    @property
    def plain_views(self) -> LatentViews:
        return LatentViews(fitted(self.autoencoder, self.count), self.images)

    @cached_property
    def views(self) -> Views:
        return self._views_of(self)

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


class LatentViews:
    """`Views` of latents. `table`: (channels of `images`, C + 1), from a latent to an image in [-1, 1], the offset last."""

    spent = 0.0

    def __init__(self, table: Tensor, images: PixelSpace, remark: str = "") -> None:
        self.table, self.images, self.remark = table, images, remark

    def preview(self, x: Tensor) -> np.ndarray:
        return self.images.preview(self._enlarged(self._mapped(x)))

    def timely(self, x: Tensor) -> np.ndarray:
        return self.preview(x)

    def detailed(self, x: Tensor) -> np.ndarray:
        return self.preview(x)

    def noise(self, n: Tensor) -> np.ndarray:
        weights = self.table[:3, :-1].to(n.device)
        even = weights / weights.norm(dim=1, keepdim=True).clamp(min=1e-12)  # as loud as one channel
        return self.images.noise(self._enlarged(torch.einsum("rc,nchw->nrhw", even, n.float())))

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        apart = self._enlarged(self._mapped(a) - self._mapped(b))
        return self.images.difference(apart, torch.zeros((), device=apart.device))

    def _mapped(self, x: Tensor) -> Tensor:
        table = self.table.to(x.device)
        return torch.einsum("rc,nchw->nrhw", table[:, :-1], x.float()) + table[:, -1, None, None]

    def _enlarged(self, image: Tensor) -> Tensor:
        return F.interpolate(image, size=self.images.sides, mode="bilinear", align_corners=False)


_fitted: dict[tuple[str, int], Tensor] = {}


def fitted(autoencoder: Autoencoder, count: int) -> Tensor:
    """The table of `LatentViews` for images of so many channels, remembered in the cache folder by the weights' hash."""
    key = (autoencoder.digest, count)
    if key not in _fitted:
        _fitted[key] = _kept(autoencoder, count)
    return _fitted[key]


def _kept(autoencoder: Autoencoder, count: int) -> Tensor:
    path = cache_dir() / "latent-previews.json"
    name = autoencoder.digest if count == 3 else f"{autoencoder.digest} {count}"
    known = own_files.read(path).get(name)
    if _is_table(known, count, autoencoder.channels):
        return torch.tensor(known, dtype=torch.float32)
    table = _fit(autoencoder, count)
    values = table.tolist()
    with suppress(OSError, UserError):  # a cache that cannot be written only means fitting again
        own_files.change(path, lambda tables: {**dict(list(tables.items())[-50:]), name: values})
    return table


@torch.inference_mode()
def _fit(autoencoder: Autoencoder, count: int) -> Tensor:
    """(count, C + 1), on latents of coloured patches, and on those with noise of every strength as sampling meets them."""
    generator = torch.Generator().manual_seed(0)
    latents = probe(autoencoder, count, generator)
    latents = torch.cat([latents, latents + 0.3 * torch.randn(latents.shape, generator=generator)])
    shown = autoencoder.decode(latents, count).float().cpu().clamp(-1, 1)
    shown = F.interpolate(shown, size=latents.shape[-2:], mode="area")
    given = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1).transpose(1, 0).flatten(1).double()
    wanted = shown.transpose(1, 0).flatten(1).double()
    ridge = 1e-4 * torch.eye(len(given), dtype=torch.float64) * given.shape[1]
    table: Tensor = torch.linalg.solve(given @ given.T + ridge, given @ wanted.T).T.float()
    return table


@torch.inference_mode()
def probe(autoencoder: Autoencoder, count: int, generator: torch.Generator | None = None) -> Tensor:
    """(PICTURES, C, SIDE, SIDE) latents of images of coloured patches, on the CPU, the same each time."""
    generator = generator or torch.Generator().manual_seed(0)
    patches = torch.rand(PICTURES, count, 5, 5, generator=generator) * 2 - 1
    if count == 4:
        patches[:, :3] = torch.minimum(patches[:, :3], patches[:, 3:])  # premultiplied
    side = SIDE * autoencoder.factor
    images = F.interpolate(patches, size=(side, side), mode="bilinear")
    return autoencoder.likeliest(images).float().cpu()


def _is_table(value: object, count: int, channels: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(row, list) and len(row) == channels + 1 for row in value)
        and all(type(number) in (int, float) for row in value for number in row)
    )
