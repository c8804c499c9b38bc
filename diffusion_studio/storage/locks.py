"""Locks among threads and processes. The system releases them when a process ends, however it ends."""

from __future__ import annotations

import errno
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.foreign_file import read_beginning

PATIENCE = 30.0  # seconds; a change takes milliseconds, so one that waits this long waits for a process that is suspended
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}

_guard = threading.Lock()
_threads: dict[str, threading.Lock] = {}  # one lock a file among the threads of this process


class FileLock:
    """An exclusive lock on `path`, a small file of its own that stays where it is.

    On a disk without locks it holds among the threads of this process only.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._handle: int | None = None
        with _guard:
            self._thread = _threads.setdefault(os.path.abspath(self.path), threading.Lock())

    def acquire(self, wait: float = 0.0) -> bool:
        """Whether the lock was taken, within `wait` seconds. Raises `UserError` where its file cannot be made."""
        end = time.monotonic() + wait
        if not self._thread.acquire(timeout=wait if wait > 0 else -1, blocking=wait > 0):
            return False
        taken = False
        try:
            while not (taken := self._take()) and time.monotonic() < end:
                time.sleep(random.uniform(0.001, 0.01))  # at random, so that nobody is always the last to ask
            return taken
        finally:
            if not taken:
                self._thread.release()

    def release(self) -> None:
        """Callable more than once, and from any thread."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)
            self._thread.release()

    def read(self) -> bytes:
        """What the holder, this process or another, wrote into the file."""
        try:
            return read_beginning(self.path, 4096)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """Leave a word for those who find the lock taken."""
        if self._handle is not None:
            with suppress(OSError):  # a full disk: the lock holds without it
                os.ftruncate(self._handle, 0)
                os.lseek(self._handle, 0, os.SEEK_SET)
                os.write(self._handle, data)

    def _take(self) -> bool:
        handle = self._open()
        try:
            if _lock(handle) and self._is_there(handle):
                self._handle = handle
                return True
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return False

    def _open(self) -> int:
        if not os.path.lexists(self.path):
            with suppress(FileExistsError):
                write_atomic(self.path, b"", exclusive=True)
        try:
            return os.open(self.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise UserError(
                tr("{path} cannot be locked: {strerror}.", path=self.path, strerror=error.strerror),
                str(error),
            ) from error

    def _is_there(self, handle: int) -> bool:
        """Whether the locked file still has its name: its folder may have been replaced since."""
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except OSError:
            return False


@contextmanager
def locked(path: Path, wait: float = PATIENCE) -> Iterator[None]:
    """Within this block no other process that locks it changes the file `path`. Raises `UserError` after `wait` seconds."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    if not lock.acquire(wait):
        raise UserError(
            tr(
                "{path} is being changed by another process and stays locked. Try again in a moment.",
                path=path,
            )
        )
    try:
        yield
    finally:
        lock.release()


if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 30  # beyond what is written, which others could not read while it is locked

    def _lock(handle: int) -> bool:
        os.lseek(handle, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
        return True
