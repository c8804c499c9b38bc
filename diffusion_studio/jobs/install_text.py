"""Installing the extra of text models: pip of this environment in a child process, its progress as events. Never a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from importlib import invalidate_caches
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from queue import Empty, Queue
from typing import IO

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.models.text import requirements
from diffusion_studio.storage.foreign_file import size_in_words

ROOM = 600 << 20  # bytes: what is fetched, unpacked
LAST_LINES = 200
HEARTBEAT = 0.3  # seconds
DOING = re.compile(r"^\s*(Collecting|Downloading|Installing collected packages|Using cached)\b\s*:?\s*(\S*)")
OFFLINE = re.compile(
    r"name resolution|name or service not known|nodename nor servname|network is unreachable|connection (refused|reset|"
    r"aborted|broken)|connect(ion)? ?timeout|timed out|max retries|NewConnectionError|proxyerror",
    re.IGNORECASE,
)
# What leads an interpreter to modules from elsewhere.
MISLEADING = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_ROOT",
)


def packages() -> list[str]:
    """The requirements of the extra, as pip takes them: from this program's own description, whichever way it was installed."""
    try:
        asked = requires("diffusion-studio") or []
    except PackageNotFoundError:
        asked = []
    found = [text.split(";")[0].strip() for text in asked if re.search(r"extra\s*==\s*[\"']text[\"']", text)]
    return found or list(requirements.PACKAGES)


def install() -> Generator[Status, None, None]:
    """Install the extra; a job that says what pip is busy with, and says it again while pip is silent, so that it can be closed.

    Closing it ends pip. Raises `UserError` with the reason.

    torch stays the one that is there: it is named to pip with its own version.
    """
    place = Path(sys.prefix)
    _check_place(place)
    yield Status(text=tr("Installing what text models need (about {size})…", size=requirements.DOWNLOAD))
    command = [
        sys.executable,
        "-I",
        "-m",
        "pip",
        "install",
        "--no-input",
        "--progress-bar",
        "off",
        *packages(),
        *_kept(),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        errors="replace",
    )
    lines: list[str] = []
    doing = tr("Installing what text models need…")
    said: Queue[str | None] = Queue()
    reader = threading.Thread(target=_read, args=(child.stdout, said), name="pip's words")
    reader.start()
    try:
        while True:
            try:
                line = said.get(timeout=HEARTBEAT)
            except Empty:
                yield Status(text=doing)
                continue
            if line is None:
                break
            lines = [*lines[-LAST_LINES:], line.rstrip()]
            if match := DOING.match(line):
                doing = _doing(match[1], match[2])
                yield Status(text=doing)
        status = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        reader.join()
        if child.stdout is not None:
            child.stdout.close()
    if status != 0:
        raise UserError(explain(lines, place), "\n".join(lines))
    invalidate_caches()
    left = requirements.missing()
    if left:
        raise UserError(
            tr("pip ended, but {names} cannot be found.", names=", ".join(left)), "\n".join(lines)
        )
    yield Status(text=tr("Text models can be opened now."))


def _read(pipe: IO[str] | None, said: Queue[str | None]) -> None:
    for line in pipe or ():
        said.put(line)
    said.put(None)


def _kept() -> list[str]:
    """What must not be exchanged while this program runs with it."""
    from importlib.metadata import version

    kept = []
    for name in ("torch", "numpy", "safetensors", "pillow"):
        try:
            kept.append(f"{name}=={version(name).split('+')[0]}")
        except PackageNotFoundError:
            continue
    return kept


def _check_place(place: Path) -> None:
    if not os.access(place, os.W_OK):
        raise UserError(_unwritable(place))
    free = shutil.disk_usage(place).free
    if free < ROOM:
        raise UserError(_full(place, free))


def _unwritable(place: Path) -> str:
    return tr(
        "{place} cannot be written, so nothing was installed. Give yourself the right to, or install it with: {command}",
        place=place,
        command=requirements.COMMAND,
    )


def _full(place: Path, free: int) -> str:
    return tr(
        "There is not enough room: about {needed} are needed in {place}, and {free} are free.",
        needed=size_in_words(ROOM),
        place=place,
        free=size_in_words(free),
    )


def _doing(what: str, name: str) -> str:
    short = re.split(r"[<>=!~\[(]", name.rsplit("/", 1)[-1])[0][:60].strip(" ,")
    if what == "Collecting":
        return tr("Looking for {name}…", name=short)
    if what.startswith("Installing"):
        return tr("Unpacking…")
    return tr("Fetching {name}…", name=short)


def explain(lines: list[str], place: Path) -> str:
    """The one sentence for what pip's last lines say."""
    text = "\n".join(lines)
    if re.search("no space left", text, re.IGNORECASE):
        return _full(place, shutil.disk_usage(place).free)
    if OFFLINE.search(text):
        return tr(
            "There is no network: pip could not fetch the packages. Connect and try again; what was fetched is kept."
        )
    if re.search("read-only file system|permission denied", text, re.IGNORECASE):
        return _unwritable(place)
    if re.search("No module named pip", text):
        return tr("This Python has no pip. Install the extra with: {command}", command=requirements.COMMAND)
    last = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1] if lines else "")
    return tr("Installing failed: {reason}", reason=last.removeprefix("ERROR:").strip()[:300])
