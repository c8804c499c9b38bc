"""The one filled button of a page. While its work runs it is the Stop button, with the progress in it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFocusEvent, QFont, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QStyle, QStyleOptionButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import PressedByReturn
from diffusion_studio.ui.look.theme import RADIUS_LARGE, TYPE_LARGE, tokens

HEIGHT = 44
BY_KEY = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class ActionButton(PressedByReturn, QPushButton):
    """`clicked` means begin or stop, by `running`."""

    def __init__(self, name: str, explanation: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._explanation = name, explanation
        self._fraction: float | None = None
        self._ring = False  # whether the focus came by a key, and shows
        self.setFixedHeight(HEIGHT)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.show_idle()

    @property
    def running(self) -> bool:
        return self._fraction is not None

    def show_idle(self) -> None:
        self._fraction = None
        self._label(self._name, self._explanation)

    def name(self, name: str, explanation: str) -> None:
        """What the button does while nothing runs."""
        same = (name, explanation) == (self._name, self._explanation)
        self._name, self._explanation = name, explanation
        if not self.running and not (same and name == self.text()):  # asked at every change of a control
            self._label(name, explanation)

    def show_progress(self, fraction: float) -> None:
        """Be the Stop button, filled from the left to this share."""
        self._fraction = fraction
        self._label("Stop", tr("Stop after the current step (Esc)"))

    def _label(self, name: str, explanation: str) -> None:
        if name != self.text():
            self.setText(name)
            self.setAccessibleName(name)
            self.setToolTip(explanation)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, HEIGHT)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._ring = event.reason() in BY_KEY

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the second click of a double click must not stop what the first began

    def paintEvent(self, event: QPaintEvent) -> None:
        t, option = tokens(), QStyleOptionButton()
        self.initStyleOption(option)
        state = option.state
        hovered, pressed = state & QStyle.StateFlag.State_MouseOver, state & QStyle.StateFlag.State_Sunken
        focused = self._ring and bool(state & QStyle.StateFlag.State_HasFocus)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(3, 3, -3, -3)
        outline = QPainterPath()
        outline.addRoundedRect(frame, RADIUS_LARGE - 2, RADIUS_LARGE - 2)
        fill = QColor(t.accent_hover if hovered and not pressed else t.accent)
        text = QFont(self.font())
        text.setPixelSize(TYPE_LARGE)
        text.setWeight(QFont.Weight.DemiBold)
        painter.setFont(text)
        if self._fraction is None:
            painter.fillPath(outline, fill if self.isEnabled() else QColor(t.border))
            painter.setPen(QColor(t.accent_text if self.isEnabled() else t.muted))
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, self.text())
        else:
            self._paint_progress(painter, frame, outline)
        if focused:
            painter.setPen(QPen(QColor(t.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), RADIUS_LARGE, RADIUS_LARGE)
        painter.end()

    def _paint_progress(self, painter: QPainter, frame: QRectF, outline: QPainterPath) -> None:
        """The word in the colour that reads on each side of the progress's edge."""
        t = tokens()
        done = QRectF(frame)
        done.setWidth(frame.width() * min(max(self._fraction or 0.0, 0.0), 1.0))
        left = QRectF(frame)
        left.setLeft(done.right())
        for part, fill, colour in ((done, t.accent, t.accent_text), (left, t.hover, t.text)):
            painter.save()
            painter.setClipRect(part)
            painter.fillPath(outline, QColor(fill))
            painter.setPen(QColor(colour))
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, self.text())
            painter.restore()
