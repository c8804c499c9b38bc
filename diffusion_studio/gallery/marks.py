"""Stars and tags, in one small file beside the models and runs; pictures themselves are never rewritten for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..folders import data_dir, read_json, write_json
from .entries import Entry, key_of

VERSION, LONGEST_TAG, MOST_TAGS = 1, 60, 50


def marks_file() -> Path:
    return data_dir() / "gallery.json"


class Marks:
    """What is starred and tagged, by the picture's key. Changing it writes it, merged with what another window wrote."""

    def __init__(self) -> None:
        self.known = _read()

    def mark(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries with their stars and tags."""
        return [self._marked(entry) for entry in entries]

    def _marked(self, entry: Entry) -> Entry:
        value = self.known.get(entry.key, {})
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
            if value:
                self.known[key] = value
            else:
                self.known.pop(key, None)
        write_json(marks_file(), {"version": VERSION, "pictures": self.known})


def check_tag(tag: str) -> str:
    text = " ".join(tag.split())
    if not text or len(text) > LONGEST_TAG or any(sign in text for sign in ',"'):
        raise UserError(
            f"A tag is 1 to {LONGEST_TAG} characters without commas and quotes, not “{text[:60]}”."
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
    return {**({"star": True} if mark.get("star") is True else {}), **({"tags": tags} if tags else {})}
