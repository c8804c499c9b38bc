"""A picture of any shape as the square a model sees, without ever making it larger on the way than it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageOps

from diffusion_studio.pictures.decoding import BACKGROUND
from diffusion_studio.pictures.pixel_art.native_grid import native_grid, reduce_to

LARGEST_DRAWN = 1024  # pixels a side of an image that is looked at for stray pixels
REDUCING_GAP = 4.0  # a picture is first reduced by whole factors to no less than this many times the size
# What lies beside a picture that is not square: white, or nothing where it can be transparent.
BESIDE: dict[str, Any] = {"RGB": BACKGROUND, "RGBa": (0, 0, 0, 0), "L": 255, "F": 65535.0}


def fit(image: Image.Image, size: int, *, pad: bool = False) -> np.ndarray:
    """(C, size, size) of an image: the centre square, or with `pad` the whole on white, or on nothing where it is RGBA.

    RGB gives 3 channels, L one, RGBA four, all uint8: the colours of RGBA premultiplied by its alpha, so that nothing
    hidden under a transparent pixel bleeds into a visible one when they are scaled together. F, light from 0 to 65535,
    gives one channel of uint16. Pixel art whose squares are whole factors of the size stays crisp; all else is scaled
    with Lanczos.
    """
    if image.mode == "RGBA":
        image = image.convert("RGBa")
    if image.size != (size, size):
        side = max(image.size) if pad else min(image.size)
        factor = side // size if side % size == 0 else 1
        crisp = factor > 1 and is_pixel_art(image, factor)
        if factor > 1 and not crisp and is_drawn_at(image, factor):
            crisp, image = True, reduce_to(image, factor, factor)
        method = Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS
        image = _whole(image, size, method) if pad else _middle(image, size, method)
        if image.mode == "RGBa" and not crisp:
            image = _within_alpha(image)
    if image.mode == "F":
        values = np.asarray(image).round().clip(0, 65535).astype(np.uint16)
    else:
        values = np.asarray(image, dtype=np.uint8)
    return np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1))


def fit_oblong(image: Image.Image, height: int, width: int) -> np.ndarray:
    """(height, width, C) uint8 of an RGB or RGBA image: its middle in those proportions."""
    return np.array(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS), dtype=np.uint8)


def _within_alpha(image: Image.Image) -> Image.Image:
    """Premultiplied colours that Lanczos took beyond their alpha, held within it: nothing is brighter than white."""
    *colours, alpha = image.split()
    return Image.merge("RGBa", [*(ImageChops.darker(colour, alpha) for colour in colours), alpha])


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
    square = Image.new(image.mode, (size, size), BESIDE[image.mode])
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    return square


def is_drawn_at(image: Image.Image, factor: int) -> bool:
    """Whether it is pixel art enlarged so, or by a multiple of it, but for a few stray pixels."""
    if image.mode not in ("RGB", "RGBa") or max(image.size) > LARGEST_DRAWN:
        return False
    grid = native_grid(image)
    return grid is not None and grid.across % factor == 0 and grid.down % factor == 0


def is_pixel_art(image: Image.Image, factor: int) -> bool:
    """Whether the picture is made of even blocks of factor×factor pixels."""
    if image.width % factor or image.height % factor:
        return False
    pixels = np.asarray(image)
    blocks = pixels[::factor, ::factor].repeat(factor, 0).repeat(factor, 1)
    return bool(np.array_equal(blocks, pixels))
