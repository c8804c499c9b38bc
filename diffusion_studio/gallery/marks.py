"""Stars, tags and albums, in one small file beside the models and runs; image files are never rewritten for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry, key_base, key_of
from diffusion_studio.language import tr
from diffusion_studio.storage import own_files
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, open_foreign
from diffusion_studio.storage.places import data_dir

VERSION, LONGEST_TAG, MOST_TAGS = 1, 60, 50
LISTS = ("tags", "albums")
Mark = dict[str, Any]  # "star": True, "tags": [...], "albums": [...], "print": [size, hash]
HEAD = 1 << 16  # bytes of a file that, with its size, tell it from all others: its settings are there too


def marks_file() -> Path:
    return data_dir() / "gallery.json"


class Marks:
    """Stars, tags and albums by the image's key. A change is written at once, merged with what another window wrote.

    An album is a name that images share: it exists as long as one of them has it.
    """

    def __init__(self) -> None:
        self.known = _read()

    def mark(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries with their stars, tags and albums."""
        base = key_base()
        return [self._marked(entry, base) for entry in entries]

    def follow(self, paths: Sequence[Path]) -> None:
        """Restore the marks of images that were moved or renamed; their content identifies them."""
        base = key_base()
        present = {key_of(path, base): path for path in paths}
        lost = [mark for key, mark in self.known.items() if key not in present and "print" in mark]
        by_size: dict[int, dict[str, Mark]] = {}
        for mark in lost:
            by_size.setdefault(mark["print"][0], {})[mark["print"][1]] = mark
        moved = {}
        for key, path in present.items() if by_size else ():
            if key not in self.known and _size(path) in by_size:
                size, digest = fingerprint(path) or (-1, "")
                if digest in by_size.get(size, {}):
                    moved[key] = by_size[size][digest]
        if moved:
            self.known = {**moved, **self.known}
            with suppress(OSError, UserError):  # kept in memory all the same
                self.known = _change(lambda marks: {**moved, **marks})

    def _marked(self, entry: Entry, base: str) -> Entry:
        value = self.known.get(key_of(entry.path, base)) if self.known else None
        if value is None and not (entry.star or entry.tags or entry.albums):
            return entry
        value = value or {}
        marks = (
            value.get("star") is True,
            frozenset(value.get("tags", ())),
            frozenset(value.get("albums", ())),
        )
        if marks == (entry.star, entry.tags, entry.albums):
            return entry
        return replace(entry, star=marks[0], tags=marks[1], albums=marks[2])

    def star(self, paths: Iterable[Path], starred: bool) -> None:
        self._change(paths, lambda value: {**value, "star": starred})

    def tag(self, paths: Iterable[Path], tags: Iterable[str], *, remove: bool = False) -> None:
        """Add tags to images, or remove them."""
        self._list("tags", paths, {check_tag(tag) for tag in tags}, remove)

    def collect(self, paths: Iterable[Path], album: str, *, remove: bool = False) -> None:
        """Add images to an album, or remove them from it."""
        self._list("albums", paths, {check_album(album)}, remove)

    def rename_album(self, album: str, name: str | None) -> None:
        """Give an album another name, or with None remove it; its images stay. Raises `UserError` where there is none."""
        new = set() if name is None else {check_album(name)}

        def change(marks: dict[str, Any]) -> dict[str, Any]:
            if not any(album in _clean(mark).get("albums", ()) for mark in marks.values()):
                raise UserError(tr("There is no album “{name}”.", name=album[:60]))
            for key, mark in list(marks.items()):
                value = _clean(mark)
                if album in value.get("albums", ()):
                    _put(marks, key, {**value, "albums": sorted({*value["albums"]} - {album} | new)})
            return marks

        self.known = _change(change)

    def all_tags(self) -> list[str]:
        return self._every("tags")

    def albums(self) -> dict[str, int]:
        """The albums in alphabetical order, with how many images each has."""
        named = [name for value in self.known.values() for name in value.get("albums", ())]
        return {name: named.count(name) for name in self._every("albums")}

    def _every(self, kind: str) -> list[str]:
        return sorted({name for value in self.known.values() for name in value.get(kind, ())}, key=_order)

    def _list(self, kind: str, paths: Iterable[Path], names: set[str], remove: bool) -> None:
        def change(value: Mark) -> Mark:
            before = set(value.get(kind, ()))
            return {**value, kind: sorted(before - names if remove else before | names)[:MOST_TAGS]}

        self._change(paths, change)

    def _change(self, paths: Iterable[Path], change: Callable[[Mark], Mark]) -> None:
        """Change the marks of some images; those of all others stay as they are in the file, whoever wrote them."""
        wanted = {key_of(path): path for path in paths}
        prints = {key: fingerprint(path) for key, path in wanted.items()}  # before the file is locked

        def do(marks: dict[str, Any]) -> dict[str, Any]:
            for key, known in prints.items():
                value = change(_clean(marks.get(key)))
                _put(marks, key, {**value, "print": list(known)} if known else value)
            return marks

        self.known = _change(do, touched=wanted)


def _change(do: Callable[[dict[str, Any]], dict[str, Any]], touched: Iterable[str] = ()) -> dict[str, Mark]:
    """Change the marks in the file while nobody else does; returns all that can be understood of them."""
    path = marks_file()

    def write(value: dict[str, Any]) -> dict[str, Any]:
        marks = value.get("pictures", {})
        damaged = [key for key in touched if key in marks and _clean(marks[key]) != marks[key]]
        if damaged:
            own_files.keep_copy(path, f"The marks of {len(damaged)} pictures in {path} are damaged.")
        return {**value, "version": VERSION, "pictures": do(dict(marks))}

    return _understood(own_files.change(path, write, version=VERSION, check=_fault))


def _put(marks: dict[str, Any], key: str, value: Mark) -> None:
    """Store the mark of one image, or none where it says nothing."""
    value = {name: v for name, v in value.items() if v}
    if value.keys() & {"star", *LISTS}:
        marks[key] = value
    else:
        marks.pop(key, None)


def fingerprint(path: Path) -> tuple[int, str] | None:
    """Size and hash of a file's beginning; None where it cannot be read."""
    try:
        with open_foreign(path, LARGEST_PICTURE) as file:
            return os.fstat(file.fileno()).st_size, hashlib.sha256(file.read(HEAD)).hexdigest()[:32]
    except (OSError, ValueError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1


def check_tag(tag: str) -> str:
    return _checked(
        tag,
        tr(
            "A tag is 1 to {longest} characters without commas and quotes, not “{value}”.",
            longest=LONGEST_TAG,
            value=tag[:60],
        ),
    )


def check_album(name: str) -> str:
    return _checked(
        name,
        tr(
            "The name of an album is 1 to {longest} characters without commas and quotes, not “{value}”.",
            longest=LONGEST_TAG,
            value=name[:60],
        ),
    )


def _checked(name: str, wrong: str) -> str:
    text = " ".join(name.split())
    if not text or len(text) > LONGEST_TAG or any(sign in text for sign in ',"'):
        raise UserError(wrong)
    return text


def _order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _read() -> dict[str, Mark]:
    """What is in the file. Raises nothing: a damaged file is set aside, a damaged mark counts as none and stays there."""
    return _understood(own_files.read(marks_file(), version=VERSION, check=_fault))


def _understood(value: dict[str, Any]) -> dict[str, Mark]:
    marks = {key: _clean(mark) for key, mark in value.get("pictures", {}).items()}
    return {key: mark for key, mark in marks.items() if mark}


def _fault(value: dict[str, Any]) -> str:
    return "" if isinstance(value.get("pictures", {}), dict) else "“pictures” is not a JSON object"


def _clean(mark: object) -> Mark:
    """What can be understood of the mark of one image."""
    if not isinstance(mark, dict):
        return {}
    value: Mark = {"star": True} if mark.get("star") is True else {}
    for kind in LISTS:
        names = mark.get(kind)
        names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        if names:
            value[kind] = names
    return {**value, **_clean_print(mark.get("print"))}


def _clean_print(value: object) -> dict[str, Any]:
    fits = isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], str)
    return {"print": value} if fits else {}
