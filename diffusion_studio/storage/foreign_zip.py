"""Unpacks a zip of others: only files whose names are wanted, each with its own limit, never outside the folder given."""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.foreign_file import blocks, open_foreign, size_in_words

LARGEST_ZIP = 64 << 30  # bytes of the archive itself
LARGEST_DIRECTORY = 16 << 20  # bytes of its list of files, which is read whole: about 200,000 files
MOST_ENTRIES, DEEPEST = 1000, 6
# Weights hardly get smaller. What packs a thousand times smaller is made to fill a disk.
RATIO, SMALL = 200, 16 << 20
END, END_64, LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
LIMITED = 0xFFFFFFFF

# What a name in the archive may unpack to, in bytes; None where no such file is wanted.
Limit = Callable[[PurePosixPath], int | None]


def is_zip(path: Path) -> bool:
    """Whether a regular file has the end of a zip archive."""
    try:
        with open_foreign(path, LARGEST_ZIP) as file:
            return zipfile.is_zipfile(file)
    except OSError:
        return False


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive whose list of files is small enough to be read. Raises what `zipfile` raises, `OSError` and `UserError`."""
    with open_foreign(path, LARGEST_ZIP) as file:
        _check_directory(path, file)
        with zipfile.ZipFile(file) as archive:
            yield archive


def unpack(source: Path, folder: Path, limit: Limit, room: int) -> None:
    """Unpack what `limit` wants into `folder`, at most `room` bytes in all.

    Raises `UserError` where the archive is damaged, too large, locked, or names a file outside its folder, a link or the
    same file twice; then nothing, or only whole files, has been written to `folder`.
    """
    try:
        with open_zip(source) as archive:
            for entry, name, most in _wanted(source, archive, limit, room):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as packed, target.open("xb") as copy:
                    for block in blocks(packed, most):
                        copy.write(block)
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            tr("{source} cannot be unpacked: {strerror}.", source=source, strerror=error.strerror or error),
            str(error),
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError) as error:
        raise UserError(
            tr("{source} cannot be unpacked: it is damaged.", source=source), str(error)
        ) from None
    except (RuntimeError, NotImplementedError) as error:  # a password, or a method this Python does not have
        raise UserError(
            tr("{source} cannot be unpacked: its compression is not supported.", source=source), str(error)
        ) from None
    except Exception as error:
        if type(error).__module__ in ("lzma", "_lzma", "bz2", "_bz2"):  # not in every build of Python
            raise UserError(
                tr("{source} cannot be unpacked: it is damaged.", source=source), str(error)
            ) from None
        raise


def _check_directory(source: Path, file: BinaryIO) -> None:
    """The list of files at the archive's end is small enough to be read."""
    size = _directory_size(file)
    if size > LARGEST_DIRECTORY:
        raise UserError(
            tr(
                "{source} lists more files than a model can have ({size_in_words} of names).",
                source=source,
                size_in_words=size_in_words(size),
            )
        )
    file.seek(0)


def _directory_size(file: BinaryIO) -> int:
    """Bytes of the central directory, from the record at the end of the archive (APPNOTE 4.3.14 to 4.3.16)."""
    length = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, length - 22 - 65535 - 20))
    tail = file.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) - place < 22:
        raise zipfile.BadZipFile("no end of the central directory")
    size = int(struct.unpack_from("<L", tail, place + 12)[0])
    if tail[place - 20 : place - 16] == LOCATOR_64 and place >= 20:
        at = struct.unpack_from("<Q", tail, place - 12)[0]
        # files in front of an archive move the record, which is then right before its locator
        for position in (at, start + place - 20 - 56):
            if 0 <= position <= length - 56:
                file.seek(position)
                record = file.read(56)
                if record[:4] == END_64:
                    size = max(size if size != LIMITED else 0, int(struct.unpack_from("<Q", record, 40)[0]))
    return size


def _wanted(
    source: Path, archive: zipfile.ZipFile, limit: Limit, room: int
) -> Iterator[tuple[zipfile.ZipInfo, str, int]]:
    """The files to unpack, each with its name and its limit, once all names and sizes have been checked."""
    found: list[tuple[zipfile.ZipInfo, str, int]] = []
    seen: set[str] = set()
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")  # as some programs on Windows write them
        path = PurePosixPath(name)
        if _leads_outside(name):
            raise UserError(
                tr(
                    "{source} names a file outside its folder: {short}; it was not unpacked.",
                    source=source,
                    short=_short(entry),
                )
            )
        if entry.is_dir() or name.endswith("/"):
            continue
        most = limit(path)
        if (
            most is None or ":" in name or len(path.parts) > DEEPEST
        ):  # on Windows a colon names another stream
            continue
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise UserError(
                tr(
                    "{source} holds a link or a device ({short}); only plain files are unpacked.",
                    source=source,
                    short=_short(entry),
                )
            )
        if entry.flag_bits & 1:
            raise UserError(tr("{source} is locked with a password; unpack it first.", source=source))
        if str(path).casefold() in seen:
            raise UserError(tr("{source} holds {short} twice.", source=source, short=_short(entry)))
        if entry.file_size > most:
            raise UserError(
                tr(
                    "{source} holds {short} of {size_in_words}; {size_in_words2} at most are allowed.",
                    source=source,
                    short=_short(entry),
                    size_in_words=size_in_words(entry.file_size),
                    size_in_words2=size_in_words(most),
                )
            )
        if entry.file_size > max(SMALL, RATIO * entry.compress_size):
            raise UserError(
                tr(
                    "{source} holds {short}, which unpacks from {size_in_words} to "
                    "{size_in_words2}: no file of a model does, so it was not unpacked.",
                    source=source,
                    short=_short(entry),
                    size_in_words=size_in_words(entry.compress_size),
                    size_in_words2=size_in_words(entry.file_size),
                )
            )
        seen.add(str(path).casefold())
        found.append((entry, str(path), most))
    if len(found) > MOST_ENTRIES:
        raise UserError(
            tr(
                "{source} holds {count} files of a model; it can have {most_entries} at most.",
                source=source,
                count=len(found),
                most_entries=MOST_ENTRIES,
            )
        )
    total = sum(entry.file_size for entry, _, _ in found)
    if total > room:
        raise UserError(
            tr(
                "{source} unpacks to {size_in_words}, more than there is room for ({size_in_words2}).",
                source=source,
                size_in_words=size_in_words(total),
                size_in_words2=size_in_words(room),
            )
        )
    yield from found


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name) is not None


def _short(entry: zipfile.ZipInfo) -> str:
    return repr(entry.filename if len(entry.filename) <= 80 else entry.filename[:79] + "…")
