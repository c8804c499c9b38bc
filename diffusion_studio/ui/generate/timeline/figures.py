"""The figures of a step side by side, each under its name and in a place of its own: they can be read while one scrubs."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_studio.generation.trajectory import StepFacts
from diffusion_studio.ui.generate.timeline.words import figures, hover_words, step_words
from diffusion_studio.ui.look.theme import SPACE_L, TYPE, TYPE_SMALL, tokens

NAMES = ("step", "t", "σ", "SNR", "change")
LEFT_OUT = ("SNR", "t", "change", "σ")  # one after the other, where there is no room for all
WIDEST = {"t": "999", "σ": "20,291", "SNR": "2.4e-09", "change": "123.4"}
CLOSEST = 6  # pixels between two figures


class StepFigures(QWidget):
    """Takes whatever room there is; a change of it causes no new layout."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._total = 0
        self._places: dict[str, float] = {}
        self._placed_for: tuple[int, int] | None = None  # width and total
        self._numbers: dict[str, str] = {}
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_fact(self, fact: StepFacts | None, total: int, place: int | None) -> None:
        """Those of a step; `place`: of this picture of a batch, else the mean. None: there is nothing to say."""
        numbers = figures(fact, total, place) if fact is not None else {}
        if numbers != self._numbers:
            self._numbers, self._total = numbers, total
            self.setAccessibleName(step_words(fact, total, place) if fact is not None else "")
            self.setToolTip(hover_words(fact, total, place) if fact is not None else "")
            self.update()

    def text(self) -> str:
        """All of it in one line."""
        return self.accessibleName()

    def shown(self) -> dict[str, float]:
        """The figures there is room for, with where each begins."""
        if self._placed_for != (self.width(), self._total):
            self._placed_for, self._places = (self.width(), self._total), self._placed()
        return self._places

    def _placed(self) -> dict[str, float]:
        widths = {name: self._width_of(name) for name in NAMES}
        for name in ("", *LEFT_OUT):
            widths.pop(name, None)
            gap = (self.width() - sum(widths.values())) / max(len(widths) - 1, 1)
            if gap >= CLOSEST or len(widths) == 1:
                break
        x, places = 0.0, {}
        for name, width in widths.items():
            places[name] = x
            x += width + min(gap, SPACE_L)
        return places

    def sizeHint(self) -> QSize:
        heights = (QFontMetricsF(font).height() for font in self._fonts())
        return QSize(20, round(sum(heights)))

    minimumSizeHint = sizeHint

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._placed_for = None

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, (small, usual) = QPainter(self), self._fonts()
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # symbols and numbers, as on the track
        tall = QFontMetricsF(small).height()
        flags = Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextDontClip
        for name, x in self.shown().items() if self._numbers else ():
            painter.setFont(small)
            painter.setPen(tokens().muted)
            painter.drawText(QRectF(x, 0, 10, tall), flags, name)
            painter.setFont(usual)
            painter.setPen(tokens().text)
            number = self._numbers[name]
            if x + painter.fontMetrics().horizontalAdvance(number) > self.width():
                number = number.split(" / ")[0]  # the step without how many there are
            painter.drawText(QRectF(x, tall, 10, self.height() - tall), flags, number)
        painter.end()

    def _fonts(self) -> tuple[QFont, QFont]:
        small, usual = QFont(self.font()), QFont(self.font())
        small.setPixelSize(TYPE_SMALL - 1)
        usual.setPixelSize(TYPE)
        return small, usual

    def _width_of(self, name: str) -> float:
        """That of the widest number it may show, so that none moves."""
        small, usual = self._fonts()
        widest = WIDEST.get(name, f"{self._total} / {self._total}")
        numbers, names = QFontMetricsF(usual), QFontMetricsF(small)
        return max(numbers.horizontalAdvance(widest), names.horizontalAdvance(name))
