"""A model's folder or zip dropped on the Models page: the tile that invites it, and what is taken."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import PressedByReturn
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import (
    RADIUS_LARGE,
    SPACE_M,
    SPACE_S,
    TYPE,
    TYPE_SMALL,
    tokens,
)
from diffusion_studio.ui.pictures.drop import ENDINGS
from diffusion_studio.ui.widgets.drop import dropped_path

HEIGHT, SIGN, LINE = 72, 20, 18


class ImportTile(PressedByReturn, QAbstractButton):
    """Asks for a model to import; lights up while one is held over the page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._held = False
        self.setText(tr("Import a model…"))
        self.setAccessibleName(tr("Import a model…"))
        self.setToolTip(
            tooltip(tr("Choose a model: a folder, a zip, a .safetensors file, or one in the hub's cache"))
        )
        self.setFixedHeight(HEIGHT)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_held(self, held: bool) -> None:
        self._held = held
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bright = self._held or self.hasFocus()
        pen = QPen(QColor(t.accent if bright else t.border), 2 if bright else 1.5)
        pen.setDashPattern([4, 3])
        painter.setPen(pen)
        active = self.isEnabled() and (self._held or self.underMouse() or self.isDown())
        painter.setBrush(QColor(t.hover) if active else Qt.BrushStyle.NoBrush)
        area = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        painter.drawRoundedRect(area, RADIUS_LARGE, RADIUS_LARGE)
        shade = t.text if self.isEnabled() else t.muted
        middle = self.rect().center().y() + 1
        sign = self.rect().adjusted(SPACE_M + SPACE_S, 0, 0, 0)
        sign.setWidth(SIGN)
        icon("folder", t.accent if bright else t.muted, size=SIGN).paint(painter, sign)
        left = sign.right() + SPACE_M
        font = QFont(self.font())
        lines = (
            (tr("Drop to import"), "", t.accent)
            if self._held
            else (self.text(), tr("or drop its file or folder here"), shade)
        )
        top = middle - (LINE if lines[1] else LINE // 2)
        for text, size, weight, colour in (
            (lines[0], TYPE, QFont.Weight.DemiBold, lines[2]),
            (lines[1], TYPE_SMALL, QFont.Weight.Normal, t.muted),
        ):
            font.setPixelSize(size)
            font.setWeight(weight)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(left, top, self.width() - left - SPACE_S, LINE, 0, text)
            top += LINE
        painter.end()


def dropped_model(data: QMimeData) -> Path | None:
    """The one file or folder that is being dropped; not an image, which the window takes."""
    path = dropped_path(data)
    return None if path is None or (path.suffix.lower() in ENDINGS and not path.is_dir()) else path
