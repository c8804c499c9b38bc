"""Pictures on disk: written with their settings inside, read back, listed newest first. The folder is the gallery."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures import embedding
from diffusion_studio.pictures.reading import Record, read
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.saving import SavingSettings, file_name
from diffusion_studio.storage.atomic import sweep_temporaries, write_atomic
from diffusion_studio.storage.places import kept_section, outputs_dir

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
LONGEST_SIDE = {"PNG": 65_535, "JPEG": 65_500, "WEBP": 16_383}
DAY = re.compile(r"\d{4}-\d\d-\d\d")


# Writing --------------------------------------------------------------------------------------------------------------


def save(
    picture: np.ndarray,
    settings: GenerationSettings,
    *,
    facts: Mapping[str, Any],
    folder: Path | None = None,
    saving: SavingSettings | None = None,
) -> Path:
    """Write (H, W, 3) uint8 under its day in the outputs folder or `folder`, as `saving` or else the preferences say.

    Usually that is `YYYY-MM-DD/HHMMSS-seed.png`. Nothing is ever overwritten.
    """
    return _save(picture, settings, {**_size(picture), **facts}, folder, "", saving)


def kept_saving() -> SavingSettings:
    """How pictures are saved where nothing else is said: what the window was told on its Settings page."""
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


def sheet(pictures: Sequence[np.ndarray] | np.ndarray, *, columns: int | None = None) -> np.ndarray:
    """N pictures (H, W, 3) as one, as near to a square as they go, on white, with a small gap between them."""
    import numpy as np

    height, width, _ = pictures[0].shape
    columns = columns or min(len(pictures), int(np.ceil(np.sqrt(len(pictures)))))
    rows = -(-len(pictures) // columns)
    gap = max(1, width // 16)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        page[top : top + height, left : left + width] = picture
    return page


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
    """Write a picture as PNG, JPEG or WebP, by the ending of `target`, which is replaced if it is there.

    What is not given of settings and facts is taken from a source that is a file; without metadata nothing is written but pixels.
    """
    import numpy as np

    kind = KINDS.get(target.suffix.lower())
    if kind is None:
        ending = f"“{target.suffix}”" if target.suffix else "no ending"
        raise UserError(
            tr(
                "A picture cannot be saved with {ending}; the allowed endings are: {kinds}.",
                ending=ending,
                kinds=", ".join(KINDS),
            )
        )
    if not 1 <= quality <= 100:
        raise UserError(tr("Quality must be between 1 and 100, not {quality}.", quality=quality))
    if lossless and kind == "JPEG":
        raise UserError(tr("JPEG always loses something; choose PNG or WebP for a lossless picture."))
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
    if known.get("made_with"):  # pixels of another program's picture, whose file is not at hand
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
    path, number = place / f"{name}{ending}", 1
    options = _quality(format, saving.quality, saving.format == "webp-lossless")
    if saving.metadata:
        options |= embedding.options(format, settings, facts)
    data = _encode(picture, format, options, path.name)
    while True:
        try:
            write_atomic(path, data, exclusive=True)
        except FileExistsError:
            number += 1
            path = place / f"{name}-{number}{ending}"
        else:
            return path


def _encode(picture: np.ndarray, kind: str, options: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a file called `name`. Whatever the encoder cannot do is a `UserError`, so that it costs no other picture."""
    import numpy as np
    from PIL import Image

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
    if max(picture.shape) > LONGEST_SIDE[kind]:
        raise UserError(
            tr(
                "{kind} pictures are at most {longest_side} pixels wide and high; this one is "
                "{shape}×{shape2}.",
                kind=kind,
                longest_side=LONGEST_SIDE[kind],
                shape=picture.shape[1],
                shape2=picture.shape[0],
            )
        )
    image = Image.fromarray(np.ascontiguousarray(picture))
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


# Listing --------------------------------------------------------------------------------------------------------------


def newest(folder: Path | None = None, limit: int | None = None) -> list[Path]:
    """The pictures of the outputs folder, newest first: of its folders of days, and those that lie beside them."""
    return list(islice(_newest(outputs_dir() if folder is None else Path(folder)), limit))


def sweep(folder: Path | None = None) -> None:
    """Remove what killed writes left among the pictures."""
    place = outputs_dir() if folder is None else Path(folder)
    for entry in _entries(place):
        if DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            sweep_temporaries(Path(entry.path))


def _newest(place: Path) -> Iterator[Path]:
    days: dict[str, list[tuple[tuple[Any, ...], Path]]] = {}
    for entry in _entries(place):
        if DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            days.setdefault(entry.name, [])
        elif placed := _placed(entry):
            days.setdefault(placed[0], []).append(placed[1:])
    for day in sorted(days, reverse=True):
        inside = (_placed(entry) for entry in _entries(place / day))
        found = [*days[day], *(placed[1:] for placed in inside if placed)]
        yield from (path for _, path in sorted(found, reverse=True))


def _placed(entry: os.DirEntry[str]) -> tuple[str, tuple[Any, ...], Path] | None:
    """(day, order within the day, path) of a picture; the time in its name outdoes the file's, which copies lose."""
    name, ending = os.path.splitext(entry.name)
    if name.startswith(".") or ending.lower() not in KINDS:
        return None
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        written = entry.stat(follow_symlinks=False).st_mtime_ns
        moment = time.localtime(written // 10**9)
    except (OSError, OverflowError, ValueError):  # gone meanwhile, or of a time no calendar has
        return None
    named = re.match(r"\d{6}(?=-)", name)
    numbers = [int(number[:20]) for number in re.findall(r"\d+", name, re.ASCII)]
    order = (named[0] if named else time.strftime("%H%M%S", moment), written, numbers, name)
    return time.strftime("%Y-%m-%d", moment), order, Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # not made yet, or gone meanwhile
