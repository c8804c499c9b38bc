"""The recipes as cards side by side: what each is for, how long it takes on this computer, and what to expect."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.recipes import EXPECTED, RECIPES, Recipe, expected, settings_of
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.look.buttons import PressedByReturn
from diffusion_studio.ui.look.theme import (
    RADIUS_LARGE,
    SPACE_M,
    SPACE_S,
    SPACE_XS,
    TYPE_LARGE,
    TYPE_SMALL,
    tokens,
)

EDGE = 2  # pixels of room for the line around a card
WRAPPED = int(Qt.TextFlag.TextWordWrap) | int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignTop)
NARROWEST = 220  # pixels of a card; before it is laid out it is narrower still
LINES = 2  # of words on a card at least: the purpose, and what to expect


class RecipeCards(QWidget):
    chosen = Signal(str)  # name of the recipe

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards = {name: RecipeCard(recipe, self) for name, recipe in RECIPES.items()}
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        for name, card in self.cards.items():
            self._group.addButton(card)
            row.addWidget(card, 1)
            card.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))

    def show_chosen(self, name: str) -> None:
        """Mark the card of this recipe; "" for none."""
        self._group.setExclusive(False)
        for each, card in self.cards.items():
            card.setChecked(each == name)
        self._group.setExclusive(True)

    def show_facts(self, settings: TrainingSettings, batch: int, times: Mapping[str, str]) -> None:
        """What each takes and gives with these settings; `times` in words, by recipe."""
        for name, card in self.cards.items():
            steps = int(settings_of(name, settings)["steps"])
            level = expected(settings, steps, batch)
            card.show_facts(
                times.get(name, ""),
                tr("{steps:,} steps · expect {what}", steps=steps, what=EXPECTED[level]),
            )
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """All are as high as the one whose words need most lines at this width."""
        cards = self.cards.values()
        each = (self.width() - (len(cards) - 1) * SPACE_S) // len(cards)
        height = max(card.height_for(max(each, NARROWEST)) for card in cards)
        for card in cards:
            card.setFixedHeight(height)


class RecipeCard(PressedByReturn, QAbstractButton):
    """One recipe; checked while the form follows it."""

    def __init__(self, recipe: Recipe, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recipe, self.time, self.facts = recipe, "", ""
        self.setText(recipe.title)
        self.setAccessibleName(recipe.title)
        self.setToolTip(recipe.purpose)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_facts(self, time: str, facts: str) -> None:
        self.time, self.facts = time, facts
        self.setAccessibleDescription(" ".join(filter(None, (self._recipe.purpose, time, facts))))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, self.height_for(240))

    def height_for(self, width: int) -> int:
        """Pixels that its words need at this width, for a title and two lines at least."""
        small = QFontMetrics(_font(self.font(), TYPE_SMALL))
        room = QRect(0, 0, width - 2 * (SPACE_M + EDGE), 1000)
        words = small.boundingRect(room, WRAPPED, f"{self._recipe.purpose}\n{self.facts}").height()
        title = QFontMetrics(_font(self.font(), TYPE_LARGE, QFont.Weight.DemiBold)).height()
        return title + SPACE_XS + max(words, LINES * small.lineSpacing()) + 2 * (SPACE_S + SPACE_XS + EDGE)

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.rect().adjusted(EDGE, EDGE, -EDGE, -EDGE)
        marked, focused = self.isChecked(), self.hasFocus()
        colour = t.accent if marked else t.muted if focused else t.border
        painter.setPen(QPen(QColor(colour), 2 if marked or focused else 1))
        painter.setBrush(QColor(t.hover if self.underMouse() and self.isEnabled() else t.raised))
        painter.drawRoundedRect(area, RADIUS_LARGE, RADIUS_LARGE)
        inner = area.adjusted(SPACE_M, SPACE_S, -SPACE_M, -SPACE_XS)
        strong, faint = (t.text, t.muted) if self.isEnabled() else (t.muted, t.muted)
        top = self._line(painter, inner, strong, faint)
        self._words(painter, inner.adjusted(0, top, 0, 0), faint)
        painter.end()

    def _line(self, painter: QPainter, inner: QRect, strong: str, faint: str) -> int:
        """Title and time; returns the height they take."""
        painter.setFont(_font(self.font(), TYPE_LARGE, QFont.Weight.DemiBold))
        painter.setPen(QColor(strong))
        line = QRect(inner.left(), inner.top(), inner.width(), painter.fontMetrics().height())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.text())
        painter.setFont(_font(self.font(), TYPE_LARGE))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self.time)
        return line.height() + SPACE_XS

    def _words(self, painter: QPainter, area: QRect, colour: str) -> None:
        painter.setFont(_font(self.font(), TYPE_SMALL))
        painter.setPen(QColor(colour))
        painter.drawText(area, WRAPPED, f"{self._recipe.purpose}\n{self.facts}")


def _font(font: QFont, size: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    result = QFont(font)
    result.setPixelSize(size)
    result.setWeight(weight)
    return result
