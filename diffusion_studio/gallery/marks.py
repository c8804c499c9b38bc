"""Stars and tags, in one small file beside the models and runs; pictures themselves are never rewritten for them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry, key_base, key_of
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import read_json, write_json
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, open_foreign
from diffusion_studio.storage.places import data_dir

VERSION, LONGEST_TAG, MOST_TAGS = 1, 60, 50
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
        by_size: dict[int, dict[str, dict[str, Any]]] = {}
        for mark in lost:
            by_size.setdefault(mark["print"][0], {})[mark["print"][1]] = mark
        moved = {}
        for key, path in present.items() if by_size else ():
            if key not in self.known and _size(path) in by_size:
                size, digest = fingerprint(path) or (-1, "")
                if digest in by_size.get(size, {}):
                    moved[key] = by_size[size][digest]
        if moved:
            self.known = {**_read(), **moved}
            with suppress(OSError, UserError):  # kept in memory all the same
                self._write()

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

        def change(value: dict[str, Any]) -> dict[str, Any]:
            before = set(value.get("tags", ()))
            return {**value, "tags": sorted(before - names if remove else before | names)[:MOST_TAGS]}

        self._change(paths, change)

    def all_tags(self) -> list[str]:
        return sorted(
            {tag for value in self.known.values() for tag in value.get("tags", ())}, key=str.casefold
        )

    def _change(self, paths: Iterable[Path], change: Any) -> None:
        self.known = _read()
        for path in paths:
            key = key_of(path)
            value = {name: v for name, v in change(self.known.get(key, {})).items() if v}
            if value.keys() & {"star", "tags"}:
                known = fingerprint(path)
                self.known[key] = {**value, "print": list(known)} if known else value
            else:
                self.known.pop(key, None)
        self._write()

    def _write(self) -> None:
        write_json(marks_file(), {"version": VERSION, "pictures": self.known})


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


def _read() -> dict[str, dict[str, Any]]:
    """What is in the file; a broken one, or a broken part of it, counts as nothing."""
    with suppress(OSError, UserError, ValueError, RecursionError, json.JSONDecodeError):
        value = read_json(marks_file())
        pictures = value.get("pictures") if isinstance(value, dict) else None
        if isinstance(pictures, dict):
            return {key: _clean(mark) for key, mark in pictures.items() if isinstance(mark, dict)}
    return {}


def _clean(mark: dict[str, Any]) -> dict[str, Any]:
    tags = mark.get("tags", ())
    tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    star = {"star": True} if mark.get("star") is True else {}
    return {**star, **({"tags": tags} if tags else {}), **_clean_print(mark.get("print"))}


def _clean_print(value: Any) -> dict[str, Any]:
    fits = isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], str)
    return {"print": value} if fits else {}
