"""The canvas alone on the whole screen."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.pictures.canvas import Canvas


class FullScreen(QObject):
    """Hides the panels by their own entry and lets the window fill the screen; Escape or the same key ends it."""

    def __init__(self, canvas: Canvas, hide_action: QAction) -> None:
        super().__init__(canvas)
        self._canvas, self._hide_action = canvas, hide_action
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
        canvas.installEventFilter(self)

    def _toggle(self, on: bool) -> None:
        window = self._canvas.window()
        if on:
            self._before = window.windowState()
            self._hid = not self._hide_action.isChecked()
            self._hide_action.setChecked(True)
            window.setWindowState(self._before | Qt.WindowState.WindowFullScreen)
        else:
            window.setWindowState(self._before)
            if self._hid:
                self._hide_action.setChecked(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            self.action.isChecked()
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and event.type() == QEvent.Type.ShortcutOverride
        ):
            event.accept()
            self.action.setChecked(False)
            return True
        return False
