"""The track of a timeline: chooses among the kept steps by pointer and keys."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.generate.timeline.drawing import TOP, Course, CourseDrawing, Room
from diffusion_studio.ui.look.theme import tokens

MOVES = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}


class TimelineTrack(QWidget):
    """Chooses among the kept steps by pointer and keys; what is chosen is shown by whoever listens."""

    step_wanted = Signal(int)
    play_wanted = Signal()
    menu_wanted = Signal(object)  # global position

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Timeline"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.course = Course()
        self.index: int | None = None  # the step shown; None: something else is
        self.words: Callable[[int], str] = lambda index: ""  # of a step, for the tooltip
        self._hovered: int | None = None
        self._pressed = self._keyboard = False
        self._drawing: CourseDrawing | None = None

    def sizeHint(self) -> QSize:
        return QSize(400, 78)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 52)

    def show_course(self, course: Course) -> None:
        if course != self.course:
            self.course = course
            self.update()

    def show_index(self, index: int | None) -> None:
        if index != self.index:
            self.index = index
            self.update()

    # --- where things are ---

    @property
    def room(self) -> Room:
        return Room(self.width(), self.height(), self.course.total)

    def index_at(self, x: float) -> int | None:
        """The kept step nearest to a place."""
        wanted = self.room.index_at(x)
        return min(self.course.kept, key=lambda index: abs(index - wanted), default=None)

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._drawing is None:
            self._drawing = CourseDrawing(self.size(), self.devicePixelRatioF(), self.font())
        self._drawing.show(self.course)
        painter.drawPixmap(0, 0, self._drawing.pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._hovered is not None and self._hovered != self.index:
            self._paint_at(painter, self._hovered, faint=True)
        if self.index is not None and self.course.kept:
            self._paint_at(painter, self.index)
        if self._keyboard and self.hasFocus():
            painter.setPen(QPen(QColor(tokens().accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 1, -2, -1), 6, 6)
        painter.end()

    def _paint_at(self, painter: QPainter, index: int, *, faint: bool = False) -> None:
        """A hair through the curve, and on the track the handle or a ring."""
        t, room = tokens(), self.room
        x = room.x_of(index)
        hair = QColor(t.muted if faint else t.accent)
        hair.setAlphaF(0.45 if faint else 0.8)
        painter.setPen(QPen(hair, 1))
        painter.drawLine(QPointF(x, TOP), QPointF(x, room.line))
        painter.setPen(QPen(QColor(t.panel), 2))
        painter.setBrush(QColor(t.muted if faint else t.accent))
        size = 4.0 if faint else 7.0
        painter.drawEllipse(QPointF(x, room.line), size, size)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._drawing = None

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._drawing = None

    # --- pointer and keys ---

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._keyboard = False
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = True
            self._choose(self.index_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().x())
        if self._pressed:
            self._choose(index)
        if index != self._hovered:
            self._hovered = index
            self.update()
            if index is not None and not self._pressed:
                QToolTip.showText(event.globalPosition().toPoint(), self.words(index), self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed = False

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = None
        self.update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self.course.kept:
            self.menu_wanted.emit(event.globalPos())

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._keyboard = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, kept = Qt.Key(event.key()), self.course.kept
        if key == Qt.Key.Key_Space:
            self.play_wanted.emit()
        elif key in MOVES:
            self.move_by(MOVES[key])
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.move_by((1 if key == Qt.Key.Key_PageUp else -1) * max(len(kept) // 10, 1))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End) and kept:
            self._choose(kept[0 if key == Qt.Key.Key_Home else -1])
        else:
            super().keyPressEvent(event)

    def move_by(self, places: int) -> None:
        """Some kept steps on or back."""
        kept = self.course.kept
        if not kept:
            return
        index = self.index
        if index is None:
            self._choose(kept[-1])
            return
        here = min(range(len(kept)), key=lambda place: abs(kept[place] - index))
        self._choose(kept[min(max(here + places, 0), len(kept) - 1)])

    def _choose(self, index: int | None) -> None:
        if index is not None and index != self.index:
            self.step_wanted.emit(index)
