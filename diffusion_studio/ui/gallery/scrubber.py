"""The months of the gallery along its right edge: a click or a drag scrolls there."""

from __future__ import annotations

from datetime import date

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.layout import GalleryLayout
from diffusion_studio.ui.gallery.words import heading
from diffusion_studio.ui.look.theme import SPACE_XS, TYPE_SMALL, tokens

WIDTH = 68
BETWEEN = 22  # pixels from one label to the next
SCREENS = 3  # of images from which on it is worth its place


class DateScrubber(QWidget):
    """`scroll_wanted` carries pixels from the top of the grid."""

    scroll_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self.setAccessibleName(tr("Dates"))
        self.setAccessibleDescription(tr("Click or drag to scroll to a month"))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMouseTracking(True)
        self._layout = GalleryLayout([], 1, 1)
        self._top, self._screen = 0, 1

    def sizeHint(self) -> QSize:
        return QSize(WIDTH, 200)

    def show_layout(self, layout: GalleryLayout, screen: int, *, by_date: bool) -> None:
        """`screen`: the height of the grid; hidden where all is near, or the order is another than that of days."""
        self._layout, self._screen = layout, max(screen, 1)
        self.setVisible(by_date and len(layout.groups) > 1 and layout.height > SCREENS * self._screen)
        self.update()

    def show_position(self, top: int) -> None:
        self._top = top
        self.update()

    def marks(self) -> list[tuple[int, str]]:
        """(y, label) of the first day of each month, those left out that have no room; years where months are too many."""
        found: list[tuple[int, str]] = []
        last = ""
        for group in self._layout.groups:
            month = group.name[:7]
            if month == last:
                continue
            last = month
            y = round(self._share(group.top) * self.height())
            if not found or y - found[-1][0] >= BETWEEN:
                found.append((y, _month(month)))
        return found

    def day_at(self, y: float) -> str:
        """The heading at a height of this widget."""
        groups = self._layout.headings(self._place(y), self._place(y) + 1)
        return heading(groups[0].name) if groups else ""

    def _share(self, top: int) -> float:
        return top / max(self._layout.height, 1)

    def _place(self, y: float) -> int:
        return round(min(max(y / max(self.height(), 1), 0.0), 1.0) * self._layout.height)

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.fillRect(self.rect(), QColor(t.ground))
        font = self.font()
        font.setPixelSize(TYPE_SMALL - 1)
        painter.setFont(font)
        painter.setPen(QColor(t.ground_muted))
        for y, words in self.marks():
            place = QRectF(0, y, self.width() - SPACE_XS, BETWEEN)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
        at = self._share(self._top) * self.height()
        screen = max(self._share(self._screen) * self.height(), 3)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.ground_accent), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(2, at + 1), QPointF(2, min(at + screen, self.height() - 1)))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._scroll(event.position().y())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        y = event.position().y()
        QToolTip.showText(event.globalPosition().toPoint(), self.day_at(y), self)
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._scroll(y)

    def _scroll(self, y: float) -> None:
        self.scroll_wanted.emit(self._place(y))


def _month(month: str) -> str:
    """“2026-11” as “Nov 2026”."""
    try:
        return f"{date.fromisoformat(f'{month}-01'):%b %Y}"
    except ValueError:
        return month
