"""Sheets of sprites: cut into their cells, and put together without gaps, with a JSON file that says where each is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures.channels import all_of, shown, with_channels
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.folder_listing import printable
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.storage.atomic import write_atomic

CELL = re.compile(r"(\d{1,5})(?:[x×](\d{1,5}))?")
MOST_CELLS = 100_000
LONGEST_SIDE = 65_535


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of `width` × `height` pixels, `spacing` apart, within a `margin` on every side of their sheet."""

    width: int
    height: int
    margin: int = 0
    spacing: int = 0

    def count(self, length: int, side: int) -> int | None:
        """How many cells of this side a sheet has along a length; None where they do not fill it."""
        room, step = length - 2 * self.margin + self.spacing, side + self.spacing
        return None if room < step or room % step else room // step

    def of(self, pixels: np.ndarray, row: int, column: int) -> np.ndarray:
        """The pixels of one cell."""
        top = self.margin + row * (self.height + self.spacing)
        left = self.margin + column * (self.width + self.spacing)
        return pixels[top : top + self.height, left : left + self.width]


def read_cell(text: str) -> tuple[int, int]:
    """Width and height of “16x24”, or “16” for a square. Raises `UserError`."""
    found = CELL.fullmatch(text.strip().lower())
    width, height = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not width or not height:
        raise UserError(
            tr("A cell is given as WIDTHxHEIGHT in pixels, such as 16x16, not “{text}”.", text=text[:40])
        )
    return width, height


def read_sheet(path: Path) -> np.ndarray:
    """(H, W, 3 or 4) uint8. Raises `UserError`."""
    try:
        return shown(all_of(open_picture(path)))
    except Refused as reason:
        raise UserError(
            tr("{path} cannot be opened: {reason}.", path=printable(path), reason=reason)
        ) from None


def cells(path: Path, cell: Cells) -> Iterator[tuple[int, int, np.ndarray]]:
    """(row, column, (H, W, 3 or 4) uint8) of every cell with something in it, row by row.

    A cell that is transparent or of one colour everywhere is empty. Raises `UserError` for a sheet that does not
    divide into them.
    """
    pixels = read_sheet(path)
    tall, wide = pixels.shape[:2]
    columns, rows = cell.count(wide, cell.width), cell.count(tall, cell.height)
    if columns is None or rows is None:
        raise UserError(_no_multiple(path, cell, wide, tall))
    if columns * rows > MOST_CELLS:
        raise UserError(tr("A sheet can have at most {most:,} cells.", most=MOST_CELLS))
    for row in range(rows):
        for column in range(columns):
            own = cell.of(pixels, row, column)
            if not is_empty(own):
                yield row, column, own


def _no_multiple(path: Path, cell: Cells, wide: int, tall: int) -> str:
    facts = {"path": printable(path), "wide": wide, "tall": tall, "width": cell.width, "height": cell.height}
    if cell.margin or cell.spacing:
        return tr(
            "{path} is {wide}×{tall}, which does not divide into cells of {width}×{height} with a margin of {margin} and a "
            "spacing of {spacing} pixels.",
            **facts,
            margin=cell.margin,
            spacing=cell.spacing,
        )
    return tr(
        "{path} is {wide}×{tall}, which is no multiple of cells of {width}×{height}: {columns:.4g} columns and "
        "{rows:.4g} rows.",
        **facts,
        columns=wide / cell.width,
        rows=tall / cell.height,
    )


def is_empty(cell: np.ndarray) -> bool:
    if cell.shape[2] == 4 and not cell[..., 3].any():
        return True
    return bool((cell == cell[0, 0]).all())


def cut(path: Path, cell: Cells, folder: Path) -> Iterator[Path]:
    """Write each cell as a PNG of its own, `NAME-ROW-COLUMN.png`, counted from 1. Raises `UserError` where one is there."""
    empty = True
    for row, column, pixels in cells(path, cell):
        target = folder / f"{path.stem}-{row + 1:03}-{column + 1:03}.png"
        if target.exists():
            raise UserError(tr("{target} is there already; choose another folder.", target=target))
        write_atomic(target, _png(pixels))
        empty = False
        yield target
    if empty:
        raise UserError(tr("Every cell of {path} is empty.", path=printable(path)))


def join(
    pictures: Sequence[np.ndarray], names: Sequence[str], columns: int = 0
) -> tuple[np.ndarray, dict[str, Any]]:
    """One sheet of images of one size without gaps, and what its JSON says: the cells by name, in pixels.

    Raises `UserError` for images of several sizes. `columns` 0: as near to a square as they go.
    """
    count = max(picture.shape[2] for picture in map(shown, pictures))
    seen = [with_channels(shown(picture), count) for picture in pictures]
    sizes = sorted({picture.shape[:2] for picture in seen})
    if len(sizes) > 1:
        (height, width), (tall, wide) = sizes[0], sizes[-1]
        raise UserError(
            tr(
                "The sprites of a sheet have one size; these are {width}×{height} to {wide}×{tall}.",
                width=width,
                height=height,
                wide=wide,
                tall=tall,
            )
        )
    height, width = sizes[0]
    columns = columns or int(np.ceil(np.sqrt(len(seen))))
    rows = -(-len(seen) // columns)
    if max(columns * width, rows * height) > LONGEST_SIDE:
        raise UserError(tr("A sheet is at most {most} pixels wide and high.", most=LONGEST_SIDE))
    page = np.full((rows * height, columns * width, count), 0 if count == 4 else 255, np.uint8)
    frames: dict[str, Any] = {}
    for place, (picture, name) in enumerate(zip(seen, names, strict=True)):
        y, x = place // columns * height, place % columns * width
        page[y : y + height, x : x + width] = picture
        frames[name if name not in frames else f"{name} ({place + 1})"] = {
            "x": x,
            "y": y,
            "w": width,
            "h": height,
        }
    size = {"w": page.shape[1], "h": page.shape[0]}
    return page, {
        "frames": {name: {"frame": frame} for name, frame in frames.items()},
        "meta": {"size": size},
    }


def write_sheet(paths: Sequence[Path], target: Path, columns: int = 0) -> Path:
    """Put image files together as `target` (PNG), and their places beside it as JSON; returns where that is."""
    from diffusion_studio.pictures.reading import read

    page, facts = join([read(path).pixels() for path in paths], [path.stem for path in paths], columns)
    facts["meta"]["image"] = target.name
    write_atomic(target, _png(page))
    places = target.with_suffix(".json")
    write_atomic(places, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())
    return places


def _png(pixels: np.ndarray) -> bytes:
    import io

    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(data, "PNG")
    return data.getvalue()
