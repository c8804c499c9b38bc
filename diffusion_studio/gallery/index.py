"""A cache of the metadata of each image, so that 20,000 can be searched without opening them; may be deleted at any time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.settings.options import to_dict
from diffusion_studio.storage.places import cache_dir

VERSION = 4
BATCH = 200  # entries at a time
WAIT = 20.0  # seconds for another process that writes the cache just now; it does so for milliseconds


def cache_file() -> Path:
    return cache_dir() / f"gallery-{VERSION}.sqlite"


def look(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries with the metadata of their files, a batch at a time; files that are gone or damaged have none.

    Those that were looked at before and have not changed stay the objects they are: Python stops all threads for as long as
    it takes to go through what is new.
    """
    with closing(_open()) as cache:
        batch: list[Entry] = []
        fresh: list[tuple[str, str, str]] = []
        for entry in entries:
            stamp = _stamp(entry.path)
            if not stamp:
                continue  # gone since it was listed
            if entry.stamp != stamp:
                name = str(entry.path).encode("utf-8", "surrogateescape").hex()
                filled = _filled(entry, _kept(cache, name, stamp), stamp)
                if filled is None:
                    said = _read(entry.path)
                    fresh.append((name, stamp, said))
                    filled = _filled(entry, said, stamp)
                entry = filled or entry
            batch.append(entry)
            if len(batch) == BATCH:
                _keep(cache, fresh)
                yield batch
                batch, fresh = [], []
        _keep(cache, fresh)
        if batch:
            yield batch


def _filled(entry: Entry, said: str | None, stamp: str) -> Entry | None:
    """The entry with what its file says; None where nothing is kept of that, or what is kept is damaged."""
    try:
        value = json.loads(said or "")
        settings, facts = value.get("settings") or {}, value.get("facts") or {}
        width, height = value.get("width", 0), value.get("height", 0)
    except (ValueError, AttributeError, RecursionError):
        return None
    if not (isinstance(settings, dict) and isinstance(facts, dict) and type(width) is type(height) is int):
        return None
    return replace(entry, settings=settings, facts=facts, width=width, height=height, stamp=stamp)


def _read(path: Path) -> str:
    from diffusion_studio.pictures.reading import read

    try:
        record = read(path)
    except UserError:
        return "{}"
    whole = to_dict(record.settings) if record.settings else {}
    value = {
        "settings": {name: whole[name] for name in record.given if whole[name] != ()},  # most have no past
        "facts": dict(record.facts),
        "width": record.width,
        "height": record.height,
    }
    return json.dumps(value)


def _stamp(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return ""
    return f"{facts.st_mtime_ns} {facts.st_size}"


def _open() -> sqlite3.Connection:
    """The cache. One that is damaged is made again; one that is locked is waited for, and then, like one that cannot be
    written, done without: it is another process's to use."""
    path = cache_file()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            return _opened(path)
        except sqlite3.OperationalError:  # locked for long, read-only, no room, not a file
            break
        except sqlite3.DatabaseError:  # no database, or a damaged one
            with suppress(OSError):
                path.unlink()
    return _opened(":memory:")


def _opened(place: Path | str) -> sqlite3.Connection:
    cache = sqlite3.connect(place, timeout=WAIT)
    try:
        cache.execute("CREATE TABLE IF NOT EXISTS said (name TEXT PRIMARY KEY, stamp TEXT, said TEXT)")
        cache.execute("SELECT count(stamp), count(said) FROM said").fetchone()
    except BaseException:
        cache.close()
        raise
    return cache


def _kept(cache: sqlite3.Connection, name: str, stamp: str) -> str | None:
    """What a file said when it was read last, if it has not changed since."""
    with suppress(sqlite3.Error):
        row = cache.execute("SELECT said FROM said WHERE name = ? AND stamp = ?", (name, stamp)).fetchone()
        return None if row is None else str(row[0])
    return None


def _keep(cache: sqlite3.Connection, rows: list[tuple[str, str, str]]) -> None:
    if not rows:
        return
    values: Any = rows
    with suppress(sqlite3.Error), cache:  # a full disk costs time at the next look, nothing else
        cache.executemany("INSERT OR REPLACE INTO said VALUES (?, ?, ?)", values)
