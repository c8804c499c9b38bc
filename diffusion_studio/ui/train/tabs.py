"""The tabs over the views of the Train page."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.ui.look.theme import SPACE_L, SPACE_S, SPACE_XS

PICTURES, NOISE, PROGRESS, RUNS = range(4)
TABS = (
    ("Pictures", "What is in the folder, and the pictures as the network will see them"),
    ("Noise", "How the training schedule drowns a picture in noise"),
    ("Progress", "Losses and samples of the training"),
    ("Trainings", "Every training so far, to be gone on with or made a model"),
)


class Tabs(QWidget):
    chosen = Signal(int)

    def __init__(
        self, names: Sequence[tuple[str, str]], views: Sequence[QWidget], parent: QWidget | None = None
    ) -> None:
        """`names`: (label, explanation) for each of the views."""
        super().__init__(parent)
        self.stack = QStackedWidget(self)
        self.buttons = [_button(name, explanation) for name, explanation in names]
        group = QButtonGroup(self)
        bar = QHBoxLayout()
        bar.setContentsMargins(SPACE_L, SPACE_S, SPACE_L, 0)
        bar.setSpacing(SPACE_XS)
        for number, (button, view) in enumerate(zip(self.buttons, views, strict=True)):
            group.addButton(button, number)
            bar.addWidget(button)
            self.stack.addWidget(view)
        bar.addStretch(1)
        group.idClicked.connect(self.chosen)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addLayout(bar)
        column.addWidget(self.stack, 1)
        self.show_tab(0)

    @property
    def current(self) -> int:
        return self.stack.currentIndex()

    def show_tab(self, number: int) -> None:
        self.buttons[number].setChecked(True)
        self.stack.setCurrentIndex(number)


def _button(name: str, explanation: str) -> QToolButton:
    button = QToolButton()
    button.setText(name)
    button.setAccessibleName(name)
    button.setToolTip(explanation)
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
