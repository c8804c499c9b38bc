"""Training runs on disk: a folder a run, a folder a checkpoint, each staged, verified by its manifest, and renamed into place.

runs/NAME/run.json                  the settings, what the run began from, and what became of it
runs/NAME/log.jsonl                 a line for each report: step, loss, validation, learning rate
runs/NAME/checkpoints/00001200/     state.safetensors, state.json, and manifest.json with sizes and hashes, written last
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage import own_files
from diffusion_studio.storage.atomic import move, stage_folder, sweep_temporaries, write_atomic, write_json
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, read_foreign, read_foreign_json
from diffusion_studio.storage.locks import FileLock
from diffusion_studio.storage.places import models_dir, runs_dir, trash
from diffusion_studio.storage.stamps import Readings, Stamp, stamp_of

LARGEST_LOG = 1 << 30  # bytes
TICK = 20_000_000  # nanoseconds, twice the coarsest clock of a local disk's times
KEPT = 2  # verified checkpoints that always stay
STATES = ("running", "stopped", "finished", "unknown")
STEPS = re.compile(r"[0-9]{1,12}")  # the name of a checkpoint's folder
NUMBERS = {"loss", "validation", "learning_rate", "seconds"}  # of a report
TENSORS, STATE, MANIFEST, FACTS, LOG = (
    "state.safetensors",
    "state.json",
    "manifest.json",
    "run.json",
    "log.jsonl",
)


@dataclass(frozen=True)
class Run:
    """One run's folder. `facts` is run.json: settings, state ("running", "stopped", "finished"), step, seconds."""

    path: Path
    record: Mapping[str, Any] = field(
        default_factory=dict, compare=False
    )  # what is remembered of it in this process

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def facts(self) -> dict[str, Any]:
        """What can be understood of run.json, each value of the type it has to be."""
        return self._read()[0]

    @property
    def damage(self) -> str:
        """What of run.json cannot be read or understood, as a sentence; "" where all of it can."""
        return self._read()[1]

    @property
    def step(self) -> int:
        return int(self.facts.get("step", 0))

    @property
    def state(self) -> str:
        """ "running" only while a living process trains it; one that was killed is "stopped"; "damaged" where it is not known."""
        facts, damage = self._read()
        state = facts.get("state", "damaged" if damage else "unknown")
        return "stopped" if state == "running" and not _lives(facts.get("process")) else state

    def note(self, **facts: Any) -> None:
        """Merge `facts` into run.json, while nobody else changes it.

        A damaged one is set aside, and what it said taken from `record` or the newest checkpoint. Raises `UserError` where
        it cannot be read, or the run is gone.
        """
        own_files.change(
            self.path / FACTS,
            lambda said: self._merged(said, facts),
            mend=self._known,
            create=bool(self.record),
        )

    def remembered(self) -> Run:
        """The run with what its checkpoints keep of it, for the time it is being trained: its files may come to harm."""
        return replace(self, record=_record(self))

    def _read(self) -> tuple[dict[str, Any], str]:
        try:
            said = own_files.load(self.path / FACTS)
        except FileNotFoundError:
            return {}, f"{self.path / FACTS} is missing."
        except UserError as error:
            return {}, str(error)
        wrong = _wrong(said)
        fault = f"{self.path / FACTS} is damaged: {', '.join(wrong)} cannot be understood." if wrong else ""
        return {name: value for name, value in said.items() if name not in wrong}, fault

    def _merged(self, said: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        lost = [name for name in _wrong(said) if name in facts]
        if lost:
            own_files.keep_copy(self.path / FACTS, f"{', '.join(lost)} in {self.path / FACTS} is damaged.")
        return {**self.record, **said, **facts}

    def _known(self) -> dict[str, Any]:
        """What is remembered of the run, here or in its newest whole checkpoint. Raises `UserError` where nothing is."""
        if self.record:
            return dict(self.record)
        for path in checkpoints(self):
            if verified(path) and isinstance(record := read_state(path).get("record"), dict):
                return {**record, "step": read_state(path)["step"], "seconds": read_state(path)["seconds"]}
        raise UserError(
            tr(
                "{path} is damaged, and no checkpoint of the run holds a copy of it. It is left as it is.",
                path=self.path / FACTS,
            )
        )


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "id": lambda value: isinstance(value, str),
    "settings": lambda value: isinstance(value, dict),
    "origin": lambda value: isinstance(value, dict),
    "exact": lambda value: isinstance(value, dict),
    "state": lambda value: value in STATES,
    "step": lambda value: type(value) is int and value >= 0,
    "seconds": lambda value: type(value) in (int, float) and 0 <= value < float("inf"),
    "published": lambda value: isinstance(value, str),
}


def _wrong(said: Mapping[str, Any]) -> list[str]:
    """The names of the values that are not what they have to be."""
    return [name for name, fits in KINDS.items() if name in said and not fits(said[name])]


def this_process() -> list[float]:
    """Id and start time: an id alone may be given again to another process."""
    return [os.getpid(), psutil.Process().create_time()]


def _lives(process: Any) -> bool:
    try:
        number, begun = process
        return bool(abs(psutil.Process(int(number)).create_time() - begun) < 2)
    except (TypeError, ValueError, psutil.Error):
        return False


def folder_name(title: str) -> str:
    """A folder's name from what the user called the run: letters, digits, dashes."""
    name = re.sub(r"[^\w.-]+", "-", title.strip().lower()).strip("-.")
    if not name:
        raise UserError(tr("Give the model a name with at least one letter or digit."))
    return name[:80]


def create(name: str, settings: Mapping[str, Any], origin: Mapping[str, Any]) -> Run:
    """A new run's folder. Raises `UserError` where a run or a model of that name is there already."""
    path = runs_dir() / folder_name(name)
    check_free(name)
    facts = {
        "id": secrets.token_hex(8),
        "settings": dict(settings),
        "origin": dict(origin),
        "state": "running",
        "process": this_process(),
        "step": 0,
        "seconds": 0.0,
    }
    try:
        write_json(path / FACTS, facts, exclusive=True)
    except FileExistsError:  # begun by another process meanwhile
        check_free(name)
    return Run(path)


def check_free(name: str) -> None:
    """Raises `UserError` where a run or a model of that name is there already: known before hours of training, not after."""
    path = runs_dir() / folder_name(name)
    if (path / FACTS).exists():
        raise UserError(
            tr(
                "There is already a training run called “{name}”: resume that one, or choose another name.",
                name=path.name,
            )
        )
    if (models_dir() / path.name).exists():
        raise UserError(
            tr(
                "There is already a model called “{name}”: choose another name, or delete the model first.",
                name=path.name,
            )
        )


def find(name: str) -> Run:
    path = runs_dir() / folder_name(name)
    if not (path / FACTS).is_file():
        names = ", ".join(run.name for run in list_runs()) or "none"
        raise UserError(
            tr("There is no training run called “{name}”; there are: {names}.", name=name[:80], names=names)
        )
    return Run(path)


def list_runs() -> list[Run]:
    """Every run, the latest touched first."""
    place = runs_dir()
    runs = [Run(path.parent) for path in place.glob(f"*/{FACTS}")] if place.is_dir() else []
    return sorted(runs, key=_touched, reverse=True)


def _touched(run: Run) -> float:
    try:
        return (run.path / FACTS).stat().st_mtime
    except OSError:
        return 0.0  # gone meanwhile


def rename(run: Run, name: str) -> Run:
    """Give a run that is not being trained another name, which its model will have too."""
    with closing(_require_idle(run, "renamed")) as held:
        check_free(name)
        target = runs_dir() / folder_name(name)
        move(run.path, target)
        held.forget()
    renamed = Run(target)
    renamed.note(settings={**renamed.facts.get("settings", {}), "name": name})
    return renamed


def delete(run: Run) -> Path:
    """Move a run that is not being trained to the trash; returns where it is, for `folders.restore`."""
    with closing(_require_idle(run, "deleted")) as held:
        trashed = trash(run.path)
        held.forget()
    return trashed


def _require_idle(run: Run, done: str) -> Claim:
    try:
        return _claim(run)
    except UserError as error:
        raise UserError(tr("{error} Stop it before it is {done}.", error=error, done=done)) from None


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


def claim(run: Run) -> Claim:
    """Take the right to train the run for this process, or raise `UserError` saying who has it and since when.

    Asking and taking are one operation, of which the system lets one of many succeed. What a process that is dead held is
    free. Say so in run.json only then.
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
            if not _lives(said["process"]):
                raise ValueError("an earlier holder, who was killed")
        except (ValueError, TypeError, LookupError, RecursionError):
            time.sleep(0.01)  # it is about to say
            continue
        who = "this process" if number == os.getpid() else f"another process ({number})"
        return f"{who}, since {since:%Y-%m-%d %H:%M:%S}"
    return "another process"


# Checkpoints ----------------------------------------------------------------------------------------------------------


def save_checkpoint(run: Run, step: int, tensors: bytes, state: Mapping[str, Any]) -> Path:
    """Stage, write the manifest last, rename, verify; only then drop all older ones but the newest `KEPT` that verify."""
    target = run.path / "checkpoints" / f"{step:08d}"
    if target.exists() and still_verified(target):
        return target
    files = {TENSORS: tensors, STATE: json.dumps({**state, "record": _record(run)}).encode()}
    manifest = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    files[MANIFEST] = json.dumps(manifest).encode()
    with stage_folder(target) as stage:
        for name, data in files.items():
            (stage / name).write_bytes(data)
    if not _holds(target, files):
        raise UserError(
            tr(
                "The checkpoint {target} could not be read back as it was written; the ones before it are kept.",
                target=target,
            )
        )
    prune(run)
    return target


def _record(run: Run) -> dict[str, Any]:
    """What a damaged run.json is made again from: kept in every checkpoint, where its hash guards it."""
    facts = run.facts
    if not {"settings", "origin"} <= set(facts):
        with suppress(UserError):
            facts = {**run._known(), **facts}
    return {name: facts[name] for name in ("id", "settings", "origin", "exact") if name in facts}


def prune(run: Run) -> None:
    """Remove every checkpoint older than the newest `KEPT` that verify; with fewer of them, none."""
    good: list[Path] = []
    for path in checkpoints(run):
        if len(good) >= KEPT:
            shutil.rmtree(path, ignore_errors=True)
        elif still_verified(path):
            good.append(path)
    _verified.keep_only(good)


# Checkpoints this process has read back whole, so that an autosave hashes what it writes and nothing else. Only the process
# that holds the run writes there; a change of any other origin shows in the stamp, but for one in the same tick of the clock.
_verified: Readings[bool] = Readings(unsettled=TICK)


def still_verified(checkpoint: Path) -> bool:
    """`verified`, without reading files again that this process has verified and nobody has touched since."""
    return _verified.get(checkpoint, _stamp(checkpoint), lambda: verified(checkpoint))


def _stamp(checkpoint: Path) -> Stamp:
    return stamp_of(checkpoint / name for name in (TENSORS, STATE, MANIFEST))


def _holds(checkpoint: Path, files: Mapping[str, bytes]) -> bool:
    """Whether what was written can be read back, byte for byte: as good as its hash, and without computing it again."""
    stamp, began = _stamp(checkpoint), time.time_ns()
    try:
        whole = all((checkpoint / name).read_bytes() == data for name, data in files.items())
    except OSError:
        return False
    if whole:
        _verified.put(checkpoint, stamp, True, began)
    return whole


def checkpoints(run: Run) -> Iterator[Path]:
    """Folders of checkpoints, newest first, verified or not."""
    place = run.path / "checkpoints"
    if place.is_dir():
        yield from sorted((path for path in place.iterdir() if STEPS.fullmatch(path.name)), reverse=True)


def newest_checkpoint(run: Run) -> tuple[Path | None, list[str]]:
    """The newest one that verifies, and the names of newer ones that did not."""
    skipped: list[str] = []
    for path in checkpoints(run):
        if verified(path):
            return path, skipped
        skipped.append(path.name)
    return None, skipped


def verified(checkpoint: Path) -> bool:
    """Whether every file has the size and the hash its manifest says."""
    try:
        manifest = read_foreign_json(checkpoint / MANIFEST)
        for name, facts in manifest.items():
            data = read_foreign(checkpoint / name, facts["size"])
            if len(data) != facts["size"] or hashlib.sha256(data).hexdigest() != facts["sha256"]:
                return False
        return {TENSORS, STATE} <= set(manifest)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def read_tensors(checkpoint: Path) -> bytes:
    """state.safetensors as bytes. Raises `UserError` where it cannot be read."""
    try:
        return read_foreign(checkpoint / TENSORS, LARGEST_WEIGHTS)
    except OSError as error:
        raise UserError(
            tr(
                "{checkpoint} cannot be read: {strerror}.",
                checkpoint=checkpoint / TENSORS,
                strerror=error.strerror,
            ),
            str(error),
        ) from None


def read_state(checkpoint: Path) -> dict[str, Any]:
    """state.json: the step and the seconds of training until then."""
    state: dict[str, Any] = read_foreign_json(checkpoint / STATE, LARGEST_LOG)
    return state


# The log --------------------------------------------------------------------------------------------------------------


def append_log(run: Run, entry: Mapping[str, Any]) -> None:
    """Add a line. One that a killed process left half written is ended first, so that it does not take this one along."""
    line = json.dumps({key: _finite(value) for key, value in entry.items()}) + "\n"
    with (run.path / LOG).open("a+b") as log:
        if log.seek(0, os.SEEK_END) and (log.seek(-1, os.SEEK_END), log.read(1))[1] != b"\n":
            line = "\n" + line
        log.write(line.encode())


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_log(run: Run) -> list[dict[str, Any]]:
    """Every report of the run, oldest first: what a plot shows before the first new one comes. Torn lines are left out."""
    return [entry for line in _log_lines(run) if (entry := _entry(line)) is not None]


def _log_lines(run: Run) -> list[bytes]:
    try:
        return read_foreign(run.path / LOG, LARGEST_LOG).splitlines()
    except OSError:
        return []


def _entry(line: bytes) -> dict[str, Any] | None:
    """A report; None for a line that is none. A value that is not a number is left out of it."""
    try:
        said = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or type(said.get("step")) is not int:
        return None
    return {key: value for key, value in said.items() if key not in NUMBERS or _is_number(value)}


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def cut_log(run: Run, step: int) -> None:
    """Forget the reports of steps after `step`, which will be done again. Lines that cannot be understood stay."""
    lines = _log_lines(run)
    kept = [line for line in lines if (entry := _entry(line)) is None or entry["step"] <= step]
    if len(kept) != len(lines):
        write_atomic(run.path / LOG, b"".join(line + b"\n" for line in kept))


def last_losses(run: Run) -> dict[str, float]:
    """The last training and validation loss of the log, where there is one."""
    found: dict[str, float] = {}
    for entry in read_log(run):
        for key in ("loss", "validation"):
            if isinstance(entry.get(key), (int, float)):
                found[key] = round(entry[key], 6)
    return found
