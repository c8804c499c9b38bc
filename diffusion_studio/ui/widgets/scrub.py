"""A label to drag sideways, which changes the number it names: to the right it grows, to the left it shrinks."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QLabel

PIXELS = 6  # to the next number


class Scrub(QObject):
    begun = Signal()
    moved = Signal(int)  # how many numbers away from where it began

    def __init__(self, label: QLabel) -> None:
        super().__init__(label)
        self._from: float | None = None
        self._at = 0
        label.setCursor(Qt.CursorShape.SizeHorCursor)
        label.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QMouseEvent):
            return False
        kind = event.type()
        if kind == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            self._from, self._at = event.globalPosition().x(), 0
            self.begun.emit()
            return True
        if kind == QEvent.Type.MouseMove and self._from is not None:
            at = int((event.globalPosition().x() - self._from) / PIXELS)
            if at != self._at:
                self._at = at
                self.moved.emit(at)
            return True
        if kind == QEvent.Type.MouseButtonRelease:
            self._from = None
        return False
