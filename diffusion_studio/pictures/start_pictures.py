"""Start images and their masks, kept under the hash of their pixels, by which settings name them.

What is kept is the picture as it is seen: upright, the first frame, with its transparency. A model
sees it cropped and resized by `fit`.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, open_foreign
from diffusion_studio.storage.places import data_dir

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from diffusion_studio.pictures.decoding import DecodedImage
    from diffusion_studio.settings.generation import GenerationSettings

LARGEST = 1024  # pixels a side; no model here draws as large, and copies should stay small
NAME, LONGEST_NAME = "Title", 200  # the text chunk that holds a name, and its letters


def folder() -> Path:
    return data_dir() / "sources"


def keep(picture: Path | np.ndarray, name: str = "") -> str:
    """Keep a copy of a picture, a file or (H, W, C) uint8; returns its digest. Raises `UserError` for what is no picture.

    `name`: what it is called from now on, see `name_of`; without, the name of its file.
    """
    image = _small(_opened(picture) if isinstance(picture, Path) else _image(picture))
    return _keep(image, name or _file_name(picture))


def keep_mask(picture: Path | np.ndarray, feather: float = 0) -> str:
    """Keep a mask, a file or (H, W) uint8, white where the image is regenerated; `feather`: softness of its edge in pixels.

    What is transparent in a mask counts as black: white paint on nothing regenerates what was painted.
    """
    from PIL import ImageFilter

    from diffusion_studio.pictures.decoding import over

    image = _opened(picture) if isinstance(picture, Path) else _image(picture)
    image = _small((over(image, (0, 0, 0)) if image.mode == "RGBA" else image).convert("L"))
    if feather > 0:
        image = image.filter(ImageFilter.GaussianBlur(feather))
    return _keep(image, _file_name(picture))


def name_of(digest: str) -> str:
    """What a kept picture or mask was called when it was kept last; "" where it had no name."""
    from PIL import Image

    try:
        with (
            open_foreign(_place(digest), LARGEST_PICTURE) as file,
            Image.open(file, formats=("PNG",)) as image,
        ):
            return str(image.info.get(NAME, ""))[:LONGEST_NAME]
    except (OSError, ValueError, SyntaxError):
        return ""


def load(digest: str) -> np.ndarray:
    """(H, W, 3) uint8 of a kept picture, (H, W, 4) of one that is transparent."""
    import numpy as np

    image = _load(digest, tr("The start image of these settings"))
    return np.array(image if image.mode == "RGBA" else image.convert("RGB"))


def load_mask(digest: str) -> np.ndarray:
    """(H, W) uint8 of a kept mask."""
    import numpy as np

    return np.array(_load(digest, tr("The mask of these settings")).convert("L"))


def has(digest: str) -> bool:
    return _place(digest).is_file()


Size = int | tuple[int, int]  # the side of a square, or height and width


def fit(picture: np.ndarray, size: Size) -> np.ndarray:
    """(height, width, C): cropped to the middle and resized, as training sees pictures; the right size is left as it is."""
    from PIL import Image

    from diffusion_studio.pictures.channels import straight
    from diffusion_studio.pictures.fitting import fit as see
    from diffusion_studio.pictures.fitting import fit_oblong

    height, width = size if isinstance(size, tuple) else (size, size)
    if height != width:
        return fit_oblong(Image.fromarray(picture), height, width)
    seen = see(Image.fromarray(picture), height).transpose(1, 2, 0)
    return straight(seen) if seen.shape[2] == 4 else seen


def as_shown(picture: DecodedImage, size: int, *, pad: bool = False) -> np.ndarray:
    """(size, size, 3 or 4) uint8 of a file as training sees it, with straight colours where it is transparent."""
    from diffusion_studio.pictures.channels import straight
    from diffusion_studio.pictures.fitting import fit as see

    image = picture.image if picture.uncovered is None else picture.uncovered
    seen = see(image, size, pad=pad).transpose(1, 2, 0)
    return straight(seen) if seen.shape[2] == 4 else seen


def fit_mask(mask: np.ndarray, size: Size) -> np.ndarray:
    """(height, width), as `fit` does with the picture it belongs to."""
    import numpy as np

    return fit(np.repeat(mask[..., None], 3, axis=2), size)[..., 0]


class StartImage(TypedDict):
    source: np.ndarray | None  # (H, W, 3 or 4) uint8
    mask: np.ndarray | None  # (H, W) uint8


def named_by(settings: GenerationSettings, size: Size) -> StartImage:
    """The `source` and `mask` that settings name, for a model of this size; None where they name none."""
    source = load(settings.source) if settings.source else None
    mask = load_mask(settings.mask) if settings.mask else None
    if source is not None and mask is not None:
        _check_together(source, mask)
    return {
        "source": None if source is None else fit(source, size),
        "mask": None if mask is None else fit_mask(mask, size),
    }


def _check_together(source: np.ndarray, mask: np.ndarray) -> None:
    """A mask covers the picture as it is, or the square that a model sees of it."""
    (height, width), (tall, wide) = source.shape[:2], mask.shape
    whole = abs(wide * height - tall * width) <= max(width, height) + max(wide, tall)  # rounded to pixels
    if not whole and wide != tall:
        raise UserError(
            tr(
                "The mask is {wide}×{tall} and the start picture {width}×{height}: a mask must have the proportions of its "
                "picture, or be square, as a model sees it.",
                wide=wide,
                tall=tall,
                width=width,
                height=height,
            )
        )


def _opened(path: Path) -> Image:
    if path.is_dir():
        raise UserError(tr("{path} is a folder, not an image.", path=path))
    from diffusion_studio.pictures.decoding import open_picture
    from diffusion_studio.pictures.formats.contents import Refused

    try:
        opened = open_picture(path)
        return opened.image if opened.uncovered is None else opened.uncovered
    except Refused as reason:
        raise UserError(tr("{path} cannot be opened: {reason}.", path=path, reason=reason)) from None


def _image(pixels: np.ndarray) -> Image:
    import numpy as np
    from PIL import Image

    from diffusion_studio.pictures.channels import shown

    if pixels.ndim == 3:
        pixels = shown(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"a picture must be (H, W, 3) or (H, W) uint8, not {pixels.shape} {pixels.dtype}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _small(image: Image) -> Image:
    from PIL import Image

    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return image


def _file_name(picture: Path | np.ndarray) -> str:
    return picture.name if isinstance(picture, Path) else ""


def _keep(image: Image, name: str) -> str:
    from PIL.PngImagePlugin import PngInfo

    name = name.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:LONGEST_NAME]
    digest = hashlib.sha256(
        f"{image.mode} {image.width} {image.height} ".encode() + image.tobytes()
    ).hexdigest()
    if not has(digest) or (name and name != name_of(digest)):
        png, text = io.BytesIO(), PngInfo()
        if name:
            text.add_itxt(NAME, name)
        image.save(png, "PNG", pnginfo=text)
        write_atomic(_place(digest), png.getvalue())
    return digest


def _load(digest: str, what: str) -> Image:
    if not has(digest):
        raise UserError(
            tr("{what} is not among those kept here; open it again.", what=what),
            tr("sha256 {digest}", digest=digest),
        )
    return _opened(_place(digest))


def _place(digest: str) -> Path:
    return folder() / f"{digest}.png"
