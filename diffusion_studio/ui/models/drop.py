"""A page onto which a model's folder or zip can be dropped, and what it shows while one is held over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.look.theme import RADIUS_LARGE, SPACE_L, TYPE_LARGE, tokens
from diffusion_studio.ui.pictures.drop import ENDINGS
from diffusion_studio.ui.widgets.drop import FileDrop, dropped_path


class ModelDropPage(Page):
    model_dropped = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.veil = Veil(self)
        drop = FileDrop(self, lambda data: None if self.working else dropped(data))
        drop.hovered.connect(lambda over: self.veil.cover() if over else self.veil.hide())
        drop.dropped.connect(self.model_dropped)

    def refuse_drop(self, paths: Sequence[Path]) -> str:
        if self.working:
            return tr("Another model is being worked on. Wait for it, or cancel it first.")
        if len(paths) > 1:
            return tr(
                "{count} items were dropped. Drop one model at a time: its folder, or a zip of it.",
                count=len(paths),
            )
        return super().refuse_drop(paths)


class Veil(QWidget):
    """Lies over the page, and says what letting go does."""

    def __init__(self, page: QWidget, words: str = "Let go to import this model") -> None:
        super().__init__(page)
        self._page, self._words = page, words
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        self.setGeometry(self._page.rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shade = QColor(t.window)
        shade.setAlphaF(0.88)
        painter.fillRect(self.rect(), shade)
        pen = QPen(QColor(t.accent), 2)
        pen.setDashPattern([5, 4])
        painter.setPen(pen)
        painter.drawRoundedRect(
            QRectF(self.rect()).adjusted(SPACE_L, SPACE_L, -SPACE_L, -SPACE_L), RADIUS_LARGE, RADIUS_LARGE
        )
        font = QFont(self.font())
        font.setPixelSize(TYPE_LARGE)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(t.text))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._words)
        painter.end()


def dropped(data: QMimeData) -> Path | None:
    """The one file or folder that is being dropped; not a picture, which the window takes."""
    path = dropped_path(data)
    return None if path is None or (path.suffix.lower() in ENDINGS and not path.is_dir()) else path
