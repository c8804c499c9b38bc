"""The grid of a comparison as it fills: images under their labels, one or two of them selected."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.settings.axes import Axis, Value, value_label
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.compare.layout import EDGE, GAP, LABEL, Layout, Place, arrange, zoomed
from diffusion_studio.ui.compare.painting import (
    DONE,
    FAILED,
    FORMING,
    WAITING,
    WIDEST,
    Cell,
    paint_cell,
    paint_headers,
)
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, tokens
from diffusion_studio.ui.pictures.canvas_message import Message
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.viewport import SMALL

SPEAKING = (
    "sampler",
    "spacing",
    "class_label",
    "prompt",
    "model",
    "clipping",
)  # values that need no name of their setting


class CompareSheet(QAbstractScrollArea):
    applied = Signal(int, int)  # column, row of a cell that was clicked, or on which Return was pressed
    selection_changed = Signal()
    menu_wanted = Signal(int, int, object)  # column, row, global position

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Comparison"))
        self.setObjectName("compareSheet")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.columns: Axis | None = None
        self.rows: Axis | None = None
        self.cells: dict[Place, Cell] = {}
        self.selected: list[Place] = []  # at most two
        self.crisp = True
        self._side = (32, 32)  # of a picture, in its own pixels
        self._scale: float | None = None  # device pixels per pixel; None: fitted
        self._hovered: Place | None = None
        self.message = Message()
        self._laid: Layout | None = None

    def sizeHint(self) -> QSize:
        return QSize(640, 480)

    # --- what is shown ---

    def show_message(self, title: str, sentence: str) -> None:
        """Nothing has been compared yet."""
        self.cells, self.selected, self.message = {}, [], Message(title, sentence)
        self._changed()

    def begin(self, x: Axis, y: Axis | None, cells: dict[Place, GenerationSettings], side: int) -> None:
        """An empty sheet; `side`: of the pictures that will come."""
        self.columns, self.rows, self._side, self._scale = x, y, (side, side), None
        self.selected, self._hovered = [], None
        self.cells = {
            place: Cell(settings, self._title(place), self._applied(place))
            for place, settings in cells.items()
        }
        self._changed()
        self.selection_changed.emit()

    def show_forming(self, place: Place, picture: Picture, progress: float) -> None:
        cell = self.cells[place]
        cell.state, cell.picture, cell.progress = FORMING, picture, progress
        self._grow(picture)
        self.viewport().update(self.cell_rect(place).toAlignedRect().adjusted(-3, -3, 3, 3))

    def show_done(self, place: Place, picture: Picture) -> None:
        cell = self.cells[place]
        cell.state, cell.picture = DONE, picture
        self._grow(picture)
        self.viewport().update()

    def show_failed(self, place: Place, reason: str) -> None:
        cell = self.cells[place]
        cell.state, cell.reason, cell.picture = FAILED, reason, None
        self.viewport().update()

    def show_stopped(self) -> None:
        """What was unfinished is discarded; what is done stays."""
        for cell in self.cells.values():
            if cell.state == FORMING:
                cell.state, cell.picture = WAITING, None
        self.viewport().update()

    def select(self, places: list[Place]) -> None:
        self.selected = places[-2:]
        cell = self.cells.get(self.selected[-1]) if self.selected else None
        self.setAccessibleDescription(cell.words if cell else "")
        self.viewport().update()
        self.selection_changed.emit()

    def _grow(self, picture: Picture) -> None:
        width, height = picture.size
        if width > self._side[0] or height > self._side[1]:  # of another model
            self._side = (max(width, self._side[0]), max(height, self._side[1]))
            self._changed()

    def _values(self, place: Place) -> Iterator[tuple[Axis, Value]]:
        for axis, number in ((self.columns, place[0]), (self.rows, place[1])):
            if axis is not None:
                yield axis, axis.values[number]

    def _title(self, place: Place) -> str:
        return " · ".join(
            f"{axis.label} {value_label(axis.setting, value)}" for axis, value in self._values(place)
        )

    def _applied(self, place: Place) -> str:
        return ", ".join(value_words(axis, value) for axis, value in self._values(place))

    # --- where things lie ---

    @property
    def layout_(self) -> Layout:
        if self._laid is None:
            view = self.viewport()
            self._laid = arrange(
                len(self.cells),
                None if self.rows is None or self.columns is None else len(self.columns.values),
                self._side,
                (view.width(), view.height()),
                left=self._left(),
                top=EDGE if self.rows is None else SPACE_M + 2 * LABEL,
                ratio=self.devicePixelRatioF(),
                crisp=self._is_crisp,
                scale=self._scale,
                scrolled=(self.horizontalScrollBar().value(), self.verticalScrollBar().value()),
            )
        return self._laid

    def _left(self) -> int:
        if self.rows is None:
            return SPACE_L
        labels = [self.rows.label, *(value_label(self.rows.setting, value) for value in self.rows.values)]
        return SPACE_M + min(max(map(self.fontMetrics().horizontalAdvance, labels)), WIDEST) + SPACE_S

    @property
    def _is_crisp(self) -> bool:
        return self.crisp and max(self._side) <= SMALL

    def cell_rect(self, place: Place) -> QRectF:
        return QRectF(*self.layout_.rect(place))

    def cell_at(self, point: QPointF) -> Place | None:
        place = self.layout_.hit(point.x(), point.y()) if self.cells else None
        return place if place in self.cells else None

    def _changed(self) -> None:
        """Sizes or cells did."""
        self._laid = None
        view = self.viewport()
        extent = self.layout_.extent if self.cells else (0.0, 0.0)
        for bar, length, room in (
            (self.horizontalScrollBar(), extent[0], view.width()),
            (self.verticalScrollBar(), extent[1], view.height()),
        ):
            bar.setRange(0, max(ceil(length - room), 0))
            bar.setPageStep(room)
            bar.setSingleStep(40)
        self._laid = None
        view.update()

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, view = QPainter(self.viewport()), self.viewport()
        painter.fillRect(event.rect(), QColor(tokens().ground))
        if not self.cells or self.columns is None:
            self.message.paint(painter, view.rect(), view.font())
            return
        seen = QRectF(event.rect().adjusted(-4, -LABEL, 4, 4))
        for place, cell in self.cells.items():
            area = self.cell_rect(place)
            if area.intersects(seen):
                number = self.selected.index(place) if place in self.selected else None
                letter = "" if number is None or len(self.selected) < 2 else "AB"[number]
                label = (
                    None if self.rows else value_label(self.columns.setting, self.columns.values[place[0]])
                )
                paint_cell(
                    painter,
                    cell,
                    area,
                    crisp=self._is_crisp,
                    label=label,
                    selected=number is not None,
                    hovered=place == self._hovered,
                    letter=letter,
                )
        if self.rows is not None:
            covered = (self.horizontalScrollBar().maximum() > 0, self.verticalScrollBar().maximum() > 0)
            paint_headers(painter, self.layout_, self.columns, self.rows, covered)
        painter.end()

    # --- pointer and keys ---

    def zoom(self, steps: int) -> None:
        """Some notches in (positive) or out."""
        self._scale = zoomed(self.layout_.scale, steps, self._side, crisp=self._is_crisp)
        self._changed()

    def set_crisp(self, crisp: bool) -> None:
        """Whether small pictures show their pixels as squares."""
        self.crisp, self._scale = crisp, None
        self._changed()

    def fit(self) -> None:
        self._scale = None
        self._changed()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and self.cells:
            self.zoom(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self.cell_at(event.position())
        if place is None or event.button() == Qt.MouseButton.MiddleButton:
            return
        several = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        if event.modifiers() & several:
            kept = [other for other in self.selected if other != place]
            self.select(kept if place in self.selected else [*kept[-1:], place])
        else:
            self.select([place])
            if event.button() == Qt.MouseButton.LeftButton:
                self.applied.emit(*place)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self.cell_at(event.position())
        if place != self._hovered:
            self._hovered = place
            self.viewport().setCursor(
                Qt.CursorShape.PointingHandCursor if place else Qt.CursorShape.ArrowCursor
            )
            self.viewport().update()

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = None
        self.viewport().update()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self.cell_at(QPointF(event.pos()))
            words = self.cells[place].words if place else ""
            QToolTip.showText(event.globalPos(), tooltip(words).replace("\n", "<br>") if words else "")
            return True
        return super().viewportEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        point = QPoint(event.pos())
        place = self.cell_at(QPointF(point))
        if place is not None:
            if place not in self.selected:
                self.select([place])
            self.menu_wanted.emit(*place, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        arrows = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key in arrows and self.cells:
            self._arrow(*arrows[key], several=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.selected:
            self.applied.emit(*self.selected[-1])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1)
        elif key == Qt.Key.Key_Minus:
            self.zoom(-1)
        elif key == Qt.Key.Key_F:
            self.fit()
        else:
            super().keyPressEvent(event)

    def _arrow(self, dx: int, dy: int, *, several: bool) -> None:
        """Go to the neighbour; with Shift the cell one came from stays selected too."""
        here = self.selected[-1] if self.selected else None
        if here is None:
            there: Place = (0, 0)
        elif self.rows is None:
            there = (here[0] + dx + dy * self.layout_.columns, 0)
        else:
            there = (here[0] + dx, here[1] + dy)
        if there in self.cells:
            kept = self.selected[:1] if several else []
            self.select([*kept, there] if there not in kept else kept)
            area = self.cell_rect(there)
            laid, view = self.layout_, self.viewport()
            for bar, first, last, start, room in (
                (self.horizontalScrollBar(), area.left(), area.right(), laid.left, view.width()),
                (self.verticalScrollBar(), area.top(), area.bottom(), laid.top, view.height()),
            ):
                if last > room:
                    bar.setValue(bar.value() + ceil(last - room) + GAP)
                elif first < start:
                    bar.setValue(bar.value() + int(first - start))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._changed()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self._laid = None
        self.viewport().update()


def value_words(axis: Axis, value: Value) -> str:
    """A value as it is read without its column: “DPM++ 2M”, “10 steps”, “Seed 7”."""
    shown = value_label(axis.setting, value)
    if axis.setting in SPEAKING:
        return shown
    if axis.setting == "steps" and isinstance(value, int):
        return plural("{count} step", "{count} steps", value)
    return f"{axis.label} {shown}"
