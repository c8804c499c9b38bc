"""What a place shows while nothing is in it: five words, and the action that fills it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_S


def empty_page(title: str, words: str, button: QPushButton) -> QWidget:
    """In the middle, a little above it."""
    page = QWidget()
    column = QVBoxLayout(page)
    column.addStretch(1)
    heading, sentence = plain_label(title, "title"), plain_label(words, "quiet")
    heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
    sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
    sentence.setWordWrap(True)
    for part in (heading, sentence):
        column.addWidget(part)
        column.addSpacing(SPACE_S)
    column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
    column.addStretch(2)
    return page
