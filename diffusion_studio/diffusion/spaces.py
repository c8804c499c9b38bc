"""Spaces a network may see an image in. All are rotations of the pixels, so process, noise and loss stay what they are.

Haar bands: every 2×2 pixels (a b / c d) of a channel become their mean and three differences, (a ± b ± c ± d) / 2. That matrix is
orthonormal, symmetric and therefore its own inverse: white noise stays white noise of the same strength, squared errors stay
what they were, and a prediction of epsilon, x_0, v or velocity is rotated as the image is. A network sees a quarter of the
places with four times the channels, where an equally good one is several times cheaper. Outside of the network everything,
clipping too, is in pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_bands(x: Tensor, levels: int) -> Tensor:
    """(N, C, H, W) -> (N, 4^levels C, H / 2^levels, W / 2^levels); each level is applied to all bands of the one before.

    Levels 0 is x itself. The sides must be multiples of 2^levels.
    """
    for _ in range(levels):
        x = _rotate(F.pixel_unshuffle(x, 2))
    return x


def to_pixels(bands: Tensor, levels: int) -> Tensor:
    """The inverse of `to_bands`: (N, 4^levels C, H, W) -> (N, C, 2^levels H, 2^levels W)."""
    for _ in range(levels):
        bands = F.pixel_shuffle(_rotate(bands), 2)
    return bands


def _rotate(x: Tensor) -> Tensor:
    """(N, 4C, H, W): the Haar matrix over each 4 neighbouring channels, computed in float32 at least and rounded once."""
    precise = x if x.dtype == torch.float64 else x.float()
    a, b, c, d = precise.unflatten(1, (-1, 4)).unbind(2)
    bands = torch.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=2) / 2
    return bands.flatten(1, 2).to(x.dtype)
