"""The checkpoints of a run: a folder each, staged, verified by its manifest, and renamed into place.

RUN/checkpoints/00001200/     state.safetensors, state.json, and manifest.json with sizes and hashes, written last
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import stage_folder
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, read_foreign, read_foreign_json
from diffusion_studio.storage.stamps import Readings, Stamp, stamp_of

FOLDER = "checkpoints"  # in the folder of a run
TENSORS, STATE, MANIFEST = "state.safetensors", "state.json", "manifest.json"
LARGEST_STATE = 1 << 30  # bytes
TICK = 20_000_000  # nanoseconds, twice the coarsest clock of a local disk's times
KEPT = 2  # verified checkpoints that always stay
STEPS = re.compile(r"[0-9]{1,12}")  # the name of a checkpoint's folder


def save(run: Path, step: int, tensors: bytes, state: Mapping[str, Any]) -> Path:
    """Write a checkpoint of `step` into the folder `run`; returns its folder.

    Stage, write the manifest last, rename, verify; only then drop all older ones but the newest `KEPT` that verify.
    Raises `UserError` where it cannot be written, or cannot be read back.
    """
    target = run / FOLDER / f"{step:08d}"
    if target.exists() and still_verified(target):
        return target
    files = {TENSORS: tensors, STATE: json.dumps(state).encode()}
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


def prune(run: Path) -> None:
    """Remove every checkpoint older than the newest `KEPT` that verify; with fewer of them, none."""
    good: list[Path] = []
    for path in newest_first(run):
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


def newest_first(run: Path) -> Iterator[Path]:
    """Folders of checkpoints in the folder `run`, newest first, verified or not."""
    place = run / FOLDER
    if place.is_dir():
        yield from sorted((path for path in place.iterdir() if STEPS.fullmatch(path.name)), reverse=True)


def newest_verified(run: Path) -> tuple[Path | None, list[str]]:
    """The newest one that verifies, and the names of newer ones that did not."""
    skipped: list[str] = []
    for path in newest_first(run):
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
    state: dict[str, Any] = read_foreign_json(checkpoint / STATE, LARGEST_STATE)
    return state
