"""A folder of pictures, every file of it accounted for: pictures with their classes, other kinds, repeats and what is closed.

Content decides where the suffix does not say that a file is a picture. Links to folders are followed once everything that
really lies in the folder has been seen, each real folder and file once.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures.file_kinds import FORMATS, HEAD, SIDECARS, SUFFIXES, kind_by_name, kind_of
from diffusion_studio.storage.foreign_file import read_beginning

PICTURE, OTHER_KIND, HIDDEN, REPEATED, CLOSED, IN_A_LOOP = (
    "picture",
    "other",
    "hidden",
    "repeated",
    "closed",
    "loop",
)
JOINERS = "\u200c\u200d"  # unseen, and part of how words and emoji are written


@dataclass(frozen=True, slots=True)
class FolderItem:
    """One entry of a folder. `what` is a picture, another kind, hidden, a repeat of one seen before, or a closed folder."""

    path: Path
    label: str  # its class: the first sub-folder's name; "" in the folder itself
    what: str = PICTURE
    kind: str = ""  # of what is no picture: “HEIC”, “PSD”, “no suffix”
    first: Path | None = None  # REPEATED: the same file, seen before
    first_label: str = ""


def printable(name: str | Path) -> str:
    """A file's name as text that can be shown, stored and logged: composed (NFC), with \\ for bytes and signs that cannot be."""
    text = unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in JOINERS or unicodedata.category(c) == "Zs" else _escaped(c) for c in text
    )


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")


def picture_folder(folder: Path | str) -> Path:
    """The folder of a name a user gave, if it is one that can be read. Raises `UserError` with what it is instead."""
    path = Path(folder).expanduser()
    if not str(folder):
        raise UserError(tr("No folder of images was selected."))
    try:
        with os.scandir(path) as entries:
            next(entries, None)
    except FileNotFoundError:
        raise UserError(tr("The folder {path} is not there.", path=printable(path))) from None
    except NotADirectoryError:
        raise UserError(tr("{path} is a file; a folder of images is needed.", path=printable(path))) from None
    except PermissionError:
        raise UserError(
            tr("The folder {path} cannot be read: there is no permission.", path=printable(path))
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or tr("no folder can have this name")
        raise UserError(
            tr("The folder {path} cannot be read: {reason}.", path=printable(path), reason=reason)
        ) from None
    return path


def find_pictures(folder: Path) -> Iterator[tuple[Path, str]]:
    """(file, class) of every picture, sorted, each file once, and of every sub-folder that cannot be read.

    What turns out not to be a readable picture, such folders included, is for `open_picture` to refuse by name.
    """
    for found in list_folder(folder):
        if found.what in (PICTURE, CLOSED):
            yield found.path, found.label


def list_folder(folder: Path) -> Iterator[FolderItem]:
    """Everything in a folder. Hidden files are listed, hidden folders too, but not what is in them."""
    files: dict[tuple[int, int], tuple[Path, str, str]] = {}  # folder, name, class
    folders = {_identity(folder)}
    above = {_identity(parent) for parent in Path(os.path.realpath(folder)).parents}
    waiting: list[tuple[Path, str]] = [(folder, "")]
    linked: list[tuple[Path, str]] = []
    while waiting or linked:
        place, label = waiting.pop() if waiting else linked.pop(0)
        try:
            with os.scandir(place) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError:
            yield FolderItem(place, label, CLOSED)
            continue
        inner: list[tuple[Path, str]] = []
        for entry in entries:
            path = place / entry.name
            own = label or (printable(entry.name) if place == folder else "")
            if not _is_folder(entry):
                yield _file(path, label, place, files)
            elif entry.name.startswith("."):
                yield FolderItem(path, label, HIDDEN)
            elif (identity := _identity(path)) in above:
                yield FolderItem(path, label, IN_A_LOOP)
            elif entry.is_symlink():
                linked.append((path, own))
            elif identity not in folders:
                folders.add(identity)
                inner.append((path, own))
        waiting += reversed(inner)
        while not waiting and linked and _identity(linked[0][0]) in folders:
            path, own = linked.pop(0)
            yield FolderItem(path, own, IN_A_LOOP)
        if not waiting and linked:
            folders.add(_identity(linked[0][0]))


def _file(
    path: Path, label: str, folder: Path, files: dict[tuple[int, int], tuple[Path, str, str]]
) -> FolderItem:
    if path.name.startswith("."):
        return FolderItem(path, label, HIDDEN)
    suffix = path.suffix.lower()
    if suffix in SIDECARS:
        return FolderItem(path, label, OTHER_KIND, kind_by_name(path.name))
    if suffix not in SUFFIXES:
        kind = _kind_inside(path)
        if kind not in FORMATS:
            return FolderItem(path, label, OTHER_KIND, kind or kind_by_name(path.name))
    identity = _identity(path)
    if identity == (0, 0):  # a link to nothing, or a system that has no such numbers
        return FolderItem(path, label)
    place, name, known = files.setdefault(identity, (folder, path.name, label))
    first = place / name
    return FolderItem(path, label) if first == path else FolderItem(path, label, REPEATED, "", first, known)


def _kind_inside(path: Path) -> str:
    try:
        return kind_of(read_beginning(path, HEAD))
    except OSError:
        return ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    """The same for one file or folder under all its names; (0, 0) where it cannot be had."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return 0, 0
    return (facts.st_dev, facts.st_ino) if facts.st_ino else (0, 0)
