"""Ticks on the images of a canvas: which of a batch to finish."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractButton

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.canvas import Canvas

BADGE, EDGE = 20, 3  # pixels
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class Ticks(QObject):
    """Shows a `Tick` on every image while a choice is asked for, and keeps them there as the view moves."""

    changed = Signal()

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.ticks: list[Tick] = []
        canvas.view_changed.connect(self._place)
        canvas.installEventFilter(self)

    @property
    def asking(self) -> bool:
        return bool(self.ticks)

    @property
    def chosen(self) -> tuple[int, ...]:
        """The places of the selected images."""
        return tuple(place for place, tick in enumerate(self.ticks) if tick.isChecked())

    def ask(self, count: int) -> None:
        """Begin with none selected."""
        self.end()
        self.ticks = [Tick(place, count, self._canvas) for place in range(count)]
        for tick in self.ticks:
            tick.toggled.connect(self._on_toggled)
            tick.arrow_pressed.connect(self._move)
        self._place()
        self.changed.emit()

    def end(self) -> None:
        for tick in self.ticks:
            tick.hide()
            tick.deleteLater()
        self.ticks = []

    def choose(self, on: bool) -> None:
        """All or none."""
        for tick in self.ticks:
            tick.setChecked(on)

    def show(self, shown: bool) -> None:
        """Hidden while the canvas shows something else."""
        for tick in self.ticks:
            tick.wanted = shown
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        for place, tick in enumerate(self.ticks):
            area = self._canvas.cell_rect(place) if place < len(self._canvas.pictures) else QRectF()
            tick.setVisible(tick.wanted and not area.isEmpty())
            tick.setGeometry(area.toAlignedRect())

    def _on_toggled(self) -> None:
        """Once some are selected, the others are dimmed."""
        for tick in self.ticks:
            tick.show_left_out(bool(self.chosen) and not tick.isChecked())
        self.changed.emit()

    def _move(self, place: int, dx: int, dy: int) -> None:
        """Take the focus to the neighbor of a tick."""
        here = QPointF(self.ticks[place].geometry().center())

        def distance(tick: Tick) -> float:
            way = QPointF(tick.geometry().center()) - here
            along, across = way.x() * dx + way.y() * dy, abs(way.x() * dy) + abs(way.y() * dx)
            return along + 2 * across if along > 0 else float("inf")

        nearest = min(self.ticks, key=distance)
        if distance(nearest) < float("inf"):
            nearest.setFocus(Qt.FocusReason.TabFocusReason)


class Tick(QAbstractButton):
    """As large as its image."""

    arrow_pressed = Signal(int, int, int)  # place, dx, dy

    def __init__(self, place: int, count: int, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._place = place
        self.wanted = True
        self._left_out = False
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("Image {place} of {count}", place=place + 1, count=count))
        self.setToolTip(tr("Select this image to finish it (click, or Space)"))

    def show_left_out(self, left_out: bool) -> None:
        self._left_out = left_out
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow = ARROWS.get(Qt.Key(event.key()))
        if arrow is not None:
            self.arrow_pressed.emit(self._place, *arrow)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        t, on = tokens(), self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._left_out and not self.underMouse():
            veil = QColor(t.ground)
            veil.setAlphaF(0.45)
            painter.fillRect(self.rect(), veil)
        if on or self.hasFocus():
            painter.setPen(QPen(QColor(t.accent if on else t.ground_text), EDGE))
            half = EDGE / 2
            painter.drawRect(QRectF(self.rect()).adjusted(half, half, -half, -half))
        if on and self.hasFocus():
            painter.setPen(QPen(QColor(t.ground_text), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(EDGE + 1, EDGE + 1, -EDGE - 1, -EDGE - 1))
        self._paint_badge(painter, on)
        painter.end()

    def _paint_badge(self, painter: QPainter, on: bool) -> None:
        t, side = tokens(), min(BADGE, self.width() / 2)
        badge = QRectF(EDGE + 3, EDGE + 3, side, side)
        painter.setPen(QPen(QColor(t.accent if on else t.ground_text), 1.5))
        painter.setBrush(QColor(t.accent if on else t.ground))
        painter.drawEllipse(badge)
        if on:
            painter.setPen(QPen(QColor(t.accent_text), 2, c=Qt.PenCapStyle.RoundCap))
            points = [(0.28, 0.52), (0.44, 0.68), (0.73, 0.35)]
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(
                QPolygonF([badge.topLeft() + QPointF(x * side, y * side) for x, y in points])
            )
