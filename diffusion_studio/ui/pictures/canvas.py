"""One image or a grid of images, large: sharp pixels, zoom about the pointer, pan, one of the grid by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XL, tokens
from diffusion_studio.ui.pictures import viewport
from diffusion_studio.ui.pictures.canvas_message import Message
from diffusion_studio.ui.pictures.cells import ROOM, paint_image, paint_ring, paint_tiled, tiled_rect
from diffusion_studio.ui.pictures.picture import Picture

NOTCH = 120  # wheel units
MARGIN, GAP = SPACE_XL, SPACE_S  # logical pixels
PAN = 48
TILES = 3  # across and down, where images are shown tiled
ROOM_FOR_BAR = 44  # under a fitted image, so that the buttons on the canvas cover none of it


class Canvas(QWidget):
    """Shows `Picture`s in one of their layers. With none it shows a message, over a faint image where there is one."""

    margin, gap, room_for_bar = MARGIN, GAP, ROOM_FOR_BAR  # about a fitted image, and between images
    shift_down = 0  # how much lower a fitted image lies than in the middle, where a caption is above it

    view_changed = Signal()  # scale, layer, pictures or the opened cell
    menu_wanted = Signal(object)  # global position
    drag_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Canvas"))
        self.setAccessibleDescription(
            tr("The image. Arrow keys select or pan, Enter opens one of several, plus and minus zoom.")
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(240, 200)
        self.pictures: tuple[Picture, ...] = ()
        self.layer = "denoised"
        self.opened: int | None = None  # the cell shown by itself
        self.selected: int | None = None
        self.tiled = False
        self._crisp_wanted = True
        self._view: viewport.View | None = None  # None: fitted
        self.message = Message()
        self._pressed: QPointF | None = None
        self._dragged_from: QPointF | None = None
        self._wheel = 0
        self._keyboard = False  # focus came by the keyboard: show where it is

    def sizeHint(self) -> QSize:
        return QSize(640, 560)

    # --- what is shown ---

    def show_pictures(self, pictures: Sequence[Picture]) -> None:
        """Show these; the view is kept while number and size stay, as they do from step to step."""
        same = [picture.size for picture in pictures] == [picture.size for picture in self.pictures]
        quiet = same and bool(pictures) and [p.offers for p in pictures] == [p.offers for p in self.pictures]
        if not same:
            stays = self.opened is not None and [p.size for p in pictures] == [self.pictures[0].size]
            self._view = self._view if stays else None  # one of several, by itself
            self.opened = self.selected = None
        self.pictures = tuple(pictures)
        if quiet:  # only the pixels are new: nobody else need know, and nothing around them is painted again
            self.update(self._pictures_rect())
        else:
            self._changed()

    def show_message(self, message: str, sentence: str = "", faint: QImage | None = None) -> None:
        """Show this text instead of images, over a faint image."""
        self.pictures = ()
        self.opened = self.selected = self._view = None
        self.message = Message(message, sentence, faint or QImage())
        self._changed()

    def show_layer(self, layer: str) -> None:
        self.layer = layer
        self._changed()

    def set_crisp(self, crisp: bool) -> None:
        """Whether small images show their pixels as squares."""
        self._crisp_wanted = crisp
        self._view = None
        self._changed()

    def set_tiled(self, tiled: bool) -> None:
        """Whether each image is shown three times across and down, as a tile: where its edges meet, seams show."""
        if tiled != self.tiled:
            self.tiled, self._view = tiled, None
            self._changed()

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers the pictures have."""
        return tuple(self.pictures[0].layers) if self.pictures else ()

    @property
    def chosen(self) -> Picture | None:
        """The image a command like Copy is about: the opened, the selected or the only one; None for a whole grid."""
        index = self.opened if self.opened is not None else self.selected
        if index is None and len(self.pictures) == 1:
            index = 0
        return self.pictures[index] if index is not None and index < len(self.pictures) else None

    def select(self, index: int | None) -> None:
        self.selected = index
        self._changed()

    def open_cell(self, index: int | None) -> None:
        """Show one picture of the grid by itself, or with None the grid again."""
        if len(self.pictures) > 1 or index is None:
            self.opened, self._view = index, None
            self.selected = index if index is not None else self.selected
            self._changed()

    # --- the view ---

    @property
    def crisp(self) -> bool:
        return self._crisp_wanted and bool(self.pictures) and max(self.pictures[0].size) <= viewport.SMALL

    @property
    def scale(self) -> float:
        """Device pixels per pixel of the picture."""
        return self._geometry()[1].scale if self.pictures else 1.0

    @property
    def fitted(self) -> bool:
        return self._view is None

    def fit(self) -> None:
        self._view = None
        self._changed()

    def zoom(self, steps: int, about: QPointF | None = None) -> None:
        """Some notches in (positive) or out, about a point of the widget."""
        if not self.pictures:
            return
        grid, view = self._geometry()
        ratio, point = self.devicePixelRatioF(), about or QPointF(self.rect().center())
        scale = viewport.next_scale(view.scale, steps, crisp=self.crisp)
        near = viewport.zoomed(view, grid, scale, point.x() * ratio, point.y() * ratio)
        self._view = viewport.moved(near, grid, self._size(), 0, 0, MARGIN * ratio)
        self._changed()

    def pan(self, dx: float, dy: float) -> None:
        if self.pictures:
            grid, view = self._geometry()
            ratio = self.devicePixelRatioF()
            self._view = viewport.moved(view, grid, self._size(), dx * ratio, dy * ratio, MARGIN * ratio)
            self._changed()

    @property
    def can_pan(self) -> bool:
        if not self.pictures:
            return False
        grid, view = self._geometry()
        width, height = grid.extent(view.scale)
        return width > self._size()[0] or height > self._size()[1]

    def cell_at(self, point: QPointF) -> int | None:
        """The picture under a point of the widget, by its place in `pictures`."""
        if not self.pictures:
            return None
        grid, view = self._geometry()
        ratio = self.devicePixelRatioF()
        hit = grid.hit(point.x() * ratio - view.x, point.y() * ratio - view.y, view.scale)
        return self.opened if hit is not None and self.opened is not None else hit

    def cell_rect(self, index: int) -> QRectF:
        """Where a picture lies in the widget, of nine tiles the middle one; for one not shown, an empty rectangle."""
        shown = self._shown()
        if index not in shown:
            return QRectF()
        grid, view = self._geometry()
        tile, ratio = self._tile(grid, view, shown.index(index)), self.devicePixelRatioF()
        return QRectF(tile.x() / ratio, tile.y() / ratio, tile.width() / ratio, tile.height() / ratio)

    def _tile(self, grid: viewport.Grid, view: viewport.View, place: int) -> QRectF:
        """Where the picture at a place of the grid lies, in device pixels; where tiled, the one in the middle."""
        x, y, width, height = grid.cell(place, view.scale)
        if self.tiled:
            width, height = width / TILES, height / TILES
            x, y = x + width, y + height
        return QRectF(view.x + x, view.y + y, width, height)

    def _pictures_rect(self) -> QRect:
        """Where images and the ring of a selected one are painted."""
        grid, view = self._geometry()
        ratio, (width, height) = self.devicePixelRatioF(), grid.extent(view.scale)
        area = QRectF(view.x / ratio, view.y / ratio, width / ratio, height / ratio)
        return area.toAlignedRect().adjusted(-ROOM, -ROOM, ROOM, ROOM)

    def _shown(self) -> range:
        return range(len(self.pictures)) if self.opened is None else range(self.opened, self.opened + 1)

    def _size(self) -> tuple[float, float]:
        ratio = self.devicePixelRatioF()
        return self.width() * ratio, self.height() * ratio

    def _geometry(self) -> tuple[viewport.Grid, viewport.View]:
        ratio = self.devicePixelRatioF()
        width, height = self._size()
        height -= self.room_for_bar * ratio
        margin = self.margin * ratio
        room = (width - 2 * margin, height - 2 * margin)
        sides = [side * (TILES if self.tiled else 1) for side in self.pictures[0].size]
        grid = viewport.best_grid(
            len(self._shown()), sides[0], sides[1], room, round(self.gap * ratio), crisp=self.crisp
        )
        if self._view is not None:
            return grid, self._view
        view = viewport.fitted(grid, (width, height), margin, crisp=self.crisp)
        return grid, replace(view, y=view.y + round(self.shift_down * ratio))

    def _changed(self) -> None:
        self.update()
        self.view_changed.emit()

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(tokens().ground))
        if self.pictures:
            self._paint_pictures(painter)
        else:
            self.message.paint(painter, self.rect(), self.font())
        if self._keyboard and self.hasFocus():
            painter.setPen(QPen(QColor(tokens().accent), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_pictures(self, painter: QPainter) -> None:
        grid, view = self._geometry()
        ratio = self.devicePixelRatioF()
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        for place, index in enumerate(self._shown()):
            target, image = self._tile(grid, view, place), self.pictures[index].image(self.layer)
            if self.tiled:
                paint_tiled(painter, target, image, crisp=self.crisp, scale=ratio)
                target = tiled_rect(target)
            else:
                paint_image(painter, target, image, crisp=self.crisp, scale=ratio)
            if index == self.selected and self.opened is None and len(self.pictures) > 1:
                paint_ring(painter, target, radius=0, scale=ratio)
        painter.restore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._view is not None and self.pictures:
            self.pan(0, 0)
        else:
            self.view_changed.emit()

    # --- pointer and keys ---

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._wheel += event.angleDelta().y()
        steps, self._wheel = int(self._wheel / NOTCH), int(self._wheel - int(self._wheel / NOTCH) * NOTCH)
        if steps:
            self.zoom(steps, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._keyboard = False
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed = self._dragged_from = event.position()
        if event.button() != Qt.MouseButton.MiddleButton and len(self.pictures) > 1:
            self.select(self.cell_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or self._dragged_from is None:
            return
        moved = event.position() - self._pressed
        if self._dragged_from == self._pressed and moved.manhattanLength() < QApplication.startDragDistance():
            return
        if self.can_pan:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            step = event.position() - self._dragged_from
            self._dragged_from = event.position()
            self.pan(step.x(), step.y())
        elif self.cell_at(self._pressed) is not None:
            self._pressed = None
            self.drag_wanted.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed = self._dragged_from = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.open_cell(self.cell_at(event.position()) if self.opened is None else None)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self.pictures:
            self.menu_wanted.emit(event.globalPos())

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._keyboard = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        arrows = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1)
        elif key == Qt.Key.Key_Minus:
            self.zoom(-1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_cell(self.selected if self.opened is None else None)
        elif key not in arrows or not self._arrow(*arrows[key]):
            super().keyPressEvent(event)

    def _arrow(self, dx: int, dy: int) -> bool:
        """Pan what is larger than the canvas, else select among several; False where there is nothing to do."""
        if self.can_pan:
            self.pan(-dx * PAN, -dy * PAN)
        elif len(self.pictures) < 2:
            return False
        elif self.opened is not None:
            self.open_cell(min(max(self.opened + dx + dy, 0), len(self.pictures) - 1))
        else:
            grid, _ = self._geometry()
            index = 0 if self.selected is None else self.selected + dx + dy * grid.columns
            if 0 <= index < len(self.pictures):
                self.select(index)
        return True
