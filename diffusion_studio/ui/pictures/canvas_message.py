"""What the canvas shows where there is no image: a line and a sentence, over a faint image."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from diffusion_studio.ui.look.texts import readable_text
from diffusion_studio.ui.look.theme import SPACE_XL, TYPE_LARGE, tokens

FAINT = 0.22  # opacity
LARGEST, SHARE = 420, 0.45  # pixels of the faint image's side, and of a wide canvas
ROOM = 96  # pixels kept for the words, and for the space about them


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    title: str = ""
    sentence: str = ""
    faint: QImage = field(default_factory=QImage)

    def paint(self, painter: QPainter, room: QRect, font: QFont) -> None:
        area = room.adjusted(SPACE_XL, SPACE_XL, -SPACE_XL, -SPACE_XL)
        text = QRect(area)
        if self.faint.isNull():
            text.setTop(area.center().y() - 30)
            text.setHeight(60)
        else:
            text = self._paint_faint(painter, area)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        heading = QFont(font)
        heading.setPixelSize(TYPE_LARGE)
        heading.setWeight(QFont.Weight.DemiBold)
        painter.setFont(heading)
        painter.setPen(QColor(tokens().ground_text))
        painter.drawText(text, flags, readable_text(self.title))
        painter.setFont(font)
        painter.setPen(QColor(tokens().ground_muted))
        painter.drawText(text.adjusted(0, 28, 0, 28), flags, readable_text(self.sentence))

    def _paint_faint(self, painter: QPainter, area: QRect) -> QRect:
        """Paint the image; returns where the words go, under it."""
        side = min(area.width(), area.height() - ROOM, max(LARGEST, round(area.width() * SHARE)))
        size = self.faint.size().scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio)
        if size.width() > self.faint.width():  # whole pixels of it
            size = self.faint.size() * (size.width() // self.faint.width())
        top = area.center().y() - (size.height() + 72) // 2
        painter.setOpacity(FAINT)
        place = QRect(area.center().x() - size.width() // 2, top, size.width(), size.height())
        painter.drawImage(place, self.faint)
        painter.setOpacity(1)
        return QRect(area.left(), top + size.height() + 24, area.width(), 60)
