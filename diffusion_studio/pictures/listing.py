"""The images of the outputs folder, newest first. The folder is the gallery: what lies in it is listed, whoever put it there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from diffusion_studio.storage.places import outputs_dir
from diffusion_studio.storage.temporaries import sweep_temporaries

KINDS = {  # what is saved, by the ending
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def newest(folder: Path | None = None, limit: int | None = None) -> list[Path]:
    """The pictures of the outputs folder, newest first: of its folders of days, and those that lie beside them."""
    return list(islice(_newest(outputs_dir() if folder is None else Path(folder)), limit))


def sweep(folder: Path | None = None) -> None:
    """Remove what killed writes left among the pictures."""
    place = outputs_dir() if folder is None else Path(folder)
    for entry in _entries(place):
        if DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            sweep_temporaries(Path(entry.path))


def _newest(place: Path) -> Iterator[Path]:
    days: dict[str, list[tuple[tuple[object, ...], Path]]] = {}
    for entry in _entries(place):
        if DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            days.setdefault(entry.name, [])
        elif placed := _placed(entry):
            days.setdefault(placed[0], []).append(placed[1:])
    for day in sorted(days, reverse=True):
        inside = (_placed(entry) for entry in _entries(place / day))
        found = [*days[day], *(placed[1:] for placed in inside if placed)]
        yield from (path for _, path in sorted(found, reverse=True))


def _placed(entry: os.DirEntry[str]) -> tuple[str, tuple[object, ...], Path] | None:
    """(day, order within the day, path) of a picture; the time in its name outdoes the file's, which copies lose."""
    name, ending = os.path.splitext(entry.name)
    if name.startswith(".") or ending.lower() not in KINDS:
        return None
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        written = entry.stat(follow_symlinks=False).st_mtime_ns
        moment = time.localtime(written // 10**9)
    except (OSError, OverflowError, ValueError):  # gone since, or of a time no calendar has
        return None
    named = re.match(r"\d{6}(?=-)", name)
    numbers = [int(number[:20]) for number in re.findall(r"\d+", name, re.ASCII)]
    order = (named[0] if named else time.strftime("%H%M%S", moment), written, numbers, name)
    return time.strftime("%Y-%m-%d", moment), order, Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # not made yet, or gone since
