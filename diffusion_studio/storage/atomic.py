"""Writing so that neither a crash, a full disk nor a second instance harms what is there.

Everything is written under a temporary name beside its target, synced, and renamed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.paths import check_path, numbered

TEMPORARY = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.(?P<kind>part|old)$", re.DOTALL)
A_DAY = 86_400  # seconds; no write lasts that long, so an older temporary is stray even if its process id lives again
NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_live: set[str] = set()  # temporaries that this process is writing just now, by path


def write_atomic(path: Path, data: bytes | Callable[[BinaryIO], Any], *, exclusive: bool = False) -> None:
    """Write all of a file or nothing of it: after a crash at any moment `path` holds the old content or the new.

    `data` is the content, or writes it to the open file it is given. With `exclusive`, an existing file is never
    replaced, whichever process made it: FileExistsError. A folder that cannot take the file is a `UserError`.
    """
    with open_atomic(
        path, exclusive=exclusive, needed=len(data) if isinstance(data, bytes) else None
    ) as file:
        if callable(data):
            data(file)
        else:
            file.write(data)


def write_beside(path: Path, data: bytes) -> Path:
    """Write a file under the first of NAME, NAME-2, NAME-3 … that nobody has; returns its place. Nothing is replaced."""
    for place in numbered(path):
        with suppress(FileExistsError):
            write_atomic(place, data, exclusive=True)
            return place
    raise AssertionError("the names do not end")


@contextmanager
def open_atomic(path: Path, *, exclusive: bool = False, needed: int | None = None) -> Iterator[BinaryIO]:
    """The same for what is written bit by bit: when the block ends well, what was written takes its place."""
    path = Path(path)
    if exclusive and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "exists already", str(path))
    with _temporary(path, needed) as temporary:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        (put if exclusive else os.replace)(temporary, path)
        sync_folder(path.parent)


@contextmanager
def stage_folder(target: Path) -> Iterator[Path]:
    """Build a folder under a temporary name; when the block ends well it is synced and takes the place of `target`.

    After a crash at any moment the old folder or the new one is there, at the latest once `sweep_temporaries` has run.
    """
    target = Path(target)
    with _temporary(target) as stage:
        stage.mkdir()
        yield stage
        sync_all(stage)
        _take_place(stage, target)
        sync_folder(target.parent)


@dataclass
class NewFolder:
    """A folder that is being built in `stage`; `place` is where it is once it is whole."""

    stage: Path
    place: Path


@contextmanager
def stage_new_folder(places: Iterable[Path]) -> Iterator[NewFolder]:
    """Build a folder as `stage_folder` does, which then takes the first of `places` that nobody has, and replaces nothing.

    Which one that is shows only when the block has ended well: another process may take a name meanwhile. Raises `UserError`
    where all are taken.
    """
    left = iter(places)
    first = next(left)
    with _temporary(first) as stage:
        stage.mkdir()
        new = NewFolder(stage, first)
        yield new
        sync_all(stage)
        for new.place in chain((first,), left):
            with suppress(FileExistsError):
                put(stage, new.place)
                sync_folder(new.place.parent)
                return
        raise UserError(
            tr(
                "There are too many folders called “{name}” in {parent}.",
                name=first.name,
                parent=first.parent,
            )
        )


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


def write_json(path: Path, value: Any, *, exclusive: bool = False) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomic(path, text.encode("utf-8", "surrogatepass"), exclusive=exclusive)


def move(source: Path, target: Path) -> None:
    """Move without ever overwriting, also to another disk: there copied, synced, and only then removed here."""
    if not os.path.lexists(source):
        raise UserError(tr("{source} is no longer there.", source=source))
    if not os.access(source.parent, os.W_OK):  # found out too late, a copy would have been made of what stays
        raise UserError(tr("{source} cannot be moved: its folder is read-only.", source=source))
    with _temporary(target) as copy:
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


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


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


def _take_place(stage: Path, target: Path) -> None:
    """Give `stage` the name `target`; a folder that has it is moved aside first and removed last."""
    if not os.path.lexists(target):
        os.rename(stage, target)
        return
    aside = _temporary_name(target, "old")
    try:
        os.rename(target, aside)
        try:
            os.rename(stage, target)
        except OSError:
            os.rename(aside, target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        _live.discard(str(aside))


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


@contextmanager
def _temporary(target: Path, needed: int | None = None) -> Iterator[Path]:
    """A temporary name beside `target`, in a folder that exists; removed afterwards. Faults of writing become sentences."""
    check_path(target)
    _make_folder(target.parent, needed)
    temporary = _temporary_name(target)
    try:
        yield temporary
    except FileExistsError:
        raise
    except OSError as error:
        if not _is_about(error, target, temporary):
            raise
        raise _refusal(target.parent, error, needed, _size_of(temporary)) from error
    finally:
        with suppress(OSError):
            remove(temporary)
        _live.discard(str(temporary))


def _make_folder(folder: Path, needed: int | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            tr("{folder} is not a folder, so nothing can be saved there.", folder=folder)
        ) from None
    except OSError as error:
        raise _refusal(folder, error, needed) from error


def _temporary_name(path: Path, kind: str = "part") -> Path:
    """Says whose it is: .NAME.PID.RANDOM.part"""
    temporary = path.with_name(f".{shorten(path.name, 225)}.{os.getpid()}.{secrets.token_hex(4)}.{kind}")
    _live.add(str(temporary))
    return temporary


def shorten(name: str, most: int) -> str:
    """The end of a name, at most so many bytes: file systems allow 255."""
    return (
        os.fsencode(name)[-most:].decode(sys.getfilesystemencoding(), "ignore")
        if len(name) * 4 > most
        else name
    )


def _in_use(temporary: Path, pid: int) -> bool:
    try:
        if time.time() - temporary.lstat().st_mtime > A_DAY:
            return False
    except OSError:
        return True  # gone meanwhile: nothing to sweep
    if pid == os.getpid():  # ids come again: in a container the app may have the same one each time
        return str(temporary) in _live
    return _alive(pid)


if sys.platform == "win32":

    def _alive(pid: int) -> bool:
        import ctypes

        query_limited_information = 0x1000
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)

else:

    def _alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            pass  # another user's
        return True


def _is_about(error: OSError, target: Path, temporary: Path) -> bool:
    """Whether the fault lies in writing here, and not in something else that the caller's code did meanwhile."""
    if error.errno in NO_ROOM | {errno.EROFS, errno.EIO}:
        return True
    names = [
        os.fsdecode(name)
        for name in (error.filename, error.filename2)
        if isinstance(name, str | bytes | Path)
    ]
    ours = (str(temporary), str(target), str(target.parent))
    return any(name in ours or name.startswith(str(temporary) + os.sep) for name in names)


def _refusal(folder: Path, error: OSError, needed: int | None, written: int = 0) -> UserError:
    """The sentence for a folder that cannot be written, with the room that was needed as far as that is known."""
    known = (
        _size(needed)
        if needed is not None
        else tr("more than {written}", written=_size(written))
        if written
        else ""
    )
    facts = [tr("{known} needed", known=known)] if known else []  # nothing is said of what is not known
    if error.errno in NO_ROOM:
        with suppress(OSError):
            facts.append(tr("{room} free", room=_size(shutil.disk_usage(folder).free + written)))
        sentence = tr(
            "There is no room to save in {folder}{facts}. Free some, or choose another folder.",
            folder=folder,
            facts=_in_brackets(facts),
        )
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        sentence = tr(
            "Nothing can be saved in {folder}: it is read-only. Choose another folder{facts}.",
            folder=folder,
            facts=_in_brackets(facts),
        )
    elif not folder.is_dir():
        sentence = tr(
            "The folder {folder} is gone, so nothing can be saved in it. Choose another{facts}.",
            folder=folder,
            facts=_in_brackets(facts),
        )
    else:
        sentence = tr(
            "Saving in {folder} failed: {strerror}{facts}.",
            folder=folder,
            strerror=error.strerror or type(error).__name__,
            facts=_in_brackets(facts),
        )
    return UserError(sentence, str(error))


def _in_brackets(facts: list[str]) -> str:
    return f" ({', '.join(facts)})" if facts else ""


def _size_of(path: Path) -> int:
    """Bytes of a file or of all files in a folder; 0 for what is not there."""
    total = 0
    for item in [*path.rglob("*"), path]:
        with suppress(OSError):
            total += item.lstat().st_size if item.is_file() else 0
    return total


def _size(count: int) -> str:
    """Room on a disk, in the thousands that disks are counted in."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
