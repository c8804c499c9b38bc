"""Temporary names beside the file or folder they become, .NAME.PID.RANDOM.part, and what to do with those that stayed behind."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.paths import check_path, shorten
from diffusion_studio.storage.processes import is_alive
from diffusion_studio.storage.write_faults import is_about, refusal, size_of

TEMPORARY = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.(?P<kind>part|old)$", re.DOTALL)
A_DAY = 86_400  # seconds; no write lasts that long, so an older temporary is stray even if its process id lives again

_live: set[str] = set()  # temporaries that this process is writing just now, by path


@contextmanager
def temporary(target: Path, needed: int | None = None) -> Iterator[Path]:
    """A temporary name beside `target`, in a folder that exists; removed afterwards. Faults of writing become sentences."""
    check_path(target)
    _make_folder(target.parent, needed)
    name = temporary_name(target)
    try:
        yield name
    except FileExistsError:
        raise
    except OSError as error:
        if not is_about(error, target, name):
            raise
        raise refusal(target.parent, error, needed, size_of(name)) from error
    finally:
        with suppress(OSError):
            remove(name)
        release(name)


def _make_folder(folder: Path, needed: int | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            tr("{folder} is not a folder, so nothing can be saved there.", folder=folder)
        ) from None
    except OSError as error:
        raise refusal(folder, error, needed) from error


def temporary_name(path: Path, kind: str = "part") -> Path:
    """A free name beside `path` that says whose it is: .NAME.PID.RANDOM.part. `release` it when nothing has it any more."""
    name = path.with_name(f".{shorten(path.name, 225)}.{os.getpid()}.{secrets.token_hex(4)}.{kind}")
    _live.add(str(name))
    return name


def release(name: Path) -> None:
    """`temporary_name` is no longer in use."""
    _live.discard(str(name))


def sweep_temporaries(folder: Path) -> list[Path]:
    """Remove what killed writes left in `folder` and below; returns the temporaries that were there.

    A folder that was moved aside for a successor that never came is put back.
    """
    swept = []
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            match = TEMPORARY.match(name)
            path = Path(root, name)
            if match is None or _in_use(path, int(match["pid"])):
                continue
            target = path.with_name(match["name"])
            with suppress(OSError):
                if match["kind"] == "old" and not os.path.lexists(target):
                    path.rename(target)
                else:
                    remove(path)
                swept.append(path)
        folders[:] = [name for name in folders if not TEMPORARY.match(name)]
    return swept


def _in_use(temporary: Path, pid: int) -> bool:
    try:
        if time.time() - temporary.lstat().st_mtime > A_DAY:
            return False
    except OSError:
        return True  # gone since: nothing to sweep
    if pid == os.getpid():  # ids come again: in a container the app may have the same one each time
        return str(temporary) in _live
    return is_alive(pid)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it; nothing where it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
