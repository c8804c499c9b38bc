"""A slider of percents with one of them marked as recommended."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSlider, QStyle, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import tokens

BELOW, POINT = 24, 5  # pixels under the slider, and of the mark
HANDLE = 16  # pixels


class MarkedSlider(QWidget):
    changed = Signal(int)

    def __init__(self, percents: range, marked: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._marked = marked
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(percents[0], percents[-1])
        self.slider.setPageStep(3)
        self.slider.setAccessibleName(tr("Smoothing"))
        self.slider.setAccessibleDescription(
            tr("Percent of the run that is averaged; {marked} is recommended", marked=marked)
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, BELOW)
        column.addWidget(self.slider)
        self.slider.valueChanged.connect(self.changed)

    @property
    def value(self) -> int:
        return self.slider.value()

    def show_value(self, percent: int) -> None:
        self.slider.setValue(percent)

    def mark(self) -> float:
        """Where the mark is, in pixels from the left."""
        slider, room = self.slider, max(self.slider.width() - HANDLE, 0)
        at = QStyle.sliderPositionFromValue(slider.minimum(), slider.maximum(), self._marked, room)
        return float(slider.x() + HANDLE / 2 + at)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top, x = float(self.slider.geometry().bottom() + 1), self.mark()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens().accent))
        painter.drawPolygon(
            QPolygonF([QPointF(x, top), QPointF(x - POINT, top + POINT), QPointF(x + POINT, top + POINT)])
        )
        words = tr("Recommended")
        wide = painter.fontMetrics().horizontalAdvance(words)
        left = min(max(x - wide / 2, 0.0), max(self.width() - wide, 0.0))
        painter.setPen(QColor(tokens().muted))
        painter.drawText(QRectF(left, top + POINT, wide + 2, BELOW - POINT), Qt.AlignmentFlag.AlignTop, words)
        painter.end()
