"""The small JSON files in which this program remembers something: the one way to read and to change them.

What cannot be understood is never counted as empty and never written over: it is set aside as NAME.broken-DATE and said.
What cannot be read, or was written by a later version, stays as it is, and changing it is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage import notices
from diffusion_studio.storage.atomic import write_json
from diffusion_studio.storage.foreign_file import read_foreign
from diffusion_studio.storage.locks import locked
from diffusion_studio.storage.moving import put
from diffusion_studio.storage.paths import free_name

VERSION = 1
MOST_BYTES = 256 << 20  # stars and tags of a million pictures

Values = dict[str, Any]
Check = Callable[[Values], str]  # what is wrong with the whole of a file, in words; "" where nothing is


class Damaged(UserError):
    """The file can be read, but not understood."""


class Unreadable(UserError):
    """The file is there, and its content is not known."""


class FromLaterVersion(UserError):
    """The file was written by a later version of this program."""


def load(path: Path, *, version: int = VERSION, key: str = "version", check: Check | None = None) -> Values:
    """What is in the file. Raises FileNotFoundError, `Damaged`, `Unreadable` or `FromLaterVersion`.

    `key` is where such a file says its version, whole and at most `version`; a file that does not say is of the first.
    """
    data = read_bytes(path)
    try:
        value = json.loads(data.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Damaged(tr("{path} is not valid JSON.", path=path), str(error)) from None
    if not isinstance(value, dict):
        raise Damaged(tr("{path} does not hold a JSON object.", path=path))
    said = value.get(key, version)
    if type(said) is int and said > version:
        raise FromLaterVersion(
            tr(
                "{path} was written by a later version of this program (format {said}; this version reads format "
                "{version}). It is left unchanged.",
                path=path,
                said=said,
                version=version,
            )
        )
    fault = check(value) if check is not None else ""
    if fault:
        raise Damaged(tr("{path} is damaged: {fault}.", path=path, fault=fault))
    return value


def read(path: Path, *, version: int = VERSION, key: str = "version", check: Check | None = None) -> Values:
    """What is in the file; nothing where there is none. One that cannot be understood is set aside, and said. Never raises."""
    try:
        return load(path, version=version, key=key, check=check)
    except FileNotFoundError:
        return {}
    except Damaged:
        return _set_aside_damaged(path, version, key, check)
    except UserError as error:
        notices.say(str(error), path)
        return {}


def change(
    path: Path,
    do: Callable[[Values], Values | None],
    *,
    version: int = VERSION,
    key: str = "version",
    check: Check | None = None,
    mend: Callable[[], Values] | None = None,
    create: bool = True,
) -> Values:
    """Read, change and write the file while nobody else can; returns what is in it afterwards.

    `do` is given what is in the file and returns what is to be in it, or None to leave it. Where the file is damaged, a
    copy is set aside first and `do` is given what `mend` returns, or nothing. Raises `UserError` where the file cannot be
    read or written, is of a later version, or is not there and not to be made.
    """
    path = Path(os.path.realpath(path))  # a link to a place where all settings are kept stays a link
    if not create and not path.exists():
        raise UserError(tr("{path} is no longer there.", path=path))
    with locked(path):
        damaged = None
        try:
            value = load(path, version=version, key=key, check=check)
        except FileNotFoundError:
            if not create:
                raise UserError(tr("{path} is no longer there.", path=path)) from None
            value = {}
        except Damaged as error:
            damaged, value = error, mend() if mend is not None else {}
        wanted = do(value)
        if wanted is None:
            return value
        if damaged is not None:
            keep_copy(path, str(damaged))
        write_json(path, wanted)
        return wanted


def keep_copy(path: Path, fault: str) -> Path:
    """Keep the file as it is under another name before it is written, and say so. Raises `UserError` where that fails."""
    while True:
        aside = _broken_name(path)
        try:
            try:
                os.link(path, aside)
            except FileExistsError:
                continue
            except OSError:  # a disk without hard links
                shutil.copyfile(path, aside)
        except OSError as error:
            raise UserError(
                tr(
                    "{fault} It could not be set aside, so it was not changed: {strerror}.",
                    fault=fault,
                    strerror=error.strerror,
                ),
                str(error),
            ) from error
        _say_set_aside(path, aside, fault)
        return aside


def set_aside(path: Path, fault: str) -> Path | None:
    """Give the file another name, and say so; None where that is not possible, which is said too."""
    while True:
        aside = _broken_name(path)
        try:
            put(path, aside)
        except FileExistsError:
            continue
        except OSError as error:
            notices.say(
                tr(
                    "{fault} It is left as it is, because it could not be set aside: {strerror}.",
                    fault=fault,
                    strerror=error.strerror,
                ),
                path,
            )
            return None
        _say_set_aside(path, aside, fault)
        return aside


def _set_aside_damaged(path: Path, version: int, key: str, check: Check | None) -> Values:
    real = Path(os.path.realpath(path))
    try:
        with locked(real, wait=5):
            try:  # another process may have set it aside
                return load(real, version=version, key=key, check=check)
            except FileNotFoundError:
                return {}
            except Damaged as error:
                set_aside(real, str(error))
    except UserError as error:
        notices.say(tr("{path} cannot be used: {error}", path=path, error=error), path)
    return {}


def _say_set_aside(path: Path, aside: Path, fault: str) -> None:
    notices.say(
        tr(
            "{fault} It was set aside as {name} in {parent}.",
            fault=fault,
            name=aside.name,
            parent=aside.parent,
        ),
        aside,
    )


def _broken_name(path: Path) -> Path:
    return free_name(path.with_name(f"{path.name}.broken-{datetime.now():%Y-%m-%d-%H%M%S}"), folder=True)


def read_bytes(path: Path) -> bytes:
    """All of a regular file; what only looks like one (a pipe, a device, a folder) is not waited for.

    Raises FileNotFoundError or `Unreadable`.
    """
    try:
        return read_foreign(path, MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(
            tr(
                "{path} cannot be read ({strerror}), so it is left as it is and not used.",
                path=path,
                strerror=error.strerror or type(error).__name__,
            ),
            str(error),
        ) from error
