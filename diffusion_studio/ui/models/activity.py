"""What is being done with a model and how far it is, with a way to cancel it."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S

PARTS = 1000  # of the bar


class Activity(QFrame):
    """A line at the foot of the page; hidden while nothing runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("activity")
        self.setAccessibleName(tr("Activity"))
        self.words = plain_label("")
        self.words.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setFixedSize(180, 8)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress"))
        self.cancel = push_button(tr("Cancel"), tr("Stop this; nothing is changed"))
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_L + SPACE_S, SPACE_S, SPACE_L, SPACE_S)
        row.setSpacing(SPACE_M)
        row.addWidget(self.words, 1)
        row.addWidget(self.bar)
        row.addWidget(self.cancel)
        self.hide()

    @property
    def controls(self) -> list[QPushButton]:
        return [self.cancel]

    def begin(self, words: str) -> None:
        self.show_stage(words)
        self.show()

    def show_stage(self, words: str) -> None:
        """What is done now, of unknown length."""
        self.words.setText(words)
        self.setAccessibleDescription(words)
        self.bar.setRange(0, 0)

    def advance(self, done: float, total: float) -> None:
        self.bar.setRange(0, PARTS)
        self.bar.setValue(round(PARTS * done / max(total, 1)))
