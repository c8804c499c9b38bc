"""The sheets of samples in a run's folder, read off the window's thread: EMA and raw samples of each step."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, open_foreign


class Sheets(NamedTuple):
    """The samples of one step, (H, W, 3 or 4) uint8 each; raw ones only where they were saved."""

    step: int
    ema: tuple[np.ndarray, ...]
    raw: tuple[np.ndarray, ...]


def list_sheets(folder: Path) -> Generator[tuple[Path, tuple[int, ...]], None, None]:
    """A job: the steps of the sheets there are."""
    steps = (
        [int(path.stem) for path in folder.glob("*.png") if path.stem.isdigit()] if folder.is_dir() else []
    )
    yield folder, tuple(sorted(steps))


def read_sheet(folder: Path, step: int, size: int) -> Generator[Sheets, None, None]:
    """A job: the samples of one step; a sheet that cannot be read leaves what is shown."""
    name = f"{step:08d}.png"
    pictures = _pictures(folder / name, size)
    if pictures:
        yield Sheets(step, pictures, _pictures(folder / "raw" / name, size))


def _pictures(path: Path, size: int) -> tuple[np.ndarray, ...]:
    from PIL import Image

    try:
        with open_foreign(path, LARGEST_PICTURE) as file, Image.open(file, formats=("PNG",)) as image:
            return cut(np.asarray(image if image.mode == "RGBA" else image.convert("RGB")), size)
    except OSError:
        return ()


def cut(page: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """A sheet cut into its images, row by row."""
    rows, columns = page.shape[0] // size, page.shape[1] // size
    return tuple(
        page[row * size : (row + 1) * size, column * size : (column + 1) * size]
        for row in range(rows)
        for column in range(columns)
    )
