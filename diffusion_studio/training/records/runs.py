"""All training runs: list, create, find, rename, delete. A run is a folder in the folder of runs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import write_json
from diffusion_studio.storage.moving import move
from diffusion_studio.storage.places import models_dir, runs_dir, trash
from diffusion_studio.storage.processes import this_process
from diffusion_studio.training.records.claims import require_idle
from diffusion_studio.training.records.run import FACTS, Run


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
    except FileExistsError:  # another process has just begun it
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
        return 0.0  # gone since it was listed


def rename(run: Run, name: str) -> Run:
    """Give a run that is not being trained another name, which its model will have too."""
    with closing(require_idle(run, "renamed")) as held:
        check_free(name)
        target = runs_dir() / folder_name(name)
        move(run.path, target)
        held.forget()
    renamed = Run(target)
    renamed.note(settings={**renamed.facts.get("settings", {}), "name": name})
    return renamed


def delete(run: Run) -> Path:
    """Move a run that is not being trained to the trash; returns where it is, for `places.restore`."""
    with closing(require_idle(run, "deleted")) as held:
        trashed = trash(run.path)
        held.forget()
    return trashed
