"""Every image of others is opened here: its first frame or page in sRGB, upright, over white, or refused with the reason.

A file is judged by its content. Nothing it says about itself can stop its pixels from being read; pixels that are cut off
or damaged are refused, and so are files that unpack to more than `MOST_PIXELS`, before they are decoded.
"""

from __future__ import annotations

import errno
import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from diffusion_studio.language import tr
from diffusion_studio.pictures.colour import to_srgb
from diffusion_studio.pictures.file_kinds import FORMATS, HEAD, READABLE, kind_of, with_article
from diffusion_studio.pictures.formats.bmp_header import open_bmp
from diffusion_studio.pictures.formats.contents import Contents, Refused
from diffusion_studio.pictures.formats.jpeg_segments import open_jpeg
from diffusion_studio.pictures.formats.png_chunks import open_png
from diffusion_studio.pictures.formats.sample_values import to_light
from diffusion_studio.pictures.formats.tiff_page import grey_image, open_tiff
from diffusion_studio.pictures.formats.tiff_samples import FLOAT, SIGNED
from diffusion_studio.pictures.formats.webp_chunks import open_webp
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, UnsuitableFile, blocks, open_foreign

MOST_PIXELS = 100_000_000
TOO_LARGE = tr("it unpacks to more than 100 million pixels")
BACKGROUND = (255, 255, 255)  # what shows through where a picture is transparent
DARK = 25  # levels of 255 that nothing in a nearly black picture exceeds
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MODES = {
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "HSV",
    "LAB",
    "I",
    "F",
}


@dataclass(frozen=True)
class DecodedImage:
    """A picture made ready, and what was found on the way."""

    image: Image.Image  # RGB, upright, over `BACKGROUND` where it is transparent
    format: str
    mode: str  # Pillow's word for how the colours are stored
    size: tuple[int, int]  # of the file, upright
    rotated: bool
    transparent: bool  # something shows through
    frames: int = 1  # of an animation, of which the first was taken
    pages: int = 1  # images in the file, of which the first was taken
    notes: tuple[str, ...] = ()  # what was odd, each half a sentence
    digest: bytes = b""  # BLAKE2b of the file, where it was asked for
    uncovered: Image.Image | None = None  # RGBA, upright: the image as it is where it is transparent
    light: np.ndarray | None = None  # (H, W) uint16, upright, of a grey image of more than eight bits
    grey: bool = False  # it is stored without colour

    @property
    def invisible(self) -> bool:
        """Whether it is transparent everywhere."""
        if self.uncovered is None:
            return False
        most: Any = self.uncovered.getchannel("A").getextrema()
        return bool(most[1] == 0)

    @property
    def darkness(self) -> str:
        """Half a sentence where there is nothing to see: one colour everywhere, or hardly any light."""
        if self.invisible:
            return tr("transparent everywhere")
        ranges: Any = self.image.getextrema()  # one pair a band
        if all(low == high for low, high in ranges):
            return tr("one colour everywhere")
        return tr("nearly black") if max(high for _, high in ranges) <= DARK else ""


def open_picture(path: Path, *, hashed: bool = False, least: int = 0) -> DecodedImage:
    """The first frame as RGB, upright, over `BACKGROUND` where transparent. Raises `Refused` with the reason.

    `hashed`: the file's digest is wanted too. `least`: the picture will be shown or learned from at this many pixels a
    side, so a much larger JPEG may be decoded at a half, a quarter or an eighth of its size.
    """
    try:
        with open_foreign(path, LARGEST_PICTURE) as file, warnings.catch_warnings():
            # about what the picture holds, and the limits here are our own
            warnings.simplefilter("ignore")
            digest = _digest(file) if hashed else b""
            return _open(file, digest, least)
    except Refused:
        raise
    except FileNotFoundError:
        raise Refused(
            tr("it is a link to a file that is not there") if path.is_symlink() else tr("it is gone")
        ) from None
    except PermissionError:
        raise Refused(tr("it cannot be read (no permission)")) from None
    except UnsuitableFile as error:
        raise Refused(tr("the folder cannot be read") if path.is_dir() else str(error.strerror)) from None
    except Image.DecompressionBombError:
        raise Refused(TOO_LARGE) from None
    except UnidentifiedImageError:
        raise Refused(tr("it is damaged")) from None
    except MemoryError:
        raise Refused(tr("there is not enough memory to open it")) from None
    except Exception as error:  # decoders raise anything on damaged files
        raise Refused(_why_damaged(error)) from None


def _why_damaged(error: Exception) -> str:
    """What a decoder's exception, of whatever kind, means to the user."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return tr("it is a link in a loop")
    if isinstance(error, OSError) and error.errno and error.strerror:
        return tr("it cannot be read ({strerror})", strerror=error.strerror)
    cut = isinstance(error, EOFError) or any(
        word in str(error).lower() for word in ("truncated", "end of file", "decoder error -2")
    )
    return tr("it is damaged: the file ends too early") if cut else tr("it is damaged")


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for block in blocks(file, LARGEST_PICTURE):
        digest.update(block)
    file.seek(0)
    return digest.digest()


def _open(file: BinaryIO, digest: bytes, least: int) -> DecodedImage:
    head = file.read(HEAD)
    if not head:
        raise Refused(tr("the file is empty"))
    kind = kind_of(head)
    if kind not in FORMATS:
        named = f" but {with_article(kind)}" if kind else ""
        raise Refused(tr("it is not a {readable} image{named}", readable=READABLE, named=named))
    pixels: Image.Image | None = None
    alpha: Image.Image | None = None
    mode, size = "", (0, 0)
    if kind == "TIFF":
        found, pixels, alpha = open_tiff(file, MOST_PIXELS, TOO_LARGE)
    else:
        found = TAKEN_APART[kind](file) if kind in TAKEN_APART else Contents(file, kind)
        found.stream.seek(0)
    if pixels is None:
        with Image.open(found.stream, formats=(kind,)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Refused(TOO_LARGE)
            if image.mode not in MODES and not image.mode.startswith("I;16"):
                raise Refused(tr("its colours ({mode}) cannot be read", mode=image.mode))
            size = image.size
            if kind in ("GIF", "WEBP"):
                found.frames = max(found.frames, _count_frames(image))
            if kind == "JPEG" and least:
                image.draft(None, (4 * least, 4 * least))
            image.load()
            mode = image.mode
            if kind == "TIFF":  # Pillow turns these upright itself
                size, found.orientation = image.size, 1
            pixels, alpha = _parts(image, found)
    else:
        size, mode = pixels.size, pixels.mode + ("A" if alpha is not None else "")
    rgb, note = to_srgb(pixels, found.profile)
    notes = (*found.notes, note) if note else tuple(found.notes)
    turn = TURNS.get(found.orientation)
    if turn is not None:
        rgb = rgb.transpose(turn)
        alpha = None if alpha is None else alpha.transpose(turn)
        size = size[::-1] if found.orientation >= 5 else size
    uncovered = _uncovered(rgb, alpha)
    return DecodedImage(
        rgb if uncovered is None else over(uncovered),
        found.format,
        mode,
        size,
        turn is not None,
        uncovered is not None,
        found.frames,
        found.pages,
        notes,
        digest,
        uncovered,
        _upright(found.light, turn),
        pixels.mode == "L",
    )


def over(image: Image.Image, background: tuple[int, int, int] = BACKGROUND) -> Image.Image:
    """RGB of an RGBA image laid on one colour."""
    return Image.composite(
        image.convert("RGB"), Image.new("RGB", image.size, background), image.getchannel("A")
    )


def _uncovered(rgb: Image.Image, alpha: Image.Image | None) -> Image.Image | None:
    """RGBA; None where nothing shows through, whatever the file has a channel for."""
    least: Any = (255, 255) if alpha is None else alpha.getextrema()
    if alpha is None or least[0] == 255:
        return None
    image = rgb.copy()
    image.putalpha(alpha)
    return image


def _upright(light: np.ndarray | None, turn: Image.Transpose | None) -> np.ndarray | None:
    if light is None or turn is None:
        return light
    return np.asarray(Image.fromarray(light).transpose(turn))


TAKEN_APART = {"PNG": open_png, "JPEG": open_jpeg, "WEBP": open_webp, "BMP": open_bmp}


def _count_frames(image: Image.Image) -> int:
    try:
        frames = int(getattr(image, "n_frames", 1))
        image.seek(0)
    except (
        EOFError,
        OSError,
        SyntaxError,
        ValueError,
    ):  # a later frame is damaged; the first one may be whole
        frames = 2
        image.seek(0)
    return frames


def _parts(image: Image.Image, found: Contents) -> tuple[Image.Image, Image.Image | None]:
    """L, RGB, CMYK or LAB of a decoded image, and its alpha (L) where it has any."""
    mode = image.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        values = np.asarray(image)
        alpha = None
        if found.key:
            alpha = Image.fromarray(np.where(values == found.key[0], 0, 255).astype(np.uint8))
        if mode in ("I", "F"):
            values, notes = to_light(values, 32, FLOAT if mode == "F" else SIGNED)
            found.notes += notes
        values = values.astype(np.uint16, copy=False)
        found.light = None if found.profile or alpha is not None else values
        return grey_image(values, found), alpha
    if mode == "CMYK":
        # Pillow takes every JPEG for one of Adobe's, which hold 255 - ink; only those that say so are.
        return (ImageChops.invert(image) if found.format == "JPEG" and not found.inverted else image), None
    if found.key and mode in ("1", "L", "RGB"):
        return _keyed(image, found)
    if image.has_transparency_data:
        straight = (
            image.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, mode)) if mode in ("La", "RGBa") else image
        )
        if straight.mode == "LA":
            return straight.getchannel("L"), straight.getchannel("A")
        whole = straight.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    if mode in ("L", "RGB", "LAB"):
        return image, None
    return image.convert("L" if mode == "1" else "RGB"), None


def _keyed(image: Image.Image, found: Contents) -> tuple[Image.Image, Image.Image]:
    """A PNG with one transparent colour, which is written in the samples of the file: they were scaled to 8 bits since."""
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    top = (1 << found.depth) - 1
    key = [sample >> 8 if found.depth == 16 else min(sample, top) * 255 // top for sample in found.key]
    clear = (pixels == key).all(axis=-1) if pixels.ndim == 3 else pixels == key[0]
    return Image.fromarray(pixels), Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))
