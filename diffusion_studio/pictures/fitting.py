"""A picture of any shape as the square a model sees, without ever making it larger on the way than it is."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from diffusion_studio.pictures.decoding import BACKGROUND

REDUCING_GAP = 4.0  # a picture is first reduced by whole factors to no less than this many times the size


def fit(image: Image.Image, size: int, *, pad: bool = False) -> np.ndarray:
    """(3, size, size) uint8 of an RGB image: the centre square, or with `pad` the whole on white.

    Pixel art whose squares are whole factors of the size stays crisp; all else is scaled with Lanczos.
    """
    if image.size != (size, size):
        side = max(image.size) if pad else min(image.size)
        crisp = side % size == 0 and side > size and is_pixel_art(image, side // size)
        method = Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS
        image = _whole(image, size, method) if pad else _middle(image, size, method)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def fit_oblong(image: Image.Image, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8 of an RGB image: its middle in those proportions."""
    return np.array(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS), dtype=np.uint8)


def _middle(image: Image.Image, size: int, method: Image.Resampling) -> Image.Image:
    return ImageOps.fit(image, (size, size), method)


def _whole(image: Image.Image, size: int, method: Image.Resampling) -> Image.Image:
    """Scaled first and laid on white afterwards: a long strip padded first would fill the memory."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    gap = REDUCING_GAP if method == Image.Resampling.LANCZOS else None
    small = (
        image if image.size == (width, height) else image.resize((width, height), method, reducing_gap=gap)
    )
    square = Image.new("RGB", (size, size), BACKGROUND)
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    return square


def is_pixel_art(image: Image.Image, factor: int) -> bool:
    """Whether the picture is made of even blocks of factor×factor pixels."""
    if image.width % factor or image.height % factor:
        return False
    pixels = np.asarray(image)
    blocks = pixels[::factor, ::factor].repeat(factor, 0).repeat(factor, 1)
    return bool(np.array_equal(blocks, pixels))
