"""Renaming, moving and syncing files and folders, never over something that is there."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.temporaries import remove, temporary

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def move(source: Path, target: Path) -> None:
    """Move without ever overwriting, also to another disk: there copied, synced, and only then removed here."""
    if not os.path.lexists(source):
        raise UserError(tr("{source} is no longer there.", source=source))
    if not os.access(source.parent, os.W_OK):  # found out too late, a copy would have been made of what stays
        raise UserError(tr("{source} cannot be moved: its folder is read-only.", source=source))
    with temporary(target) as copy:
        try:
            put(source, target)
        except FileExistsError:
            raise UserError(tr("{target} is there already; move it away first.", target=target)) from None
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise UserError(
                    tr(
                        "{source} cannot be moved to {parent}: {strerror}.",
                        source=source,
                        parent=target.parent,
                        strerror=error.strerror,
                    ),
                    str(error),
                ) from error
            _copy(source, copy)
            put(copy, target)
            remove(source)
        sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    sync_all(target)


def put(source: Path, target: Path) -> None:
    """Rename, but never over something: FileExistsError."""
    if os.name == "nt" or source.is_dir() or source.is_symlink():
        if os.path.lexists(target):  # POSIX would let a folder take an empty folder's place
            raise FileExistsError(errno.EEXIST, "exists already", str(target))
        try:
            os.rename(source, target)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:  # another process was faster
                raise FileExistsError(errno.EEXIST, "exists already", str(target)) from None
            raise
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # a disk without hard links: claim the name
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(source, target)
    else:
        source.unlink()


def sync_all(path: Path) -> None:
    """Make a file, or a folder with all that is in it, durable."""
    for item in [*path.rglob("*"), path]:
        if item.is_dir() and not item.is_symlink():
            sync_folder(item)
        elif item.is_file() and not item.is_symlink():
            with open(item, "rb+" if os.name == "nt" else "rb") as file:
                os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Some systems cannot; the files in it are synced all the same."""
    if os.name == "nt":
        return
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
