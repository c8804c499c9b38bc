"""A list of choices that says in a line what each is good for, and which one the model recommends."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.look.theme import RADIUS, SPACE_S, SPACE_XS, TYPE_SMALL, tokens
from diffusion_studio.ui.widgets.fields import ChoiceField

HEIGHT = 44
WIDTH = 400  # of the open list, for whole sentences

SAMPLERS = {
    "dpmpp_2m": tr("Fast and clean. Good from 10 to 30 steps."),
    "dpmpp_2m_sde": tr("Adds fresh noise at each step. Richer detail from 20 steps."),
    "unipc": tr("Made for very few steps, from about 8."),
    "ddim": tr("Steady and repeatable. Eta adds fresh noise."),
    "ddpm": tr("The original method. Needs 100 steps or more."),
    "euler_ancestral": tr("Lively. The image changes with the number of steps."),
    "heun": tr("Exact. Runs the network twice per step."),
    "lms": tr("Linear multistep. Looks back at four steps; from 20 steps."),
    "plms": tr("The pseudo linear multistep of PNDM. From 20 steps."),
    "consistency": tr("For models made fast: one to eight steps, each a whole image."),
}
SPACINGS = {
    "trailing": tr("Even steps down from full noise. A safe choice."),
    "leading": tr("Even steps from just below full noise, as older models use."),
    "linspace": tr("Even steps that include both ends of the training schedule."),
    "quadratic": tr("Closer steps at low noise, for fine detail."),
    "karras": tr("Closer steps at low noise. Often best below 20 steps."),
    "exponential": tr("Each step divides the noise by the same factor."),
    "beta": tr("Closer steps at both ends of the schedule."),
    "beta_timesteps": tr("As Beta, rounded to the timesteps of the training."),
}
EXPLAINED: Mapping[str, Mapping[str, str]] = {"sampler": SAMPLERS, "spacing": SPACINGS}


class ExplainedChoice(ChoiceField):
    """A field of the form."""

    def __init__(
        self, option: Option, explanations: Mapping[str, str], parent: QWidget | None = None
    ) -> None:
        self._explanations = explanations
        super().__init__(option, parent)
        self.setItemDelegate(_ExplainedItem(self))
        self.recommended = ""
        self.recommend("")

    def recommend(self, value: str) -> None:
        """Mark this choice as the one the model recommends."""
        self.recommended = value
        for place in range(self.count()):
            chosen = str(self.itemData(place))
            sentence = self._explanations.get(chosen, "")
            if chosen == value:
                sentence = tr("Recommended. {sentence}", sentence=sentence)
            self.setItemData(place, sentence, Qt.ItemDataRole.ToolTipRole)
            words = tr("{name}. {sentence}", name=self.itemText(place), sentence=sentence)
            self.setItemData(place, words, Qt.ItemDataRole.AccessibleTextRole)

    def explanation(self, place: int) -> str:
        """What the choice at this place of the list is good for."""
        return self._explanations.get(str(self.itemData(place)), "")

    def showPopup(self) -> None:
        self.view().setMinimumWidth(max(self.width(), WIDTH))
        super().showPopup()


class _ExplainedItem(QStyledItemDelegate):
    """Name and mark in the first line, the explanation in the second."""

    def __init__(self, choice: ExplainedChoice) -> None:
        super().__init__(choice)
        self._choice = choice

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(WIDTH, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        t, rect = tokens(), QRect(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(t.hover))
            painter.drawRoundedRect(rect, RADIUS, RADIUS)
        inner = rect.adjusted(SPACE_S, SPACE_XS, -SPACE_S, -SPACE_XS)
        upper, lower = QRect(inner), QRect(inner)
        upper.setHeight(inner.height() // 2)
        lower.setTop(upper.bottom())
        name = QFont(self._choice.font())
        name.setWeight(QFont.Weight.DemiBold)
        small = QFont(self._choice.font())
        small.setPixelSize(TYPE_SMALL)
        align = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(name)
        painter.setPen(QColor(t.text))
        painter.drawText(upper, align, str(index.data()))
        painter.setFont(small)
        if str(self._choice.itemData(index.row())) == self._choice.recommended:
            painter.setPen(QColor(t.accent))
            painter.drawText(upper, align | Qt.AlignmentFlag.AlignRight, tr("Recommended"))
        painter.setPen(QColor(t.muted))
        sentence = self._choice.explanation(index.row())
        painter.drawText(
            lower,
            align,
            painter.fontMetrics().elidedText(sentence, Qt.TextElideMode.ElideRight, lower.width()),
        )
        painter.restore()
