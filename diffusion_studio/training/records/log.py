"""The log of a run, log.jsonl in its folder: a line of JSON for each report, with step, loss, validation and learning rate."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.foreign_file import read_foreign

LOG = "log.jsonl"
LARGEST_LOG = 1 << 30  # bytes
NUMBERS = {"loss", "validation", "learning_rate", "seconds", "ratio"}  # of a report


def append(run: Path, entry: Mapping[str, Any]) -> None:
    """Add a line to the log in the folder `run`. A line that a killed process left half written is ended first."""
    line = json.dumps({key: _finite(value) for key, value in entry.items()}) + "\n"
    with (run / LOG).open("a+b") as log:
        if log.seek(0, os.SEEK_END) and (log.seek(-1, os.SEEK_END), log.read(1))[1] != b"\n":
            line = "\n" + line
        log.write(line.encode())


def _finite(value: object) -> object:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(run: Path) -> list[dict[str, Any]]:
    """Every report of the run, oldest first: what a plot shows before the first new one comes. Torn lines are left out."""
    return [entry for line in _lines(run) if (entry := _entry(line)) is not None]


def _lines(run: Path) -> list[bytes]:
    try:
        return read_foreign(run / LOG, LARGEST_LOG).splitlines()
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


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def cut(run: Path, step: int) -> None:
    """Forget the reports of steps after `step`, which will be done again. Lines that cannot be understood stay."""
    lines = _lines(run)
    kept = [line for line in lines if (entry := _entry(line)) is None or entry["step"] <= step]
    if len(kept) != len(lines):
        write_atomic(run / LOG, b"".join(line + b"\n" for line in kept))


def last_losses(run: Path) -> dict[str, float]:
    """The last training and validation loss of the log, where there is one."""
    found: dict[str, float] = {}
    for entry in read(run):
        for key in ("loss", "validation"):
            if isinstance(entry.get(key), (int, float)):
                found[key] = round(entry[key], 6)
    return found
