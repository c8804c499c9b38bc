"""A folder of pictures, opened right and made into one uint8 tensor: what the trainer learns from.

Every file is judged by its content; a bad one is skipped, with its name and the reason, and never stops the others.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MOST_PIXELS = 100_000_000
MOST_BYTES = 512 << 20
TOO_LARGE = "it unpacks to more than 100 million pixels"
MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"}
BACKGROUND = (255, 255, 255)  # what shows through where a picture is transparent
OTHER = "other"  # the class of files beside the sub-folders
SHARE = 0.8  # of the free memory that the pictures may fill


@dataclass
class Pictures:
    """`images` (N, 3, S, S) uint8; `labels` (N,) int64 into `classes` (0 without); `skipped`: (name, reason) of the others."""

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: list[str]
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)


class Refused(Exception):
    """Why one file is not among the pictures, in half a sentence."""


def printable(name: str | Path) -> str:
    """A file's name as text that can be shown, stored and logged, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def find_pictures(folder: Path) -> Iterator[tuple[Path, str]]:
    """(file, class) of everything with a picture's suffix, sorted, links to folders not followed, each file once.

    The class is the first sub-folder's name, "" for files in the folder itself. Hidden files and folders are left out.
    What turns out not to be a readable file, folders included, is for `open_picture` to refuse by name.
    """
    seen: set[tuple[int, int]] = set()
    closed: list[Path] = []
    for root, folders, files in os.walk(
        folder, followlinks=False, onerror=lambda e: closed.append(Path(e.filename))
    ):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        parts = Path(root).relative_to(folder).parts
        label = printable(parts[0]) if parts else ""
        for name in sorted(files):
            path = Path(root, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            with suppress(OSError):  # a link to nothing
                facts = path.stat()
                if (facts.st_dev, facts.st_ino) in seen and facts.st_ino:
                    continue
                seen.add((facts.st_dev, facts.st_ino))
            yield path, label
    for path in closed:
        yield path, ""


@dataclass(frozen=True)
class Opened:
    """A picture made ready, and what was found on the way."""

    image: Image.Image  # RGB, upright
    format: str
    mode: str
    size: tuple[int, int]  # upright
    rotated: bool
    transparent: bool
    frames: int


def open_picture(path: Path) -> Opened:
    """The first frame as RGB, upright, over `BACKGROUND` where transparent. Raises `Refused` with the reason."""
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise Refused("the folder can not be read")
        if not stat.S_ISREG(facts.st_mode):
            raise Refused("it is not a regular file")
        if not facts.st_size:
            raise Refused("the file is empty")
        if facts.st_size > MOST_BYTES:
            raise Refused("the file is larger than 512 MB")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # this is about what the picture holds, and the limits here are our own
            with Image.open(path, formats=FORMATS) as image:
                return _decode(image)
    except Refused:
        raise
    except FileNotFoundError:
        raise Refused(
            "it is a link to a file that is not there" if path.is_symlink() else "it is gone"
        ) from None
    except PermissionError:
        raise Refused("it can not be read (no permission)") from None
    except Image.DecompressionBombError:
        raise Refused(TOO_LARGE) from None
    except UnidentifiedImageError:
        raise Refused("it is not a PNG, JPEG, WebP, BMP, GIF or TIFF picture") from None
    except MemoryError:
        raise Refused("there is not enough memory to open it") from None
    except Exception as error:  # decoders raise anything on damaged files
        raise Refused(_why_damaged(error)) from None


def _why_damaged(error: Exception) -> str:
    """What a decoder's exception, of whatever kind, means to somebody who has the file."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link in a loop"
    cut = isinstance(error, EOFError) or any(
        word in str(error).lower() for word in ("truncated", "end of file")
    )
    return "it is damaged: the file ends too early" if cut else "it is damaged"


def _decode(image: Image.Image) -> Opened:
    if image.width * image.height > MOST_PIXELS:
        raise Refused(TOO_LARGE)
    if image.mode not in MODES and not image.mode.startswith("I;16"):
        raise Refused(f"its colours ({image.mode}) can not be read")
    orientation = image.getexif().get(0x0112, 1)
    frames = getattr(image, "n_frames", 1)
    image.seek(0)
    image.load()
    transparent = image.has_transparency_data
    upright = ImageOps.exif_transpose(image)
    rotated = isinstance(orientation, int) and 2 <= orientation <= 8
    return Opened(
        _as_rgb(upright), image.format or "", image.mode, upright.size, rotated, transparent, frames
    )


def _as_rgb(image: Image.Image) -> Image.Image:
    """RGB right to 2/255 from any mode; Pillow's own convert() turns 16-bit grey white and float black."""
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.float64) / 65535)
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        top = float(values.max(initial=0))
        return _grey(
            values / (1.0 if top <= 1 else 255.0 if top <= 255 else 65535.0 if top <= 65535 else top)
        )
    if image.has_transparency_data:
        over = Image.new("RGBA", image.size, (*BACKGROUND, 255))
        straight = image.convert("LA") if image.mode == "La" else image
        return Image.alpha_composite(over, straight.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _grey(share: np.ndarray) -> Image.Image:
    return Image.fromarray((share.clip(0, 1) * 255).round().astype(np.uint8)).convert("RGB")


def fit(image: Image.Image, size: int, *, pad: bool = False) -> np.ndarray:
    """(3, size, size) uint8: the centre square (or the whole on white), scaled; pixel art by whole factors stays crisp."""
    if pad:
        image = ImageOps.pad(image, (max(image.size),) * 2, color=BACKGROUND)
    if image.size != (size, size):
        side = min(image.size)
        crisp = side % size == 0 and side > size and is_pixel_art(image, side // size)
        image = ImageOps.fit(
            image, (size, size), Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS
        )
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def is_pixel_art(image: Image.Image, factor: int) -> bool:
    """Whether the picture is made of even blocks of factor×factor pixels."""
    if image.width % factor or image.height % factor:
        return False
    pixels = np.asarray(image)
    blocks = pixels[::factor, ::factor].repeat(factor, 0).repeat(factor, 1)
    return bool(np.array_equal(blocks, pixels))


def load_pictures(
    folder: Path, size: int, *, classes: bool = True, pad: bool = False
) -> Iterator[int | Pictures]:
    """Open every picture of a folder; yields how many were looked at so far, and at last the `Pictures`.

    Raises `UserError` where they do not fit into memory.
    """
    found = list(find_pictures(folder))
    images = _room(len(found), size)
    labels: list[str] = []
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    for count, (path, label) in enumerate(found, 1):
        name = printable(path.relative_to(folder))
        try:
            images[len(names)] = fit(open_picture(path).image, size, pad=pad)
        except Refused as reason:
            skipped.append((name, str(reason)))
        else:
            labels.append(label or OTHER)
            names.append(name)
        if count % 16 == 0:
            yield count
    known = tuple(sorted(set(labels)))
    known = known if classes and len(known) > 1 else ()
    index = {label: row for row, label in enumerate(known)}
    rows = np.array([index.get(label, 0) for label in labels], dtype=np.int64)
    yield Pictures(images[: len(names)], rows, known, names, skipped)


def _room(count: int, size: int) -> np.ndarray:
    need = count * 3 * size * size
    if need > psutil.virtual_memory().available * SHARE:
        raise UserError(
            f"{count} pictures at {size}×{size} need {need / 1e9:.1f} GB of memory, more than is free. "
            "Choose a smaller size, or fewer pictures."
        )
    return np.empty((count, 3, size, size), np.uint8)
