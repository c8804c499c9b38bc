"""A model's card as a button, as the chooser shows it: its thumbnail, its title and a line of facts."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QAbstractButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.ui.look.buttons import PressedByReturn
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import RADIUS, SPACE_S, tokens
from diffusion_studio.ui.models.chooser import HEIGHT, THUMBNAIL
from diffusion_studio.ui.models.thumbnails import describe, row_of_card, thumbnail
from diffusion_studio.ui.widgets.painted_rows import paint_row


class ModelButton(PressedByReturn, QAbstractButton):
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
        sheet = QImage.fromData(card.sample_sheet())
        self._card = card
        self._thumbnail = thumbnail(sheet, card.sides, THUMBNAIL, self.devicePixelRatioF())
        facts = [describe(card), tr("licence {licence}", licence=card.licence) if card.licence else ""]
        words = tr(
            "Generated with {title}, {facts}. Show this model on the Models page.",
            title=card.title,
            facts=", ".join(filter(None, facts)),
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
        paint_row(painter, inner, row_of_card(self._card, self._thumbnail), self.font(), THUMBNAIL)
        painter.end()
