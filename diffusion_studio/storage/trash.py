"""A folder of what was deleted: each thing with a note of where it was, brought back or removed for good later."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage import own_files
from diffusion_studio.storage.atomic import write_json
from diffusion_studio.storage.moving import move
from diffusion_studio.storage.paths import free_name, shorten
from diffusion_studio.storage.temporaries import remove, sweep_temporaries

KEPT = timedelta(days=30)  # how long a deleted thing can be brought back
STAMP = "%Y%m%d-%H%M%S-%f"
NAME = re.compile(r"(?P<stamp>\d{8}-\d{6}-\d{6})-(?P<name>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashEntry:
    """One deleted file or folder."""

    path: Path  # where it is now
    original: Path | None = None  # where it was; None where the note of that is gone
    deleted: datetime | None = None  # local time
    kind: str = ""  # "picture", "model", "run"; "" for anything else

    @property
    def name(self) -> str:
        """What it was called."""
        if self.original is not None:
            return self.original.name
        named = NAME.fullmatch(self.path.name)
        return named["name"] if named else self.path.name


class Trash:
    """The deleted things in the folder `place`, which is made when something is first put there."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def put(self, path: Path, kind: str = "") -> Path:
        """Move a file or folder here; returns where it is now. Raises `UserError` where it cannot be moved."""
        now = datetime.now()
        trashed = self.place / f"{now:{STAMP}}-{shorten(path.name, 200)}"
        original = Path(path).absolute()
        write_json(
            _note(trashed), {"original": str(original), "deleted": now.isoformat(), "kind": kind}
        )  # before the move: after a crash in between it is only a note too many
        try:
            move(path, trashed)
        except BaseException:
            with suppress(OSError):
                _note(trashed).unlink(missing_ok=True)
            raise
        return trashed

    def entries(self) -> list[TrashEntry]:
        """What is here, the latest first."""
        try:
            paths = [path for path in self.place.iterdir() if not path.name.startswith(".")]
        except OSError:
            return []
        return sorted(
            map(self.entry, paths),
            key=lambda entry: (entry.deleted or datetime.min, entry.name),
            reverse=True,
        )

    def entry(self, trashed: Path) -> TrashEntry:
        """One thing with what is known of it; a note that is damaged or gone leaves the name and date it has here."""
        try:
            said = own_files.load(_note(trashed))
        except (OSError, UserError):
            said = {}
        original, kind = said.get("original"), said.get("kind")
        known = isinstance(original, str) and "\0" not in original and os.path.isabs(original)
        return TrashEntry(
            path=trashed,
            original=Path(str(original)) if known else None,
            deleted=_date(said.get("deleted"), trashed.name),
            kind=kind if isinstance(kind, str) else "",
        )

    def restore(self, trashed: Path, original: Path) -> Path:
        """Move a thing to `original`, or beside it under a free name where something has come to be there; returns its place."""
        while True:
            target = free_name(original, folder=trashed.is_dir())
            try:
                move(trashed, target)
            except UserError:
                if not target.exists() or not trashed.exists():
                    raise
                continue  # another process took the name
            with suppress(OSError):
                _note(trashed).unlink(missing_ok=True)
            return target

    def delete(self, trashed: Path) -> None:
        """Remove a thing for good. Raises `UserError` where the system does not allow it, or it is not here."""
        if trashed.parent != self.place:
            raise UserError(tr("{trashed} is not in the trash.", trashed=trashed))
        try:
            remove(trashed)
            _note(trashed).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                tr(
                    "{trashed} cannot be removed: {strerror}.",
                    trashed=trashed,
                    strerror=error.strerror or type(error).__name__,
                ),
                str(error),
            ) from error

    def empty(self, older_than: timedelta | None = None) -> Iterator[TrashEntry]:
        """Remove everything for good, or what was deleted longer ago than that; yields each thing when it is gone.

        What cannot be removed stays, and the others go; the first fault is raised at the end. Where it is not known when a
        thing was deleted it counts as new.
        """
        fault = None
        for entry in self.entries():
            if older_than is not None and (
                entry.deleted is None or datetime.now() - entry.deleted < older_than
            ):
                continue
            try:
                self.delete(entry.path)
            except UserError as error:
                fault = fault or error
            else:
                yield entry
        if fault is not None:
            raise fault

    def sweep(self) -> Iterator[TrashEntry]:
        """Remove what was deleted more than `KEPT` ago, and what killed moves left; yields each thing. What cannot be stays."""
        sweep_temporaries(self.place)
        with suppress(UserError):
            yield from self.empty(KEPT)
        for note in self.place.glob(".*.json"):
            with suppress(OSError):
                of = self.place / note.name[1 : -len(".json")]
                written = datetime.fromtimestamp(note.stat().st_mtime)
                if not of.exists() and not of.is_symlink() and datetime.now() - written > timedelta(days=1):
                    note.unlink()


def _note(trashed: Path) -> Path:
    return trashed.with_name(f".{trashed.name}.json")


def _date(said: object, name: str) -> datetime | None:
    named = NAME.fullmatch(name)
    with suppress(ValueError, TypeError):
        if isinstance(said, str):
            return datetime.fromisoformat(said).replace(tzinfo=None)
    with suppress(ValueError):
        if named is not None:
            return datetime.strptime(named["stamp"], STAMP)
    return None
