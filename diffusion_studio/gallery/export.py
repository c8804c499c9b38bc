"""Images exported as files, as one sheet or as a zip: generators of `Exported`, one for every image done."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_studio.errors import UserError, not_saved
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import open_atomic, write_beside
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, read_foreign
from diffusion_studio.storage.paths import numbered

if TYPE_CHECKING:
    import numpy as np

LARGEST_SHEET = 16_000  # pixels a side
LARGEST_CELL = 512
FILM_SIDE, FILM_RATE = 640, 50  # pixels that small images are enlarged to; moments a second
FILM_SECONDS = 0.5  # of each image


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    done: int
    total: int
    path: Path  # what was written, or is being written


def as_files(paths: Sequence[Path], folder: Path) -> Iterator[Exported]:
    """Copies in a folder, under their names; a name that is taken gets a number, nothing is overwritten."""
    lost: list[str] = []
    for done, path in enumerate(paths, 1):
        try:
            data = _bytes(path)
        except UserError as error:  # an image that cannot be read stops no other
            lost.append(str(error))
            continue
        write_beside(folder / path.name, data)
        yield Exported(done=done - len(lost), total=len(paths), path=folder)
    if lost:
        raise UserError(not_saved(lost, len(paths)), "\n".join(lost))


def as_zip(paths: Sequence[Path], target: Path) -> Iterator[Exported]:
    """One zip, with a folder for each day; not compressed, because images are compressed already."""
    used: set[str] = set()
    lost: list[str] = []
    with open_atomic(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for done, path in enumerate(paths, 1):
            name = f"{path.parent.name}/{path.name}".encode("utf-8", "replace").decode()
            unique = next(place for path in numbered(Path(name)) if (place := path.as_posix()) not in used)
            try:
                data = _bytes(path)
            except UserError as error:
                lost.append(str(error))
                continue
            used.add(unique)
            archive.writestr(unique, data)
            yield Exported(done=done - len(lost), total=len(paths), path=target)
        if len(lost) == len(paths):
            raise UserError(not_saved(lost, len(paths)), "\n".join(lost))  # no empty zip is left
    if lost:
        raise UserError(not_saved(lost, len(paths)), "\n".join(lost))


def as_sheet(paths: Sequence[Path], target: Path) -> Iterator[Exported]:
    """All of them as one image, each in a cell of the size of the largest."""
    import numpy as np

    from diffusion_studio.pictures.channels import shown
    from diffusion_studio.pictures.grid import sheet
    from diffusion_studio.pictures.reading import read
    from diffusion_studio.pictures.writing import export

    pictures = []
    for done, path in enumerate(paths, 1):
        pictures.append(shown(read(path).pixels()))
        yield Exported(done=done, total=len(paths), path=target)
    side = min(max(max(picture.shape[:2]) for picture in pictures), LARGEST_CELL)
    columns = int(np.ceil(np.sqrt(len(pictures))))
    if columns * (side + max(1, side // 16)) > LARGEST_SHEET:
        raise UserError(
            tr(
                "A sheet of {count} images would be larger than {largest_sheet} pixels; select fewer.",
                count=len(pictures),
                largest_sheet=LARGEST_SHEET,
            )
        )
    export(sheet([_in_cell(picture, side) for picture in pictures]), target)


def as_film(paths: Sequence[Path], target: Path, *, seconds: float = FILM_SECONDS) -> Iterator[Exported]:
    """One after the other, each for this many seconds, as APNG, WebP, GIF or MP4 by the ending of `target`.

    Each lies in a cell of the size of the largest; two images are in memory at a time.
    """
    from diffusion_studio.pictures.film_formats import Apng, writer_for
    from diffusion_studio.pictures.reading import read

    kind, ticks = writer_for(target.suffix), max(round(seconds * FILM_RATE), 1)
    if len(paths) < 2:
        raise UserError(tr("A film needs two images or more."))
    largest = max(max(_size(path)) for path in paths)
    side = largest * max(FILM_SIDE // largest, 1) if largest <= LARGEST_CELL else LARGEST_CELL
    side += side % 2  # an MP4 has even sides
    with open_atomic(target) as file:
        writer = kind(file, (side, side), [ticks] * len(paths), FILM_RATE, "", "")
        if isinstance(writer, Apng):
            writer.show_still(_in_cell(read(paths[-1]).pixels(), side))
        for done, path in enumerate(paths, 1):
            writer.add(_in_cell(read(path).pixels(), side), ticks)
            yield Exported(done=done, total=len(paths), path=target)
        writer.finish()


def _size(path: Path) -> tuple[int, int]:
    from diffusion_studio.pictures.reading import read

    height, width = read(path).pixels().shape[:2]
    return width, height


def _in_cell(picture: np.ndarray, side: int) -> np.ndarray:
    """In the middle of a square, white or nothing where there is alpha.

    Small images are enlarged by whole numbers, large ones made smaller.
    """
    import numpy as np
    from PIL import Image

    height, width = picture.shape[:2]
    factor = side // max(height, width)
    if factor >= 1:
        picture = picture.repeat(factor, 0).repeat(factor, 1)
    else:
        image = Image.fromarray(picture)
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        picture = np.asarray(image)
    channels = picture.shape[2]
    cell = np.full((side, side, channels), 0 if channels == 4 else 255, np.uint8)
    top, left = (side - picture.shape[0]) // 2, (side - picture.shape[1]) // 2
    cell[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return cell


def _bytes(path: Path) -> bytes:
    try:
        return read_foreign(path, LARGEST_PICTURE)
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror)
        ) from None
