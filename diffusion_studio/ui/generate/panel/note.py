"""A note above the main button that says what it starts from, with a way to cancel that. It covers no control and moves none."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS


class PanelNote(QFrame):
    """Hidden while there is nothing to say."""

    closed = Signal()
    changed = Signal(bool)  # "All" or "None"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("note")
        self.title = plain_label("")
        self.title.setObjectName("noteTitle")
        self.title.setWordWrap(True)
        self.sentence = plain_label("", "small")
        self.sentence.setWordWrap(True)
        self.close_button = IconButton("close", tr("Cancel"), tr("generate new images again"), self)
        self.all = _link(tr("All"), tr("Select every image"))
        self.none = _link(tr("None"), tr("Select no image"))
        self._choices = QWidget(self)
        row = QHBoxLayout(self._choices)
        row.setContentsMargins(0, 2, 0, 0)
        row.setSpacing(SPACE_XS)
        row.addWidget(self.all)
        row.addWidget(self.none)
        row.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(SPACE_XS)
        top.addWidget(self.title, 1)
        top.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_S, SPACE_M, SPACE_S)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(self.sentence)
        column.addWidget(self._choices)
        self.close_button.clicked.connect(self.closed)
        self.all.clicked.connect(lambda: self.changed.emit(True))
        self.none.clicked.connect(lambda: self.changed.emit(False))
        self.hide()

    @property
    def controls(self) -> list[QWidget]:
        return [self.close_button, self.all, self.none]

    def show_note(self, title: str, sentence: str = "", *, choices: bool = False) -> None:
        self.title.setText(title)
        self.sentence.setText(sentence)
        self.sentence.setVisible(bool(sentence))
        self._choices.setVisible(choices)
        self.setAccessibleName(title)
        self.setAccessibleDescription(sentence)
        self.show()


def _link(text: str, explanation: str) -> QToolButton:
    button = ToolButton()
    button.setObjectName("link")
    button.setText(text)
    button.setAccessibleName(text)
    button.setToolTip(explanation)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
