"""Why a file or folder could not be written, in a sentence: no room, read-only, gone."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def is_about(error: OSError, target: Path, temporary: Path) -> bool:
    """Whether the fault lies in writing here, and not in something else that the caller's code did."""
    if error.errno in NO_ROOM | {errno.EROFS, errno.EIO}:
        return True
    names = [
        os.fsdecode(name)
        for name in (error.filename, error.filename2)
        if isinstance(name, str | bytes | Path)
    ]
    ours = (str(temporary), str(target), str(target.parent))
    return any(name in ours or name.startswith(str(temporary) + os.sep) for name in names)


def refusal(folder: Path, error: OSError, needed: int | None, written: int = 0) -> UserError:
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


def size_of(path: Path) -> int:
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
