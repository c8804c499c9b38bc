"""The slim rail of pages at the left edge, Settings at its foot."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.theme import RAIL_WIDTH, SPACE_S, SPACE_XS, tokens


class Rail(QFrame):
    chosen = Signal(int)

    def __init__(self, entries: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        """`entries`: (icon, label, explanation) from top to bottom; the last stands at the foot."""
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(RAIL_WIDTH)
        self.buttons: list[QToolButton] = []
        self._icons = [name for name, _, _ in entries]
        self.chosen_number = 0
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XS, SPACE_S, SPACE_XS, SPACE_S)
        column.setSpacing(SPACE_XS)
        for number, (_, label, explanation) in enumerate(entries):
            if number == len(entries) - 1:
                column.addStretch(1)
            button = _button(label, explanation)
            button.clicked.connect(lambda _=False, number=number: self.chosen.emit(number))
            column.addWidget(button)
            self.buttons.append(button)
        self._draw()

    def show_chosen(self, number: int) -> None:
        self.chosen_number = number
        for place, button in enumerate(self.buttons):
            button.setChecked(place == number)
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        for button, name in zip(self.buttons, self._icons, strict=False):
            button.setIcon(icon(name, tokens().muted, tokens().accent, size=22))


def _button(label: str, explanation: str) -> QToolButton:
    button = QToolButton()
    button.setText(label)
    button.setAccessibleName(label)
    button.setToolTip(explanation)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
    button.setIconSize(QSize(22, 22))
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setFixedSize(RAIL_WIDTH - 2 * SPACE_XS - 1, 56)
    return button
