"""Buttons: what is read is their accessible name, the tooltip explains it in a sentence, and Return presses them like Space."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QPushButton, QToolButton

from diffusion_studio.ui.look.texts import tooltip

Button = TypeVar("Button", bound=QAbstractButton)


class PressedByReturn:
    """Placed before a class of buttons: Return presses them where they have the focus, whatever Qt does on this platform.

    In a dialog too: Return on Cancel must not press the default button instead.
    """

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(_as_space(event))  # type: ignore[misc]

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        super().keyReleaseEvent(_as_space(event))  # type: ignore[misc]


class PushButton(PressedByReturn, QPushButton):
    pass


class ToolButton(PressedByReturn, QToolButton):
    pass


def push_button(text: str, explanation: str) -> QPushButton:
    """In a dialog, Return presses it where it has the focus or was made the default."""
    button = _worded(PushButton(), text, explanation)
    button.setAutoDefault(False)
    return button


def text_button(text: str, explanation: str) -> QToolButton:
    """A quiet button in a row of tools."""
    button = _worded(ToolButton(), text, explanation)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def ground_button(text: str, explanation: str) -> QToolButton:
    """A button for a bar on the dark ground of images, whose own cursor it does not take."""
    button = text_button(text, explanation)
    button.setCursor(Qt.CursorShape.ArrowCursor)
    return button


def _worded(button: Button, text: str, explanation: str) -> Button:
    button.setText(text)
    button.setAccessibleName(text)
    button.setAccessibleDescription(explanation)
    button.setToolTip(tooltip(explanation))
    return button


def _as_space(event: QKeyEvent) -> QKeyEvent:
    """Return and Enter without modifiers as the key that presses a button everywhere; any other key as it is."""
    plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.NoModifier
    if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter) or not plain:
        return event
    modifiers, again = Qt.KeyboardModifier.NoModifier, event.isAutoRepeat()
    return QKeyEvent(QEvent.Type(event.type()), Qt.Key.Key_Space, modifiers, " ", again)
