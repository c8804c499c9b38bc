"""The grid pixel art was drawn on: “16×16, drawn at 2×” of an image of 32×32.

Neighbouring columns of enlarged pixel art differ only where a drawn pixel ends. A scale is taken for the image's own where
almost all of what changes from column to column, and from row to row, changes there; a few stray pixels hide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

STRAY = 0.03  # changes at a place within drawn pixels, to those at a place where one ends
SMALLEST, LARGEST = 4, 512  # drawn pixels a side
LARGEST_SIDE = 4096  # pixels of an image that is looked at
NOTICED = 6  # levels of 255 by which neighbours must differ
MOST_BUSY = 0.97  # share of drawn pixels that may differ from their neighbours; in noise all do


@dataclass(frozen=True, slots=True)
class NativeGrid:
    """Drawn pixels across and down, and how many pixels of the image each takes."""

    width: int
    height: int
    across: int
    down: int

    @property
    def words(self) -> str:
        """“16×16, drawn at 2×”; “16×16, drawn at 4×2” where pixels are oblong."""
        scale = f"{self.across}×" if self.across == self.down else f"{self.across}×{self.down}"
        return f"{self.width}×{self.height}, drawn at {scale}"


@dataclass(slots=True)
class Changes:
    """How many pixels differ from the next one, by column and by row; summed over images of one size."""

    size: tuple[int, int]
    columns: np.ndarray = field(init=False)  # (W - 1,)
    rows: np.ndarray = field(init=False)  # (H - 1,)
    images: int = 0

    def __post_init__(self) -> None:
        self.columns = np.zeros(self.size[0] - 1, np.int64)
        self.rows = np.zeros(self.size[1] - 1, np.int64)

    def add(self, image: Image.Image) -> None:
        """Count those of an RGB or RGBA image of this size."""
        if max(self.size) > LARGEST_SIDE or min(self.size) < 2 * SMALLEST:
            return
        pixels = np.asarray(image.convert("RGBa") if image.mode == "RGBA" else image).astype(np.int16)
        self.columns += (np.abs(np.diff(pixels, axis=1)).max(axis=2) > NOTICED).sum(axis=0)
        self.rows += (np.abs(np.diff(pixels, axis=0)).max(axis=2) > NOTICED).sum(axis=1)
        self.images += 1

    def grid(self) -> NativeGrid | None:
        """The coarsest grid that explains what changes; None where the images are not enlarged pixel art."""
        across = _scale(self.columns, self.size[0], self.size[1] * self.images)
        down = _scale(self.rows, self.size[1], self.size[0] * self.images)
        if across == 1 or down == 1:
            return None
        return NativeGrid(self.size[0] // across, self.size[1] // down, across, down)


def native_grid(image: Image.Image) -> NativeGrid | None:
    """The grid of one RGB or RGBA image; of one alone, what is drawn coarsely throughout looks coarser than it is."""
    changes = Changes(image.size)
    changes.add(image)
    return changes.grid()


def _scale(changes: np.ndarray, side: int, across: int) -> int:
    """Pixels that a drawn pixel takes along an axis; 1: its own."""
    total = int(changes.sum())
    if not total:
        return 1
    places = np.arange(1, side)
    for drawn in range(SMALLEST, min(side // 2, LARGEST) + 1):
        scale, rest = divmod(side, drawn)
        if rest:
            continue
        on_grid = places % scale == 0
        ends, within = changes[on_grid].mean(), changes[~on_grid].mean()
        if within <= STRAY * ends and ends < MOST_BUSY * across:
            return scale
    return 1


def reduce_to(image: Image.Image, across: int, down: int) -> Image.Image:
    """One pixel for each drawn one: the median of its own, so that a stray pixel in it counts for nothing."""
    width, height = image.width // across, image.height // down
    pixels = np.asarray(image)
    blocks = pixels.reshape(height, down, width, across, -1).transpose(0, 2, 1, 3, 4)
    middle = np.median(blocks.reshape(height, width, down * across, -1), axis=2)
    return Image.frombytes(image.mode, (width, height), middle.round().astype(pixels.dtype).tobytes())
