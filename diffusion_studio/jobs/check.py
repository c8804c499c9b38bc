"""Look through a folder of images before training on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from diffusion_studio.events import CheckEvent


def check(folder: Path, *, size: int = 32) -> Iterator[CheckEvent]:
    """Check every image of a folder as if to train on it at `size` pixels; ends with `Checked`. Needs no torch."""
    from diffusion_studio.training.data.folder_report import check as report

    yield from report(folder, size=size)
