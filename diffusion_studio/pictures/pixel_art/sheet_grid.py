"""Whether an image is a sheet of sprites, and the size of its cells: “48 sprites of 32×32”.

Within a sprite, many pixels continue in nearly the same colour from one line to the next; across the edge of a cell few do,
because there is a background between sprites (transparent, or the colour of the corners) or because the sprites differ. The grid
is the one with the smallest cells for which this is true at every edge. Where there is none, empty lines at equal distances
are taken for the spacing between cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.pictures.folder_listing import printable
from diffusion_studio.pictures.pixel_art.sprite_sheet import Cells, is_empty, read_sheet

SMALLEST, LARGEST = 8, 512  # pixels of a cell's side
LARGEST_SIDE = 8192  # pixels of an image that is looked at
FEWEST = 6  # sprites of a sheet, and half as many that differ
FILLED = 0.4  # of the cells
ALIKE = 24  # levels of 255 within which a colour goes on
OVER_ALL, OVER_ONE = (
    0.35,
    0.7,
)  # share of lines crossing an edge of a cell, of those within cells: on average, and at most at one edge
WIDEST_SPACING = 4  # pixels between cells
EMPTY_EDGE = 0.25  # of a cell's side that may be blank beside a gap: with more, it is not a gap between cells
GOES_ON = 0.05  # of a line within cells


@dataclass(frozen=True, slots=True)
class SheetGrid:
    """Width and height of a cell in pixels, columns and rows of them, how many hold something, and what is around and between."""

    width: int
    height: int
    columns: int
    rows: int
    sprites: int
    margin: int = 0
    spacing: int = 0

    @property
    def cell(self) -> Cells:
        return Cells(self.width, self.height, self.margin, self.spacing)

    @property
    def words(self) -> str:
        """“48 sprites of 32×32”."""
        return plural(
            "{count:,} sprite of {width}×{height}",
            "{count:,} sprites of {width}×{height}",
            self.sprites,
            width=self.width,
            height=self.height,
        )


def sheet_grid(pixels: np.ndarray) -> SheetGrid | None:
    """The grid of (H, W, 3 or 4) uint8; None where it is one image, or a sheet whose cells are not of one size."""
    tall, wide = pixels.shape[:2]
    if max(tall, wide) > LARGEST_SIDE or min(tall, wide) < SMALLEST or wide * tall < FEWEST * SMALLEST**2:
        return None
    drawn = pixels[..., 3] > 0 if pixels.shape[2] == 4 else np.ones((tall, wide), bool)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    if (corners == corners[0]).all():
        drawn &= (pixels != corners[0]).any(axis=2)
    levels = pixels[..., :3].astype(np.int16)
    width = _side(drawn.T, levels.transpose(1, 0, 2))
    height = _side(drawn, levels)
    found = None if width is None or height is None else _checked(pixels, Cells(width, height))
    return found or next(filter(None, (_checked(pixels, cells) for cells in _spaced(drawn))), None)


def find_cell(path: Path) -> Cells:
    """The cells of a file. Raises `UserError` where it is no sheet."""
    grid = sheet_grid(read_sheet(path))
    if grid is None:
        raise UserError(
            tr(
                "{path} does not look like a sheet of sprites in cells of one size; give the size with --cell.",
                path=printable(path),
            )
        )
    return grid.cell


def _side(drawn: np.ndarray, levels: np.ndarray) -> int | None:
    """The side of cells along the first axis of (N, M) and (N, M, 3); the whole where it is one row of them."""
    length = len(drawn)
    alike = np.abs(np.diff(levels, axis=0)).max(axis=2) <= ALIKE
    goes_on = (drawn[1:] & drawn[:-1] & alike).mean(axis=1)  # from line k to the next
    place = np.arange(1, length)
    for side in range(SMALLEST, min(length, LARGEST) + 1):
        if length % side:
            continue
        edges, middles = place % side == 0, np.abs(place % side - side / 2) <= side / 4
        within = float(goes_on[middles].mean())
        if within < GOES_ON:
            continue
        over = goes_on[edges]
        if side == length or (over.mean() <= OVER_ALL * within and over.max() <= OVER_ONE * within):
            return side
    return None


def _spaced(drawn: np.ndarray) -> Iterator[Cells]:
    """Cells that lines without anything (H, W) set apart, the nearest ones first."""
    blank_rows, blank_columns = (np.logical_not(np.any(drawn, axis=axis)) for axis in (1, 0))
    for spacing in range(1, WIDEST_SPACING + 1):
        for margin in (0, spacing):  # as sheets usually are
            width = _side_between(blank_columns, margin, spacing)
            height = _side_between(blank_rows, margin, spacing)
            if width is not None and height is not None:
                yield Cells(width, height, margin, spacing)


def _side_between(blank: np.ndarray, margin: int, spacing: int) -> int | None:
    """The smallest side for which margins and all lines between cells are blank; the whole where it is one row of them."""
    length = len(blank)
    if not (blank[:margin].all() and blank[length - margin :].all()):
        return None
    runs = _runs(blank)
    sides = np.flatnonzero(blank[margin:]).tolist()  # where the first gap may begin
    for side in sides:
        count = (
            Cells(side, side, margin, spacing).count(length, side) if SMALLEST <= side <= LARGEST else None
        )
        if count is None or count < 2:
            continue
        gaps = margin + side + (side + spacing) * np.arange(count - 1)
        if (
            blank[gaps[:, None] + np.arange(spacing)].all()
            and runs[gaps].max() <= spacing + side * EMPTY_EDGE
        ):
            return int(side)
    whole = length - 2 * margin
    return whole if SMALLEST <= whole <= LARGEST else None


def _runs(blank: np.ndarray) -> np.ndarray:
    """How many lines in a row are blank where each of them is; 0 where one is not."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], blank.astype(np.int8), [0]])))
    lengths = np.zeros(len(blank), int)
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        lengths[first:last] = last - first
    return lengths


def _checked(pixels: np.ndarray, cells: Cells) -> SheetGrid | None:
    """The grid, if most of its cells hold something and they differ."""
    tall, wide = pixels.shape[:2]
    rows, columns = cells.count(tall, cells.height) or 0, cells.count(wide, cells.width) or 0
    if not (1 / 3 <= cells.width / cells.height <= 3) or rows * columns < FEWEST:
        return None
    found = [
        own.tobytes()
        for row in range(rows)
        for column in range(columns)
        if not is_empty(own := cells.of(pixels, row, column))
    ]
    if len(found) < max(FEWEST, FILLED * rows * columns) or len(set(found)) < FEWEST / 2:
        return None
    return SheetGrid(
        cells.width, cells.height, columns, rows, len(found), margin=cells.margin, spacing=cells.spacing
    )
