"""The chooser of models: each with a thumbnail of what it draws, its title, size and classes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionComboBox,
    QStyleOptionViewItem,
    QStylePainter,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.look.texts import first_upper, one_line
from diffusion_studio.ui.look.theme import RADIUS, SPACE_S, TYPE_SMALL, tokens
from diffusion_studio.ui.widgets.fields import NoStrayWheel

THUMBNAIL = 40
HEIGHT = THUMBNAIL + 2 * SPACE_S


class ModelChooser(NoStrayWheel, QComboBox):
    """A field of the form: its value is the name of the chosen model."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        option = options(GenerationSettings)["model"]
        self.setAccessibleName(option.label)
        self.setToolTip(first_upper(option.help))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.setFixedHeight(HEIGHT)
        self.setItemDelegate(_Delegate(self))
        self._cards: dict[str, ModelCard] = {}
        self._thumbnails: dict[str, QPixmap] = {}
        self.currentIndexChanged.connect(lambda _: self.changed.emit())

    @property
    def card(self) -> ModelCard | None:
        return self._cards.get(self.value())

    def card_at(self, index: int) -> ModelCard | None:
        return self._cards.get(str(self.itemData(index) or ""))

    def show_cards(self, cards: Sequence[ModelCard]) -> None:
        """Offer these models, keeping the choice made where it is still among them."""
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
        """Choose a model by name; one that is not installed leaves the choice as it is."""
        place = self.findData(value)
        if place >= 0:
            self.setCurrentIndex(place)

    def thumbnail(self, card: ModelCard) -> QPixmap:
        if card.name not in self._thumbnails:
            self._thumbnails[card.name] = thumbnail_of(card, self.devicePixelRatioF())
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
            painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter, tr("No model is installed"))
        else:
            paint_card(
                painter,
                rect,
                self.card,
                self.thumbnail(self.card),
                self.font(),
                tokens().text,
                tokens().muted,
            )

    def sizeHint(self) -> QSize:
        return QSize(220, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()


class _Delegate(QStyledItemDelegate):
    def __init__(self, chooser: ModelChooser) -> None:
        super().__init__(chooser)
        self._chooser = chooser

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(220, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        t = tokens()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        rect: QRect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(t.hover))
            painter.drawRoundedRect(rect, RADIUS, RADIUS)
        card = self._chooser.card_at(index.row())
        if card is not None:
            inner = rect.adjusted(SPACE_S, 0, -SPACE_S, 0)
            paint_card(
                painter, inner, card, self._chooser.thumbnail(card), self._chooser.font(), t.text, t.muted
            )
        painter.restore()


def paint_card(
    painter: QPainter, rect: QRect, card: ModelCard, thumbnail: QPixmap, font: QFont, colour: str, quiet: str
) -> None:
    """Thumbnail, title and one line of facts."""
    picture = QRect(rect.left(), rect.center().y() - THUMBNAIL // 2 + 1, THUMBNAIL, THUMBNAIL)
    painter.drawPixmap(picture, thumbnail)
    words = rect.adjusted(THUMBNAIL + SPACE_S + 2, 0, 0, 0)
    for text, top, size, bold, shade in (
        (card.title, -19, font.pixelSize(), True, colour),
        (describe(card), 1, TYPE_SMALL, False, quiet),
    ):
        own = QFont(font)
        own.setPixelSize(size)
        own.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
        painter.setFont(own)
        painter.setPen(QColor(shade))
        line = QRect(words.left(), words.center().y() + top, words.width(), 18)
        shortened = painter.fontMetrics().elidedText(
            one_line(text), Qt.TextElideMode.ElideRight, words.width()
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, shortened)


def describe(card: ModelCard) -> str:
    """“32 × 32 px · 5 classes · 6.5 M”."""
    facts = [f"{card.pixels(' × ')} px"]
    if card.class_count:
        facts.append(tr("{count} classes", count=len(card.classes)))
    if card.parameters:
        facts.append(f"{card.parameters / 1e6:.1f} M")
    return " · ".join(facts)


def thumbnail_of(card: ModelCard, ratio: float) -> QPixmap:
    """The upper left corner of the sheet of samples, rounded; a plain tile where there is none."""
    side = round(THUMBNAIL * ratio)
    result = QPixmap(side, side)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    path = QPainterPath()
    path.addRoundedRect(0, 0, side, side, RADIUS * ratio, RADIUS * ratio)
    painter.setClipPath(path)
    painter.fillRect(0, 0, side, side, QColor(tokens().hover))
    sheet = QImage.fromData(card.sample_sheet())
    if not sheet.isNull():
        painter.drawImage(QRect(0, 0, side, side), sheet, first_sample(sheet, card.size))
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result


def first_sample(sheet: QImage, size: int) -> QRect:
    """Where the first picture of a sheet lies. Sheets may be scaled up; then their side is a multiple of the picture's."""
    side = min(size, sheet.width(), sheet.height())
    return QRect(0, 0, side, side)
