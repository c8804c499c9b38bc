"""The menu that puts what is selected into albums, and the dialogs that name them."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.gallery.marks import check_album
from diffusion_studio.language import tr
from diffusion_studio.ui.base.dialogs import ask_name
from diffusion_studio.ui.look.texts import action_text, shorten


class AlbumMenu(QMenu):
    """Every album, ticked where all selected images are in it."""

    collect_wanted = Signal(str, bool)  # album; whether to remove them from it
    new_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("Album"), parent)
        self._albums: Mapping[str, int] = {}
        self._selected: Sequence[Entry] = ()
        self.aboutToShow.connect(self.fill)

    def show_albums(self, albums: Mapping[str, int]) -> None:
        self._albums = albums

    def show_selected(self, selected: Sequence[Entry]) -> None:
        self._selected = selected
        self.setEnabled(bool(selected))

    def fill(self) -> None:
        self.clear()
        for name in self._albums:
            entry = self.addAction(action_text(shorten(name, 60)))
            entry.setCheckable(True)
            there = all(name in one.albums for one in self._selected)
            entry.setChecked(there)
            entry.triggered.connect(
                lambda _=False, name=name, there=there: self.collect_wanted.emit(name, there)
            )
        self.addSeparator()
        self.addAction(tr("New album…")).triggered.connect(lambda: self.new_wanted.emit())


def ask_new_album(parent: QWidget, albums: Names[str]) -> str | None:
    return ask_name(
        parent,
        tr("New album"),
        accept=tr("Create"),
        label=tr("Name"),
        check=lambda name: _wrong(name, albums),
    )


def ask_album_name(parent: QWidget, album: str, albums: Names[str]) -> str | None:
    return ask_name(
        parent,
        tr("Rename album"),
        album,
        accept=tr("Rename"),
        label=tr("Name"),
        check=lambda name: _wrong(name, albums),
    )


def _wrong(name: str, albums: Names[str]) -> str:
    """Why an album cannot be called this; "" where it can."""
    try:
        checked = check_album(name)
    except UserError as error:
        return str(error)
    return tr("That name is taken.") if checked in albums else ""
