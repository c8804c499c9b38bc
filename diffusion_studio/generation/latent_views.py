"""Steps of latents shown without the decoder, at a thousandth of its cost and right but for fine detail.

A channel of a latent is nearly a mixture of colours, so a map from a latent to the colour at its place is fitted once for each
autoencoder to what its decoder shows, and kept. It is linear; for latents of few channels, of a model with sample images, it is
cubic and fitted to these: an autoencoder of four channels has to put colours and transparency where a linear map cannot follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import combinations_with_replacement

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.generation.autoencoders import Autoencoder
from diffusion_studio.generation.space import PixelSpace
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir

SIDE, PICTURES = 16, 3  # places of a latent that is fitted on, and how many
EXAMPLES = 8  # images that a cubic map is fitted to
FEW_CHANNELS = 4  # of a latent, up to which the map is cubic
TABLES = "latent-previews.json"
FARTHEST = 3.0  # of a latent, whose standard deviation is 1


class LatentViews:
    """`Views` of latents. `table`: (channels of `images`, F), from the `features` of a latent to an image in [-1, 1]."""

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
        weights = self.table[:3, : n.shape[1]].to(n.device)
        even = weights / weights.norm(dim=1, keepdim=True).clamp(min=1e-12)  # as loud as one channel
        return self.images.noise(self._enlarged(torch.einsum("rc,nchw->nrhw", even, n.float())))

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        apart = self._enlarged(self._mapped(a) - self._mapped(b))
        return self.images.difference(apart, torch.zeros((), device=apart.device))

    def _mapped(self, x: Tensor) -> Tensor:
        known = features(x.float(), cubic=self.table.shape[1] > x.shape[1] + 1)
        return torch.einsum("rf,nfhw->nrhw", self.table.to(x.device), known)

    def _enlarged(self, image: Tensor) -> Tensor:
        return F.interpolate(image, size=self.images.sides, mode="bilinear", align_corners=False)


def features(latents: Tensor, *, cubic: bool) -> Tensor:
    """(N, C, H, W) -> (N, F, H, W): its channels, with `cubic` all products of two and of three of them, and 1.

    Products are of values within ±`FARTHEST`: beyond it there is noise alone, of which they would make colours at random.
    """
    parts = [latents]
    if cubic:
        near, count = latents.clamp(-FARTHEST, FARTHEST), latents.shape[1]
        for size in (2, 3):
            for chosen in combinations_with_replacement(range(count), size):
                parts.append(near[:, list(chosen)].prod(dim=1, keepdim=True))
    return torch.cat([*parts, torch.ones_like(latents[:, :1])], dim=1)


# The map --------------------------------------------------------------------------------------------------------------

_fitted: dict[str, Tensor] = {}


def fitted(autoencoder: Autoencoder, count: int, examples: Callable[[], Sequence[Tensor]] = tuple) -> Tensor:
    """The table of `LatentViews` for images of so many channels, remembered in the cache folder by the weights' hash.

    `examples`: images (count, H, W) in [-1, 1] of the kind that is generated, asked for only where they are needed.
    """
    name = autoencoder.digest if count == 3 else f"{autoencoder.digest} {count}"
    if autoencoder.channels <= FEW_CHANNELS:
        own = f"{name} cubic"
        table = _known(own, count, autoencoder.channels, cubic=True)
        if table is not None:
            return table
        if given := list(examples())[:EXAMPLES]:
            latents = autoencoder.likeliest(torch.stack(given)).float().cpu()
            return _keep(own, _fit(autoencoder, latents, count, cubic=True))
    table = _known(name, count, autoencoder.channels, cubic=False)
    if table is not None:
        return table
    return _keep(name, _fit(autoencoder, probe(autoencoder, count), count, cubic=False))


def _known(name: str, count: int, channels: int, *, cubic: bool) -> Tensor | None:
    """The table of this name, from memory or from the cache folder."""
    if name not in _fitted:
        kept = own_files.read(cache_dir() / TABLES).get(name)
        length = features(torch.zeros(1, channels, 1, 1), cubic=cubic).shape[1]
        if not _is_table(kept, count, length):
            return None
        _fitted[name] = torch.tensor(kept, dtype=torch.float32)
    return _fitted[name]


def _keep(name: str, table: Tensor) -> Tensor:
    _fitted[name], values = table, table.tolist()
    with suppress(OSError, UserError):  # a cache that cannot be written only means fitting again
        own_files.change(
            cache_dir() / TABLES, lambda tables: {**dict(list(tables.items())[-50:]), name: values}
        )
    return table


@torch.inference_mode()
def _fit(autoencoder: Autoencoder, latents: Tensor, count: int, *, cubic: bool) -> Tensor:
    """(count, F), on latents, and on those with noise of every strength as sampling meets them."""
    generator = torch.Generator().manual_seed(1)
    latents = torch.cat([latents, latents + 0.3 * torch.randn(latents.shape, generator=generator)])
    shown = autoencoder.decode(latents, count).float().cpu().clamp(-1, 1)
    shown = F.interpolate(shown, size=latents.shape[-2:], mode="area")
    given = features(latents, cubic=cubic).transpose(1, 0).flatten(1).double()
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


def _is_table(value: object, count: int, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(row, list) and len(row) == length for row in value)
        and all(type(number) in (int, float) for row in value for number in row)
    )
