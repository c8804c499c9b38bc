"""Where everything lives: the platform's own places, or all under `DIFFUSION_STUDIO_HOME`.

A place is made when something is first written there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from diffusion_studio.storage import own_files
from diffusion_studio.storage.stamps import Readings, stamp_of
from diffusion_studio.storage.trash import Trash

APP = "diffusion-studio"


def config_dir() -> Path:
    return _place("config") or platformdirs.user_config_path(APP, appauthor=False)


def data_dir() -> Path:
    return _place("data") or platformdirs.user_data_path(APP, appauthor=False)


def models_dir() -> Path:
    """The user's own models; the starter models are `resource("models")`."""
    return _place("models") or data_dir() / "models"


def loras_dir() -> Path:
    """Where LoRA files are put to be listed."""
    return _place("loras") or data_dir() / "loras"


def previews_dir() -> Path:
    """Where small autoencoders are put, which decode the steps of a text model for people to see."""
    return _place("previews") or data_dir() / "previews"


def sprites_dir() -> Path:
    """The images that sheets of sprites were cut into, to train on."""
    return _place("sprites") or data_dir() / "sprites"


def runs_dir() -> Path:
    """Training runs with their checkpoints."""
    return _place("runs") or data_dir() / "runs"


def outputs_dir() -> Path:
    """The pictures: this folder is the gallery. The user may have chosen another than the usual one."""
    chosen = kept_section("outputs").get("folder")
    if isinstance(chosen, str) and chosen and "\0" not in chosen and Path(chosen).is_absolute():
        return Path(chosen)
    return usual_outputs_dir()


def usual_outputs_dir() -> Path:
    """In the platform's Pictures folder."""
    return _place("outputs") or platformdirs.user_pictures_path() / "Diffusion Studio"


def kept_section(name: str) -> Mapping[str, Any]:
    """The section of this name in settings.json, where the window keeps preferences; nothing where it is broken or missing.

    Values are not checked. Asked for at every image, so the file is read only when it has changed.
    """
    path = config_dir() / "settings.json"
    section = _settings.get(path, stamp_of([path]), lambda: own_files.read(path)).get(name)
    return section if isinstance(section, dict) else {}


_settings: Readings[dict[str, Any]] = Readings()


def cache_dir() -> Path:
    """What can be made again, and may be deleted at any time."""
    return _place("cache") or platformdirs.user_cache_path(APP, appauthor=False)


def log_dir() -> Path:
    return _place("logs") or platformdirs.user_log_path(APP, appauthor=False)


def _place(name: str) -> Path | None:
    home = os.environ.get("DIFFUSION_STUDIO_HOME")
    return Path(home).expanduser().absolute() / name if home else None


def resource(name: str) -> Path:
    """A file or folder of `resources/`: in the package where a wheel put it, else beside the package in the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "resources"
    return (installed if installed.is_dir() else package.parent / "resources") / name


def trash_can() -> Trash:
    """Where deleted pictures, models and runs are until they are restored, for at most 30 days."""
    return Trash(data_dir() / "trash")


def trash(path: Path) -> Path:
    """Move a file or folder to the trash; returns where it is now, for `restore`."""
    return trash_can().put(path, _kind_of(path))


def restore(trashed: Path, original: Path | None = None) -> Path:
    """Move what was trashed back to where it was, and return its place: a free name where something has come to be there.

    Where it is not known where it was, and not said, it goes where such things are kept. Raises `UserError` where it cannot
    be moved there.
    """
    can = trash_can()
    entry = can.entry(trashed)
    return can.restore(trashed, original or entry.original or _usual_place(entry.path) / entry.name)


def _kind_of(path: Path) -> str:
    for kind, place in (("run", runs_dir()), ("model", models_dir())):
        if path.parent == place:
            return kind
    return "picture" if path.is_file() else ""


def _usual_place(trashed: Path) -> Path:
    if not trashed.is_dir():
        return outputs_dir()
    return runs_dir() if (trashed / "run.json").exists() else models_dir()
