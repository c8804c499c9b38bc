"""How long a training step takes on this computer, remembered in the cache folder so that it is measured once."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir

FRESH = 30 * 24 * 3600.0  # seconds a measurement counts: drivers and what else the computer does change
MOST = 500  # measurements kept


def step_times_file() -> Path:
    return cache_dir() / "training-steps.json"


def recall(**facts: object) -> float | None:
    """Seconds of a step with these facts (device, precision, size …) here; None where they were not measured lately."""
    entry = own_files.read(step_times_file()).get(_key(facts))
    seconds, when = (entry.get("seconds"), entry.get("when")) if isinstance(entry, Mapping) else (None, None)
    if not isinstance(seconds, (int, float)) or not isinstance(when, (int, float)):
        return None
    return float(seconds) if seconds > 0 and 0 <= time.time() - when < FRESH else None


def remember(seconds: float, **facts: object) -> None:
    """Keep a measurement. A cache that cannot be written only means measuring again."""

    def add(known: dict[str, Any]) -> dict[str, Any]:
        others = {
            key: value for key, value in known.items() if isinstance(value, Mapping) and "when" in value
        }
        newest = sorted(others, key=lambda key: str(others[key]["when"]))[-MOST:]
        entry = {"seconds": seconds, "when": time.time()}
        return {**{key: others[key] for key in newest}, _key(facts): entry}

    with suppress(OSError, UserError):
        own_files.change(step_times_file(), add)


def _key(facts: Mapping[str, Any]) -> str:
    here = f"{platform.node()}, {os.cpu_count()} threads, torch {_torch_version()}"
    return ", ".join((here, *(f"{name} {value}" for name, value in sorted(facts.items()))))


def _torch_version() -> str:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "unknown"
