"""Jobs that read a folder for the Train page: the images as the network will see them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_studio.ui.pictures.picture import to_image
from diffusion_studio.ui.pictures.thumbnails import Listed, Thumbnail

MOST = 300  # images of the grid: enough to show what is in the folder


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One image as the network will see it."""

    path: Path
    pixels: np.ndarray  # (S, S, 3 or 4) uint8


def load_grid(
    folder: Path, size: int, *, pad: bool, flip: bool
) -> Generator[Listed | Thumbnail | Fitted | None, None, None]:
    """Up to `MOST` images spread evenly over the folder, cropped and resized; with `flip` every second one mirrored."""
    from diffusion_studio.pictures.decoding import open_picture
    from diffusion_studio.pictures.folder_listing import find_pictures
    from diffusion_studio.pictures.formats.contents import Refused
    from diffusion_studio.pictures.start_pictures import as_shown

    found: list[Path] = []
    for path, _ in find_pictures(folder):
        found.append(path)
        if len(found) % 1000 == 0:
            yield None
    chosen = [found[k] for k in np.linspace(0, len(found) - 1, min(len(found), MOST)).astype(int)]
    yield Listed(tuple(chosen))
    begun, good = False, []
    for index, path in enumerate(chosen):
        try:
            pixels = as_shown(open_picture(path, least=size), size, pad=pad)
        except Refused:
            continue
        good.append(path)
        if not begun:
            yield Fitted(path, pixels)
            begun = True
        yield Thumbnail(path, to_image(pixels[:, ::-1] if flip and index % 2 else pixels))
    yield Listed(tuple(good))


def load_one(path: Path, size: int, *, pad: bool) -> Generator[Fitted, None, None]:
    """The selected image."""
    from diffusion_studio.pictures.decoding import open_picture
    from diffusion_studio.pictures.formats.contents import Refused
    from diffusion_studio.pictures.start_pictures import as_shown

    try:
        yield Fitted(path, as_shown(open_picture(path, least=size), size, pad=pad))
    except Refused:
        return
