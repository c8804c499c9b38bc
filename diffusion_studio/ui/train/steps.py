"""The three steps of the Train page (Images, Recipe, Run) and the list of runs, over the view of each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_S, SPACE_XS

IMAGES, RECIPE, RUN, RUNS = range(4)
STEPS = (
    (tr("Images"), tr("The training images, as the network will see them")),
    (tr("Recipe"), tr("How long and how to train, and what to expect")),
    (tr("Run"), tr("Loss and samples of the training")),
    (tr("Runs"), tr("Every training so far: resume it, use it, or delete it")),
)


class Steps(QWidget):
    """Shows a step when it is asked to; `chosen` is the step the user wants."""

    chosen = Signal(int)

    def __init__(self, views: Sequence[QWidget], parent: QWidget | None = None) -> None:
        """`views`: one for each of `STEPS`."""
        super().__init__(parent)
        self.stack = QStackedWidget(self)
        self.buttons = [_button(name, explanation) for name, explanation in STEPS]
        group = QButtonGroup(self)
        bar = QFrame()
        bar.setObjectName("trainSteps")
        row = QHBoxLayout(bar)
        row.setContentsMargins(SPACE_L - SPACE_S, SPACE_S, SPACE_L, SPACE_XS)
        row.setSpacing(SPACE_XS)
        for number, (button, view) in enumerate(zip(self.buttons, views, strict=True)):
            group.addButton(button, number)
            if number == RUNS:
                row.addStretch(1)
            elif number:
                row.addWidget(plain_label("›", "quiet"))
            row.addWidget(button)
            self.stack.addWidget(view)
        group.idClicked.connect(self.chosen)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self.stack, 1)
        self.show_step(IMAGES)

    @property
    def current(self) -> int:
        return self.stack.currentIndex()

    def show_step(self, number: int) -> None:
        self.buttons[number].setChecked(True)
        self.stack.setCurrentIndex(number)


def _button(name: str, explanation: str) -> QToolButton:
    button = ToolButton()
    button.setText(name)
    button.setAccessibleName(name)
    button.setToolTip(explanation)
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
