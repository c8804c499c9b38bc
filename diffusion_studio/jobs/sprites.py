"""Cut sheets of sprites into images to train on, all in one new folder of the program's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

OF_A_CELL = ("width", "height", "margin", "spacing")


@dataclass(frozen=True, slots=True)
class Cutting:
    """`done` of `total` sprites are saved in `folder`."""

    done: int
    total: int
    folder: Path


def cut_sheets(source: Path, sheets: Sequence[Mapping[str, Any]]) -> Iterator[Cutting]:
    """Cut the `sheets` that the report on the folder `source` lists; sub-folders stay, as classes.

    `source` may be one image. What is incomplete when the job is closed, or fails, is removed. Raises `UserError`.
    """
    from diffusion_studio.pictures.pixel_art.sprite_sheet import Cells, cut
    from diffusion_studio.storage.paths import free_name
    from diffusion_studio.storage.places import sprites_dir
    from diffusion_studio.storage.temporaries import remove

    paths = _paths(source)
    missing = [sheet["name"] for sheet in sheets if sheet["name"] not in paths]
    if missing:
        raise UserError(tr("{name} is no longer there.", name=missing[0]))
    target = free_name(sprites_dir() / source.stem, folder=True)
    total, done, complete = sum(sheet["sprites"] for sheet in sheets), 0, False
    try:
        for sheet in sheets:
            path, label = paths[sheet["name"]]
            place = target / label if label else target
            if any(place.glob(f"{_literal(path.stem)}-*")):
                place = free_name(place / path.stem, folder=True)  # sheets of one name in several folders
            for _ in cut(path, Cells(**{name: int(sheet.get(name, 0)) for name in OF_A_CELL}), place):
                done += 1
                if done % 16 == 0:
                    yield Cutting(done, total, target)
        complete = True
    finally:
        if not complete and target.exists():
            remove(target)
    yield Cutting(done, total, target)


def _paths(source: Path) -> dict[str, tuple[Path, str]]:
    """File and class of every image, by the name a report has for it."""
    from diffusion_studio.pictures.folder_listing import find_pictures, printable

    if source.is_file():
        return {printable(source.name): (source, "")}
    return {printable(path.relative_to(source)): (path, label) for path, label in find_pictures(source)}


def _literal(name: str) -> str:
    from glob import escape

    return escape(name)
