"""Buttons with words: what is read is their accessible name, and the tooltip explains it in a sentence."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QPushButton, QToolButton

from diffusion_studio.ui.look.texts import tooltip

Button = TypeVar("Button", bound=QAbstractButton)


def push_button(text: str, explanation: str) -> QPushButton:
    """In a dialog, Return presses only what was made its default."""
    button = _worded(QPushButton(), text, explanation)
    button.setAutoDefault(False)
    return button


def text_button(text: str, explanation: str) -> QToolButton:
    """A quiet button in a row of tools."""
    button = _worded(QToolButton(), text, explanation)
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
