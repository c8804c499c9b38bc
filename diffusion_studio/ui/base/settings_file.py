"""settings.json: what the window remembers from one start to the next, only where it differs from the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.settings.options import Kind
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import config_dir


class SettingsFile:
    """One section of values per kind of settings. A value that is not allowed falls back by itself, and `refused` says so."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or config_dir() / "settings.json"
        values = own_files.read(self._path)
        self._written = {name: section for name, section in values.items() if isinstance(section, dict)}
        self._sections = dict(self._written)
        self._doubtful: set[str] = set()  # sections with values that were refused
        self.refused: list[str] = [
            f"“{name}” in {self._path} is not a section of settings."
            for name, section in values.items()
            if not isinstance(section, dict) and name != "version"
        ]

    def section(self, name: str) -> dict[str, Any]:
        """The values as they were read, unchecked."""
        return self._sections.get(name, {})

    def load(self, name: str, kind: type[Kind]) -> Kind:
        """The settings of a section, checked."""
        from diffusion_studio.settings.options import (
            from_dict,  # here: the window's first glance at its theme does without it
        )

        settings, refused = from_dict(kind, self.section(name))
        self.refused += refused
        if refused:
            self._doubtful.add(name)
        return settings

    def store(self, name: str, settings: Any) -> None:
        """Prepare a section for `save`."""
        from diffusion_studio.settings.options import changed

        self._sections[name] = changed(settings)

    def store_section(self, name: str, values: dict[str, Any]) -> None:
        """Prepare a section that is no dataclass for `save`."""
        self._sections[name] = values

    def save(self) -> None:
        """Write what has changed here, and keep what another window has changed since.

        Raises `UserError` where the file or its folder does not take it.
        """
        sections = {name: values for name, values in dict(self._sections).items() if values}
        before = self._written
        if sections == before:
            return
        names = [name for name in {**before, **sections} if before.get(name) != sections.get(name)]

        def merge(values: dict[str, Any]) -> dict[str, Any]:
            damaged = [name for name in names if not isinstance(values.get(name, {}), dict)]
            doubtful = damaged or [name for name in names if name in self._doubtful]
            if doubtful:
                own_files.keep_copy(
                    self._path,
                    tr(
                        "“{doubtful}” in {path} holds what is not a setting.",
                        doubtful=doubtful[0],
                        path=self._path,
                    ),
                )
                values = {name: value for name, value in values.items() if name not in damaged}
            for name in names:
                was, now = before.get(name, {}), sections.get(name, {})
                values[name] = _merged(values.get(name, {}), was, now)
            return {name: value for name, value in values.items() if value or name not in names}

        own_files.change(self._path, merge)
        self._written = sections
        self._doubtful -= set(names)


def _merged(there: dict[str, Any], was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What the file says of one section, with the values that are other `now` than they `was` here."""
    merged = {name: value for name, value in there.items() if name in now or name not in was}
    return merged | {name: value for name, value in now.items() if name not in was or was[name] != value}
