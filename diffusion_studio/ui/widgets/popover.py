"""A panel over the window that closes with a click elsewhere or Escape."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt
from PySide6.QtGui import QHideEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QWidget


class Popover(QFrame):
    """Hidden until `pop_up`; where it is and how large is for those who open it."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("popover")
        self.setAccessibleName(name)
        self.hide()

    def pop_up(self, focus: QWidget) -> None:
        """Show it over everything else in the window, with the keyboard in `focus`."""
        self.show()
        self.raise_()
        focus.setFocus()
        _application().installEventFilter(self)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        _application().removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonPress:
            inside = self.rect().contains(self.mapFromGlobal(event.globalPosition().toPoint()))
            if not inside and isinstance(watched, QWidget) and watched.window() is self.window():
                self.hide()
        elif (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.key() == Qt.Key.Key_Escape
        ):
            event.accept()
            self.hide()
            return True
        return False


def _application() -> QCoreApplication:
    running = QCoreApplication.instance()
    assert running is not None
    return running
