"""The brush on a canvas: strokes by pointer or keys become a mask, and what they touch is drawn over the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent

from diffusion_studio.ui.pictures.canvas import Canvas

if TYPE_CHECKING:
    from diffusion_studio.ui.generate.start.mask import Mask

LARGEST = 64  # pixels of the picture
MOVES = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
Point = tuple[float, float]


class Brush(QObject):
    """While `active`, it takes what the pointer and some keys do on the pictures; wheel and middle button stay the canvas's.

    `mask` is painted on. `may_paint(place)` is asked before each stroke, and may exchange pictures and mask.
    """

    changed = Signal()  # active, erasing or size
    moved = Signal()  # the pointer, or where the keys have taken the brush
    painted = Signal()  # the mask, within a stroke too
    ended = Signal()  # a stroke

    def __init__(self, canvas: Canvas, may_paint: Callable[[int], bool]) -> None:
        super().__init__(canvas)
        self._canvas, self._may_paint = canvas, may_paint
        self.mask: Mask | None = None
        self.active = self.erasing = False
        self.size = 4
        self.grid = 0  # pixels a side of what is painted on
        self.at: Point | None = None  # where the brush is, in pixels of the picture
        self.place: int | None = None  # on which of the pictures
        self._start: Point | None = None  # of the stroke that is being painted
        self._erases = self._rectangle = False  # that stroke
        canvas.installEventFilter(self)

    @property
    def painting(self) -> bool:
        return self._start is not None

    @property
    def rubs_out(self) -> bool:
        """Whether the next stroke, or the one that is painted, erases."""
        return self._erases if self.painting else self.erasing

    def activate(self, on: bool, *, erasing: bool = False) -> None:
        if self.painting:
            self._end()
        self.active, self.erasing = on, on and erasing
        self._canvas.setMouseTracking(on)
        self._canvas.setCursor(Qt.CursorShape.CrossCursor) if on else self._canvas.unsetCursor()
        if not on:
            self.at = self.place = None
        self.changed.emit()

    def resize(self, size: int) -> None:
        self.size = min(max(size, 1), LARGEST)
        self.changed.emit()

    # --- what the canvas reports ---

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not self.active:
            return False
        kind = event.type()
        if isinstance(event, QMouseEvent) and event.button() != Qt.MouseButton.MiddleButton:
            return self._on_mouse(event)
        if kind == QEvent.Type.Leave and not self.painting:
            self._move_to(None, None)
        if isinstance(event, QContextMenuEvent):
            return event.reason() == QContextMenuEvent.Reason.Mouse  # the right button erases
        if kind == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return self._on_key(event)
        if kind == QEvent.Type.KeyRelease and isinstance(event, QKeyEvent):
            return self._on_key_up(event)
        return False

    def _on_mouse(self, event: QMouseEvent) -> bool:
        if event.buttons() & Qt.MouseButton.MiddleButton:
            return False  # the canvas is panned
        point, kind = event.position(), event.type()
        if kind == QEvent.Type.MouseMove:
            self._canvas.setCursor(Qt.CursorShape.CrossCursor)  # again, after the canvas was panned
            place = self.place if self.painting else self._canvas.cell_at(point)
            self._move_to(place, self._pixel(place, point))
        elif kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            self._on_press(event)
        elif kind == QEvent.Type.MouseButtonRelease and self.painting:
            self._end()
        return True

    def _on_press(self, event: QMouseEvent) -> None:
        self._canvas.setFocus(Qt.FocusReason.MouseFocusReason)
        place, keys = self._canvas.cell_at(event.position()), event.modifiers()
        if place is None or self.painting or not self._may_paint(place):
            return
        place = self._canvas.cell_at(event.position())  # the picture may have taken another's place
        pixel = self._pixel(place, event.position())
        if pixel is None:
            return
        self.place = place
        alt = bool(keys & Qt.KeyboardModifier.AltModifier)
        erases = self.erasing != (event.button() == Qt.MouseButton.RightButton or alt)
        self._begin(pixel, erases=erases, rectangle=bool(keys & Qt.KeyboardModifier.ShiftModifier))

    def _on_key(self, event: QKeyEvent) -> bool:
        key = Qt.Key(event.key())
        if key in MOVES:
            self._step(*MOVES[key], by=4 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
        elif key == Qt.Key.Key_Space and not event.isAutoRepeat():
            if self.at is None:
                self._step(0, 0)
            if self.place is not None and self._may_paint(self.place) and self.at is not None:
                self.place = min(self.place, len(self._canvas.pictures) - 1)  # it may be the only one now
                self._begin(self.at, erases=self.erasing, rectangle=False)
        else:
            return key == Qt.Key.Key_Space
        return True

    def _on_key_up(self, event: QKeyEvent) -> bool:
        let_go = event.key() == Qt.Key.Key_Space and not event.isAutoRepeat()
        if let_go and self.painting:
            self._end()
        return let_go

    # --- strokes ---

    def _begin(self, pixel: Point, *, erases: bool, rectangle: bool) -> None:
        if self.mask is None:
            return
        self._start, self._erases, self._rectangle = pixel, erases, rectangle
        self.mask.begin()
        self.at = None
        self._move_to(self.place, pixel)

    def _move_to(self, place: int | None, pixel: Point | None) -> None:
        before, self.at, self.place = self.at, pixel, place
        if self._start is not None and pixel is not None and self.mask is not None:
            if self._rectangle:
                self.mask.rectangle(self._start, pixel, erase=self._erases)
            else:
                self.mask.line(before or self._start, pixel, self.size, erase=self._erases)
            self.painted.emit()
        self.moved.emit()

    def _end(self) -> None:
        self._start = None
        if self.mask is not None:
            self.mask.end()
        self.ended.emit()

    def _step(self, dx: int, dy: int, by: int = 1) -> None:
        """Take the brush there with the keys, from the middle of the picture at first."""
        canvas = self._canvas
        if not canvas.pictures or not self.grid:
            return
        if self.at is None or self.place is None:
            self.place, self.at = canvas.opened or canvas.selected or 0, (self.grid / 2, self.grid / 2)
        x, y = (
            min(max(value + by * way, 0.5), self.grid - 0.5)
            for value, way in zip(self.at, (dx, dy), strict=True)
        )
        self._move_to(self.place, (x, y))

    def _pixel(self, place: int | None, point: QPointF) -> Point | None:
        """A point of the canvas in pixels of the picture there."""
        area = self._canvas.cell_rect(place) if place is not None else QRectF()
        if area.isEmpty() or not self.grid:
            return None
        return (
            (point.x() - area.x()) / area.width() * self.grid,
            (point.y() - area.y()) / area.height() * self.grid,
        )
