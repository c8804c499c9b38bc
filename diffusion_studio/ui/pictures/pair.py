"""Two images compared: side by side, as a slider between them, or as their difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import ground_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XL, TYPE_SMALL, tokens
from diffusion_studio.ui.pictures.cells import paint_image
from diffusion_studio.ui.pictures.picture import Picture, to_image
from diffusion_studio.ui.pictures.viewport import SMALL

if TYPE_CHECKING:
    import numpy as np

MODES = {
    "side": (tr("Side by side"), tr("Both images, one beside the other (1)")),
    "slider": (tr("Slider"), tr("One over the other: drag the line between them, or use Left and Right (2)")),
    "difference": (
        tr("Difference"),
        tr("Gray where they are equal, brighter or darker where they differ (3)"),
    ),
}
ROOM_BELOW = 52  # for the buttons
CAPTION = 24
STEP = 0.02  # of the width, for one press of an arrow key
STRONGER = 2  # differences are shown this much stronger


class PairView(QWidget):
    """`names` are shown over the images. Images of two sizes are shown equally large."""

    closed = Signal()

    def __init__(
        self,
        left: Picture,
        right: Picture,
        parent: QWidget | None = None,
        *,
        names: Sequence[str] = ("Left", "Right"),
        closable: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Two images"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(320, 240)
        self.setMouseTracking(True)
        self.mode = "side"
        self.position = 0.5  # of the slider, from 0 to 1
        self._dragging = False
        self._keyboard = False  # focus came by the keyboard: show where it is
        self.buttons = {mode: ground_button(*words) for mode, words in MODES.items()}
        self.back = ground_button(tr("Back"), tr("Show the sheet again (Esc)"))
        self.words = plain_label("")
        self._bar = QFrame(self)
        self._lay_out(closable)
        self.show_pictures(left, right, names)

    @property
    def controls(self) -> list[QWidget]:
        return [self, *self.buttons.values(), self.back]

    @property
    def foot(self) -> QWidget:
        """The bar of buttons over its bottom."""
        return self._bar

    def sizeHint(self) -> QSize:
        return QSize(640, 480)

    def show_pictures(self, left: Picture, right: Picture, names: Sequence[str] = ("Left", "Right")) -> None:
        self.left, self.right = left, right
        self.names = names[0], names[1]
        self._difference: QImage | None = None
        pixels = alike(left.pixels, right.pixels)
        self.distance = None if pixels is None else mean_difference(*pixels)
        self.words.setText("" if self.distance is None else distance_words(self.distance))
        self._place_bar()
        self.update()

    def show_mode(self, mode: str) -> None:
        """One of `MODES`."""
        self.mode = mode
        self.buttons[mode].setChecked(True)
        self.setAccessibleDescription(MODES[mode][1])
        self.update()

    def move_to(self, position: float) -> None:
        """Put the slider's line there, from 0 at the left to 1."""
        self.position = min(max(position, 0.0), 1.0)
        self.update()

    # --- where things lie ---

    def areas(self) -> list[QRectF]:
        """Where images are shown in the widget: one place, or two side by side."""
        count = 2 if self.mode == "side" else 1
        wide, high = max(self.left.size[0], self.right.size[0]), max(self.left.size[1], self.right.size[1])
        ratio = self.devicePixelRatioF()
        room_x = (self.width() - SPACE_XL * (count + 1)) * ratio / count
        room_y = (self.height() - ROOM_BELOW - CAPTION - SPACE_XL) * ratio
        scale = max(min(room_x / wide, room_y / high), 1e-3)
        if max(wide, high) <= SMALL and scale >= 1:
            scale = float(int(scale))
        width, height = wide * scale / ratio, high * scale / ratio
        left = round((self.width() - count * width - (count - 1) * SPACE_XL) / 2 * ratio) / ratio
        top = CAPTION + SPACE_S + max(round((room_y / ratio - height) / 2 * ratio) / ratio, 0)
        return [QRectF(left + k * (width + SPACE_XL), top, width, height) for k in range(count)]

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens().ground))
        {"side": self._paint_side, "slider": self._paint_slider, "difference": self._paint_difference}[
            self.mode
        ](painter)
        if self._keyboard and self.hasFocus():
            painter.setPen(QPen(QColor(tokens().accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_side(self, painter: QPainter) -> None:
        for area, picture, name in zip(self.areas(), (self.left, self.right), self.names, strict=True):
            self._paint(painter, area, picture.image())
            self._caption(painter, area, name, Qt.AlignmentFlag.AlignHCenter)

    def _paint_slider(self, painter: QPainter) -> None:
        (area,) = self.areas()
        line = area.left() + self.position * area.width()
        for picture, part in (
            (self.left, QRectF(area.left(), area.top(), line - area.left(), area.height())),
            (self.right, QRectF(line, area.top(), area.right() - line, area.height())),
        ):
            painter.save()
            painter.setClipRect(part)
            self._paint(painter, area, picture.image())
            painter.restore()
        self._caption(painter, area, self.names[0], Qt.AlignmentFlag.AlignLeft)
        self._caption(painter, area, self.names[1], Qt.AlignmentFlag.AlignRight)
        self._paint_line(painter, area, line)

    def _paint_line(self, painter: QPainter, area: QRectF, line: float) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        t = tokens()
        painter.setPen(QPen(QColor(t.ground), 4))
        painter.drawLine(QPointF(line, area.top()), QPointF(line, area.bottom()))
        painter.setPen(QPen(QColor(t.ground_text), 2))
        painter.drawLine(QPointF(line, area.top()), QPointF(line, area.bottom()))
        middle = QPointF(line, area.center().y())
        painter.setBrush(QColor(t.ground_text))
        painter.setPen(QPen(QColor(t.ground), 1))
        painter.drawEllipse(middle, 13, 13)
        painter.setPen(QPen(QColor(t.ground), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        for side in (-1, 1):
            tip = middle + QPointF(7 * side, 0)
            painter.drawLine(tip, tip + QPointF(-3 * side, -4))
            painter.drawLine(tip, tip + QPointF(-3 * side, 4))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_difference(self, painter: QPainter) -> None:
        (area,) = self.areas()
        if self._difference is None:
            pixels = alike(self.left.pixels, self.right.pixels)
            if pixels is None:
                painter.setPen(QColor(tokens().ground_muted))
                words = tr("The difference of images of these two sizes cannot be shown.")
                painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, words)
                return
            self._difference = to_image(difference(*pixels))
        self._paint(painter, area, self._difference)
        self._caption(painter, area, f"{self.names[1]} − {self.names[0]}", Qt.AlignmentFlag.AlignHCenter)

    def _paint(self, painter: QPainter, area: QRectF, image: QImage) -> None:
        crisp = max(image.width(), image.height()) <= SMALL
        paint_image(painter, area, image, crisp=crisp)

    def _caption(self, painter: QPainter, area: QRectF, text: str, align: Qt.AlignmentFlag) -> None:
        font = self.font()
        font.setPixelSize(TYPE_SMALL)
        painter.setFont(font)
        painter.setPen(QColor(tokens().ground_muted))
        width = area.width() if align == Qt.AlignmentFlag.AlignHCenter else area.width() / 2 - SPACE_S
        left = area.right() - width if align == Qt.AlignmentFlag.AlignRight else area.left()
        place = QRectF(left, area.top() - CAPTION, width, CAPTION - 4)
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, int(width))
        painter.drawText(place, align | Qt.AlignmentFlag.AlignVCenter, shown)

    # --- pointer and keys ---

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._keyboard = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self.mode == "slider" and event.button() == Qt.MouseButton.LeftButton:
            self._dragging = True
            self._drag(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self.mode == "slider" and self.areas()[0].contains(event.position())
        self.setCursor(Qt.CursorShape.SplitHCursor if over else Qt.CursorShape.ArrowCursor)
        if self._dragging:
            self._drag(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragging = False

    def _drag(self, event: QMouseEvent) -> None:
        (area,) = self.areas()
        self.move_to((event.position().x() - area.left()) / max(area.width(), 1))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        moves = {Qt.Key.Key_Left: -STEP, Qt.Key.Key_Right: STEP, Qt.Key.Key_Home: -1.0, Qt.Key.Key_End: 1.0}
        modes = dict(zip((Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3), MODES, strict=True))
        if key in moves and self.mode == "slider":
            self.move_to(self.position + moves[key])
        elif key in modes:
            self.show_mode(modes[key])
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_bar()

    def _place_bar(self) -> None:
        self._bar.adjustSize()
        self._bar.move((self.width() - self._bar.width()) // 2, self.height() - self._bar.height() - SPACE_M)

    def _lay_out(self, closable: bool) -> None:
        self._bar.setObjectName("onGround")
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(3, 3, 3, 3)
        row.setSpacing(2)
        group = QButtonGroup(self)
        for mode, button in self.buttons.items():
            button.setCheckable(True)
            group.addButton(button)
            row.addWidget(button)
            button.clicked.connect(lambda _=False, mode=mode: self.show_mode(mode))
        row.addWidget(self.words)
        row.addWidget(self.back)
        self.back.setVisible(closable)
        self.back.clicked.connect(self.closed)
        self.show_mode(self.mode)


def alike(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Both at the size of the larger, where one is a whole multiple of the other; otherwise None."""
    from diffusion_studio.pictures.channels import on_white

    left, right = on_white(left), on_white(right)
    if left.shape[0] > right.shape[0]:
        swapped = alike(right, left)
        return None if swapped is None else (swapped[1], swapped[0])
    times = right.shape[0] // left.shape[0]
    left = left.repeat(times, axis=0).repeat(times, axis=1)
    return (left, right) if left.shape == right.shape else None


def difference(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: gray where they are equal."""
    import numpy as np

    return np.clip(128 + STRONGER * (right.astype(np.int16) - left), 0, 255).astype(np.uint8)


def mean_difference(left: np.ndarray, right: np.ndarray) -> float:
    """In levels of 0 to 255."""
    import numpy as np

    return float(np.abs(right.astype(np.int16) - left).mean())


def distance_words(distance: float) -> str:
    if distance == 0:
        return tr("Identical")
    return tr("Average difference {levels} / 255", levels=f"{distance:.1f}")
