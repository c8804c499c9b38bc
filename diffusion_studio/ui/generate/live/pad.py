"""A square with a dot to drag: two numbers at once, by pointer or by keys."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.cells import fitted_rect, paint_part

HEIGHT, WIDTHS = 176, (176, 280)  # pixels; wide enough for two seeds of ten digits side by side
DOT = 7  # its radius
IMAGE, EDGE, ROUND = 56, 5, 4  # pixels of a corner's image, from the border, and of its own corners
STEP, STRIDE = 0.02, 0.1  # of an arrow key, and with Shift
MOVES = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class Pad(QWidget):
    """`place` is (across, down), each in [0, 1]; the corners have names, row by row."""

    moved = Signal(float, float)  # by the user

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.place = (0.0, 0.0)
        self.corners: Sequence[str] = ("", "", "", "")
        self.images: Sequence[QImage | None] = (None,) * 4
        self._ready: dict[
            int, QPixmap
        ] = {}  # images of corners as they are painted, many times while the dot moves
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(WIDTHS[0])
        self.setMaximumWidth(WIDTHS[1])
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName(tr("Place between four seeds"))
        self.setToolTip(tr("Drag the dot, or use the arrow keys (with Shift: larger steps)."))
        self._describe()

    def sizeHint(self) -> QSize:
        return QSize(WIDTHS[1], HEIGHT)

    def show_place(self, across: float, down: float) -> None:
        if (across, down) != self.place:
            self.place = across, down
            self._describe()
            self.update()

    def show_corners(self, corners: Sequence[str]) -> None:
        if list(corners) != list(self.corners):
            self.corners = tuple(corners)
            self.update()

    def show_images(self, images: Sequence[QImage | None]) -> None:
        """Of the corners, in place of their names where there is one."""
        if any(one is not other for one, other in zip(images, self.images, strict=True)):
            self.images = tuple(images)
            self._ready.clear()
            self.update()

    def _move(self, across: float, down: float) -> None:
        place = (round(min(max(across, 0.0), 1.0), 3), round(min(max(down, 0.0), 1.0), 3))
        if place != self.place:
            self.show_place(*place)
            self.moved.emit(*place)

    def _describe(self) -> None:
        across, down = self.place
        self.setAccessibleDescription(
            tr("{across:.0%} to the right, {down:.0%} down", across=across, down=down)
        )

    def _area(self) -> QRectF:
        """Where the middle of the dot may be."""
        return QRectF(self.rect()).adjusted(DOT + 1, DOT + 1, -DOT - 1, -DOT - 1)

    # --- pointer and keys ---

    def _follow(self, event: QMouseEvent) -> None:
        area, at = self._area(), event.position()
        self._move((at.x() - area.left()) / area.width(), (at.y() - area.top()) / area.height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._follow(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        move = MOVES.get(Qt.Key(event.key()))
        if move is None:
            super().keyPressEvent(event)
            return
        step = STRIDE if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP
        self._move(self.place[0] + step * move[0], self.place[1] + step * move[1])

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        colours, area = tokens(), self._area()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours.accent if self.hasFocus() else colours.border), 1.5))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
        at = QPointF(area.left() + self.place[0] * area.width(), area.top() + self.place[1] * area.height())
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.drawLine(QPointF(at.x(), area.top()), QPointF(at.x(), area.bottom()))
        painter.drawLine(QPointF(area.left(), at.y()), QPointF(area.right(), at.y()))
        self._paint_corners(painter)
        able = self.isEnabled()
        painter.setPen(QPen(QColor(colours.text), 1.5))
        painter.setBrush(QColor(colours.accent if able else colours.muted))
        painter.drawEllipse(at, DOT, DOT)
        painter.end()

    def _paint_corners(self, painter: QPainter) -> None:
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(tokens().muted))
        clear = 2 * DOT + 4  # of the dot in that corner
        names = QRectF(self.rect()).adjusted(clear, clear, -clear, -clear)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        top, bottom = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        places = (left | top, right | top, left | bottom, right | bottom)
        for corner, place in enumerate(places):
            image = self.images[corner]
            if image is None:
                painter.drawText(names, place, self.corners[corner])
                continue
            across = EDGE if place & left else self.width() - EDGE - IMAGE
            down = EDGE if place & top else self.height() - EDGE - IMAGE
            painter.drawPixmap(across, down, self._painted(corner, image))

    def _painted(self, corner: int, image: QImage) -> QPixmap:
        scale = self.devicePixelRatioF()
        known = self._ready.get(corner)
        if known is None or known.devicePixelRatio() != scale:
            known = QPixmap(round(IMAGE * scale), round(IMAGE * scale))
            known.setDevicePixelRatio(scale)
            known.fill(Qt.GlobalColor.transparent)
            painter = QPainter(known)
            spot = fitted_rect(QRect(0, 0, IMAGE, IMAGE), image)
            paint_part(painter, QRectF(spot), image, image.rect(), radius=ROUND)
            painter.end()
            self._ready[corner] = known
        return known
