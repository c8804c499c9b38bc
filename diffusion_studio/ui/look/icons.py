"""Icons drawn from the project's own SVG files in the colour of the theme in force."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QWidget

from diffusion_studio.storage.places import resource
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import tokens

DISABLED = 0.35  # opacity
SCALES = (1, 2)  # device pixels per pixel that icons are drawn for


@lru_cache(maxsize=256)
def icon(name: str, colour: str, colour_on: str | None = None, size: int = 20) -> QIcon:
    """The icon `name` in `colour`, and in `colour_on` where the button is checked."""
    result = QIcon()
    drawn: dict[tuple[str, int], QPixmap] = {}  # each drawing is made once: reading it takes the longest
    for shade, state in ((colour, QIcon.State.Off), (colour_on or colour, QIcon.State.On)):
        for scale in SCALES:
            if (shade, scale) not in drawn:
                drawn[shade, scale] = _pixmap(name, shade, size, scale)
            pixmap = drawn[shade, scale]
            result.addPixmap(pixmap, QIcon.Mode.Normal, state)
            result.addPixmap(_faint(pixmap), QIcon.Mode.Disabled, state)
    return result


def application_icon() -> QIcon:
    result = QIcon()
    for size in (16, 32, 48, 64, 128, 256):
        result.addFile(str(resource(f"icons/diffusion-studio-{size}.png")), QSize(size, size))
    return result


class IconButton(ToolButton):
    """A flat button with an icon that follows the theme. Its name is read aloud and shown as its tooltip's first line."""

    def __init__(
        self, icon_name: str, name: str, explanation: str, parent: QWidget | None = None, *, icon_on: str = ""
    ) -> None:
        super().__init__(parent)
        self._icon_name, self._icon_on, self._name = icon_name, icon_on, name
        self.setAccessibleName(name)
        self.setToolTip(tooltip(f"{name}: {explanation}"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setIconSize(QSize(18, 18))
        self.toggled.connect(self._draw)
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        name = self._icon_on if self.isChecked() and self._icon_on else self._icon_name
        self.setIcon(icon(name, self.colour()))

    def colour(self) -> str:
        return tokens().accent if self.isChecked() else tokens().muted


def _faint(pixmap: QPixmap) -> QPixmap:
    """The same for a control that is disabled."""
    faint = QPixmap(pixmap.size())
    faint.fill(Qt.GlobalColor.transparent)
    painter = QPainter(faint)
    painter.setOpacity(DISABLED)
    painter.drawPixmap(QRectF(faint.rect()), pixmap, QRectF(pixmap.rect()))
    painter.end()
    faint.setDevicePixelRatio(pixmap.devicePixelRatio())
    return faint


def _pixmap(name: str, colour: str, size: int, scale: int) -> QPixmap:
    drawing = resource(f"icons/{name}.svg").read_bytes().replace(b"currentColor", colour.encode())
    pixmap = QPixmap(size * scale, size * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(drawing).render(painter, QRectF(pixmap.rect()))
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap
