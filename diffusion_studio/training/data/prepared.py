"""Training images prepared once in a file that is mapped into memory, for sets that are large or larger than memory.

CACHE/training-images/KEY/images.raw     the pixels, one image after the other
CACHE/training-images/KEY/rows.jsonl     a line for each file: what became of it, and a hash of its pixels

KEY names the files by size and time and how they are seen, so that a folder that changes is prepared afresh. A preparation that
was cut off is resumed; rows whose pixels are not as they were written, and all after them, are done again. Everything here may
be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.foreign_file import read_foreign, size_in_words
from diffusion_studio.storage.locks import FileLock
from diffusion_studio.storage.places import cache_dir

VERSION = 1
IMAGES, ROWS = "images.raw", "rows.jsonl"
LARGEST_ROWS = 1 << 32  # bytes
MOST_SETS, MOST_BYTES = 4, 64 << 30  # kept, the one in use included; the ones used longest ago go first
FLUSH_EVERY = 512  # rows
REPORT_EVERY = 256  # rows
ROOM_LEFT = 1 << 28  # bytes that stay free on the disk


class Row(NamedTuple):
    """One file: its pixels are the next image, unless there is a `reason` why it was left out."""

    name: str
    label: str = ""
    digest: str = ""  # of the file
    covered: bool = False  # transparent, and laid on white
    reason: str = ""
    check: str = ""  # hash of the pixels


class ImagesInMemory:
    """The same face for a set that is read each time."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.rows: list[Row] = []
        self.usable = 0

    def add(self, row: Row, pixels: np.ndarray | None = None) -> None:
        if pixels is not None:
            self.images[self.usable] = pixels
            self.usable += 1
        self.rows.append(row)

    def close(self) -> None:
        pass


class PreparedImages(ImagesInMemory):
    """Rows and pixels so far, which more are added to; `images` (N, C, S, S) is mapped, and longer than what is known of it."""

    def __init__(self, place: Path, images: np.ndarray, rows: list[Row], lock: FileLock) -> None:
        super().__init__(images)
        self.place, self.rows = place, rows
        self.usable = sum(not row.reason for row in rows)
        self._lock = lock
        self._file: IO[str] | None = None

    def add(self, row: Row, pixels: np.ndarray | None = None) -> None:
        if pixels is not None:
            row = row._replace(check=_hash(pixels))
        super().add(row, pixels)
        if self._file is None:
            self._file = (self.place / ROWS).open("a", encoding="utf-8", newline="\n")
        self._file.write(json.dumps(row) + "\n")
        if len(self.rows) % FLUSH_EVERY == 0:
            self._file.flush()

    def close(self) -> None:
        """Keep what was added; the images stay mapped."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        self._lock.release()


def sets_dir() -> Path:
    return cache_dir() / "training-images"


def open_prepared(
    folder: Path,
    found: Sequence[tuple[Path, str]],
    how: Sequence[Any],
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
        rows: list[Row] = []
        usable = 0
        for row in _rows(place / ROWS):
            if len(rows) >= len(found) or not (row.reason or row.check == _hash(images[usable])):
                break
            usable += not row.reason
            rows.append(row)
            if len(rows) % REPORT_EVERY == 0:
                yield len(rows)
        _keep_rows(place / ROWS, rows)
        yield PreparedImages(place, images, rows, lock)
    except BaseException:
        lock.release()
        raise


def _key(folder: Path, found: Sequence[tuple[Path, str]], how: Sequence[Any]) -> str:
    digest = hashlib.sha256(json.dumps([VERSION, str(folder), list(how)]).encode())
    for path, label in found:
        try:
            facts = path.stat()
            stamp = (facts.st_size, facts.st_mtime_ns)
        except OSError:
            stamp = (-1, -1)
        digest.update(f"{path}\0{label}\0{stamp}\n".encode("utf-8", "surrogatepass"))
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


def _rows(path: Path) -> Iterator[Row]:
    """What is written there, up to a line that was cut off."""
    try:
        lines = read_foreign(path, LARGEST_ROWS).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = Row(*json.loads(line))
        except (ValueError, TypeError, RecursionError):
            return
        if not all(isinstance(text, str) for text in (row.name, row.label, row.digest, row.reason)):
            return
        yield row


def _hash(pixels: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).hexdigest()


def _keep_rows(path: Path, rows: list[Row]) -> None:
    """Cut the file behind these rows."""
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if path.stat().st_size != len(text):
        path.write_bytes(text)
