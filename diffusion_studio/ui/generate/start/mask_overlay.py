"""What lies over the pictures of a canvas: the mask as a tint and an outline, and the pixels the brush would touch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.generate.start.brush import Brush
from diffusion_studio.ui.look.theme import RADIUS_LARGE, SPACE_XS, TYPE_LARGE, tokens
from diffusion_studio.ui.pictures.canvas import Canvas

if TYPE_CHECKING:
    import numpy as np

TINT, QUIET = 0.38, 0.7  # opacity of the tint, and of the outline on a picture that is not being painted on
DROP = tr("Drop to use as start image")


class MaskOverlay(QWidget):
    """Over the canvas and under its buttons. `places` says which pictures have the mask, and which of them is painted on."""

    def __init__(
        self, canvas: Canvas, brush: Brush, places: Callable[[], tuple[Sequence[int], int | None]]
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._brush, self._places = canvas, brush, places
        self.shown = True  # or hidden, to look at the picture
        self.hovered = False  # a picture is about to be dropped
        self._tint = QImage()
        self._outline = QPainterPath()
        self._foot: tuple[int, QPainterPath] = (0, QPainterPath())
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setGeometry(canvas.rect())
        self.lower()
        canvas.installEventFilter(self)
        canvas.view_changed.connect(self.update)
        brush.moved.connect(self.update)
        brush.changed.connect(self.update)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(self._canvas.rect())
        return False

    def show_mask(self, values: np.ndarray | None, soft: np.ndarray | None) -> None:
        """`values`, `soft`: (size, size) uint8, as painted and with its feathered edge; None: there is no mask."""
        self._tint, self._outline = QImage(), QPainterPath()
        if values is not None and soft is not None and values.any():
            from diffusion_studio.ui.generate.start.mask import outlines

            self._tint = _tinted(soft, QColor(tokens().ground_accent))
            self._outline = _path(outlines(values > 127))
        self.update()

    def hover(self, hovered: bool) -> None:
        self.hovered = hovered
        self.update()

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._tint.isNull() and not self._brush.active and not self.hovered:
            return
        painter = QPainter(self)
        places, worked_on = self._places()
        if self.shown and not self._tint.isNull():
            for place in places:
                self._paint_mask(painter, self._canvas.cell_rect(place), quiet=place != worked_on)
        if self._brush.active and self._brush.at is not None:
            self._paint_brush(painter)
        if self.hovered:
            self._paint_drop(painter)
        painter.end()

    def _paint_mask(self, painter: QPainter, area: QRectF, *, quiet: bool) -> None:
        if area.isEmpty():
            return
        if not quiet and self._brush.active:
            painter.setOpacity(TINT)
            painter.drawImage(area, self._tint)
        painter.setOpacity(QUIET if quiet else 1)
        width = 1.0 if quiet else 2.0
        self._paint_lines(painter, area, self._tint.width(), self._outline, tokens().ground_accent, width)
        painter.setOpacity(1)

    def _paint_brush(self, painter: QPainter) -> None:
        """The edge of the pixels under the brush."""
        brush, t = self._brush, tokens()
        area = self._canvas.cell_rect(brush.place) if brush.place is not None else QRectF()
        if area.isEmpty() or brush.at is None or not brush.grid:
            return
        from diffusion_studio.ui.generate.start.mask import corner, footprint, outlines

        if self._foot[0] != brush.size:
            self._foot = (brush.size, _path(outlines(footprint(brush.size))))
        path = self._foot[1].translated(*(corner(place, brush.size) for place in brush.at))
        self._paint_lines(
            painter, area, brush.grid, path, t.ground_muted if brush.rubs_out else t.ground_text
        )

    def _paint_lines(
        self,
        painter: QPainter,
        area: QRectF,
        pixels: int,
        path: QPainterPath,
        colour: str,
        width: float = 2.0,
    ) -> None:
        """Lines between pixels of the picture, light over dark so that they are seen on any ground."""
        painter.save()
        painter.setClipRect(area.adjusted(-2, -2, 2, 2))
        painter.translate(area.topLeft())
        painter.scale(area.width() / pixels, area.height() / pixels)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        shade = QColor(tokens().ground)
        shade.setAlphaF(0.75)
        for tone, wide in ((shade, 2 * width), (QColor(colour), width)):
            pen = QPen(tone, wide)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawPath(path)
        painter.restore()

    def _paint_drop(self, painter: QPainter) -> None:
        t, area = tokens(), QRectF(self.rect()).adjusted(SPACE_XS, SPACE_XS, -SPACE_XS, -SPACE_XS)
        veil = QColor(t.ground)
        veil.setAlphaF(0.8)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), veil)
        painter.setPen(QPen(QColor(t.ground_accent), 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(area, RADIUS_LARGE, RADIUS_LARGE)
        font = self.font()
        font.setPixelSize(TYPE_LARGE)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(t.ground_text))
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, DROP)


def _tinted(soft: np.ndarray, colour: QColor) -> QImage:
    """The mask as an image of one colour, as dense as the mask is strong."""
    import numpy as np

    height, width = soft.shape
    shade = np.array([colour.blue(), colour.green(), colour.red(), 255], np.uint16)
    pixels = np.ascontiguousarray((soft[..., None].astype(np.uint16) * shade // 255).astype(np.uint8))
    shared = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
    return shared.copy()  # of its own memory


def _path(lines: Sequence[tuple[int, int, int, int]]) -> QPainterPath:
    path = QPainterPath()
    for x0, y0, x1, y1 in lines:
        path.moveTo(x0, y0)
        path.lineTo(x1, y1)
    return path
