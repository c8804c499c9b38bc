"""Latents as people can look at them without an autoencoder: a linear map to RGB, fitted once for each and kept.

For the autoencoders of images a channel of the latent is nearly a mixture of colours, so a least-squares fit of what the decoder
shows costs a thousandth of decoding and is right but for fine detail.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.generation.space import LOUDER, to_uint8
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir

SIDE, PICTURES = 16, 3  # places of a latent that is fitted on, and how many


class LatentViews:
    """`Views` of latents. `weights`: (3, C) and `offset`: (3,), from a latent to RGB in [-1, 1]; `sides`: of the image."""

    def __init__(self, weights: Tensor, offset: Tensor, sides: tuple[int, int]) -> None:
        self.weights, self.offset, self.sides = weights, offset, sides

    def preview(self, x: Tensor) -> np.ndarray:
        return to_uint8(self._enlarged(self._rgb(x, self.weights, self.offset)))

    def noise(self, n: Tensor) -> np.ndarray:
        even = self.weights / self.weights.norm(dim=1, keepdim=True).clamp(
            min=1e-12
        )  # as loud as one channel
        return to_uint8(self._enlarged(self._rgb(n, even, torch.zeros(3)) / 3))

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        apart = self._rgb(a, self.weights, self.offset) - self._rgb(b, self.weights, self.offset)
        return to_uint8(self._enlarged(apart.abs() * LOUDER - 1))

    @staticmethod
    def _rgb(x: Tensor, weights: Tensor, offset: Tensor) -> Tensor:
        weights, offset = weights.to(x.device), offset.to(x.device)
        return torch.einsum("rc,nchw->nrhw", weights, x.float()) + offset[:, None, None]

    def _enlarged(self, rgb: Tensor) -> Tensor:
        return F.interpolate(rgb, size=self.sides, mode="bilinear", align_corners=False)


def fitted(
    digest: str,
    channels: int,
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor],
    factor: int,
) -> tuple[Tensor, Tensor]:
    """(3, C) weights and (3,) offset for the autoencoder of this hash, remembered in the cache folder.

    `encode`: (N, 3, H, W) in [-1, 1] to latents (N, C, H / factor, W / factor) as a network sees them; `decode` back.
    """
    path = cache_dir() / "latent-previews.json"
    known = own_files.read(path).get(digest)
    if _is_map(known, channels):
        table = torch.tensor(known, dtype=torch.float32)
    else:
        table = _fit(encode, decode, factor)
        values = table.tolist()
        with suppress(OSError, UserError):  # a cache that cannot be written only means fitting again
            own_files.change(path, lambda maps: {**dict(list(maps.items())[-50:]), digest: values})
    return table[:, :-1], table[:, -1]


@torch.inference_mode()
def _fit(encode: Callable[[Tensor], Tensor], decode: Callable[[Tensor], Tensor], factor: int) -> Tensor:
    """(3, C + 1), on latents of coloured patches, and on those with noise of every strength as sampling meets them."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(PICTURES, 3, 5, 5, generator=generator) * 2 - 1
    pictures = F.interpolate(patches, size=(SIDE * factor, SIDE * factor), mode="bilinear")
    latents = encode(pictures).float().cpu()
    latents = torch.cat([latents, latents + 0.3 * torch.randn(latents.shape, generator=generator)])
    shown = torch.cat([decode(latent[None]).float().cpu() for latent in latents]).clamp(-1, 1)
    shown = F.interpolate(shown, size=latents.shape[-2:], mode="area")
    given = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1).transpose(1, 0).flatten(1).double()
    wanted = shown.transpose(1, 0).flatten(1).double()
    ridge = 1e-4 * torch.eye(len(given), dtype=torch.float64) * given.shape[1]
    table: Tensor = torch.linalg.solve(given @ given.T + ridge, given @ wanted.T).T.float()
    return table


def _is_map(value: Any, channels: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(row, list) and len(row) == channels + 1 for row in value)
        and all(type(number) in (int, float) for row in value for number in row)
    )
