"""The first page of a TIFF file as an image, by what its tags say its samples mean."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image

from diffusion_studio.language import tr
from diffusion_studio.pictures.colour import grey_table
from diffusion_studio.pictures.formats import tiff_tags as tags
from diffusion_studio.pictures.formats.contents import Contents, Refused
from diffusion_studio.pictures.formats.sample_values import WHITE, to_bytes, to_light
from diffusion_studio.pictures.formats.tiff_samples import can_read, read_samples
from diffusion_studio.pictures.formats.tiff_tags import TiffPage, read_pages

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, LAB, ICC_LAB = 0, 1, 2, 3, 4, 5, 8, 9
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, MASK: 1, CMYK: 4, LAB: 3, ICC_LAB: 3}
PREMULTIPLIED, ALPHA = 1, 2


def open_tiff(
    file: BinaryIO, most_pixels: int, too_large: str
) -> tuple[Contents, Image.Image | None, Image.Image | None]:
    """What the file says, its pixels (L, RGB, CMYK or LAB), and its alpha (L). No pixels: Pillow has to decode them."""
    file.seek(0)
    data = memoryview(file.read())
    pages = read_pages(data)
    page = pages[0]
    width, height = page.size
    if not width or not height:
        raise Refused(tr("it is damaged"))
    if width * height > most_pixels:
        raise Refused(too_large)
    found = Contents(file, "TIFF", profile=page.profile, pages=len(pages))
    found.orientation = page.one(tags.ORIENTATION, 1)
    photometric = page.one(tags.PHOTOMETRIC, BLACK_IS_ZERO)
    if tags.DNG in page.tags or photometric == tags.RAW:
        raise Refused(tr("it is raw data of a camera (DNG), which has to be developed first"))
    file.seek(0)
    if not can_read(page) or photometric not in COLOURS:
        return found, None, None
    samples, bits, form = read_samples(data, page)
    colours = COLOURS[photometric]
    if samples.shape[2] < colours:
        raise Refused(tr("it is damaged"))
    if photometric == PALETTE:
        return found, _palette(samples[..., 0], page, bits), None
    if photometric in (LAB, ICC_LAB):
        return found, _lab(samples[..., :3], bits, signed=photometric == LAB), None
    light, notes = to_light(samples[..., :colours], bits, form)
    found.notes += notes
    if photometric == WHITE_IS_ZERO:
        light = WHITE - light
    kinds = page.tags.get(tags.EXTRA, ())
    alpha = None
    if samples.shape[2] > colours and (kinds[:1] in ((PREMULTIPLIED,), (ALPHA,)) or not kinds):
        alpha, _ = to_light(samples[..., colours], bits, form)
        if kinds[:1] == (PREMULTIPLIED,):
            light = np.minimum(light / np.maximum(alpha, 1)[..., None].astype(np.float32), 1) * WHITE
            light = light.astype(np.uint16)
    if light.shape[2] == 1 and bits > 8 and alpha is None and not found.profile:
        found.light = light[..., 0]
    return found, _image(light, found), None if alpha is None else Image.fromarray(to_bytes(alpha))


def _image(light: np.ndarray, found: Contents) -> Image.Image:
    if light.shape[2] == 1:
        return grey_image(light[..., 0], found)
    shown = np.ascontiguousarray(to_bytes(light))
    if light.shape[2] == 4:
        return Image.frombytes("CMYK", (light.shape[1], light.shape[0]), shown.tobytes())
    return Image.fromarray(shown)


def grey_image(light: np.ndarray, found: Contents) -> Image.Image:
    """L of (H, W) uint16; RGB, its profile applied, where there is one for grey: eight bits would be too few before it."""
    table = grey_table(found.profile) if found.profile else None
    if table is None:
        return Image.fromarray(to_bytes(light))
    found.profile = b""
    return Image.fromarray(table[light])


def _palette(rows: np.ndarray, page: TiffPage, bits: int) -> Image.Image:
    colours = page.tags.get(tags.COLORS, ())
    if bits > 16 or len(colours) < 3 << bits:
        raise Refused(tr("it is damaged: its palette is incomplete"))
    table = np.array(colours[: 3 << bits], np.uint32).reshape(3, -1).T
    if table.max() <= 255:  # written by programs that took the palette for one of eight bits
        table = table * 257
    return Image.fromarray(to_bytes(table.astype(np.uint16))[rows])


def _lab(samples: np.ndarray, bits: int, *, signed: bool) -> Image.Image:
    """LAB, whose a and b Pillow takes as signed bytes."""
    if bits not in (8, 16):
        raise Refused(tr("its samples of {bits} bits cannot be read", bits=bits))
    wide = samples.astype(np.uint16)
    light = ((wide[..., 0].astype(np.uint32) * 255 + (1 << bits) // 2) // ((1 << bits) - 1)).astype(np.uint8)
    sides = (wide[..., 1:] >> (bits - 8)).astype(np.uint8)
    sides = sides if signed else np.bitwise_xor(sides, np.uint8(0x80))
    shown = np.concatenate([light[..., None], sides], axis=2)
    return Image.frombytes("LAB", (shown.shape[1], shown.shape[0]), np.ascontiguousarray(shown).tobytes())
