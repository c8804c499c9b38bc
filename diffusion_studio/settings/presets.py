"""Named settings to generate with again, and which of them a model begins with; one file that windows and commands share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict, to_dict
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import data_dir

LONGEST = 60  # characters of a name
MOST = 200
# What a preset says: the look and the work, not the image (seed, start image, mask) nor the machine.
NAMES = (
    *("class_label", "count", "steps", "guidance", "autoguidance"),
    *("sampler", "spacing", "shift", "eta", "churn", "clipping"),
)
# What one may say besides of a model of text, where that is wanted.
OF_SIZE = ("width", "height", "clip_skip")
WORDS = ("prompt", "negative", "loras")


def presets_file() -> Path:
    return data_dir() / "presets.json"


class Presets:
    """Every method reads the file, and every change is written at once. Changes raise `UserError` where that is not possible."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = presets_file() if path is None else path

    def all(self) -> dict[str, dict[str, Any]]:
        """Names and values of GenerationSettings by the name of the preset, in the order of the alphabet.

        Values that are not allowed are left out. A file that cannot be read counts as empty, which is reported as a notice.
        """
        presets = _part(self._read(), "presets")
        order = sorted(presets, key=lambda name: (name.casefold(), name))
        return {name: _allowed(presets[name]) for name in order}

    def values(self, name: str) -> dict[str, Any]:
        """Those of one preset; nothing for an unknown name."""
        return self.all().get(name, {})

    def default(self, model: str) -> str:
        """The preset a model begins with; "" for none."""
        values = self._read()
        name = _part(values, "defaults").get(model, "")
        return name if isinstance(name, str) and name in _part(values, "presets") else ""

    def save(self, name: str, settings: GenerationSettings, more: Collection[str] = ()) -> str:
        """Keep these settings under a name, replacing what it stood for; returns the name as it was kept.

        `more`: which of `OF_SIZE` and `WORDS` are to be among them.
        """
        name, values = check_name(name), to_dict(settings)

        def add(presets: dict[str, Any], defaults: dict[str, Any]) -> None:
            if name not in presets and len(presets) >= MOST:
                raise UserError(tr("There can be {most} presets at most.", most=MOST))
            presets[name] = {option: values[option] for option in (*NAMES, *more)}

        self._change(add)
        return name

    def remove(self, name: str) -> None:
        def remove(presets: dict[str, Any], defaults: dict[str, Any]) -> None:
            presets.pop(name, None)
            for model in [model for model, chosen in defaults.items() if chosen == name]:
                del defaults[model]

        self._change(remove)

    def set_default(self, model: str, name: str) -> None:
        """Begin with this preset whenever the model is chosen; "" for what the model itself recommends."""

        def choose(presets: dict[str, Any], defaults: dict[str, Any]) -> None:
            if name:
                defaults[model] = name
            else:
                defaults.pop(model, None)

        self._change(choose)

    def _read(self) -> own_files.Values:
        return own_files.read(self.path, check=_fault)

    def _change(self, do: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
        def change(value: own_files.Values) -> own_files.Values:
            presets, defaults = dict(_part(value, "presets")), dict(_part(value, "defaults"))
            do(presets, defaults)
            return {**value, "version": own_files.VERSION, "presets": presets, "defaults": defaults}

        own_files.change(self.path, change, check=_fault)


def check_name(name: str) -> str:
    """The name without spaces around it. Raises `UserError` for an empty or a long one."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST:
        raise UserError(tr("The name of a preset must have 1 to {longest} characters.", longest=LONGEST))
    return name


def _allowed(values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        return {}
    names = [name for name in (*NAMES, *OF_SIZE, *WORDS) if name in values]
    settings, _ = from_dict(GenerationSettings, {name: values[name] for name in names})
    return {name: getattr(settings, name) for name in names}


def _part(value: own_files.Values, name: str) -> dict[str, Any]:
    part: dict[str, Any] = value.get(name, {})
    return part


def _fault(value: own_files.Values) -> str:
    for name in ("presets", "defaults"):
        if not isinstance(value.get(name, {}), dict):
            return tr("“{name}” is no object", name=name)
    return ""
