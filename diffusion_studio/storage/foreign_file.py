"""How a file is opened that this process did not write: a regular file, never more of it than asked for, no unwanted link.

A pipe, a device, an endless or oversized file and a link that leads out of a folder are an `UnsuitableFile`, an `OSError`
whose `strerror` is the reason in words, so that every caller that reports a missing file reports these as well.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from diffusion_studio.language import plural, tr

LARGEST_JSON = 1 << 20  # bytes of a configuration
LARGEST_TEXT = 1 << 20  # of a README or a licence
LARGEST_PICTURE = 512 << 20
LARGEST_WEIGHTS = 64 << 30
BLOCK = 1 << 20
# A pipe opens without waiting for its writer, and a terminal does not become this process's own.
FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class UnsuitableFile(OSError):
    """A file that is there and is not opened; `strerror` says why, as in “it is larger than 1 MB”."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def open_foreign(path: Path, limit: int, *, within: Path | None = None) -> BinaryIO:
    """A regular file of at most `limit` bytes, opened for reading; close it, or use it in a `with`.

    Without `within`, `path` is one the user named and may be a link. With it, the file belongs to the folder `within`,
    and a link on the way that leads out of that folder is refused. A snapshot in the hub's cache may link to the blobs
    of its own repository. Raises `OSError`: `UnsuitableFile`, or what the system says, such as FileNotFoundError.
    """
    try:
        _check_kind(path, os.stat(path))  # a device is not even opened: for some that is an action
        file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 (given to the caller)
    except ValueError:  # a null byte, or letters that this system's names cannot have
        raise UnsuitableFile(path, tr("no file can have this name")) from None
    try:
        facts = os.fstat(file.fileno())
        _check_kind(path, facts)
        if facts.st_size > limit:
            raise UnsuitableFile(
                path, tr("it is larger than {size_in_words}", size_in_words=size_in_words(limit))
            )
        if within is not None:
            _check_place(path, within, facts)
    except BaseException:
        file.close()
        raise
    return file


def read_foreign(path: Path, limit: int, *, within: Path | None = None) -> bytes:
    """All bytes of a file that `open_foreign` opens; one that grows beyond `limit` while it is read is refused too."""
    with open_foreign(path, limit, within=within) as file:
        size = os.fstat(file.fileno()).st_size  # `read` takes the memory it is asked for at once
        data = file.read(size) or b""
        return b"".join((data, *blocks(file, limit, len(data))))


def read_beginning(path: Path, count: int, *, within: Path | None = None) -> bytes:
    """The first `count` bytes of a regular file of any size."""
    with open_foreign(path, 1 << 62, within=within) as file:
        return file.read(count) or b""


def read_foreign_json(path: Path, limit: int = LARGEST_JSON, *, within: Path | None = None) -> Any:
    """The value in a JSON file, with or without a byte order mark. Raises `OSError`, and ValueError for what is no JSON."""
    data = read_foreign(path, limit, within=within)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def blocks(file: IO[bytes], limit: int, done: int = 0) -> Iterator[bytes]:
    """The rest of an open file in pieces, for hashing and copying; `done` bytes of it were read before.

    Raises `UnsuitableFile` once it exceeds `limit` bytes.
    """
    while block := file.read(BLOCK):
        done += len(block)
        if done > limit:
            raise UnsuitableFile(
                getattr(file, "name", "the file"),
                tr("it is larger than {size_in_words}", size_in_words=size_in_words(limit)),
            )
        yield block


def copy_foreign(source: Path, target: Path, limit: int, *, within: Path | None = None) -> None:
    """Copy the bytes of a file that `open_foreign` opens; `target` must not exist yet."""
    with open_foreign(source, limit, within=within) as file, target.open("xb") as copy:
        for block in blocks(file, limit):
            copy.write(block)


def leads_outside(path: Path, within: Path) -> bool:
    """Whether links take `path` out of the folder `within`, and out of the hub repository whose snapshot that folder is."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(within))
    if real == root or root in real.parents:
        return False
    snapshots = next((place for place in (root, *root.parents) if place.name == "snapshots"), None)
    return snapshots is None or snapshots.parent / "blobs" not in real.parents


def size_in_words(count: int) -> str:
    """Bytes as people write them: 512 MB, 1.5 GB."""
    for factor, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if count >= factor:
            return f"{count / factor:.1f}".removesuffix(".0") + f" {unit}"
    return plural("{count} byte", "{count} bytes", count)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | FLAGS)


def _check_kind(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise UnsuitableFile(path, _what_else(facts.st_mode))


def _what_else(mode: int) -> str:
    """What something is that is no regular file."""
    if stat.S_ISDIR(mode):
        return tr("it is a folder")
    if stat.S_ISFIFO(mode):
        return tr("it is a named pipe, not a regular file")
    if stat.S_ISSOCK(mode):
        return tr("it is a socket, not a regular file")
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return tr("it is a device, not a regular file")
    return tr("it is not a regular file")


def _check_place(path: Path, within: Path, opened: os.stat_result) -> None:
    """The place is looked at after the file was opened: a link exchanged in between names another file, and is refused."""
    now = os.stat(os.path.realpath(path))
    if leads_outside(path, within) or (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino):
        raise UnsuitableFile(
            path, tr("it is a link that leads out of {within}, which is not followed", within=within)
        )
