"""Stars and tags, in one small file beside the models and runs; pictures themselves are never rewritten for them."""

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
Mark = dict[str, Any]  # "star": True, "tags": [...], "print": [size, hash]
HEAD = 1 << 16  # bytes of a file that, with its size, tell it from all others: its settings stand there too


def marks_file() -> Path:
    return data_dir() / "gallery.json"


class Marks:
    """What is starred and tagged, by the picture's key. Changing it writes it, merged with what another window wrote."""

    def __init__(self) -> None:
        self.known = _read()

    def mark(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries with their stars and tags."""
        base = key_base()
        return [self._marked(entry, base) for entry in entries]

    def follow(self, paths: Sequence[Path]) -> None:
        """Give pictures that were moved or renamed meanwhile the marks they had: known by what is in them."""
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
        if value is None:
            return replace(entry, star=False, tags=frozenset()) if entry.star or entry.tags else entry
        star, tags = value.get("star") is True, frozenset(value.get("tags", ()))
        return entry if (star, tags) == (entry.star, entry.tags) else replace(entry, star=star, tags=tags)

    def star(self, paths: Iterable[Path], starred: bool) -> None:
        self._change(paths, lambda value: {**value, "star": starred})

    def tag(self, paths: Iterable[Path], tags: Iterable[str], *, remove: bool = False) -> None:
        """Add tags to pictures, or take them away."""
        names = {check_tag(tag) for tag in tags}

        def change(value: Mark) -> Mark:
            before = set(value.get("tags", ()))
            return {**value, "tags": sorted(before - names if remove else before | names)[:MOST_TAGS]}

        self._change(paths, change)

    def all_tags(self) -> list[str]:
        return sorted(
            {tag for value in self.known.values() for tag in value.get("tags", ())}, key=str.casefold
        )

    def _change(self, paths: Iterable[Path], change: Callable[[Mark], Mark]) -> None:
        """Change the marks of some pictures; those of all others stay as they are in the file, whoever wrote them."""
        wanted = {key_of(path): path for path in paths}
        prints = {key: fingerprint(path) for key, path in wanted.items()}  # before the file is locked

        def do(marks: dict[str, Any]) -> dict[str, Any]:
            for key, known in prints.items():
                value = {name: v for name, v in change(_clean(marks.get(key))).items() if v}
                if value.keys() & {"star", "tags"}:
                    marks[key] = {**value, "print": list(known)} if known else value
                else:
                    marks.pop(key, None)
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


def fingerprint(path: Path) -> tuple[int, str] | None:
    """Size and hash of a file's beginning; None where it can not be read."""
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
    text = " ".join(tag.split())
    if not text or len(text) > LONGEST_TAG or any(sign in text for sign in ',"'):
        raise UserError(
            tr(
                "A tag is 1 to {longest_tag} characters without commas and quotes, not “{value}”.",
                longest_tag=LONGEST_TAG,
                value=text[:60],
            )
        )
    return text


def _read() -> dict[str, Mark]:
    """What is in the file. Raises nothing: a damaged file is set aside, a damaged mark counts as none and stays there."""
    return _understood(own_files.read(marks_file(), version=VERSION, check=_fault))


def _understood(value: dict[str, Any]) -> dict[str, Mark]:
    marks = {key: _clean(mark) for key, mark in value.get("pictures", {}).items()}
    return {key: mark for key, mark in marks.items() if mark}


def _fault(value: dict[str, Any]) -> str:
    return "" if isinstance(value.get("pictures", {}), dict) else "“pictures” is not a JSON object"


def _clean(mark: Any) -> Mark:
    """What can be understood of one picture's mark."""
    if not isinstance(mark, dict):
        return {}
    tags = mark.get("tags", ())
    tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    star = {"star": True} if mark.get("star") is True else {}
    return {**star, **({"tags": tags} if tags else {}), **_clean_print(mark.get("print"))}


def _clean_print(value: Any) -> dict[str, Any]:
    fits = isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], str)
    return {"print": value} if fits else {}
