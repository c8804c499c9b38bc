"""The colours of an image reduced to a palette, so that no nearly equal ones are left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

AT_ONCE = 65_536  # pixels that are compared with a palette in one table


def snapped(pixels: np.ndarray, palette: Sequence[str]) -> np.ndarray:
    """(..., 3 or 4) uint8 whose colours are the nearest of “#rrggbb”; transparent pixels stay nothing."""
    table = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in palette], np.int32)
    result = pixels.copy()
    flat = result[..., :3].reshape(-1, 3)
    for start in range(0, len(flat), AT_ONCE):
        part = flat[start : start + AT_ONCE].astype(np.int32)
        distance = np.square(part[:, None] - table[None]).sum(axis=2)
        flat[start : start + AT_ONCE] = table[distance.argmin(axis=1)].astype(np.uint8)
    result[..., :3] = flat.reshape(result[..., :3].shape)
    return _nothing_hidden(result)


def median_cut(pixels: np.ndarray, colours: int) -> np.ndarray:
    """(H, W, 3 or 4) uint8 in so many colours of its own (Heckbert 1982)."""
    seen = pixels if pixels.shape[-1] == 3 else pixels[pixels[..., 3] > 0][None]
    if not seen.size:
        return pixels
    own = Image.fromarray(np.ascontiguousarray(seen[..., :3])).quantize(colours, Image.Quantize.MEDIANCUT)
    table = np.array(own.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = np.unique(np.asarray(own))
    return snapped(pixels, [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in table[used]])


def _nothing_hidden(pixels: np.ndarray) -> np.ndarray:
    if pixels.shape[-1] == 4:
        pixels[pixels[..., 3] == 0] = 0
    return pixels
