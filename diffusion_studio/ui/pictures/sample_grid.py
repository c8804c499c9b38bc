"""The pictures of a model's sheet of samples, laid out anew to fill the width there is."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import RADIUS, RADIUS_LARGE, SPACE_M, SPACE_S, tokens

LEAST, MOST, ROWS = 64, 128, 3  # sides of a cell in pixels; rows shown


class SampleGrid(QWidget):
    """Small pixel pictures are enlarged by whole numbers, large ones shown smaller."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Samples"))
        self._sheet, self._size = QImage(), 1

    def show_sheet(self, sheet: QImage, size: int) -> None:
        """A sheet of cells of `size` pixels; a null image where there is none."""
        self._sheet, self._size = sheet, max(size, 1)
        self.setVisible(not sheet.isNull())
        self.setAccessibleDescription(tr("{count} pictures this model drew", count=len(self.cells())))
        self._fit()
        self.update()

    def cells(self) -> list[QRect]:
        """Where each picture lies in the sheet."""
        size = min(self._size, max(self._sheet.width(), 1), max(self._sheet.height(), 1))
        columns, rows = self._sheet.width() // size, self._sheet.height() // size
        return [QRect(k % columns * size, k // columns * size, size, size) for k in range(columns * rows)]

    @property
    def side(self) -> int:
        """Of a picture on screen: as large as lets all of them be seen."""
        least = min(self._size * -(-LEAST // self._size), MOST)
        larger = [side for side in range(least, MOST + 1, self._size) if self._rows(side) <= ROWS]
        return max(larger, default=least)

    def _rows(self, side: int) -> int:
        return -(-len(self.cells()) // self._columns(side))

    def _columns(self, side: int) -> int:
        return max((self.width() - 2 * SPACE_M + SPACE_S) // (side + SPACE_S), 1)

    def _shown(self) -> tuple[int, int]:
        """Columns and rows, full but for the last row."""
        return self._columns(self.side), max(min(self._rows(self.side), ROWS), 1)

    def _fit(self) -> None:
        rows = self._shown()[1]
        self.setFixedHeight(rows * (self.side + SPACE_S) - SPACE_S + 2 * SPACE_M)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(LEAST + 2 * SPACE_M, LEAST)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens().ground))
        painter.drawRoundedRect(QRectF(self.rect()), RADIUS_LARGE, RADIUS_LARGE)
        columns, rows = self._shown()
        columns = min(columns, len(self.cells()))
        step = self.side + SPACE_S
        left = (self.width() - columns * step + SPACE_S) // 2
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.side < self._size)
        for k, source in enumerate(self.cells()[: columns * rows]):
            place = QRect(left + k % columns * step, SPACE_M + k // columns * step, self.side, self.side)
            outline = QPainterPath()
            outline.addRoundedRect(place, RADIUS, RADIUS)
            painter.setClipPath(outline)
            painter.drawImage(place, self._sheet, source)
        painter.end()
