"""The forward process: an image with noise added to a level, and the curves of what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import TYPE_SMALL, tokens

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.diffusion.process import Process

POINTS = 200  # a curve is drawn with
CURVE_HEIGHT = 110


def noised(process: Process, clean: np.ndarray, noise: np.ndarray, left: float) -> np.ndarray:
    """(H, W, 3) uint8 of a picture in [-1, 1] after the forward process to where that share of it is `left`."""
    import numpy as np

    mixed: np.ndarray = process.mix(clean, noise, left)
    return ((mixed / 2 + 0.5).clip(0, 1) * 255).round().astype(np.uint8)


class ForwardCurve(QWidget):
    """The share of the image and that of the noise over t, and a mark between clean and noise. A click goes there."""

    chosen = Signal(float)  # share of the way from clean to noise

    def __init__(self, parent: QWidget | None = None, *, height: int = CURVE_HEIGHT) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Training schedule"))
        self.setAccessibleDescription(
            tr("How the share of the image falls and that of the noise rises from t = 0 to the end.")
        )
        self.setToolTip(tr("Green: how much of the image is left. Grey: how much is noise."))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._height = height
        self._left: Sequence[float] | np.ndarray = (1.0, 1.0)
        self._share: float | None = 0.0

    def sizeHint(self) -> QSize:
        return QSize(200, self._height)

    def show_schedule(self, left: Sequence[float] | np.ndarray) -> None:
        """(T,) share of the picture that is left at each t."""
        self._left = left
        self.update()

    def mark(self, share: float | None) -> None:
        """None: no place is marked."""
        self._share = share
        self.update()

    def _area(self) -> QRectF:
        """Of the curve; its sides are where the handle of a slider above or below it stops."""
        return QRectF(8, self.height() - self._height + 4, self.width() - 16, self._height - 8)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_curves(painter)
        painter.end()

    def _paint_curves(self, painter: QPainter) -> None:
        t, area = tokens(), self._area()
        painter.setPen(QPen(QColor(t.border), 1))
        painter.setBrush(QColor(t.raised))
        painter.drawRoundedRect(QRectF(0.5, area.top() - 4, self.width() - 1, self._height - 1), 6, 6)
        last = len(self._left) - 1
        picked = (
            [round(k / (POINTS - 1) * last) for k in range(POINTS)] if last >= POINTS else range(last + 1)
        )
        line = [(k / last, float(self._left[k])) for k in picked]
        self._paint_curve(painter, [(x, 1 - y) for x, y in line], t.muted, 1.5)
        self._paint_curve(painter, line, t.accent, 2)
        if self._share is not None:
            self._paint_mark(painter, self._share)
        self._paint_words(painter)

    def _paint_curve(
        self, painter: QPainter, line: list[tuple[float, float]], colour: str, width: float
    ) -> None:
        area = self._area()
        points = [QPointF(area.left() + area.width() * x, area.bottom() - area.height() * y) for x, y in line]
        painter.setPen(QPen(QColor(colour), width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))

    def _paint_mark(self, painter: QPainter, share: float) -> None:
        t, area = tokens(), self._area()
        x = area.left() + area.width() * share
        painter.setPen(QPen(QColor(t.muted), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        height = float(self._left[round(share * (len(self._left) - 1))])
        painter.setPen(QPen(QColor(t.raised), 1.5))
        painter.setBrush(QColor(t.accent))
        painter.drawEllipse(QPointF(x, area.bottom() - area.height() * height), 5, 5)

    def _paint_words(self, painter: QPainter) -> None:
        font, t = self.font(), tokens()
        font.setPixelSize(TYPE_SMALL - 1)
        painter.setFont(font)
        area = self._area().adjusted(6, 8, -6, -8)
        for colour, place, words in (
            (t.accent, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight, tr("image")),
            (t.muted, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight, tr("noise")),
        ):
            painter.setPen(QColor(colour))
            painter.drawText(area, place, words)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._choose(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._choose(event)

    def _choose(self, event: QMouseEvent) -> None:
        area = self._area()
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.chosen.emit(min(max((event.position().x() - area.left()) / area.width(), 0.0), 1.0))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
