"""A model's card as a button, as the chooser shows it: its thumbnail, its title and a line of facts."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QAbstractButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import RADIUS, SPACE_S, tokens
from diffusion_studio.ui.models.chooser import HEIGHT, describe, paint_card, thumbnail_of


class ModelButton(QAbstractButton):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Model"))
        self.setFixedHeight(HEIGHT)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._card: ModelCard | None = None
        self._thumbnail = QPixmap()

    @property
    def name(self) -> str:
        """Of the model that is shown."""
        return self._card.name if self._card is not None else ""

    def show_card(self, card: ModelCard) -> None:
        if card == self._card:
            return
        self._card, self._thumbnail = card, thumbnail_of(card, self.devicePixelRatioF())
        licence = f", licence {card.licence}" if card.licence else ""
        words = tr(
            "Made by {title}, {describe}{licence}. Show this model on the Models page.",
            title=card.title,
            describe=describe(card),
            licence=licence,
        )
        self.setAccessibleDescription(words)
        self.setToolTip(tooltip(words))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._card is None:
            return
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.accent if self.hasFocus() else t.border), 2 if self.hasFocus() else 1))
        painter.setBrush(QColor(t.hover if self.underMouse() or self.isDown() else t.raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), RADIUS, RADIUS)
        inner = self.rect().adjusted(SPACE_S, 0, -SPACE_S, 0)
        paint_card(painter, inner, self._card, self._thumbnail, self.font(), t.text, t.muted)
        painter.end()
