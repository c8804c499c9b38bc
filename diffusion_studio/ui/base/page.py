"""What the window asks of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.requests import Request
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.texts import readable


@dataclass(frozen=True, slots=True)
class Work:
    """`title` as in “Training Cats”; `fraction` from 0 to 1, None while it is unknown."""

    title: str
    fraction: float | None = None


Entries = Sequence[QAction | QMenu | None]


class Page(QWidget):
    """One place of the rail. A page brings its menu entries, and its threads for the window to end."""

    workers: Sequence[Worker] = ()
    alone_wanted = Signal(
        bool
    )  # whether nothing but the page is to be in the window: no menus, no rail, no status
    work_changed = Signal(object)  # Work that is under way, or the str that says how it ended

    @property
    def working(self) -> bool:
        """Whether something the user asked for is running."""
        return False

    def report_work(self, title: str, fraction: float | None = None) -> None:
        """Work the user waits for is under way: the window shows it in its title, on the rail and in the taskbar."""
        self.work_changed.emit(Work(title, fraction))

    def end_work(self, sentence: str = "") -> None:
        """It has ended; `sentence` says how, for a notification where the window is not in front."""
        self.work_changed.emit(sentence)

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        """Entries by menu ("File", "Edit", "View" or one of the page's own); None is a line between them."""
        return {}

    def controls(self) -> list[QWidget]:
        """The controls in the order of the Tab key; none: as they were made."""
        return []

    def toast_floor(self) -> QWidget | None:
        """What toasts are to lie above, as they would cover controls in it; None: they may lie at the very bottom."""
        return None

    def shown_first(self) -> None:
        """Called once the window is on screen and this page is the one in it, the first time only."""

    def refuse_drop(self, paths: Sequence[Path]) -> str:
        """Why these files or folders, which nothing here took, cannot be used; in a sentence."""
        if len(paths) > 1:
            return tr("{count} files were dropped. Drop one image at a time.", count=len(paths))
        name = readable(paths[0].name)
        if paths[0].is_dir():
            return tr(
                "“{name}” is a folder. Drop a folder of images on the Train page, or one image here.",
                name=name,
            )
        return tr(
            "“{name}” is not an image that can be opened here. Use PNG, JPEG, WebP, BMP, GIF or TIFF.",
            name=name,
        )

    def receive(self, request: Request) -> None:
        """Do what another page asked for; called after this page was shown."""

    def save_pending(self) -> Sequence[str]:
        """Called before the window closes: save what waits for a decision; returns why something could not be saved."""
        return ()

    def close_down(self) -> None:
        """Called before the window goes: put settings into the context's memory, stop timers and watchers."""


def action(
    owner: QWidget, text: str, shortcut: str = "", *, tip: str = "", checkable: bool = False
) -> QAction:
    """An entry of a menu; `tip` explains it in the status bar."""
    result = QAction(text, owner)
    if shortcut:
        result.setShortcuts([QKeySequence(part) for part in shortcut.split(" or ")])
    result.setStatusTip(tip)
    result.setCheckable(checkable)
    result.setAutoRepeat(False)
    return result


def fill_menu(menu: QMenu, entries: Entries) -> None:
    """None is a line; lines at the ends, or two in a row, are left out."""
    menu.clear()
    line = False
    for entry in entries:
        if entry is None:
            line = bool(menu.actions())
            continue
        if line:
            menu.addSeparator()
            line = False
        if isinstance(entry, QMenu):
            menu.addMenu(entry)
        else:
            menu.addAction(entry)
