"""Which channels of an image a model sees, and how its own are meant when they become an image again.

RGBA is learned premultiplied: colours times alpha. What is hidden under a transparent pixel is then nothing, always the
same, so it cannot leak into a visible one; and what a model blurs between colour and nothing composites to the right colour
over any background. With colours as they are (straight), the blur would take in whatever lies hidden: a halo.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from diffusion_studio.language import tr
from diffusion_studio.pictures.decoding import DecodedImage
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.pictures.pixel_format import MOST_COLOURS, PixelFormat

COUNTS = {"rgb": 3, "rgba": 4, "grey": 1, "grey16": 1}
CHECKS = (0xF4, 0xD9)  # levels of grey of the squares of a checkerboard
HALF = 128  # alpha from which a pixel counts as opaque where there is nothing between


def seen_as(picture: DecodedImage, channels: str) -> Image.Image:
    """The image a model of these channels (a key of `COUNTS`) sees: RGB, RGBA, L, or F, light from 0 to 65535.

    Raises `Refused` for one that is transparent everywhere where transparency is learned.
    """
    if channels == "rgba":
        if picture.invisible:
            raise Refused(tr("it is transparent everywhere"))
        return picture.uncovered if picture.uncovered is not None else picture.image.convert("RGBA")
    if channels == "grey":
        return picture.image.convert("L")
    if channels == "grey16":
        if picture.light is not None:
            return Image.fromarray(picture.light.astype(np.float32))
        return Image.fromarray(np.asarray(picture.image.convert("L")).astype(np.float32) * 257)
    return picture.image


def all_of(picture: DecodedImage) -> np.ndarray:
    """(H, W, C) of everything a file holds: uint8 RGB or RGBA, or uint16 grey."""
    if picture.light is not None:
        return picture.light[..., None].copy()
    return np.array(picture.image if picture.uncovered is None else picture.uncovered)


def format_of(images: np.ndarray, channels: str) -> PixelFormat:
    """What training images (N, C, S, S), as `fit` made them, have in common."""
    if channels == "grey16":
        return PixelFormat(depth=16)
    alpha = channels == "rgba"
    binary = alpha and not ((images[:, 3] > 0) & (images[:, 3] < 255)).any()
    palette = common_palette(images) if images.shape[1] >= 3 and (binary or not alpha) else ()
    return PixelFormat(premultiplied=alpha, binary_alpha=bool(binary), palette=palette)


def common_palette(images: np.ndarray) -> tuple[str, ...]:
    """All colours of (N, 3 or 4, S, S) uint8 whose alpha is opaque or nothing; empty where they are too many."""
    counts: dict[int, int] = {}
    for image in images:
        packed = (
            image[0].astype(np.uint32) << 16 | image[1].astype(np.uint32) << 8 | image[2].astype(np.uint32)
        )
        seen = packed[image[3] > 0] if len(image) == 4 else packed.ravel()
        colours, numbers = np.unique(seen, return_counts=True)
        for colour, number in zip(colours.tolist(), numbers.tolist(), strict=True):
            counts[colour] = counts.get(colour, 0) + number
        if len(counts) > MOST_COLOURS:
            return ()
    return tuple(f"#{colour:06x}" for colour in sorted(counts, key=lambda colour: (-counts[colour], colour)))


def straight(pixels: np.ndarray, *, binary: bool = False) -> np.ndarray:
    """(..., 4) uint8 with its colours as they are, of the same premultiplied; `binary`: opaque or nothing, as alpha is nearer.

    A pixel that is nothing has no colour: it is (0, 0, 0, 0).
    """
    alpha = pixels[..., 3:].astype(np.uint16)
    colours = (pixels[..., :3].astype(np.uint16) * 255 + alpha // 2) // np.maximum(alpha, 1)
    alpha = np.where(alpha >= HALF, 255, 0).astype(np.uint16) if binary else alpha
    colours = np.where(alpha > 0, np.minimum(colours, 255), 0)
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint8)


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    """(..., 4) uint8 whose colours are multiplied by alpha, of the same as they are."""
    alpha = pixels[..., 3:].astype(np.uint16)
    colours = (pixels[..., :3].astype(np.uint16) * alpha + 127) // 255
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint8)


def with_channels(pixels: np.ndarray, count: int) -> np.ndarray:
    """(..., count) of an image with as many channels or fewer: grey repeated, opaque where alpha is new."""
    if pixels.shape[-1] == count:
        return pixels
    colours = pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels
    if colours.shape[-1] == count:
        return colours
    opaque = np.full((*pixels.shape[:-1], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.concatenate([colours, opaque], axis=-1)


def shown(pixels: np.ndarray) -> np.ndarray:
    """(..., 3 or 4) uint8 of an image of any channels and depth, as it is shown."""
    return pixels if pixels.shape[-1] in (3, 4) else on_white(pixels)


def on_checks(pixels: np.ndarray, side: int = 8) -> np.ndarray:
    """(H, W, 3) uint8: laid on a checkerboard where it has alpha, as the window shows it."""
    if pixels.shape[-1] != 4:
        return pixels
    rows, columns = (np.arange(length) // side % 2 for length in pixels.shape[:2])
    ground = np.where((rows[:, None] ^ columns[None, :])[..., None] > 0, *CHECKS).astype(np.uint32)
    alpha = pixels[..., 3:].astype(np.uint32)
    return ((pixels[..., :3] * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def on_white(pixels: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 of (..., 4) uint8 with straight colours, laid on white; any other as RGB."""
    if pixels.shape[-1] == 1:
        grey = (
            ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
            if pixels.dtype == np.uint16
            else pixels
        )
        return grey.repeat(3, axis=-1)
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint32)
    shown = (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return shown.astype(np.uint8)
