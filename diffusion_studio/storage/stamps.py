"""What was read from files, remembered for exactly as long as the files stay as they were."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
# A file that changed later than this before it was read may change once more without its time showing it: a clock tick is
# up to 10 ms on a local disk, 2 s on FAT. (The rule by which git decides whether its index can be trusted.)
UNSETTLED = 2_500_000_000  # nanoseconds


class Stamp(NamedTuple):
    """How some files are now; two stamps are equal where nothing was written, replaced, added or removed between them."""

    files: tuple[tuple[str | int | None, ...], ...]
    newest: int  # the latest change among them, in nanoseconds since the epoch


def stamp_of(paths: Iterable[Path], *, depth: int = 0) -> Stamp:
    """The files and folders named, and what is in the folders down to `depth` levels. What is missing is noted as missing."""
    found: list[tuple[str | int | None, ...]] = []
    for path in paths:
        try:
            found.append(_facts(str(path), os.stat(path)))
        except OSError as error:
            found.append((str(path), error.errno))
            continue
        if depth:
            _add_inside(str(path), depth, found)
    return Stamp(
        tuple(found),
        max((last for *facts, last in found if len(facts) > 1 and isinstance(last, int)), default=0),
    )


def _add_inside(folder: str, depth: int, found: list[tuple[str | int | None, ...]]) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                try:
                    found.append(_facts(entry.path, entry.stat()))
                    if depth > 1 and entry.is_dir():
                        _add_inside(entry.path, depth - 1, found)
                except OSError as error:  # a link to nothing, or gone since
                    found.append((entry.path, error.errno))
    except OSError as error:  # a plain file, or a folder that cannot be listed
        found.append((folder, error.errno))


def _facts(path: str, facts: os.stat_result) -> tuple[str, int, int, int, int, int, int]:
    # the time of the last change of any kind shows what the time of the last writing hides: `cp -p`, `touch -r`
    latest = max(facts.st_mtime_ns, facts.st_ctime_ns)
    return path, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mode, facts.st_mtime_ns, latest


class Readings(Generic[T]):
    """Values read from files, by a key; each is read again when its stamp differs from that of the last reading.

    A value is trusted only where its files had been at rest for `unsettled` nanoseconds when it was read: until then it is
    read at every call, so that a file replaced within one tick of the clock is never missed. Values are shared between
    callers and threads, so they must not be changed. What `read` raises is not remembered.
    """

    def __init__(self, unsettled: int = UNSETTLED) -> None:
        self.unsettled = unsettled
        self._known: dict[Hashable, tuple[Stamp, T]] = {}

    def get(self, key: Hashable, stamp: Stamp, read: Callable[[], T]) -> T:
        """What `read` returned for this key and stamp; `stamp` must have been taken just before."""
        known = self._known.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        began = time.time_ns()
        value = read()
        self.put(key, stamp, value, began)
        return value

    def put(self, key: Hashable, stamp: Stamp, value: T, began: int) -> None:
        """Remember a value that was read of files as in `stamp`, from the moment `began` (`time.time_ns()`)."""
        if began - stamp.newest > self.unsettled:
            self._known[key] = stamp, value
        else:
            self._known.pop(key, None)

    def known(self, key: Hashable, stamp: Stamp) -> T | None:
        """The remembered value, or None where the files changed since or were never read."""
        known = self._known.get(key)
        return known[1] if known is not None and known[0] == stamp else None

    def keep_only(self, keys: Iterable[Hashable]) -> None:
        """Forget what belongs to other keys."""
        wanted = set(keys)
        for key in [key for key in self._known if key not in wanted]:
            self._known.pop(key, None)
