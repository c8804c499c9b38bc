"""The menu bar: the window's own entries, joined by those of the page that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QDialog, QMainWindow, QMenu

from diffusion_studio.language import tr
from diffusion_studio.storage.places import outputs_dir
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Entries, action, fill_menu
from diffusion_studio.ui.base.requests import PageName
from diffusion_studio.ui.look.theme import THEMES
from diffusion_studio.ui.window.pages import PageEntry


class Menus(QObject):
    """`window` gets the menu bar and owns the actions; `entries` are the pages, the last of them Settings."""

    tour_wanted = Signal()

    def __init__(self, window: QMainWindow, context: AppContext, entries: Sequence[PageEntry]) -> None:
        super().__init__(window)
        self._window, self._context = window, context
        self._menus: dict[str, QMenu] = {}
        self._dialog: QDialog | None = None
        self._quit = action(window, tr("Quit"), "Ctrl+Q")
        self._quit.setMenuRole(QAction.MenuRole.QuitRole)
        self._quit.triggered.connect(window.close)
        self._outputs = action(
            window, tr("Open images folder"), "Ctrl+Shift+O", tip=tr("Where every finished image is saved")
        )
        self._outputs.triggered.connect(self._open_outputs)
        self._make_undo()
        self._trash = action(
            window, tr("Trash…"), tip=tr("See what was deleted, restore it, or delete it permanently")
        )
        self._trash.triggered.connect(self._show_trash)
        self._context.trash_wanted.connect(self._show_trash)
        self._make_visits(entries)
        self._make_looks()
        self._shortcuts = action(window, tr("Keyboard shortcuts"), "F1")
        self._shortcuts.triggered.connect(self._show_shortcuts)
        self._palette = action(
            window, tr("Find a command…"), "Ctrl+K", tip=tr("Search every action by its name")
        )
        self._palette.triggered.connect(self._show_palette)
        self._tour = action(window, tr("Tour"), tip=tr("Four steps through the window"))
        self._tour.triggered.connect(self.tour_wanted)
        self._report = action(
            window, tr("Copy diagnostic report"), tip=tr("Versions, devices and folders, for a bug report")
        )
        self._report.triggered.connect(self._copy_report)
        self._about = action(window, tr("About Diffusion Studio"))
        self._about.setMenuRole(QAction.MenuRole.AboutRole)
        self._about.triggered.connect(self._show_about)

    def learn(self, page: PageName, entries: Mapping[str, Sequence[QAction | None]]) -> None:
        """Make the actions of a page known to the palette and to the shortcuts of the user's choice."""
        for name, actions in entries.items():
            self._context.commands.add(name, actions, page)

    def fill(self, page: Mapping[str, Sequence[QAction | None]]) -> None:
        """Show the window's entries and these of a page; a menu the window does not have comes before Help."""
        first: dict[str, Entries] = {"Edit": [self.undo, self.redo, None]}
        own: dict[str, Entries] = {
            "File": [self._outputs, self._trash, self._visits[-1], None, self._quit],
            "Edit": [],
            "View": [self._themes_menu, self._crisp, None, *self._visits[:-1]],
            "Help": [self._palette, self._shortcuts, self._tour, None, self._report, None, self._about],
        }
        bar = self._window.menuBar()
        bar.clear()
        for name in [*list(own)[:-1], *(name for name in page if name not in own), "Help"]:
            menu = self._menus.setdefault(name, QMenu(f"&{name}", self._window))
            self._context.commands.add(name, [*first.get(name, []), *own.get(name, [])])
            fill_menu(menu, [*first.get(name, []), *page.get(name, []), None, *own.get(name, [])])
            if menu.actions():
                bar.addMenu(menu)

    def _make_undo(self) -> None:
        stack = self._context.undo
        self.undo = action(self._window, tr("Undo"), "Ctrl+Z", tip=tr("Undo the last change"))
        self.redo = action(
            self._window, tr("Redo"), "Ctrl+Shift+Z or Ctrl+Y", tip=tr("Redo the change that was undone last")
        )
        for entry in (self.undo, self.redo):
            entry.setAutoRepeat(True)
        self.undo.triggered.connect(stack.undo)
        self.redo.triggered.connect(stack.redo)
        stack.changed.connect(self._show_undo)
        self._show_undo()

    def _show_undo(self) -> None:
        stack = self._context.undo
        for entry, word, what in (
            (self.undo, tr("Undo"), stack.undo_text),
            (self.redo, tr("Redo"), stack.redo_text),
        ):
            entry.setText(f"{word} {what}".strip())
            entry.setEnabled(bool(what))

    def _make_visits(self, entries: Sequence[PageEntry]) -> None:
        self._visits = []
        last = len(entries) - 1
        for number, entry in enumerate(entries):
            keys = "Ctrl+," if number == last else f"Ctrl+{number + 1}"
            visit = action(self._window, entry.label, keys, tip=entry.explanation)
            visit.triggered.connect(lambda _=False, name=entry.name: self._context.go_to(name))
            self._visits.append(visit)
        self._visits[last].setMenuRole(QAction.MenuRole.PreferencesRole)

    def _make_looks(self) -> None:
        self._crisp = action(
            self._window, tr("Sharp pixels"), checkable=True, tip=tr("Show enlarged pixels as squares")
        )
        self._crisp.toggled.connect(self._choose_scaling)
        self._themes_menu = QMenu(tr("Theme"), self._window)
        self._themes = {name: action(self._window, text, checkable=True) for name, text in THEMES.items()}
        group = QActionGroup(self)
        for name, entry in self._themes.items():
            group.addAction(entry)
            self._themes_menu.addAction(entry)
            entry.triggered.connect(lambda _=False, name=name: self._context.change_preferences(theme=name))
        self._context.preferences_changed.connect(self._show_preferences)
        self._show_preferences()

    def _show_preferences(self) -> None:
        self._themes[self._context.preferences.theme].setChecked(True)
        self._crisp.setChecked(self._context.preferences.scaling == "crisp")

    def _choose_scaling(self, crisp: bool) -> None:
        wanted = "crisp" if crisp else "smooth"
        if wanted != self._context.preferences.scaling:
            self._context.change_preferences(scaling=wanted)

    def _open_outputs(self) -> None:
        from diffusion_studio.ui.pictures.commands import open_folder

        open_folder(outputs_dir())

    def _show_shortcuts(self) -> None:
        from diffusion_studio.ui.window.help import shortcuts_dialog

        texts = {command.action: command.text for command in self._context.commands.known()}
        shown = [
            (name, [(texts.get(entry, entry.text()), entry) for entry in menu.actions()])
            for name, menu in self._menus.items()
            if menu.actions()
        ]
        self._open(shortcuts_dialog(self._window, shown))

    def _show_trash(self) -> None:
        from diffusion_studio.ui.gallery.trash_dialog import TrashDialog

        self._open(TrashDialog(self._context, self._window))

    def _show_palette(self) -> None:
        from diffusion_studio.ui.window.palette import CommandPalette

        palette = CommandPalette(self._context.commands.all(), self._window)
        palette.page_wanted.connect(self._context.go_to)
        self._open(palette)

    def _show_about(self) -> None:
        from diffusion_studio.ui.window.help import about_dialog

        self._open(about_dialog(self._window))

    def _copy_report(self) -> None:
        from diffusion_studio.ui.window.help import copy_report

        copy_report(self._context)

    def _open(self, dialog: QDialog) -> None:
        if self._dialog is not None:
            self._dialog.close()
        self._dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.destroyed.connect(self._forget_dialog)
        dialog.open()

    def _forget_dialog(self) -> None:
        self._dialog = None
