"""The canvas alone on the whole screen."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.pictures.canvas import Canvas


class FullScreen(QObject):
    """Hides the panels by their own entry and all around the page, and lets the window fill the screen.

    Escape, the same key, or another page ends it.
    """

    def __init__(self, page: Page, canvas: Canvas, hide_action: QAction) -> None:
        super().__init__(canvas)
        self._page, self._canvas, self._hide_action = page, canvas, hide_action
        self._hid = False  # whether the panels were hidden for this
        self._before = Qt.WindowState.WindowNoState
        self.action: QAction = make_action(
            canvas,
            tr("Full screen"),
            "F11",
            tip=tr("Show the canvas on the whole screen (Esc ends)"),
            checkable=True,
        )
        self.action.toggled.connect(self._toggle)
        for watched in (page, canvas):
            watched.installEventFilter(self)

    def _toggle(self, on: bool) -> None:
        window = self._canvas.window()
        if on:
            self._before = window.windowState()
            self._hid = not self._hide_action.isChecked()
            self._hide_action.setChecked(True)
            self._page.alone_wanted.emit(True)
            window.setWindowState(self._before | Qt.WindowState.WindowFullScreen)
        else:
            self._page.alone_wanted.emit(False)
            window.setWindowState(self._before)
            if self._hid:
                self._hide_action.setChecked(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._page:
            if event.type() == QEvent.Type.Hide and not event.spontaneous():  # no minimized window
                self.action.setChecked(False)
        elif (
            self.action.isChecked()
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and event.type() == QEvent.Type.ShortcutOverride
        ):
            event.accept()
            self.action.setChecked(False)
            return True
        return False
