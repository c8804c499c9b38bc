"""The chooser of models: each with a sample, its title, image size and classes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPaintEvent, QPixmap
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.look.texts import first_upper, one_line
from diffusion_studio.ui.look.theme import SPACE_S, tokens
from diffusion_studio.ui.models.thumbnails import describe, row_of_card, thumbnail
from diffusion_studio.ui.widgets.fields import NoStrayWheel
from diffusion_studio.ui.widgets.painted_rows import Index, PaintedRow, PaintedRows, paint_row, row_height

THUMBNAIL = 40  # pixels
HEIGHT = row_height(THUMBNAIL)


class ModelChooser(NoStrayWheel, QComboBox):
    """A field of the form: its value is the name of the selected model."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        option = options(GenerationSettings)["model"]
        self.setAccessibleName(option.label)
        self.setToolTip(first_upper(option.help))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.setFixedHeight(HEIGHT)
        self.setItemDelegate(PaintedRows(self, self._row_at, side=THUMBNAIL))
        self._cards: dict[str, ModelCard] = {}
        self._thumbnails: dict[str, QPixmap] = {}
        self.currentIndexChanged.connect(lambda _: self.changed.emit())

    @property
    def card(self) -> ModelCard | None:
        return self._cards.get(self.value())

    def _row_at(self, index: Index) -> PaintedRow | None:
        card = self._cards.get(str(index.data(Qt.ItemDataRole.UserRole) or ""))
        return None if card is None else row_of_card(card, self.thumbnail(card))

    def show_cards(self, cards: Sequence[ModelCard]) -> None:
        """Offer these models, keeping the selected one where it is still among them."""
        chosen = self.value()
        blocked = self.blockSignals(True)
        self.clear()
        self._thumbnails.clear()
        self._cards = {card.name: card for card in cards}
        for card in cards:
            self.addItem(one_line(card.title), card.name)
            self.setItemData(
                self.count() - 1,
                one_line(f"{card.title}, {describe(card)}"),
                Qt.ItemDataRole.AccessibleTextRole,
            )
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(blocked)
        if self.value() != chosen:
            self.changed.emit()

    def value(self) -> str:
        return str(self.currentData() or "")

    def show_value(self, value: str) -> None:
        """Select a model by name; one that is not installed leaves the selection as it is."""
        place = self.findData(value)
        if place >= 0:
            self.setCurrentIndex(place)

    def thumbnail(self, card: ModelCard) -> QPixmap:
        if card.name not in self._thumbnails:
            sheet = QImage.fromData(card.sample_sheet())
            self._thumbnails[card.name] = thumbnail(sheet, card.sides, THUMBNAIL, self.devicePixelRatioF())
        return self._thumbnails[card.name]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = ""
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        rect = self.rect().adjusted(SPACE_S, 0, -24, 0)
        if self.card is None:
            painter.setPen(QColor(tokens().muted))
            painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter, tr("No models yet"))
        else:
            row = row_of_card(self.card, self.thumbnail(self.card))
            paint_row(painter, rect, row, self.font(), THUMBNAIL)

    def sizeHint(self) -> QSize:
        return QSize(220, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()
