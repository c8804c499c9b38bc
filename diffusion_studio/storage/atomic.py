"""Writing so that neither a crash, a full disk nor a second instance harms what is there.

Everything is written under a temporary name beside its target, synced, and renamed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.moving import put, sync_all, sync_folder
from diffusion_studio.storage.paths import numbered
from diffusion_studio.storage.temporaries import release, temporary, temporary_name


def write_json(path: Path, value: object, *, exclusive: bool = False) -> None:
    """`write_atomic` of a value as indented JSON in UTF-8."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomic(path, text.encode("utf-8", "surrogatepass"), exclusive=exclusive)


def write_atomic(path: Path, data: bytes | Callable[[BinaryIO], object], *, exclusive: bool = False) -> None:
    """Write a file completely or not at all: after a crash at any moment `path` holds the old content or the new.

    `data` is the content, or writes it to the open file it is given. With `exclusive`, an existing file is never
    replaced, whichever process made it: FileExistsError. A folder that cannot take the file is a `UserError`.
    """
    with open_atomic(
        path, exclusive=exclusive, needed=len(data) if isinstance(data, bytes) else None
    ) as file:
        if callable(data):
            data(file)
        else:
            file.write(data)


def write_beside(path: Path, data: bytes) -> Path:
    """Write a file under the first of NAME, NAME-2, NAME-3 … that nobody has; returns its place. Nothing is replaced."""
    for place in numbered(path):
        with suppress(FileExistsError):
            write_atomic(place, data, exclusive=True)
            return place
    raise AssertionError("the names do not end")


@contextmanager
def open_atomic(path: Path, *, exclusive: bool = False, needed: int | None = None) -> Iterator[BinaryIO]:
    """The same for what is written bit by bit: when the block ends well, what was written takes its place."""
    path = Path(path)
    if exclusive and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "exists already", str(path))
    with temporary(path, needed) as name:
        with open(name, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        (put if exclusive else os.replace)(name, path)
        sync_folder(path.parent)


@contextmanager
def stage_folder(target: Path) -> Iterator[Path]:
    """Build a folder under a temporary name; when the block ends well it is synced and takes the place of `target`.

    After a crash at any moment the old folder or the new one is there, at the latest once `sweep_temporaries` has run.
    """
    target = Path(target)
    with temporary(target) as stage:
        stage.mkdir()
        yield stage
        sync_all(stage)
        _take_place(stage, target)
        sync_folder(target.parent)


@dataclass
class NewFolder:
    """A folder that is being built in `stage`; `place` is where it is once it is whole."""

    stage: Path
    place: Path


@contextmanager
def stage_new_folder(places: Iterable[Path]) -> Iterator[NewFolder]:
    """Build a folder as `stage_folder` does, which then takes the first of `places` that nobody has, and replaces nothing.

    Which one that is shows only when the block has ended well: until then another process may take a name. Raises `UserError`
    where all are taken.
    """
    left = iter(places)
    first = next(left)
    with temporary(first) as stage:
        stage.mkdir()
        new = NewFolder(stage, first)
        yield new
        sync_all(stage)
        for new.place in chain((first,), left):
            with suppress(FileExistsError):
                put(stage, new.place)
                sync_folder(new.place.parent)
                return
        raise UserError(
            tr(
                "There are too many folders called “{name}” in {parent}.",
                name=first.name,
                parent=first.parent,
            )
        )


def _take_place(stage: Path, target: Path) -> None:
    """Give `stage` the name `target`; a folder that has it is moved aside first and removed last."""
    if not os.path.lexists(target):
        os.rename(stage, target)
        return
    aside = temporary_name(target, "old")
    try:
        os.rename(target, aside)
        try:
            os.rename(stage, target)
        except OSError:
            os.rename(aside, target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        release(aside)
