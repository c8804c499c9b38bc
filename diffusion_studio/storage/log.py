"""The log: what went wrong unexpectedly, in a rotating file that a bug report can include. Nothing is sent anywhere."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.storage.foreign_file import read_foreign

NAME = "diffusion_studio"  # of the logger whose children every module of the package uses
LARGEST, KEPT = 1_000_000, 3  # bytes of a file; older files beside it
LINE = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
LOUD = "DIFFUSION_STUDIO_VERBOSE"  # set: the log goes to standard error too, with what is merely informative


def log_file(folder: Path) -> Path:
    return folder / "diffusion-studio.log"


def begin_log(folder: Path, version: str, words: Sequence[str] = ()) -> None:
    """Write warnings and worse to the log file in `folder`, which is made with the first of them. A second call does nothing.

    A folder that cannot be written never keeps the program from its work.
    """
    logger = logging.getLogger(NAME)
    if any(isinstance(handler, _QuietFile) for handler in logger.handlers):
        return
    loud = bool(os.environ.get(LOUD))
    logger.setLevel(logging.DEBUG if loud else logging.WARNING)
    logger.propagate = False
    file = _QuietFile(log_file(folder), f"version {version}, {' '.join(map(repr, words)) or 'the window'}")
    file.setFormatter(logging.Formatter(LINE))
    logger.addHandler(file)
    if loud:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(shown)


def end_log() -> None:
    """Close the file and forget the handlers."""
    logger = logging.getLogger(NAME)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def log_fault(what: str, error: BaseException) -> None:
    """Record that something failed: a fault the user can correct as its sentence, any other with its whole traceback."""
    logger = logging.getLogger(NAME)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # nobody began a log: then nothing is printed either
    if isinstance(error, UserError):
        details = f" [{error.details}]" if error.details else ""
        # Every handler can write it, also one whose stream takes no bytes that are not UTF-8, as a file's name may have.
        logger.warning("%s", f"{what}: {error}{details}".encode("utf-8", "backslashreplace").decode())
    else:
        logger.error("%s: %s", what, error, exc_info=error)


def tail(folder: Path, lines: int = 40) -> str:
    """The last lines of the log, "" where there is none."""
    try:
        text = read_foreign(log_file(folder), 2 * LARGEST).decode("utf-8", "replace")
        return "".join(deque(text.splitlines(keepends=True), maxlen=lines)).rstrip()
    except OSError:
        return ""


class _QuietFile(RotatingFileHandler):
    """Makes its folder and opens its file with the first record, which follows a line that says what runs."""

    def __init__(self, path: Path, first: str) -> None:
        super().__init__(
            path, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8", errors="backslashreplace", delay=True
        )
        self._first = first

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        if self._first:
            first, self._first = self._first, ""
            super().emit(logging.LogRecord(NAME, logging.INFO, "", 0, first, None, None))
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk or a folder that is gone is no reason to print a traceback over the user's terminal."""
