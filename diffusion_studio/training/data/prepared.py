"""Training images prepared once in a file that is mapped into memory, for sets that are large or larger than memory.

CACHE/training-images/KEY/images.raw     the pixels, one image after the other
CACHE/training-images/KEY/rows.jsonl     a line for each file: what became of it, and a hash of its pixels

CACHE/training-images/KEY/about.json     which folder, and how it is seen

KEY names the files by size and time and how they are seen. A folder that changes is prepared again, with the pixels of files that
are as they were copied from its latest preparation. One that was cut off is resumed; rows whose pixels are not as they were
written, and all after them, are done again. Everything here may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.foreign_file import open_foreign, read_foreign_json, size_in_words
from diffusion_studio.storage.locks import FileLock
from diffusion_studio.storage.places import cache_dir
from diffusion_studio.training.data.found import Found
from diffusion_studio.training.data.rows import Row, Rows, read_row

VERSION = 2
IMAGES, ROWS, ABOUT = "images.raw", "rows.jsonl", "about.json"
LARGEST_ROWS = 1 << 32  # bytes
LONGEST_LINE = 1 << 20  # bytes
MOST_SETS, MOST_BYTES = 4, 64 << 30  # kept, the one in use included; the ones used longest ago go first
FLUSH_EVERY = 512  # rows
REPORT_EVERY = 256  # rows
ROOM_LEFT = 1 << 28  # bytes that stay free on the disk


class ImagesInMemory:
    """The same face for a set that is read each time."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.rows = Rows()
        self.usable = 0

    def add(self, row: Row, pixels: np.ndarray | None = None) -> None:
        if pixels is not None:
            self.images[self.usable] = pixels
            self.usable += 1
        self.rows.append(row)

    def known(self, name: str, stamp: str) -> tuple[Row, np.ndarray] | None:
        """A file that was seen before and has not changed."""
        return None

    def close(self) -> None:
        pass


class PreparedImages(ImagesInMemory):
    """Rows and pixels so far, which more are added to; `images` (N, C, S, S) is mapped, and longer than what is known of it."""

    def __init__(self, place: Path, images: np.ndarray, rows: Rows, usable: int, lock: FileLock) -> None:
        super().__init__(images)
        self.place, self.rows = place, rows
        self.usable = usable
        self.earlier: Earlier | None = None
        self._lock = lock
        self._file: IO[bytes] | None = None

    def add(self, row: Row, pixels: np.ndarray | None = None) -> None:
        if pixels is not None:
            row = row._replace(check=_hash(pixels))
            self.images[self.usable] = pixels
            self.usable += 1
        line = self.rows.append(row)
        if self._file is None:
            self._file = (self.place / ROWS).open("ab")
        self._file.write(line)
        if len(self.rows) % FLUSH_EVERY == 0:
            self._file.flush()

    def known(self, name: str, stamp: str) -> tuple[Row, np.ndarray] | None:
        return None if self.earlier is None else self.earlier.same(name, stamp)

    def close(self) -> None:
        """Keep what was added; the images stay mapped."""
        self.earlier = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        self._lock.release()


class Earlier:
    """The latest other preparation of a folder, to copy from what has not changed."""

    def __init__(self, place: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        rows, marks, images, usable = Rows(), array("Q"), array("q"), 0
        for row, _ in _read_rows(place / ROWS):
            rows.append(row)
            marks.append(_mark(row.name, row.stamp) if row.stamp else 0)
            images.append(-1 if row.reason else usable)
            usable += not row.reason
        self.rows = rows
        self.image_of, self.marks = np.array(images, np.int64), np.array(marks, np.uint64)
        self.order = np.argsort(self.marks)
        self.images = np.memmap(place / IMAGES, dtype, "r", shape=(usable, *shape)) if usable else None

    def same(self, name: str, stamp: str) -> tuple[Row, np.ndarray] | None:
        """The row and pixels of a file that is as it was; None where it is not known, was left out, or its pixels are damaged."""
        if not stamp or not len(self.marks):
            return None
        place = np.searchsorted(self.marks, np.uint64(_mark(name, stamp)), sorter=self.order)
        number = int(self.order[min(int(place), len(self.order) - 1)])
        row = self.rows[number]
        if (row.name, row.stamp) != (name, stamp) or row.reason or self.images is None:
            return None
        pixels = self.images[int(self.image_of[number])]
        return (row, pixels) if _hash(pixels) == row.check else None


def _mark(name: str, stamp: str) -> int:
    text = f"{name}\0{stamp}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") or 1


def _earlier(
    place: Path, about: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Earlier | None:
    """None where there is none, or none of the same shape."""
    for other in sorted(place.parent.iterdir(), key=_used, reverse=True):
        with suppress(OSError, ValueError):
            if other != place and other.is_dir() and read_foreign_json(other / ABOUT, LONGEST_LINE) == about:
                return Earlier(other, shape, dtype)
    return None


def stamp_of(path: Path) -> str:
    """Size and time of a file; "" where it cannot be had."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return ""
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def sets_dir() -> Path:
    return cache_dir() / "training-images"


def open_prepared(
    folder: Path,
    found: Found,
    how: Sequence[object],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> Iterator[int | PreparedImages]:
    """The preparation of these files of a folder, seen in the way `how`; yields how many rows were checked, and at last itself.

    `shape`, `dtype`: of one image. Waits where another process prepares the same. Raises `UserError` where the disk has no room.
    """
    place = sets_dir() / _key(folder, found, how)
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_suffix(".lock"))
    while not lock.acquire(wait=0.5):
        yield 0
    try:
        images = _map(place, (len(found), *shape), dtype)
        rows, usable, length = Rows(), 0, 0
        for row, end in _read_rows(place / ROWS):
            if len(rows) >= len(found) or not (row.reason or row.check == _hash(images[usable])):
                break
            usable, length = usable + (not row.reason), end
            rows.append(row)
            if len(rows) % REPORT_EVERY == 0:
                yield len(rows)
        if (place / ROWS).stat().st_size != length:
            os.truncate(place / ROWS, length)
        prepared = PreparedImages(place, images, rows, usable, lock)
        if len(rows) < len(found):
            about = {"folder": str(folder), "how": list(how)}
            prepared.earlier = _earlier(place, about, shape, dtype)
            write_atomic(place / ABOUT, json.dumps(about).encode())
        yield prepared
    except BaseException:
        lock.release()
        raise


def _key(folder: Path, found: Found, how: Sequence[object]) -> str:
    digest = hashlib.sha256(json.dumps([VERSION, str(folder), list(how)]).encode())
    for path, label in found:
        digest.update(f"{path}\0{label}\0{stamp_of(path)}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _map(place: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """The file of pixels, as long as it has to be; made where it is not there."""
    path, need = place / IMAGES, int(np.prod(shape)) * dtype.itemsize
    try:
        if not path.is_file() or path.stat().st_size != need:
            shutil.rmtree(place, ignore_errors=True)
            _make_room(place, need)
            place.mkdir(parents=True)
            with path.open("xb") as file:
                file.truncate(need)
        (place / ROWS).touch()  # used now
        images = np.memmap(path, dtype, "r+", shape=shape)
    except OSError as error:
        raise UserError(
            tr(
                "The images cannot be prepared in {place}: {reason}.",
                place=place,
                reason=error.strerror or error,
            )
        ) from None
    with suppress(AttributeError, OSError, ValueError):  # not on every system
        # one image is read here and another there: nothing beside them is needed
        images._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]
    return images


def _make_room(place: Path, need: int) -> None:
    """Remove the preparations used longest ago, until this one has room. Raises `UserError` where it has none even then."""
    others = [other for other in place.parent.iterdir() if other.is_dir() and other != place]
    others.sort(key=_used)
    while others and (
        len(others) >= MOST_SETS
        or need + sum(map(_size, others)) > MOST_BYTES
        or shutil.disk_usage(place.parent).free < need + ROOM_LEFT
    ):
        oldest = others.pop(0)
        lock = FileLock(oldest.with_suffix(".lock"))
        if (
            lock.acquire()
        ):  # nobody prepares it now; where it is trained from, its pixels stay until that ends
            shutil.rmtree(oldest, ignore_errors=True)
            lock.release()
    free = shutil.disk_usage(place.parent).free
    if free < need + ROOM_LEFT:
        raise UserError(
            tr(
                "These images take {need} once they are prepared, and {place} has {free} free. "
                "Choose a smaller size or fewer images, or make room.",
                need=size_in_words(need),
                place=place.parent,
                free=size_in_words(free),
            )
        )


def _used(place: Path) -> float:
    try:
        return (place / ROWS).stat().st_mtime
    except OSError:
        return 0.0


def _size(place: Path) -> int:
    try:
        return (place / IMAGES).stat().st_size
    except OSError:
        return 0


def _read_rows(path: Path) -> Iterator[tuple[Row, int]]:
    """What is written there, up to a line that was cut off, and where in the file each row ends."""
    end = 0
    try:
        with open_foreign(path, LARGEST_ROWS) as file:
            while (line := file.readline(LONGEST_LINE)).endswith(b"\n"):
                row = read_row(line)
                if row is None:
                    return
                end += len(line)
                yield row, end
    except OSError:
        return


def _hash(pixels: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).hexdigest()
