"""The gallery's entries in menus, bars and keys: they know the images that are shown and selected, and emit what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action, fill_menu
from diffusion_studio.ui.look.texts import tooltip


class GalleryActions(QObject):
    """`owner` has the keys. Every signal is about the images given to `show_selected`."""

    view_wanted = Signal(
        object, int, bool
    )  # list of Path to look through, the first to show, whether to play
    compare_wanted = Signal(object)  # two Paths
    star_wanted = Signal(bool)
    copy_wanted = Signal()
    reveal_wanted = Signal()
    export_wanted = Signal(str)  # "files", "zip", "sheet" or "film"
    delete_wanted = Signal()
    select_all_wanted = Signal()
    search_wanted = Signal()
    trash_wanted = Signal()

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self._owner = owner
        self._menu = QMenu(owner)
        self._shown: Sequence[Entry] = []
        self._selected: Sequence[Entry] = []
        self._make()
        self.export_menu = QMenu(tr("Export"), owner)
        fill_menu(self.export_menu, [self.files, self.zip, self.sheet, self.film])
        self.show_shown([])
        self.show_selected([])

    def _make(self) -> None:
        add = self._add
        self.full_screen = add(
            tr("Full screen"),
            "F11",
            self._view,
            tr("Show the image alone on the screen; arrow keys show the next"),
        )
        self.slideshow = add(tr("Slideshow"), "F5", self._play, tr("Show the images one after the other"))
        self.compare = add(
            tr("Compare"),
            "C",
            lambda: self.compare_wanted.emit([entry.path for entry in self._selected]),
            tr("Two images side by side, with a slider, or their difference"),
        )
        self.star = add(
            tr("Star"),
            "S",
            lambda: self.star_wanted.emit(not self._all_starred()),
            tr("Mark as a favorite, or no longer"),
        )
        self.copy = add(tr("Copy"), "Ctrl+C", self.copy_wanted.emit, tr("Copy the images"))
        self.all = add(
            tr("Select all"), "Ctrl+A", self.select_all_wanted.emit, tr("Select every image shown")
        )
        self.find = add(
            tr("Search"), "Ctrl+F", self.search_wanted.emit, tr("Search by any setting, tag or album")
        )
        self.details = add(
            tr("Details"), "Ctrl+I", lambda: None, tr("Show the settings of what is selected"), checkable=True
        )
        self.details.setChecked(True)
        self.reveal = add(
            tr("Reveal in folder"), "Ctrl+R", self.reveal_wanted.emit, tr("Show the file in its folder")
        )
        self.files = add(
            tr("Export as files…"),
            "Ctrl+E",
            lambda: self.export_wanted.emit("files"),
            tr("Copy the images to a folder"),
        )
        self.zip = add(
            tr("Export as ZIP…"),
            "",
            lambda: self.export_wanted.emit("zip"),
            tr("Write the images to one ZIP file"),
        )
        self.sheet = add(
            tr("Export as sheet…"),
            "",
            lambda: self.export_wanted.emit("sheet"),
            tr("Write the images side by side, as one large image"),
        )
        self.film = add(
            tr("Export as film…"),
            "",
            lambda: self.export_wanted.emit("film"),
            tr("Write the images one after the other, as APNG, WebP, GIF or MP4"),
        )
        self.delete = add(
            tr("Delete"),
            "Del",
            self.delete_wanted.emit,
            tr("Move the images to the trash; Undo restores them"),
        )

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return {
            "File": [self.files, self.zip, self.sheet, self.film, None, self.reveal],
            "Edit": [self.copy, self.all, self.find, None, self.star, self.delete],
            "View": [self.full_screen, self.slideshow, self.compare, None, self.details],
        }

    def menu(self, *more: QMenu) -> QMenu:
        """The menu under the right mouse button; `more` are menus of what is selected."""
        look = (self.full_screen, self.slideshow, self.compare, None)
        rest = (self.star, *more, None, self.copy, self.reveal, self.export_menu, None, self.delete)
        fill_menu(self._menu, [*look, *rest])
        return self._menu

    def show_shown(self, shown: Sequence[Entry]) -> None:
        """The images of the grid, in its order."""
        self._shown = shown
        for entry in (self.full_screen, self.slideshow, self.all):
            entry.setEnabled(bool(shown))

    def show_selected(self, selected: Sequence[Entry]) -> None:
        """Enable what can be done with these."""
        self._selected = selected
        for entry in (self.star, self.copy, self.reveal, self.files, self.zip, self.sheet, self.delete):
            entry.setEnabled(bool(selected))
        self.export_menu.setEnabled(bool(selected))
        self.compare.setEnabled(len(selected) == 2)
        self.film.setEnabled(len(selected) > 1)
        self.star.setText(tr("Unstar") if selected and self._all_starred() else tr("Star"))

    def view(self, path: Path) -> None:
        """Alone on the screen, among those the grid shows."""
        self._emit_view(self._shown, path, playing=False)

    def _view(self) -> None:
        if self._selected or self._shown:
            self.view((self._selected[-1:] or self._shown[:1])[0].path)

    def _play(self) -> None:
        among = self._selected if len(self._selected) > 1 else self._shown
        if among:
            self._emit_view(among, among[0].path, playing=True)

    def _emit_view(self, among: Sequence[Entry], path: Path, *, playing: bool) -> None:
        paths = [entry.path for entry in among]
        if path in paths:
            self.view_wanted.emit(paths, paths.index(path), playing)

    def _all_starred(self) -> bool:
        return all(entry.star for entry in self._selected)

    def _add(
        self, text: str, shortcut: str, do: Callable[[], object], tip: str, *, checkable: bool = False
    ) -> QAction:
        made = action(self._owner, text, shortcut, tip=tip, checkable=checkable)
        made.setToolTip(tooltip(f"{tip} ({shortcut})" if shortcut else tip))
        made.triggered.connect(lambda _=False: do())
        return made
