"""Whether a path a user typed can be the name of a file or folder at all: asked before any work is done for it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

LONGEST_NAME, LONGEST_PATH = (
    255,
    4095,
)  # bytes, on nearly every file system; the system's own limit is asked where it can be
UNSAFE_ON_WINDOWS = re.compile(r'[\x00-\x1f<>:"|?*]')
RESERVED_ON_WINDOWS = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE
)


def check_path(path: Path, *, windows: bool = os.name == "nt") -> None:
    """Raises `UserError` where no system call could take this path: a NUL, a name that is too long or that Windows reserves."""
    text = str(path)
    if not text.strip():
        raise UserError(tr("A file or folder must have a name; this one is empty."))
    if "\0" in text:
        raise UserError(tr("“{shown}” cannot be a path: it has a NUL character in it.", shown=_shown(text)))
    expanded = path.expanduser() if text.startswith("~") else path
    most = LONGEST_NAME if windows else _longest_name(path)
    for name in expanded.parts:
        if name != expanded.anchor:
            _check_name(name, most, windows)
    if len(os.fsencode(os.path.abspath(expanded))) > (32_767 if windows else LONGEST_PATH):
        raise UserError(
            tr(
                "“{shown}” is too long for a path: at most {longest_path} bytes are allowed.",
                shown=_shown(text),
                longest_path=LONGEST_PATH,
            )
        )


def _check_name(name: str, most: int, windows: bool) -> None:
    if windows and (found := UNSAFE_ON_WINDOWS.search(name)):
        shown = found[0] if found[0].isprintable() else f"character {ord(found[0])}"
        raise UserError(
            tr(
                "“{shown}” cannot be a name: Windows does not allow “{shown2}” in it.",
                shown=_shown(name),
                shown2=shown,
            )
        )
    if windows and RESERVED_ON_WINDOWS.match(name):
        raise UserError(tr("“{shown}” cannot be a name: Windows keeps it for a device.", shown=_shown(name)))
    size = len(name.encode("utf-16-le")) // 2 if windows else len(os.fsencode(name))
    if size > most:
        unit = "characters" if windows else "bytes"
        raise UserError(
            tr(
                "The name “{shown}” is too long: it has {size} {unit}, and {most} are allowed.",
                shown=_shown(name),
                size=size,
                unit=unit,
                most=most,
            )
        )


def _longest_name(path: Path) -> int:
    """What the file system of the nearest folder that exists allows."""
    if not hasattr(os, "pathconf"):
        return LONGEST_NAME
    for place in path.absolute().parents:
        try:
            return int(os.pathconf(place, "PC_NAME_MAX"))
        except (OSError, ValueError):
            continue
    return LONGEST_NAME


def _shown(text: str) -> str:
    clean = _printable(text)
    return clean if len(clean) <= 60 else f"{clean[:40]}…{clean[-15:]}"


def numbered(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """`path`, then NAME-2, NAME-3 and so on without end; the ending of a file stays at its end."""
    stem, ending = (path.name, "") if folder else (path.stem, path.suffix)
    yield path
    for number in count(2):
        yield path.with_name(f"{stem}-{number}{ending}")


def free_name(path: Path, *, folder: bool = False) -> Path:
    """The first of `numbered` that nobody has just now. Whoever writes there says so exclusively, and asks again if needed."""
    return next(place for place in numbered(path, folder=folder) if not os.path.lexists(place))


def check_readable(folder: Path) -> None:
    """Raises `UserError` where a folder is there and may not be looked into: it is never taken for an empty one."""
    check_path(folder)
    try:
        os.stat(folder)
        with os.scandir(folder) as entries:
            next(entries, None)
    except (FileNotFoundError, NotADirectoryError):
        return  # what is not there, or is no folder, is reported by whoever asked for it
    except OSError as error:
        raise UserError(cannot_open(folder, error), str(error)) from None
    if os.name != "nt" and not os.access(folder, os.X_OK):
        raise UserError(tr("{folder} cannot be opened: you do not have permission to.", folder=folder))


def cannot_open(path: Path | str, error: OSError) -> str:
    """The sentence for a file or folder that the system does not let us open."""
    if isinstance(error, PermissionError):
        return tr("{path} cannot be opened: you do not have permission to.", path=_printable(str(path)))
    return tr(
        "{path} cannot be opened: {strerror}.",
        path=_printable(str(path)),
        strerror=error.strerror or type(error).__name__,
    )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def shorten(name: str, most: int) -> str:
    """The end of a name, at most so many bytes: file systems allow 255."""
    return (
        os.fsencode(name)[-most:].decode(sys.getfilesystemencoding(), "ignore")
        if len(name) * 4 > most
        else name
    )
