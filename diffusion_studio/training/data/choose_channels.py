"""What is to be learned of the images of a folder: their colours, their transparency too, or grey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from diffusion_studio.pictures.decoding import DecodedImage, open_picture
from diffusion_studio.pictures.folder_listing import find_pictures
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.pictures.pixel_art.native_grid import Changes

LOOKED_AT = 200  # images, evenly from the whole folder
SHARE = 0.5  # of them that must be transparent for transparency to be learned


def choose_channels(folder: Path, least: int) -> Iterator[int | str]:
    """Yields how many images were looked at, and at last "rgb", "rgba", "grey" or "grey16".

    `least`: the side they will be learned at.
    """
    found = list(find_pictures(folder))
    stride = max(1, len(found) // LOOKED_AT)
    kinds = []
    for count, (path, _) in enumerate(found[::stride], 1):
        try:
            kinds.append(kind_of(open_picture(path, least=least)))
        except Refused:
            continue
        if count % 16 == 0:
            yield count
    yield common_kind(kinds)


def native_side(folder: Path) -> int:
    """The side of the grid on which the images of a folder were drawn, where they are pixel art of one size; else 0."""
    found = list(find_pictures(folder))
    changes: dict[tuple[int, int], Changes] = {}
    for path, _ in found[:: max(1, len(found) // LOOKED_AT)]:
        try:
            opened = open_picture(path)
        except Refused:
            continue
        image = opened.image if opened.uncovered is None else opened.uncovered
        changes.setdefault(image.size, Changes(image.size)).add(image)
    grids = {
        (grid.width, grid.height) if grid else (0, 1) for grid in (own.grid() for own in changes.values())
    }
    width, height = grids.pop() if len(grids) == 1 else (0, 1)
    return width if width == height else 0


def kind_of(picture: DecodedImage) -> str:
    """What it takes to keep all of one image."""
    if picture.transparent:
        return "rgba"
    if picture.grey:
        return "grey" if picture.light is None else "grey16"
    return "rgb"


def common_kind(kinds: list[str]) -> str:
    """What suits most of them: transparency where half have it, grey where all are, and else colours."""
    if kinds and kinds.count("rgba") >= SHARE * len(kinds):
        return "rgba"
    if kinds and set(kinds) <= {"grey", "grey16"}:
        return "grey16" if set(kinds) == {"grey16"} else "grey"
    return "rgb"


def of_both(model: str, folder: str) -> str:
    """What a model that knows some channels learns from a folder: nothing it knows is given up, and what is new is added."""
    if "rgba" in (model, folder):
        return "rgba"
    if model in ("grey", "grey16") and folder in ("grey", "grey16"):
        return "grey16" if "grey16" in (model, folder) else "grey"
    return "rgb"
