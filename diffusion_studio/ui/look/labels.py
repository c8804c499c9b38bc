"""Labels for text that may be long or foreign."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from diffusion_studio.ui.look.texts import readable_text, tooltip

DOT = " · "


class ElidedLabel(QLabel):
    """One line of plain text that loses its middle rather than push its neighbours; the tooltip has all of it."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:
        text = readable_text(text)
        super().setText(text)
        self.setToolTip(tooltip(text))
        self.setAccessibleName(text)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = self.contentsRect().adjusted(8, 0, -8, 0)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, area.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(area, self.alignment(), text)
        painter.end()


class Line(QLabel):
    """One small line of plain text that changes many times a second.

    It takes whatever room there is and loses its end rather than ask for more, so that no change of it causes a
    new layout: a QLabel's does, up to the window itself. Of words with dots between them, whole ones are lost.
    """

    def __init__(
        self, parent: QWidget | None = None, align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft
    ) -> None:
        super().__init__(parent)
        self._words = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(align | Qt.AlignmentFlag.AlignVCenter)
        self.setProperty("small", True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        return self._words

    def setText(self, text: str) -> None:
        text = readable_text(text)
        if text != self._words:
            self._words = text
            self.setAccessibleName(text)
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(20, self.fontMetrics().height())

    minimumSizeHint = sizeHint

    def fitting(self, width: int) -> str:
        """What is shown in so many pixels."""
        metrics, text = self.fontMetrics(), self._words
        while DOT in text and metrics.horizontalAdvance(text) > width:
            text = text.rpartition(DOT)[0]
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = self.contentsRect()
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(area, self.alignment(), self.fitting(area.width()))
        painter.end()


class PlainLabel(QLabel):
    """Shows text as it is: no markup, and a sign in place of what cannot be seen or turns the direction of writing."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:
        super().setText(readable_text(text))


def plain_label(text: str, kind: str = "") -> QLabel:
    """A label of plain text; `kind` is one of the style sheet's: quiet, small, heading, title."""
    label = PlainLabel(text)
    if kind:
        label.setProperty(kind, True)
    return label
