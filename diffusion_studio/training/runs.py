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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import (
    read_json,
    stage_folder,
    sweep_temporaries,
    write_atomic,
    write_json,
)
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, read_foreign, read_foreign_json
from diffusion_studio.storage.places import models_dir, runs_dir, trash
from diffusion_studio.storage.stamps import Readings, Stamp, stamp_of

LARGEST_LOG = 1 << 30  # bytes
TICK = 20_000_000  # nanoseconds, twice the coarsest clock of a local disk's times
KEPT = 2  # verified checkpoints that always stay
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

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def facts(self) -> dict[str, Any]:
        try:
            value = read_json(self.path / FACTS)
        except (OSError, UserError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def step(self) -> int:
        return int(self.facts.get("step", 0))

    @property
    def state(self) -> str:
        """ "running" only while a living process trains it; one that was killed is "stopped"."""
        facts = self.facts
        state = str(facts.get("state", "unknown"))
        return "stopped" if state == "running" and not _lives(facts.get("process")) else state

    def note(self, **facts: Any) -> None:
        """Merge `facts` into run.json, atomically."""
        write_json(self.path / FACTS, {**self.facts, **facts})


def this_process() -> list[float]:
    """Id and start time: an id alone may be given again to another process."""
    return [os.getpid(), psutil.Process().create_time()]


def _lives(process: Any) -> bool:
    try:
        number, begun = process
        return abs(psutil.Process(int(number)).create_time() - begun) < 2
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
    write_json(path / FACTS, {
        "id": secrets.token_hex(8),
        "settings": dict(settings),
        "origin": dict(origin),
        "state": "running",
        "process": this_process(),
        "step": 0,
        "seconds": 0.0,
    })  # fmt: skip
    return Run(path)


def check_free(name: str) -> None:
    """Raises `UserError` where a run or a model of that name is there already: known before hours of training, not after."""
    path = runs_dir() / folder_name(name)
    if (path / FACTS).exists():
        raise UserError(
            tr(
                "A training run called “{name}” is there already: go on with that one, or choose another name.",
                name=path.name,
            )
        )
    if (models_dir() / path.name).exists():
        raise UserError(
            tr(
                "A model called “{name}” is there already: choose another name, or delete the model first.",
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
    return sorted(runs, key=lambda run: (run.path / FACTS).stat().st_mtime, reverse=True)


def rename(run: Run, name: str) -> Run:
    """Give a run that is not being trained another name, which its model will have too."""
    _require_idle(run, "renamed")
    check_free(name)
    target = runs_dir() / folder_name(name)
    run.path.rename(target)
    renamed = Run(target)
    renamed.note(settings={**renamed.facts.get("settings", {}), "name": name})
    return renamed


def delete(run: Run) -> Path:
    """Move a run that is not being trained to the trash; returns where it is, for `folders.restore`."""
    _require_idle(run, "deleted")
    return trash(run.path)


def _require_idle(run: Run, done: str) -> None:
    if run.state == "running":
        raise UserError(
            tr(
                "The run “{name}” is being trained just now: stop it before it is {done}.",
                name=run.name,
                done=done,
            )
        )


def claim(run: Run) -> None:
    """Say that this process trains the run now. Raises `UserError` where another one does."""
    facts = run.facts
    if run.state == "running" and facts.get("process", [0])[0] != os.getpid():
        raise UserError(
            tr(
                "The run “{name}” is being trained just now by another process ({facts:g}).",
                name=run.name,
                facts=facts["process"][0],
            )
        )
    sweep_temporaries(run.path)
    run.note(state="running", process=this_process())


# Checkpoints ----------------------------------------------------------------------------------------------------------


def save_checkpoint(run: Run, step: int, tensors: bytes, state: Mapping[str, Any]) -> Path:
    """Stage, write the manifest last, rename, verify; only then drop all older ones but the newest `KEPT` that verify."""
    target = run.path / "checkpoints" / f"{step:08d}"
    if target.exists() and still_verified(target):
        return target
    files = {TENSORS: tensors, STATE: json.dumps(dict(state)).encode()}
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
        yield from sorted((path for path in place.iterdir() if path.name.isdigit()), reverse=True)


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
    return read_foreign_json(checkpoint / STATE, LARGEST_LOG)


# The log --------------------------------------------------------------------------------------------------------------


def append_log(run: Run, entry: Mapping[str, Any]) -> None:
    with (run.path / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps({key: _finite(value) for key, value in entry.items()}) + "\n")


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_log(run: Run) -> list[dict[str, Any]]:
    """Every report of the run, oldest first: what a plot shows before the first new one comes. Torn lines are left out."""
    entries = []
    try:
        lines = read_foreign(run.path / LOG, LARGEST_LOG).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def cut_log(run: Run, step: int) -> None:
    """Forget the reports of steps after `step`, which will be done again."""
    entries = read_log(run)
    kept = [entry for entry in entries if entry["step"] <= step]
    if len(kept) != len(entries):
        write_atomic(run.path / LOG, "".join(json.dumps(entry) + "\n" for entry in kept).encode())


def last_losses(run: Run) -> dict[str, float]:
    """The last training and validation loss of the log, where there is one."""
    found: dict[str, float] = {}
    for entry in read_log(run):
        for key in ("loss", "validation"):
            if isinstance(entry.get(key), (int, float)):
                found[key] = round(entry[key], 6)
    return found
