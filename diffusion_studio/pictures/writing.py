"""Images written to disk with their settings inside: by themselves into the outputs folder, or exported where the user says."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures import embedding
from diffusion_studio.pictures.grid import sheet
from diffusion_studio.pictures.listing import KINDS
from diffusion_studio.pictures.reading import Record, read
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.saving import SavingSettings, file_name
from diffusion_studio.storage.atomic import write_atomic, write_beside
from diffusion_studio.storage.places import kept_section, outputs_dir

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


LONGEST_SIDE = {"PNG": 65_535, "JPEG": 65_500, "WEBP": 16_383, "TIFF": 65_535}


def save(
    picture: np.ndarray,
    settings: GenerationSettings,
    *,
    facts: Mapping[str, Any],
    folder: Path | None = None,
    saving: SavingSettings | None = None,
) -> Path:
    """Write (H, W, C) uint8, or uint16 grey, under its day in the outputs folder or `folder`.

    How, `saving` says, or else the preferences.

    Usually that is `YYYY-MM-DD/HHMMSS-seed.png`. Nothing is ever overwritten.
    """
    return _save(picture, settings, {**_size(picture), **facts}, folder, "", saving)


def kept_saving() -> SavingSettings:
    """How images are saved where nothing else is said: as the window's Settings page has it."""
    return from_dict(SavingSettings, kept_section("outputs"))[0]


def save_sheet(
    pictures: Sequence[np.ndarray] | np.ndarray,
    settings: GenerationSettings,
    *,
    facts: Mapping[str, Any],
    folder: Path | None = None,
    saving: SavingSettings | None = None,
) -> Path:
    """Write all pictures of a batch as one, named as the first of them."""
    facts = {**_size(pictures[0]), **facts, "sheet": True}
    if isinstance(facts.get("batch"), Mapping):
        facts["batch"] = {key: value for key, value in facts["batch"].items() if key != "index"}
    return _save(sheet(pictures), settings, facts, folder, "-sheet", saving)


def save_page(
    page: np.ndarray,
    settings: GenerationSettings,
    *,
    facts: Mapping[str, Any],
    folder: Path | None = None,
    kind: str,
) -> Path:
    """Write pictures that were laid out already, as `save` does; `kind` joins the name."""
    return _save(page, settings, {**facts, **_size(page)}, folder, f"-{kind}")


def export(
    source: Path | np.ndarray,
    target: Path,
    *,
    settings: GenerationSettings | None = None,
    facts: Mapping[str, Any] | None = None,
    quality: int = 90,
    lossless: bool = False,
    with_metadata: bool = True,
) -> None:
    """Write a picture as PNG, JPEG, WebP or TIFF, by the ending of `target`, which is replaced if it is there.

    What is not given of settings and facts is taken from a source that is a file; without metadata nothing is written but pixels.
    """
    import numpy as np

    kind = KINDS.get(target.suffix.lower())
    if kind is None:
        ending = f"“{target.suffix}”" if target.suffix else tr("no ending")
        raise UserError(
            tr(
                "An image cannot be saved with {ending}; the allowed endings are: {kinds}.",
                ending=ending,
                kinds=", ".join(KINDS),
            )
        )
    if not 1 <= quality <= 100:
        raise UserError(tr("Quality must be between 1 and 100, not {quality}.", quality=quality))
    if lossless and kind == "JPEG":
        raise UserError(tr("JPEG always loses something; choose PNG or WebP for a lossless image."))
    record = read(source) if isinstance(source, Path) else None
    pixels = record.pixels() if record is not None else np.asarray(source)
    options = _quality(kind, quality, lossless)
    if with_metadata:
        options |= _what_it_says(kind, pixels, record, settings, facts or {})
    write_atomic(target, _encode(pixels, kind, options, target.name))


def _what_it_says(
    kind: str,
    pixels: np.ndarray,
    record: Record | None,
    settings: GenerationSettings | None,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    known = {**_size(pixels), **(record.facts if record else {}), **facts}
    if record is not None and record.others is not None:
        return embedding.carry_foreign(kind, record.texts, record.others)
    if known.get("made_with"):  # pixels of another program's picture, whose file is not known
        return embedding.carry(kind, embedding.foreign_line(known))
    if settings is None and record is not None:
        if record.foreign is not None and record.parameters is not None:
            return embedding.carry(kind, record.parameters)  # a line of ours alone does not name all settings
        settings = record.settings
    return embedding.options(kind, settings, known) if settings is not None else {}


def _quality(kind: str, quality: int, lossless: bool) -> dict[str, Any]:
    if kind == "JPEG":
        return {"quality": quality, "subsampling": 0, "optimize": True}  # full colour for every pixel
    if kind == "WEBP":
        return {"lossless": True} if lossless else {"quality": quality, "method": 6}
    return {}


def _save(
    picture: np.ndarray,
    settings: GenerationSettings,
    facts: Mapping[str, Any],
    folder: Path | None,
    kind: str,
    saving: SavingSettings | None = None,
) -> Path:
    now, saving = datetime.now().astimezone(), saving or kept_saving()
    format, ending = KINDS[saving.ending], saving.ending
    if max(picture.shape) > LONGEST_SIDE[format]:  # a large sheet is saved as it can be, rather than lost
        format, ending = "PNG", ".png"
    facts = {"time": now.isoformat(timespec="seconds"), **facts}
    place = (outputs_dir() if folder is None else Path(folder)) / f"{now:%Y-%m-%d}"
    name = file_name(saving.pattern, settings, facts, now) + kind
    options = _quality(format, saving.quality, saving.format == "webp-lossless")
    if saving.metadata:
        options |= embedding.options(format, settings, facts)
    data = _encode(picture, format, options, f"{name}{ending}")
    return write_beside(place / f"{name}{ending}", data)


def plain_png(picture: np.ndarray) -> bytes:
    """A file of nothing but the pixels: (H, W, 1, 3 or 4) uint8, or (H, W, 1) uint16."""
    return _encode(picture, "PNG", {}, "image.png")


def _encode(picture: np.ndarray, kind: str, options: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a file called `name`. Whatever the encoder cannot do is a `UserError`, so that it costs no other picture."""
    import numpy as np
    from PIL import Image

    deep = picture.dtype == np.uint16
    if picture.ndim != 3 or picture.shape[2] not in ((1,) if deep else (1, 3, 4)):
        raise ValueError(f"a picture must be (H, W, 1, 3 or 4) uint8, not {picture.shape} {picture.dtype}")
    if not deep and picture.dtype != np.uint8:
        raise ValueError(f"a picture must be uint8, or uint16 where it is grey, not {picture.dtype}")
    if max(picture.shape) > LONGEST_SIDE[kind]:
        raise UserError(
            tr(
                "{kind} images are at most {longest_side} pixels wide and high; this one is "
                "{shape}×{shape2}.",
                kind=kind,
                longest_side=LONGEST_SIDE[kind],
                shape=picture.shape[1],
                shape2=picture.shape[0],
            )
        )
    picture = _as_kind_holds(picture, kind)
    image = Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture))
    try:
        return _encoded(image, kind, options)
    except OSError as error:
        if not options.get("optimize"):
            raise _cannot_encode(name, kind, error) from error
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise _cannot_encode(name, kind, error) from error
    # To optimize, libjpeg must hold the whole file at once, and Pillow's guess at its size (a byte a pixel) is too small for
    # noise. Without it the same pixels take a few per cent more bytes.
    try:
        return _encoded(image, kind, {**options, "optimize": False})
    except Exception as error:
        raise _cannot_encode(name, kind, error) from error


def _as_kind_holds(picture: np.ndarray, kind: str) -> np.ndarray:
    """The picture as a file of this kind can hold it: JPEG has no alpha, only PNG and TIFF have 16 bits, WebP has no grey."""
    if kind in ("PNG", "TIFF"):
        return picture
    from diffusion_studio.pictures.channels import on_white, shown

    return on_white(picture) if kind == "JPEG" else shown(picture)


def loses(picture: np.ndarray, kind: str) -> str:
    """A sentence for what a file of this kind ("PNG", "JPEG", …) cannot hold of the picture; "" where that is nothing."""
    if picture.shape[2] == 4 and kind == "JPEG":
        return tr("JPEG has no transparency: the image was laid on white.")
    if picture.dtype.itemsize == 2 and kind not in ("PNG", "TIFF"):
        return tr("{kind} holds 8 of the 16 bits; PNG and TIFF hold all.", kind=kind)
    return ""


def _encoded(image: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _cannot_encode(name: str, kind: str, error: Exception) -> UserError:
    what = str(error) or type(error).__name__
    return UserError(
        tr("{name} cannot be written as {kind}: {what}. PNG may work.", name=name, kind=kind, what=what),
        details=repr(error),
    )


def _size(picture: np.ndarray) -> dict[str, int]:
    return {"width": picture.shape[1], "height": picture.shape[0]}
