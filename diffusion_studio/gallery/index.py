"""A cache of what each picture says, so that 20,000 of them can be searched without opening them: may be deleted at any time."""

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


def cache_file() -> Path:
    return cache_dir() / f"gallery-{VERSION}.sqlite"


def look(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries with what their files say, a batch at a time; files that are gone or broken say nothing.

    Those that were looked at before and have not changed stay the objects they are: Python stops all threads for as long as
    it takes to go through what is new.
    """
    with closing(_open()) as cache:
        batch: list[Entry] = []
        fresh: list[tuple[str, str, str]] = []
        for entry in entries:
            stamp = _stamp(entry.path)
            if not stamp:
                continue  # gone meanwhile
            if entry.stamp != stamp:
                name = str(entry.path).encode("utf-8", "surrogateescape").hex()
                said = _kept(cache, name, stamp)
                if said is None:
                    said = _read(entry.path)
                    fresh.append((name, stamp, said))
                entry = _filled(entry, said, stamp)
            batch.append(entry)
            if len(batch) == BATCH:
                _keep(cache, fresh)
                yield batch
                batch, fresh = [], []
        _keep(cache, fresh)
        if batch:
            yield batch


def _filled(entry: Entry, said: str, stamp: str) -> Entry:
    value = json.loads(said)
    return replace(
        entry,
        settings=value.get("settings") or {},
        facts=value.get("facts") or {},
        width=value.get("width", 0),
        height=value.get("height", 0),
        stamp=stamp,
    )


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
    """The cache; one that is broken or can not be written is done without."""
    path = cache_file()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (path, path, ":memory:"):
        cache = None
        try:
            cache = sqlite3.connect(attempt, timeout=1)
            cache.execute("CREATE TABLE IF NOT EXISTS said (name TEXT PRIMARY KEY, stamp TEXT, said TEXT)")
            cache.execute("SELECT count(*) FROM said").fetchone()
            return cache
        except sqlite3.Error:
            if cache is not None:
                cache.close()
            with suppress(OSError):
                path.unlink()
    raise AssertionError("a database in memory can always be made")


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
