"""What to do with a generation that was stopped on its way: three buttons in the place of the others."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.theme import SPACE_XS
from diffusion_studio.ui.widgets.action_button import HEIGHT

LEAST = 32  # pixels of a button's height


class StopChoices(QWidget):
    """Hidden until a run is held for them. Nothing waits for an answer but the run."""

    keep_wanted = Signal()
    finish_wanted = Signal()
    discard_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keep = push_button(tr("Save now"), tr("Save the image as it is predicted at this step"))
        self.finish = push_button(tr("Continue"), tr("Finish all steps"))
        self.discard = push_button(
            tr("Discard"), tr("Discard without saving (Esc). Undo saves it after all.")
        )
        self.keep.setProperty("primary", True)
        row = QHBoxLayout(self)
        row.setContentsMargins(3, 3, 3, 3)
        row.setSpacing(SPACE_XS)
        for button in self.controls:
            button.setMinimumHeight(LEAST)
            row.addWidget(button, 3 if button is self.keep else 2)
        self.setFixedHeight(HEIGHT)
        self.keep.clicked.connect(self.keep_wanted)
        self.finish.clicked.connect(self.finish_wanted)
        self.discard.clicked.connect(self.discard_wanted)
        self.hide()

    @property
    def controls(self) -> list[QPushButton]:
        return [self.keep, self.finish, self.discard]
