"""settings.json: what the window remembers from one start to the next, only where it differs from the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.storage.atomic import read_json, write_json
from diffusion_studio.storage.places import config_dir


class Memory:
    """One section of values per kind of settings. A value that is not allowed falls back by itself, and `refused` says so."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or config_dir() / "settings.json"
        self._written: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        try:
            values = read_json(self._path)
        except FileNotFoundError:
            values = {}
        except (OSError, UserError) as error:
            values = {}
            self.refused.append(str(error))
        if isinstance(values, dict):
            self._written = {name: section for name, section in values.items() if isinstance(section, dict)}
        self._sections = dict(self._written)

    def section(self, name: str) -> dict[str, Any]:
        """The values as they were read, unchecked."""
        return self._sections.get(name, {})

    def recall(self, name: str, kind: type) -> Any:
        """The settings of a section, checked."""
        from diffusion_studio.settings.options import (
            from_dict,  # here: the window's first glance at its theme does without it
        )

        settings, refused = from_dict(kind, self.section(name))
        self.refused += refused
        return settings

    def keep(self, name: str, settings: Any) -> None:
        """Have a section ready for `save`."""
        from diffusion_studio.settings.options import changed

        self._sections[name] = changed(settings)

    def save(self) -> None:
        """Write what has changed. Raises `UserError` where the folder does not take it."""
        sections = {name: values for name, values in dict(self._sections).items() if values}
        if sections != self._written:
            write_json(self._path, sections)
            self._written = sections
