"""How long things move: briefly, and not at all where the system or the user asks for less motion."""

from __future__ import annotations

from PySide6.QtCore import QAbstractAnimation, QEasingCurve, QPropertyAnimation
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QGraphicsOpacityEffect, QStyle, QWidget

DURATION = 140  # milliseconds


class _Choice:
    reduced: bool = False


_choice = _Choice()


def reduce_motion(reduced: bool) -> None:
    """Whether the user wants no motion, whatever the system says."""
    _choice.reduced = reduced


def duration() -> int:
    """Milliseconds that a panel, a toast or a selection may move; 0 for no motion."""
    if _choice.reduced:
        return 0
    hints = getattr(QGuiApplication.styleHints(), "accessibility", None)  # from Qt 6.10 on
    preference = getattr(hints() if hints is not None else None, "motionPreference", None)
    if preference is not None and preference().name != "NoPreference":
        return 0
    allowed = QApplication.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration)
    return DURATION if allowed > 0 else 0


def fade_in(widget: QWidget) -> None:
    """Show a widget, from transparent to opaque."""
    widget.show()
    if not duration():
        return
    effect = QGraphicsOpacityEffect(widget)
    widget.setGraphicsEffect(effect)
    motion = QPropertyAnimation(effect, b"opacity", widget)
    motion.setDuration(duration())
    motion.setStartValue(0.0)
    motion.setEndValue(1.0)
    motion.setEasingCurve(QEasingCurve.Type.OutCubic)
    motion.finished.connect(lambda: widget.setGraphicsEffect(None))  # type: ignore[arg-type]
    motion.start(QAbstractAnimation.DeletionPolicy.DeleteWhenStopped)
