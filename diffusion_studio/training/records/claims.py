"""Who trains a run: one process at a time holds the claim to it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.locks import FileLock
from diffusion_studio.storage.processes import is_running, this_process
from diffusion_studio.storage.temporaries import sweep_temporaries
from diffusion_studio.training.records.run import Run


class Claim:
    """The right to train a run, held until it is closed or the process ends."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def close(self) -> None:
        self._lock.write(b"")  # it names nobody any more
        self._lock.release()

    def forget(self) -> None:
        """Remove the file that is locked, for a run that has gone from here."""
        with suppress(OSError):  # Windows keeps it, which does no harm
            self._lock.path.unlink()


def take(run: Run) -> Claim:
    """Take the right to train the run for this process, or raise `UserError` saying who has it and since when.

    Asking and taking are one operation, of which the system lets one of many succeed. What a process that has ended held is
    free. run.json says "running" only then.
    """
    held = _claim(run)
    try:
        sweep_temporaries(run.path)
        run.note(state="running", process=this_process())
    except BaseException:
        held.close()
        raise
    return held


def _claim(run: Run) -> Claim:
    lock = FileLock(
        run.path.with_name(f".{run.name}.training.lock")
    )  # beside it: a folder in use cannot be moved
    if not lock.acquire():
        raise UserError(
            tr("The run “{name}” is being trained now by {holder}.", name=run.name, holder=_holder(lock))
        )
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    lock.write(json.dumps({"process": this_process(), "since": now}).encode())
    facts = run.facts
    process: Any = facts.get("process")
    if (
        run.state == "running" and process[0] != os.getpid()
    ):  # on a disk without locks, or by an earlier version
        Claim(lock).close()
        raise UserError(
            tr(
                "The run “{name}” is being trained now by another process ({process:g}).",
                name=run.name,
                process=process[0],
            )
        )
    return Claim(lock)


def _holder(lock: FileLock) -> str:
    """Who has a claim, as far as it says."""
    for _ in range(100):
        try:
            said = json.loads(lock.read())
            number, since = int(said["process"][0]), datetime.fromisoformat(said["since"])
            if not is_running(said["process"]):
                raise ValueError("an earlier holder, who was killed")
        except (ValueError, TypeError, LookupError, RecursionError):
            time.sleep(0.01)  # it is about to say
            continue
        who = "this process" if number == os.getpid() else f"another process ({number})"
        return f"{who}, since {since:%Y-%m-%d %H:%M:%S}"
    return "another process"


def require_idle(run: Run, done: str) -> Claim:
    """Claim a run that is about to be `done` ("renamed", "deleted"). Raises `UserError` while it is being trained."""
    try:
        return _claim(run)
    except UserError as error:
        raise UserError(tr("{error} Stop it before it is {done}.", error=error, done=done)) from None
