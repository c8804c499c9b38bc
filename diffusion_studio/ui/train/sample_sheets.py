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


class Comparison(NamedTuple):
    """Images, and those that an autoencoder made of them before and after it was adapted, with the PSNR of both in dB."""

    run: Path
    rows: tuple[np.ndarray, np.ndarray, np.ndarray]  # (N, S, S, 3 or 4) uint8 each
    psnr_before: float
    psnr: float


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


def read_comparison(run: Path) -> Generator[Comparison, None, None]:
    """A job: what was kept of the autoencoder of a run, where it was adapted."""
    from diffusion_studio.training.records.run import COMPARISON, Run

    said = Run(run).facts.get("autoencoder")
    page = _page(run / COMPARISON) if said else None
    if said and page is not None and page.shape[0] >= 3:
        images, before, now = (np.stack(cut(part, len(part))) for part in np.array_split(page, 3))
        yield Comparison(run, (images, before, now), said["psnr_before"], said["psnr"])


def _pictures(path: Path, size: int) -> tuple[np.ndarray, ...]:
    page = _page(path)
    return () if page is None else cut(page, size)


def _page(path: Path) -> np.ndarray | None:
    """A sheet, (H, W, 3 or 4) uint8; None where it cannot be read."""
    from PIL import Image

    try:
        with open_foreign(path, LARGEST_PICTURE) as file, Image.open(file, formats=("PNG",)) as image:
            return np.asarray(image if image.mode == "RGBA" else image.convert("RGB"))
    except OSError:
        return None


def cut(page: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """A sheet cut into its images, row by row."""
    rows, columns = page.shape[0] // size, page.shape[1] // size
    return tuple(
        page[row * size : (row + 1) * size, column * size : (column + 1) * size]
        for row in range(rows)
        for column in range(columns)
    )
