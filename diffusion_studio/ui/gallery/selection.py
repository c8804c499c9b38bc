"""Which images of a list are selected, where the keyboard is, and from where Shift stretches. Without pixels or widgets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from diffusion_studio.gallery.entries import Entry


class Selection(QObject):
    """Selected images are known by their paths, so that they stay selected when the list changes."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entries: list[Entry] = []
        self.places: Mapping[Path, int] = {}
        self.paths: set[Path] = set()
        self.current: int | None = None
        self._anchor = 0

    def follow(self, entries: list[Entry], places: Mapping[Path, int]) -> None:
        """Another list: what is still in it stays selected."""
        before, self.entries, self.places = self.entries, entries, places
        self.current = self._same(before, self.current)
        self._anchor = self._same(before, self._anchor) or 0
        gone = self.paths - places.keys()
        if gone:
            self.paths = self.paths - gone
            self.changed.emit()

    def ordered(self) -> list[Entry]:
        """The selected images in the order of the list."""
        if len(self.paths) == len(self.entries):
            return list(self.entries)
        return [self.entries[place] for place in sorted(self.places[path] for path in self.paths)]

    def main(self) -> Entry | None:
        """The one of them that is looked at: where the keyboard is, else the last."""
        if self.current is not None and self.entries[self.current].path in self.paths:
            return self.entries[self.current]
        return self.ordered()[-1] if self.paths else None

    def select(self, index: int, *, add: bool = False, stretch: bool = False) -> None:
        """One image; with `add` one more or less, with `stretch` all from the last one selected by itself."""
        path = self.entries[index].path
        if stretch:
            low, high = sorted((self._anchor, index))
            self.paths = {entry.path for entry in self.entries[low : high + 1]}
        elif add:
            self.paths = self.paths ^ {path}
            self._anchor = index
        else:
            self.paths, self._anchor = {path}, index
        self.current = index
        self.changed.emit()

    def move_to(self, index: int) -> None:
        """Take the keyboard to an image without selecting it: Ctrl+Space does."""
        self.current = index

    def select_all(self) -> None:
        self.paths = set(self.places)
        self.changed.emit()

    def clear(self) -> None:
        if self.paths:
            self.paths = set()
            self.changed.emit()

    def _same(self, before: list[Entry], place: int | None) -> int | None:
        """Where an image of the list before is now; of one that is gone, the place it had, so that keys continue there."""
        if place is None or place >= len(before) or not self.entries:
            return None
        return self.places.get(before[place].path, min(place, len(self.entries) - 1))
